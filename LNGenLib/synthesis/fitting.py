"""Fitting a lymph node in at a point that a user gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from LNGenLib.image.geometry import array_axes, index_to_ras
from LNGenLib.placement.candidate_region import NoPlace
from LNGenLib.placement.heuristic import beside, misfit, place_nodes
from LNGenLib.randomness import node_rng
from LNGenLib.scan import Scan
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.synthesis.plan import Plan
from LNGenLib.synthesis.planning import as_turn
from LNGenLib.synthesis.region import region_at
from LNGenLib.synthesis.request import as_point


def fitted(plan: Plan, number: int, nodes: Sequence[LymphNode], scan: Scan) -> Plan:
    """The plan, whose `nodes` these are, with lymph node `number` moved by at most the request's
    tolerance and turned, so that it lies in fat, along what is beside it, and off all others.

    Raises NoPlace, with the reason, where there is no room for it.
    """
    at = [node.number for node in plan.nodes].index(number)
    planned, node, tolerance = plan.nodes[at], nodes[at], plan.request.tolerance_mm
    region = region_at(scan, [planned.center_ras_mm], tolerance)
    region = beside(region, [*nodes[:at], *nodes[at + 1 :]])
    rng, size = node_rng(plan.seed, planned.index, "place"), planned.long_axis_mm
    [found] = place_nodes([node.structure], [size], region, scan.spacing, [rng])
    if found is None:
        why = misfit(node, region)
        if why is None:  # that is asked of edited nodes; new ones keep off thin sheets, too
            return plan
        raise NoPlace(
            f"no room for a lymph node of {size:.1f} mm within {tolerance:g} mm of there: it {why}"
        )
    center = index_to_ras(scan.hu, np.asarray(found.node.center))
    turn = as_turn(array_axes(scan.hu) @ found.node.rotation)
    moved = dataclasses.replace(planned, center_ras_mm=as_point(center, 9), turn=turn)
    return dataclasses.replace(plan, nodes=(*plan.nodes[:at], moved, *plan.nodes[at + 1 :]))
