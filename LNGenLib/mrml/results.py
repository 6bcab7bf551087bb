"""Results in the scene: a new volume that leads to everything else.

The volume holds the records and the provenance as attributes, and refers to the CT, the
segmentation, the table and a hidden text with the original HU, so that it all is saved and loaded
with the scene.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np
import SimpleITK as sitk
import slicer
import vtk

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.io import SYNTHETIC, like, marked_synthetic, to_array
from LNGenLib.mrml.hierarchy import put_beside, put_in_synthetic_study
from LNGenLib.mrml.originals import TO_ORIGINALS, Originals, keep, kept
from LNGenLib.mrml.scene import add_node, nodes_of, unique_name
from LNGenLib.mrml.segmentations import COLOR, NewSegment, add_segments, copied_segments, segment_id
from LNGenLib.mrml.volumes import SCALARS, check_same_place, to_image
from LNGenLib.synthesis.result import LymphNodeRecord, SynthesisResult

MARK, RECORDS, PROVENANCE = "LNGen.synthetic", "LNGen.records", "LNGen.provenance"
TO_CT, TO_SEGMENTATION, TO_TABLE = "LNGen.ct", "LNGen.segmentation", "LNGen.table"
COLUMNS = "label,station,R mm,A mm,S mm,long axis mm,short axis mm,in-plane long axis mm"
COLUMNS += ",in-plane short axis mm,volume mm3,HU,HU around"
NODES, TABLE = " lymph nodes", " records"  # how the names of what belongs to a result end


def add_result(
    ct: slicer.vtkMRMLScalarVolumeNode, result: SynthesisResult, originals: Originals | None = None
) -> slicer.vtkMRMLScalarVolumeNode:
    """Show a result where the volume is that it was made of, under the same transform, in the study
    of what is synthetic; the new volume.

    `originals` are those that `find_originals` found beforehand, on another thread. Raises
    InputError where the result has another geometry than the volume in the world.
    """
    check_same_place(ct, result.ct, "the result")
    originals = originals or find_originals(to_image(ct), result)
    labels = to_array(result.nodes)
    name = unique_name(ct.GetScene(), f"{ct.GetName()} SYNTHETIC", NODES, TABLE)
    volume = _volume_like(ct, to_array(result.ct), name)
    rows = [segment_of(record) for record in result.records]
    segmentation = add_segments(volume, labels, rows, name + NODES)
    table = _table(ct.GetScene(), result.records, name + TABLE)
    volume.SetAttribute(RECORDS, json.dumps(result.to_json()["records"]))
    volume.SetAttribute(PROVENANCE, json.dumps(result.provenance))
    volume.SetNodeReferenceID(TO_CT, ct.GetID())
    volume.SetNodeReferenceID(TO_SEGMENTATION, segmentation.GetID())
    volume.SetNodeReferenceID(TO_TABLE, table.GetID())
    keep(volume, originals)
    put_in_synthetic_study(volume, "CT")
    put_in_synthetic_study(segmentation, "SEG")
    put_beside(volume, table)
    for node in (volume, segmentation, table):
        node.SetAttribute(MARK, SYNTHETIC)
    return volume


def parts_of(node: slicer.vtkMRMLNode) -> list[slicer.vtkMRMLNode]:
    """What belongs to a result's volume and goes with it: segmentation, table and original HU;
    nothing for another node."""
    if node.GetAttribute(RECORDS) is None:
        return []
    parts = (node.GetNodeReference(role) for role in (TO_SEGMENTATION, TO_TABLE, TO_ORIGINALS))
    return [part for part in parts if part is not None]


def show_alone(scene: slicer.vtkMRMLScene, volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    """Show the lymph nodes of one result, and those of no other."""
    for other in nodes_of(scene, SCALARS):
        segmentation = other.GetNodeReference(TO_SEGMENTATION)
        if segmentation is not None and segmentation.GetDisplayNode() is not None:
            segmentation.GetDisplayNode().SetVisibility(other is volume)


def find_originals(ct: sitk.Image, result: SynthesisResult) -> Originals:
    """The HU of `ct` that a result changed."""
    labels, changed = to_array(result.nodes), to_array(result.changed)
    return Originals.find(to_array(ct), labels, changed, array_spacing(ct))


def records(volume: slicer.vtkMRMLScalarVolumeNode) -> tuple[LymphNodeRecord, ...]:
    """The lymph nodes in a result's volume that are not undone; InputError for another volume."""
    text = volume.GetAttribute(RECORDS)
    if text is None:
        raise InputError(f"{volume.GetName()} is no result of LNGen: choose the synthetic CT")
    return tuple(LymphNodeRecord.from_json(values) for values in json.loads(text))


