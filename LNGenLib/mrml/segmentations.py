"""Segmentation nodes: masks and anatomy on a CT's grid, and lymph nodes as segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from scipy import ndimage
from vtk.util import numpy_support

from LNGenLib.errors import InputError
from LNGenLib.image.io import check_same_geometry, like, to_array
from LNGenLib.mrml.scene import add_node
from LNGenLib.mrml.volumes import as_image, to_image, to_world
from LNGenLib.placement.labels import LYMPH_NODE, join_masks
from LNGenLib.synthesis.records import LymphNodeRecord

SEGMENTATION = "vtkMRMLSegmentationNode"
COLOR = tuple(value / 255 for value in (68, 172, 100))  # Slicer's for lymph nodes
BINARY = "Binary labelmap"


def to_labels(node: slicer.vtkMRMLNode, ct: sitk.Image) -> sitk.Image:
    """TotalSegmentator's numbers (uint16) on the grid of `ct`, of a label map of these numbers, or
    of a segmentation whose segments bear its names.

    Raises InputError for a label map on another grid and for a segmentation without segments.
    """
    if node.IsA(SEGMENTATION):
        named = ((name, mask) for _, name, mask in segments(node, ct))
        return join_masks(named, ct, node.GetName())
    labels = to_image(node)
    check_same_geometry(ct, labels, node.GetName())
    return sitk.Cast(labels, sitk.sitkUInt16)


def to_mask(node: slicer.vtkMRMLNode, ct: sitk.Image, segment_id: str | None = None) -> sitk.Image:
    """A mask (uint8) on the grid of `ct`: of one segment, of all segments, or of a label map."""
    if not node.IsA(SEGMENTATION):
        return sitk.Cast(to_labels(node, ct) > 0, sitk.sitkUInt8)
    mask = np.zeros(ct.GetSize()[::-1], bool)
    for own_id, _, part in segments(node, ct):
        if segment_id in (None, own_id):
            mask |= part
    return like(mask.astype(np.uint8), ct)


def segments(
    node: slicer.vtkMRMLSegmentationNode, ct: sitk.Image
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Id, name and mask (z, y, x, bool) on the grid of `ct` (nearest neighbor) of each segment.

    Raises InputError where there are only surfaces.
    """
    segmentation = node.GetSegmentation()
    if segmentation.GetNumberOfSegments() and not segmentation.ContainsRepresentation(BINARY):
        raise InputError(
            f"{node.GetName()} has surfaces only: create its binary labelmap in the Segmentations "
            "module"
        )
    layers: dict[int, np.ndarray] = {}  # overlapping segments lie in different ones
    for segment_id in segmentation.GetSegmentIDs():
        segment, layer = segmentation.GetSegment(segment_id), segmentation.GetLayerIndex(segment_id)
        if layer not in layers:
            layers[layer] = _on_grid(segmentation.GetLayerDataObject(layer), node, ct)
        yield segment_id, segment.GetName(), layers[layer] == segment.GetLabelValue()


def add_lymph_nodes(
    ct: slicer.vtkMRMLScalarVolumeNode,
    labels: np.ndarray,
    records: Sequence[LymphNodeRecord],
    name: str,
) -> slicer.vtkMRMLSegmentationNode:
    """A new segmentation with a segment a lymph node, of `labels` (z, y, x) on the grid of the
    volume `ct`, under the same transform."""
    node = add_node(ct.GetScene(), SEGMENTATION, name)
    node.SetAndObserveTransformNodeID(ct.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    layer = _layer(ct, labels)
    for record in records:
        segment = slicer.vtkSegment()
        segment.SetName(f"LN {record.label} {record.long_axis_mm:.1f} mm")
        segment.SetColor(COLOR)
        segment.SetTag(segment.GetTerminologyEntryTagName(), LYMPH_NODE)
        segment.SetLabelValue(record.label)
        segment.AddRepresentation(BINARY, layer)
        node.GetSegmentation().AddSegment(segment, segment_id(record.label))
    return node


def segment_id(label: int) -> str:
    """The id of a lymph node's segment, which stays when the user renames it."""
    return f"LN_{label}"


def _layer(ct: slicer.vtkMRMLScalarVolumeNode, labels: np.ndarray) -> slicer.vtkOrientedImageData:
    """All labels in one piece of the volume's grid, as Slicer shares it among segments."""
    (box,) = ndimage.find_objects((labels > 0).view(np.uint8))
    layer = slicer.vtkOrientedImageData()
    layer.SetExtent([end for part in box[::-1] for end in (part.start, part.stop - 1)])
    layer.GetPointData().SetScalars(numpy_support.numpy_to_vtk(labels[box].ravel(), deep=True))
    ijk_to_ras = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(ijk_to_ras)
    layer.SetImageToWorldMatrix(ijk_to_ras)
    return layer


def _on_grid(
    layer: slicer.vtkOrientedImageData, node: slicer.vtkMRMLSegmentationNode, ct: sitk.Image
) -> np.ndarray:
    """The labels (z, y, x) of a segmentation's layer on the grid of `ct`."""
    scalars = layer.GetPointData().GetScalars()
    if scalars is None:  # nothing is painted yet
        return np.zeros(ct.GetSize()[::-1], np.uint8)
    low, high = np.reshape(layer.GetExtent(), (3, 2)).T
    image_to_ras = vtk.vtkMatrix4x4()
    layer.GetImageToWorldMatrix(image_to_ras)
    to_first = np.eye(4)
    to_first[:3, 3] = low
    matrix = to_world(node) @ slicer.util.arrayFromVTKMatrix(image_to_ras) @ to_first
    array = numpy_support.vtk_to_numpy(scalars).reshape((high - low + 1)[::-1])
    image = as_image(array, matrix, node.GetName())
    return to_array(sitk.Resample(image, ct, sitk.Transform(), sitk.sitkNearestNeighbor))
