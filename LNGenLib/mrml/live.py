"""A result that changes while its lymph nodes are edited."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

import numpy as np
import SimpleITK as sitk
import slicer

from LNGenLib.errors import InputError
from LNGenLib.image.grid import common
from LNGenLib.image.pieces import Piece
from LNGenLib.mrml.originals import Originals, keep_text
from LNGenLib.mrml.results import (
    PROVENANCE,
    RECORDS,
    TO_CT,
    TO_SEGMENTATION,
    TO_TABLE,
    fill_table,
    segment_of,
)
from LNGenLib.mrml.segmentations import put_segment, remove_segment
from LNGenLib.scan import Scan
from LNGenLib.synthesis.painted import Painted
from LNGenLib.synthesis.session import changes, labels_in


@dataclass(frozen=True, eq=False)
class Change:
    """From one painting of a scan to the next: what each voxel becomes that either has changed,
    and the HU under all lymph nodes. Made on any thread, shown on the scene's."""

    pieces: list[Piece]
    before: Painted
    after: Painted
    originals: str

    @classmethod
    def between(cls, scan: Scan, before: Painted, after: Painted) -> Change:
        """What is to be shown where `before` is."""
        pieces = changes(sitk.GetArrayViewFromImage(scan.hu), before, after)
        return cls(pieces, before, after, originals_under(scan, after).to_text())

    def show(self, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Change a result's volume, segments, table and records; lymph nodes that are the same in
        both paintings keep theirs. InputError where the CT under the result has gone."""
        ct = volume.GetNodeReference(TO_CT)
        if ct is None:
            raise InputError(f"the CT of {volume.GetName()} has gone: load it again")
        hu, own = slicer.util.arrayFromVolume(volume), slicer.util.arrayFromVolume(ct)
        for piece in self.pieces:
            hu[piece.box] = np.where(piece.changed, piece.hu, own[piece.box])
        volume.SetAttribute(RECORDS, json.dumps([asdict(record) for record in self.after.records]))
        volume.SetAttribute(PROVENANCE, json.dumps(self.after.provenance))
        keep_text(volume, self.originals)
        segmentation = volume.GetNodeReference(TO_SEGMENTATION)
        table = volume.GetNodeReference(TO_TABLE)
        if segmentation is not None:
            self._show_segments(segmentation, volume)
        if table is not None:
            fill_table(table, self.after.records)
        slicer.util.arrayFromVolumeModified(volume)

    def _show_segments(
        self,
        segmentation: slicer.vtkMRMLSegmentationNode,
        volume: slicer.vtkMRMLScalarVolumeNode,
    ) -> None:
        """Segments of new lymph nodes, and of those whose voxels others took or left; a name that
        the user gave stays."""
        named = {record.label: segment_of(record).name for record in self.before.records}
        was, now = (
            {node.number for node in painted.plan.nodes} for painted in (self.before, self.after)
        )
        for number in was - now:
            remove_segment(segmentation, number)
        for record, piece in zip(self.after.records, self.after.pieces, strict=True):
            if any(common(piece.box, other.box) for other in self.pieces):
                labels = labels_in(piece.box, self.after)
                own = np.where(labels == record.label, labels, 0)
                row = segment_of(record)
                there = segmentation.GetSegmentation().GetSegment(row.id)
                if there is not None and there.GetName() != named.get(record.label):
                    row = replace(row, name=there.GetName())
                put_segment(segmentation, volume, row, own, piece.box)


def originals_under(scan: Scan, painted: Painted) -> Originals:
    """The HU of a scan under a painting's lymph nodes."""
    hu = sitk.GetArrayViewFromImage(scan.ct)
    places, labels = [np.zeros(0, int)], [np.zeros(0, np.uint16)]
    for piece in painted.pieces:
        own = labels_in(piece.box, painted)
        where = np.nonzero(piece.changed | (own > 0))
        at = tuple(index + part.start for index, part in zip(where, piece.box))
        places.append(np.ravel_multi_index(at, hu.shape))
        labels.append(own[where])
    index, first = np.unique(np.concatenate(places), return_index=True)
    return Originals.owned(hu, index, np.concatenate(labels)[first], scan.spacing)