def read_result(volume: slicer.vtkMRMLScalarVolumeNode) -> SynthesisResult:
    """A result as it is in the scene now, in the world: without lymph nodes that are undone, with
    segments as the user edited them.

    Raises InputError for another volume, and where its segmentation is gone.
    """
    return result_reader(volume)()


def result_reader(volume: slicer.vtkMRMLScalarVolumeNode) -> Callable[[], SynthesisResult]:
    """`read_result` in two steps: what this gives needs the scene no longer and may be called on
    another thread."""
    left, ct = records(volume), to_image(volume)
    segmentation = volume.GetNodeReference(TO_SEGMENTATION)
    if segmentation is None:
        raise InputError(
            f"the segmentation of {volume.GetName()} is no longer in the scene: generate again"
        )
    segments, originals = copied_segments(segmentation), kept(volume)
    provenance = json.loads(volume.GetAttribute(PROVENANCE))

    def read() -> SynthesisResult:
        shape = ct.GetSize()[::-1]
        labels, changed = np.zeros(shape, np.uint16), np.zeros(shape, np.uint8)
        own = {segment_id(record.label): record.label for record in left}
        for name, _, mask in segments.masks(ct):
            if name in own:
                labels[mask] = own[name]
        changed.flat[originals.index] = 1
        made = (ct, like(labels, ct), like(changed, ct))
        hu, nodes, band = map(marked_synthetic, made)
        return SynthesisResult(hu, nodes, band, left, provenance)

    return read


def _volume_like(
    ct: slicer.vtkMRMLScalarVolumeNode, hu: np.ndarray, name: str
) -> slicer.vtkMRMLScalarVolumeNode:
    """A new volume of `hu` (z, y, x) where `ct` is, shown as it is."""
    volume = add_node(ct.GetScene(), SCALARS, name)
    slicer.util.updateVolumeFromArray(volume, hu)
    volume.CopyOrientation(ct)
    volume.SetAndObserveTransformNodeID(ct.GetTransformNodeID())
    if ct.GetDisplayNode() is not None:
        volume.GetDisplayNode().CopyContent(ct.GetDisplayNode())
    return volume


def segment_of(record: LymphNodeRecord) -> NewSegment:
    """The segment of a lymph node."""
    name = f"LN {record.label} {record.long_axis_mm:.1f} mm"
    return NewSegment(record.label, segment_id(record.label), name, COLOR)


def _table(
    scene: slicer.vtkMRMLScene, records: Sequence[LymphNodeRecord], name: str
) -> slicer.vtkMRMLTableNode:
    table = add_node(scene, "vtkMRMLTableNode", name)
    fill_table(table, records)
    return table


def fill_table(table: slicer.vtkMRMLTableNode, records: Sequence[LymphNodeRecord]) -> None:
    """Let a table have a row for each lymph node, and no other."""
    rows = [
        (r.label, r.station or "", *r.center_ras_mm, r.long_axis_mm, r.short_axis_mm)
        + (r.recist_axis_mm, r.recist_short_axis_mm, r.volume_mm3)
        + (r.mean_hu, r.surrounding_mean_hu)
        for r in records
    ]
    kinds = {"label": vtk.vtkIntArray, "station": vtk.vtkStringArray}
    with slicer.util.NodeModify(table):
        table.RemoveAllColumns()
        for k, column in enumerate(COLUMNS.split(",")):
            array = kinds.get(column, vtk.vtkDoubleArray)()
            array.SetName(column)
            for row in rows:
                array.InsertNextValue(np.nan if row[k] is None else row[k])
            table.AddColumn(array)
