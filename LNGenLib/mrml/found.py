"""Lymph nodes that a segmentation model found, over their CT."""

from __future__ import annotations

import json

import SimpleITK as sitk
import slicer

from LNGenLib import __version__
from LNGenLib.image.components import components
from LNGenLib.image.io import to_array
from LNGenLib.mrml.hierarchy import put_beside
from LNGenLib.mrml.results import MARK, PROVENANCE, TO_CT
from LNGenLib.mrml.scene import unique_name
from LNGenLib.mrml.segmentations import NewSegment, add_segments, rgb
from LNGenLib.mrml.volumes import check_same_place

MODEL = "LNGen.model"
COLOR = rgb(230, 159, 0)  # not that of painted lymph nodes


def count_found(labels: sitk.Image) -> int:
    """How many lymph nodes a label image (1 in lymph nodes) shows: its 26-connected parts."""
    return len(components(to_array(labels))[1]) - 1


def add_found(
    ct: slicer.vtkMRMLScalarVolumeNode, labels: sitk.Image, model: str, source: str
) -> slicer.vtkMRMLSegmentationNode:
    """A new segmentation beside a CT and under its transform, named after the model, with one
    segment: where `labels` (uint8, on the grid that the CT has in the world) are 1.

    `source` says where the model lies. Removing the node takes all back. It is marked synthetic
    where the CT is. Raises InputError where the CT is no longer where it was. There must be a
    label.
    """
    check_same_place(ct, labels, "what the model found")
    row = NewSegment(1, "found", f"Lymph nodes by {model}", COLOR)
    name = unique_name(ct.GetScene(), f"{ct.GetName()} lymph nodes by {model}")
    node = add_segments(ct, to_array(labels), [row], name)
    provenance = {"model": source, "ct": ct.GetName(), "software": f"LNGen {__version__}"}
    node.SetAttribute(MODEL, model)
    node.SetAttribute(PROVENANCE, json.dumps(provenance))
    node.SetAttribute(MARK, ct.GetAttribute(MARK))
    node.SetNodeReferenceID(TO_CT, ct.GetID())
    put_beside(ct, node)
    return node
