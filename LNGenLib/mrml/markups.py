"""Markups: boxes, points and previews of plans, in RAS mm of the world."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

import numpy as np
import slicer
import vtk

from LNGenLib.errors import InputError
from LNGenLib.mrml.scene import add_node, unique_name
from LNGenLib.mrml.volumes import to_world
from LNGenLib.synthesis.plan import Plan, PlannedNode
from LNGenLib.synthesis.request import Point
from LNGenLib.synthesis.session import added
from LNGenLib.validation import from_json

POINTS = "vtkMRMLMarkupsFiducialNode"
ROI = "vtkMRMLMarkupsROINode"
PLAN = "LNGen.plan"

RegionBox = tuple[float, float, float, float, float, float]


def to_box(roi: slicer.vtkMRMLMarkupsROINode) -> RegionBox:
    """A ROI as a request's `region_box` (R1, R2, A1, A2, S1, S2); InputError for one that is turned
    or not yet placed."""
    to_world(roi)
    if not min(roi.GetSize()) > 0:
        raise InputError(f"{roi.GetName()} has no extent: place it in the slice views")
    axes = slicer.util.arrayFromVTKMatrix(roi.GetObjectToWorldMatrix())[:3, :3]
    axes = np.abs(axes / np.linalg.norm(axes, axis=0))
    if not np.allclose(axes.max(axis=0), 1, atol=1e-6):
        raise InputError(
            f"{roi.GetName()} is turned: set it upright, or give a segment in its stead"
        )
    bounds = [0.0] * 6
    roi.GetRASBounds(bounds)
    r1, r2, a1, a2, s1, s2 = bounds
    return r1, r2, a1, a2, s1, s2


def to_points(markups: slicer.vtkMRMLMarkupsNode) -> tuple[Point, ...]:
    """The control points that are placed."""
    to_world(markups)
    return tuple(tuple(markups.GetNthControlPointPositionWorld(k)) for k in _placed(markups))


def to_point_list(
    scene: slicer.vtkMRMLScene, points: tuple[Point, ...], name: str
) -> slicer.vtkMRMLMarkupsFiducialNode:
    """A new point list of points in RAS mm."""
    markups = add_node(scene, POINTS, name)
    for point in points:
        markups.AddControlPointWorld(vtk.vtkVector3d(*point))
    return markups


def to_preview(
    scene: slicer.vtkMRMLScene, plan: Plan, name: str
) -> slicer.vtkMRMLMarkupsFiducialNode:
    """A new point list with a point a planned lymph node, to be dragged, deleted or added to, under
    a name that no other node has.

    What else a planned node has is in its point's description; the plan's other fields are an
    attribute.
    """
    points = tuple(node.center_ras_mm for node in plan.nodes)
    preview = to_point_list(scene, points, unique_name(scene, name))
    for k, node in enumerate(plan.nodes):
        _describe(preview, k, node)
    display = preview.GetDisplayNode()
    display.SetGlyphType(display.CrossDot2D)  # a sphere would hide the outline of a small one
    display.SetGlyphScale(2)
    display.SetTextScale(1.5)  # half of Slicer's, for many lie side by side
    preview.SetAttribute(PLAN, json.dumps(asdict(replace(plan, nodes=()))))
    preview.SetUndoEnabled(True)  # by Slicer's own undo, where the scene has it on
    return preview


def plan_of(preview: slicer.vtkMRMLMarkupsFiducialNode) -> Plan:
    """As `to_plan`, of a preview that may have no lymph node left."""
    return Plan.from_json(_values(preview), may_be_empty=True)


def _values(preview: slicer.vtkMRMLMarkupsFiducialNode) -> dict[str, Any]:
    """A preview's plan as JSON has it."""
    content = preview.GetAttribute(PLAN)
    if content is None:
        raise InputError(f"{preview.GetName()} is no preview of a plan: make one first")
    nodes = sorted(planned(preview), key=lambda node: node.number)
    return json.loads(content) | {"nodes": [asdict(node) for node in nodes]}


def set_plan(preview: slicer.vtkMRMLMarkupsFiducialNode, plan: Plan) -> None:
    """Let the points of a preview be the lymph nodes of a plan of the same request."""
    wanted, now = ({n.number: n for n in nodes} for nodes in (plan.nodes, planned(preview)))
    for k in reversed(range(preview.GetNumberOfControlPoints())):
        old = planned_at(preview, k)
        if old is None:  # just added, or about to be
            continue
        new = wanted.pop(old.number, None)
        if new is None:
            preview.RemoveNthControlPoint(k)
        elif now.get(new.number) != new:  # each change is an event
            preview.SetNthControlPointPositionWorld(k, *new.center_ras_mm)
            _describe(preview, k, new)
    for node in wanted.values():
        k = preview.AddControlPointWorld(vtk.vtkVector3d(*node.center_ras_mm))
        _describe(preview, k, node)
    preview.SetAttribute(PLAN, json.dumps(asdict(replace(plan, nodes=()))))


def to_plan(preview: slicer.vtkMRMLMarkupsFiducialNode) -> Plan:
    """The plan of a preview, with lymph nodes where its points are now.

    Raises InputError for a point list that is no preview, and where no point is left.
    """
    return Plan.from_json(_values(preview))


def planned(preview: slicer.vtkMRMLMarkupsFiducialNode) -> list[PlannedNode]:
    """The lymph nodes of a preview's points, where they are now; points that the user has just
    added are none yet."""
    return [
        replace(node, center_ras_mm=point)
        for k, point in zip(_placed(preview), to_points(preview), strict=True)
        if (node := planned_at(preview, k)) is not None
    ]


def planned_at(preview: slicer.vtkMRMLMarkupsFiducialNode, k: int) -> PlannedNode | None:
    """The lymph node of control point `k`, where it was planned; None for a point just added, and
    for one whose description says something else."""
    return _described(preview.GetNthControlPointDescription(k))


def describe_added(preview: slicer.vtkMRMLMarkupsFiducialNode, long_axis_mm: float) -> None:
    """Make lymph nodes of the points that the user added: of the next numbers, upright, and looking
    as the plan's request says."""
    new = [k for k in _placed(preview) if planned_at(preview, k) is None]
    if not new:
        return
    there, request = planned(preview), plan_of(preview).request
    for k in new:
        point = tuple(preview.GetNthControlPointPositionWorld(k))
        there.append(added(there, point, long_axis_mm, request))
        _describe(preview, k, there[-1])


def change(preview: slicer.vtkMRMLMarkupsFiducialNode, k: int, **fields: Any) -> None:
    """Give the lymph node of control point `k` other values of these fields; InputError where the
    point has none."""
    node = planned_at(preview, k)
    if node is None:
        raise InputError(f"point {k} of {preview.GetName()} is no lymph node: preview again")
    _describe(preview, k, replace(node, **fields))


@lru_cache(maxsize=4096)  # read many times an edit, which checks all their fields
def _described(text: str) -> PlannedNode | None:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):  # the user may write there, too
        return None
    return from_json(PlannedNode, values)


def _describe(preview: slicer.vtkMRMLMarkupsFiducialNode, k: int, node: PlannedNode) -> None:
    preview.SetNthControlPointLabel(k, f"LN {node.number}")
    preview.SetNthControlPointDescription(k, json.dumps(asdict(node)))


def _placed(markups: slicer.vtkMRMLMarkupsNode) -> list[int]:
    defined = slicer.vtkMRMLMarkupsNode.PositionDefined
    return [
        k
        for k in range(markups.GetNumberOfControlPoints())
        if markups.GetNthControlPointPositionStatus(k) == defined
    ]
