"""Segmentation nodes: masks and anatomy on a CT's grid, and lymph nodes as segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from scipy import ndimage
from vtk.util import numpy_support

from LNGenLib.errors import InputError
from LNGenLib.image.components import components
from LNGenLib.image.grid import Box
from LNGenLib.image.io import as_labels, like, to_array
from LNGenLib.mrml.scene import CLOSED_SURFACE, add_node
from LNGenLib.mrml.volumes import as_image, to_image, to_world
from LNGenLib.scan.labels import join_masks
from LNGenLib.scan.totalsegmentator import LYMPH_NODE

SEGMENTATION = "vtkMRMLSegmentationNode"
BINARY = "Binary labelmap"
# Slicer's factors for surfaces, by the fewest voxels of a lymph node: its default of 0.5 takes
# small ones away, these leave each at least three quarters of its volume
SMOOTHING = {250: "0.5", 40: "0.3", 9: "0.2", 0: "0.1"}


def rgb(red: int, green: int, blue: int) -> tuple[float, float, float]:
    """A color of 0 to 255 as Slicer takes it, 0 to 1."""
    return red / 255, green / 255, blue / 255


COLOR = rgb(68, 172, 100)  # Slicer's for lymph nodes


def copied(node: slicer.vtkMRMLNode) -> Segments | LabelMap:
    """What a segmentation or a label map holds, apart from the scene; InputError as
    `copied_segments`."""
    if node.IsA(SEGMENTATION):
        return copied_segments(node)
    return LabelMap(node.GetName(), to_image(node))


def copied_segments(node: slicer.vtkMRMLSegmentationNode) -> Segments:
    """What a segmentation holds, apart from the scene; InputError where there are only surfaces."""
    segmentation = node.GetSegmentation()
    if segmentation.GetNumberOfSegments() and not segmentation.ContainsRepresentation(BINARY):
        raise InputError(
            f"{node.GetName()} has surfaces only: create its binary labelmap in the Segmentations "
            "module"
        )
    layers: dict[int, sitk.Image | None] = {}
    rows = []
    for segment_id in segmentation.GetSegmentIDs():
        segment, layer = segmentation.GetSegment(segment_id), segmentation.GetLayerIndex(segment_id)
        if layer not in layers:
            layers[layer] = _layer_image(segmentation.GetLayerDataObject(layer), node)
        rows.append((segment_id, segment.GetName(), layer, segment.GetLabelValue()))
    return Segments(node.GetName(), layers, tuple(rows))


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A label map of TotalSegmentator's numbers, apart from the scene; InputError where it is
    asked for on another grid."""

    name: str
    image: sitk.Image

    def labels(self, ct: sitk.Image) -> sitk.Image:
        """The numbers (uint16) on the grid of `ct`."""
        return as_labels(self.image, ct, self.name)

    def mask(self, ct: sitk.Image, segment_id: str | None = None) -> sitk.Image:
        """Where there is a label: a mask (uint8) on the grid of `ct`."""
        return sitk.Cast(self.labels(ct) > 0, sitk.sitkUInt8)


@dataclass(frozen=True, eq=False)
class Segments:
    """A segmentation apart from the scene, for threads other than the scene's: `layers` of labels
    where they lie in the world, of which overlapping segments have different ones, None for an
    empty one; and `rows` of id, name, layer and label of each segment."""

    name: str
    layers: dict[int, sitk.Image | None]
    rows: tuple[tuple[str, str, int, int], ...]

    def masks(self, ct: sitk.Image) -> Iterator[tuple[str, str, np.ndarray]]:
        """Id, name and mask (z, y, x, bool) on the grid of `ct` (nearest neighbor) of each."""
        arrays: dict[int, np.ndarray] = {}
        for segment_id, name, layer, label in self.rows:
            if layer not in arrays:
                arrays[layer] = _on_grid(self.layers[layer], ct)
            yield segment_id, name, arrays[layer] == label

    def labels(self, ct: sitk.Image) -> sitk.Image:
        """TotalSegmentator's numbers (uint16) on the grid of `ct`, by the names of segments;
        InputError where there are none."""
        return join_masks(((name, mask) for _, name, mask in self.masks(ct)), ct, self.name)

    def mask(self, ct: sitk.Image, segment_id: str | None = None) -> sitk.Image:
        """A mask (uint8) on the grid of `ct`, of one segment or of all."""
        mask = np.zeros(ct.GetSize()[::-1], bool)
        for own_id, _, part in self.masks(ct):
            if segment_id in (None, own_id):
                mask |= part
        return like(mask.astype(np.uint8), ct)


@dataclass(frozen=True)
class NewSegment:
    """A segment to be made of a label; `color` RGB of 0 to 1."""

    label: int
    id: str
    name: str
    color: tuple[float, float, float]


