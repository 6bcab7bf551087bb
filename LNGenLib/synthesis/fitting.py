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
from LNGenLib.structure.shape import Structure
from LNGenLib.synthesis.plan import Plan
from LNGenLib.synthesis.planning import as_turn
from LNGenLib.synthesis.realizing import lymph_nodes
from LNGenLib.synthesis.region import region_at
from LNGenLib.synthesis.request import as_point


def fitted(plan: Plan, number: int, structures: Sequence[Structure], scan: Scan) -> Plan:
    """The plan, of these `structures`, with lymph node `number` moved by at most the request's
    tolerance and turned, so that it lies in fat, along what is beside it, and off all others.

    Raises NoPlace, with the reason, where there is no room for it.
    """
    at = [node.number for node in plan.nodes].index(number)
    planned, structure = plan.nodes[at], structures[at]
    rest = dataclasses.replace(plan, nodes=plan.nodes[:at] + plan.nodes[at + 1 :])
    others = lymph_nodes(rest, [*structures[:at], *structures[at + 1 :]], scan.hu)
    tolerance = plan.request.tolerance_mm
    region = beside(region_at(scan, [planned.center_ras_mm], tolerance), others)
    rng, size = node_rng(plan.seed, planned.index, "place"), planned.long_axis_mm
    [found] = place_nodes([structure], [size], region, scan.spacing, [rng])
    if found is None:
        alone = dataclasses.replace(plan, nodes=(planned,))
        [node] = lymph_nodes(alone, [structure], scan.hu)
        why = misfit(node, region)
        if why is None:  # that is asked of edited nodes; new ones keep off thin sheets, too
            return plan
        raise NoPlace(
            f"no room for a lymph node of {size:g} mm within {tolerance:g} mm of there: it {why}"
        )
    center = index_to_ras(scan.hu, np.asarray(found.node.center))
    turn = as_turn(array_axes(scan.hu) @ found.node.rotation)
    moved = dataclasses.replace(planned, center_ras_mm=as_point(center, 9), turn=turn)
    return dataclasses.replace(plan, nodes=(*plan.nodes[:at], moved, *plan.nodes[at + 1 :]))
