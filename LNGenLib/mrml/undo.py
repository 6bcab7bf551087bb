"""Undo of lymph nodes in a result, in any order, without running anything again."""

from __future__ import annotations

import dataclasses
import json

import slicer

from LNGenLib.errors import InputError
from LNGenLib.mrml.originals import keep, kept
from LNGenLib.mrml.results import PROVENANCE, RECORDS, TO_SEGMENTATION, TO_TABLE, records
from LNGenLib.mrml.segmentations import remove_segment


def undo(volume: slicer.vtkMRMLScalarVolumeNode, label: int) -> None:
    """Take one lymph node out of a result: the original voxels are restored, its segment and its
    row go. Raises InputError where the result has no such lymph node (any more)."""
    left = records(volume)
    if label not in [record.label for record in left]:
        raise InputError(f"{volume.GetName()} has no lymph node {label}: it may be undone already")
    originals = kept(volume)
    own, hu = originals.label == label, slicer.util.arrayFromVolume(volume)
    hu.flat[originals.index[own]] = originals.hu[own]
    slicer.util.arrayFromVolumeModified(volume)
    keep(volume, originals.where(~own))

    others = [dataclasses.asdict(record) for record in left if record.label != label]
    volume.SetAttribute(RECORDS, json.dumps(others))
    provenance = json.loads(volume.GetAttribute(PROVENANCE))
    provenance["undone"] = [*provenance.get("undone", []), label]
    volume.SetAttribute(PROVENANCE, json.dumps(provenance))
    segmentation, table = (volume.GetNodeReference(role) for role in (TO_SEGMENTATION, TO_TABLE))
    if segmentation is not None:
        remove_segment(segmentation, label)
    if table is not None:
        for row in reversed(range(table.GetNumberOfRows())):
            if table.GetCellText(row, 0) == str(label):
                table.RemoveRow(row)


def undo_all(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Take every lymph node out of a result."""
    for record in records(volume):
        undo(volume, record.label)