def add_segments(
    ct: slicer.vtkMRMLScalarVolumeNode,
    labels: np.ndarray,
    rows: Sequence[NewSegment],
    name: str,
    in_3d: bool = True,
) -> slicer.vtkMRMLSegmentationNode:
    """A new segmentation of `labels` (z, y, x) on the grid of the volume `ct`, under the same
    transform; its segments are coded as lymph nodes. With `in_3d` they have closed surfaces, which
    Slicer makes anew where the user edits a segment."""
    node = add_node(ct.GetScene(), SEGMENTATION, name)
    node.SetAndObserveTransformNodeID(ct.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    node.GetDisplayNode().SetVisibility2DFill(False)  # outlines, to see the CT in them
    segmentation, boxes = node.GetSegmentation(), ndimage.find_objects(labels)
    for row in rows:  # each in a piece of its own, since what a surface costs goes by its piece
        segment = slicer.vtkSegment()
        segment.SetName(row.name)
        segment.SetColor(row.color)
        segment.SetTag(segment.GetTerminologyEntryTagName(), LYMPH_NODE)
        segment.SetLabelValue(row.label)
        segment.AddRepresentation(BINARY, _layer(ct, labels, boxes[row.label - 1]))
        segmentation.AddSegment(segment, row.id)
    if not rows:
        return node
    if in_3d:
        masks = (labels[boxes[row.label - 1]] == row.label for row in rows)
        _make_surfaces(segmentation, min(int(components(mask)[1][1:].min()) for mask in masks))
    corners = [[(part.start, part.stop) for part in box] for box in boxes if box]
    whole = zip(np.min(corners, 0)[:, 0].tolist(), np.max(corners, 0)[:, 1].tolist())
    shared = _layer(ct, labels, tuple(slice(*ends) for ends in whole))  # as Slicer shares it
    for row in rows:
        segmentation.GetSegment(row.id).AddRepresentation(BINARY, shared)
    return node


def put_segment(
    node: slicer.vtkMRMLSegmentationNode,
    ct: slicer.vtkMRMLScalarVolumeNode,
    row: NewSegment,
    labels: np.ndarray,
    box: Box,
) -> None:
    """Let a segment be what `labels` (z, y, x) have of it in a box of the grid of the volume `ct`:
    that of the row's id, which keeps its color, or a new one."""
    made, apart = slicer.vtkSegment(), slicer.vtkSegmentation()
    made.SetName(row.name)
    made.SetColor(row.color)
    made.SetTag(made.GetTerminologyEntryTagName(), LYMPH_NODE)
    made.SetLabelValue(row.label)
    whole = tuple(slice(0, size) for size in labels.shape)
    made.AddRepresentation(BINARY, _layer(ct, labels, whole, box))
    apart.SetSourceRepresentationName(BINARY)
    apart.AddSegment(made, row.id)
    _make_surfaces(apart, int(components(labels > 0)[1][1:].min()))
    segment = node.GetSegmentation().GetSegment(row.id)
    if segment is None:
        node.GetSegmentation().AddSegment(made, row.id)
        return
    segment.SetName(row.name)
    segment.SetLabelValue(row.label)
    for kind in (BINARY, CLOSED_SURFACE):
        segment.AddRepresentation(kind, made.GetRepresentation(kind))


def remove_segment(node: slicer.vtkMRMLSegmentationNode, label: int) -> None:
    """Take a lymph node's segment out, unless the user did."""
    if node.GetSegmentation().GetSegment(segment_id(label)) is not None:
        node.GetSegmentation().RemoveSegment(segment_id(label))


def segment_id(label: int) -> str:
    """The id of a lymph node's segment, which stays when the user renames it."""
    return f"LN_{label}"


def _make_surfaces(segmentation: slicer.vtkSegmentation, fewest: int) -> None:
    """Give segments closed surfaces as smooth as the smallest of their parts, of the `fewest`
    voxels, can bear."""
    smoothing = next(SMOOTHING[voxels] for voxels in SMOOTHING if fewest >= voxels)
    segmentation.SetConversionParameter("Smoothing factor", smoothing)
    segmentation.SetConversionParameter("Conversion method", "1")  # the default halves small ones
    segmentation.CreateRepresentation(CLOSED_SURFACE)


def _layer(
    ct: slicer.vtkMRMLScalarVolumeNode, labels: np.ndarray, box: Box, there: Box | None = None
) -> slicer.vtkOrientedImageData:
    """A piece of the labels, where it lies on the volume's grid, or `there`."""
    layer = slicer.vtkOrientedImageData()
    layer.SetExtent([end for part in (there or box)[::-1] for end in (part.start, part.stop - 1)])
    layer.GetPointData().SetScalars(numpy_support.numpy_to_vtk(labels[box].ravel(), deep=True))
    ijk_to_ras = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(ijk_to_ras)
    layer.SetImageToWorldMatrix(ijk_to_ras)
    return layer


def _layer_image(
    layer: slicer.vtkOrientedImageData, node: slicer.vtkMRMLSegmentationNode
) -> sitk.Image | None:
    """The labels of a segmentation's layer, None where nothing is painted yet."""
    scalars = layer.GetPointData().GetScalars()
    if scalars is None:
        return None
    low, high = np.reshape(layer.GetExtent(), (3, 2)).T
    image_to_ras = vtk.vtkMatrix4x4()
    layer.GetImageToWorldMatrix(image_to_ras)
    to_first = np.eye(4)
    to_first[:3, 3] = low
    matrix = to_world(node) @ slicer.util.arrayFromVTKMatrix(image_to_ras) @ to_first
    array = numpy_support.vtk_to_numpy(scalars).reshape((high - low + 1)[::-1])
    return as_image(array, matrix, node.GetName())


def _on_grid(layer: sitk.Image | None, ct: sitk.Image) -> np.ndarray:
    """A layer's labels (z, y, x) on the grid of `ct`."""
    if layer is None:
        return np.zeros(ct.GetSize()[::-1], np.uint8)
    return to_array(sitk.Resample(layer, ct, sitk.Transform(), sitk.sitkNearestNeighbor))
