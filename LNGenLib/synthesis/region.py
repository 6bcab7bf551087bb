"""Where a request's lymph nodes may lie, and whether those of a plan fit where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.body import outside_of
from LNGenLib.image.geometry import box_mask
from LNGenLib.image.grid import coarse_steps, thinned
from LNGenLib.image.io import to_array
from LNGenLib.placement.candidate_region import (
    CandidateRegion,
    at_stations,
    check_no_tumor,
    find_region,
    stations_of,
    without,
)
from LNGenLib.placement.heuristic import misfit
from LNGenLib.placement.points import at_points
from LNGenLib.placement.stations import station_near
from LNGenLib.scan import Scan
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.synthesis.plan import Plan, PlannedNode
from LNGenLib.synthesis.request import Point, SynthesisRequest


def region_of(scan: Scan, request: SynthesisRequest) -> CandidateRegion:
    """Where lymph nodes may lie: in the scan's region, or as the request says. Raises InputError
    where both tell the place, or nothing does."""
    asked = request.region_box, request.stations, request.points
    if scan.region is not None and any(asked):
        raise InputError("give one of region mask, region box, stations and points")

    def find() -> CandidateRegion:
        if request.points:
            check_no_tumor(request.tumor_mm)
            return region_at(scan, request.points, request.tolerance_mm)
        if scan.region is not None:
            region = to_array(scan.region) > 0
        elif request.region_box is not None:
            region = box_mask(scan.ct, request.region_box)
        else:
            known = stations_of(scan, request.tumor_mm)
            found = at_stations(scan.hu, known, request.stations, request.tumor_mm)
            return _kept_off(scan, found)
        found = find_region(scan.hu, scan.anatomy, region, tumor=request.tumor_mm)
        return _kept_off(scan, found)

    return scan.once("region", (asked, request.tolerance_mm, request.tumor_mm), find)


def region_at(scan: Scan, points: Sequence[Point], tolerance_mm: float) -> CandidateRegion:
    """Where one lymph node each may lie within `tolerance_mm` of points (RAS mm)."""
    steps = coarse_steps(scan.spacing)
    outside = scan.once("outside", None, lambda: outside_of(to_array(thinned(scan.hu, steps))))
    return _kept_off(scan, at_points(scan.hu, scan.anatomy, points, tolerance_mm, outside))


def check_fits(plan: Plan, planned: PlannedNode, node: LymphNode, scan: Scan) -> None:
    """Raise InputError where the `node` that is `planned` does not fit at its place, as a new one
    has to."""
    problem = misfit(node, region_at(scan, [planned.center_ras_mm], 0))
    if problem is not None and not _fits_as_drawn(node, plan, scan):
        raise InputError(f"LN {planned.number} {problem}: move it, or make it smaller")


def with_stations(plan: Plan, nodes: Sequence[LymphNode], scan: Scan) -> Plan:
    """The plan, whose `nodes` these are, with the stations in which they lie now, where it was made
    by stations."""
    if all(node.station is None for node in plan.nodes):
        return plan
    known = stations_of(scan)
    stations = (
        station_near(known.stations, np.round(node.center / known.steps).astype(int), was.station)
        for was, node in zip(plan.nodes, nodes)
    )
    return replace(
        plan, nodes=tuple(replace(node, station=name) for node, name in zip(plan.nodes, stations))
    )


def _fits_as_drawn(node: LymphNode, plan: Plan, scan: Scan) -> bool:
    """Whether a node fits where the plan's request may have drawn it: what fat is known there is
    judged otherwise than at points, which are the user's own."""
    try:
        region = region_of(scan, plan.request)
    except InputError:  # a plan of another scan's region, say
        return False
    return misfit(node, region) is None


def _kept_off(scan: Scan, region: CandidateRegion) -> CandidateRegion:
    if scan.avoid is None:
        return region
    return without(region, sitk.GetArrayViewFromImage(scan.avoid), scan.spacing)
