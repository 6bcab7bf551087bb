"""What the lymph nodes of a preview look like: one model, which follows the preview's points."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from LNGenLib.mrml.markups import POINTS, planned
from LNGenLib.mrml.scene import add_node, nodes_of, remove_node
from LNGenLib.mrml.segmentations import COLOR
from LNGenLib.synthesis.plan import PlannedNode, Surface

MODELS = "vtkMRMLModelNode"
TO_SURFACES, SHAPES = "LNGen.surfaces", "LNGen.shapes"
FRAME, NUMBER = "frame", "number"  # arrays by point: where it is in its structure, and whose it is


def add_surfaces(
    preview: slicer.vtkMRMLMarkupsFiducialNode, surfaces: Mapping[int, Surface]
) -> slicer.vtkMRMLModelNode:
    """Show surfaces of planned nodes, by number, beside those that a preview has already."""
    model = preview.GetNodeReference(TO_SURFACES)
    if model is None:
        model = add_node(preview.GetScene(), MODELS, f"{preview.GetName()} shapes")
        display = model.GetDisplayNode()
        display.SetColor(COLOR)
        display.SetOpacity(0.7)
        display.SetVisibility2D(True)  # outlines in the slices
        display.SetSliceIntersectionThickness(2)
        model.SetAttribute(SHAPES, preview.GetName())
        preview.SetNodeReferenceID(TO_SURFACES, model.GetID())
    _lay(preview, model, {**_shown(model), **surfaces})
    return model


def follow(preview: slicer.vtkMRMLMarkupsFiducialNode) -> None:
    """Put the surfaces where the points are now; those of deleted points go."""
    model = preview.GetNodeReference(TO_SURFACES)
    if model is not None:
        _lay(preview, model, _shown(model))


def forget_surface(preview: slicer.vtkMRMLMarkupsFiducialNode, number: int) -> None:
    """Show no surface of a lymph node, which has another one now."""
    model = preview.GetNodeReference(TO_SURFACES)
    if model is not None:
        known = _shown(model)
        known.pop(number, None)
        _lay(preview, model, known)


def without_surface(preview: slicer.vtkMRMLMarkupsFiducialNode) -> tuple[PlannedNode, ...]:
    """The planned nodes of a preview whose surfaces are not known yet."""
    model = preview.GetNodeReference(TO_SURFACES)
    shown = {} if model is None else _shown(model)
    return tuple(node for node in planned(preview) if node.number not in shown)


def remove_preview(preview: slicer.vtkMRMLMarkupsFiducialNode) -> None:
    """Take a preview out of the scene."""
    model = preview.GetNodeReference(TO_SURFACES)
    for node in filter(None, (model, preview)):
        remove_node(node)


def remove_orphans(scene: slicer.vtkMRMLScene) -> None:
    """Take models out of the scene whose previews are gone; for observers of its NodeRemovedEvent.

    Nothing while a scene is read or closed, since previews come later or go earlier then.
    """
    if scene.IsImporting() or scene.IsRestoring() or scene.IsClosing():
        return
    previews = nodes_of(scene, POINTS)
    kept = {preview.GetNodeReferenceID(TO_SURFACES) for preview in previews}
    for model in nodes_of(scene, MODELS):
        # each removal is an event of its own, whose observer may have taken others meanwhile
        if model.GetAttribute(SHAPES) and model.GetID() not in kept and scene.IsNodePresent(model):
            remove_node(model)


def _lay(
    preview: slicer.vtkMRMLMarkupsFiducialNode,
    model: slicer.vtkMRMLModelNode,
    surfaces: Mapping[int, Surface],
) -> None:
    nodes = [node for node in planned(preview) if node.number in surfaces]
    shown = [surfaces[node.number] for node in nodes]
    counts = [len(surface.vertices) for surface in shown]
    starts = np.cumsum([0, *counts])
    none, triangles = np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    points = [none, *(surface.placed(node) for node, surface in zip(nodes, shown))]
    faces = [triangles, *(surface.faces + start for surface, start in zip(shown, starts))]
    poly = vtk.vtkPolyData()
    poly.SetPoints(vtk.vtkPoints())
    poly.GetPoints().SetData(_vtk(np.concatenate(points).astype(np.float32)))
    cells = vtk.vtkCellArray()
    flat = np.concatenate(faces).astype(np.int64).ravel()
    cells.SetData(3, numpy_support.numpy_to_vtkIdTypeArray(flat, deep=True))
    poly.SetPolys(cells)
    frames = np.concatenate([none, *(surface.vertices for surface in shown)])
    numbers = np.repeat([node.number for node in nodes], counts)
    for name, values in ((FRAME, frames.astype(np.float32)), (NUMBER, numbers.astype(np.int32))):
        array = _vtk(values)
        array.SetName(name)
        poly.GetPointData().AddArray(array)
    model.SetAndObservePolyData(poly)


def _shown(model: slicer.vtkMRMLModelNode) -> dict[int, Surface]:
    """The surfaces of a model by number."""
    poly = model.GetPolyData()
    if poly is None or not poly.GetNumberOfPoints():
        return {}
    frames, numbers = (
        numpy_support.vtk_to_numpy(poly.GetPointData().GetArray(name)) for name in (FRAME, NUMBER)
    )
    faces = numpy_support.vtk_to_numpy(poly.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    owners, shown = numbers[faces[:, 0]], {}
    for number in np.unique(numbers).tolist():
        own = np.flatnonzero(numbers == number)  # one after the other
        shown[number] = Surface(frames[own].copy(), faces[owners == number] - own[0])
    return shown


def _vtk(values: np.ndarray) -> vtk.vtkDataArray:
    return numpy_support.numpy_to_vtk(np.ascontiguousarray(values), deep=True)
