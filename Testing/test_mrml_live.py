"""A result in the scene that follows the edits of a session."""

from __future__ import annotations

import numpy as np
import pytest

from LNGenLib.image.io import to_array
from LNGenLib.scan import Scan
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import plan
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.synthesis.session import Session

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")

from LNGenLib.mrml.live import Change  # noqa: E402
from LNGenLib.mrml.originals import kept  # noqa: E402
from LNGenLib.mrml.results import (  # noqa: E402
    TO_SEGMENTATION,
    TO_TABLE,
    add_result,
    read_result,
    records,
    segment_of,
)
from LNGenLib.mrml.scene import CLOSED_SURFACE  # noqa: E402
from LNGenLib.mrml.segmentations import segment_id  # noqa: E402
from LNGenLib.mrml.undo import undo_all  # noqa: E402
from LNGenLib.mrml.volumes import to_volume  # noqa: E402

THREE = SynthesisRequest(3, Sizes("uniform", 5.0, 7.0), 4)


@pytest.fixture(scope="module")
def edits(phantom):
    """A scan, and what a session showed of it after each edit."""
    scan = Scan(phantom.ct, phantom.labels)
    places = [node.center_ras_mm for node in plan(scan, THREE).nodes]
    session, shown = Session(scan, request=THREE), []

    def edit(name, *given):
        getattr(session, name)(*given)
        shown.append(session.painted)

    edit("add", places[0], 7.0)
    edit("add", places[1], 5.0)
    edit("resize", 1, 6.5)
    edit("vary", 2)
    edit("add", places[2], 6.0)
    edit("remove", 1)
    edit("undo")
    return scan, shown, session


def test_a_result_follows_every_edit(edits, phantom, scene):
    scan, shown, session = edits
    ct = to_volume(scene, phantom.ct, "CT")
    original = slicer.util.arrayFromVolume(ct).copy()
    first = Session(scan, shown[0].plan)
    volume = add_result(ct, first.result())
    segmentation = volume.GetNodeReference(TO_SEGMENTATION).GetSegmentation()
    before = first.painted
    for after in shown[1:]:
        Change.between(scan, before, after).show(volume)
        before = after
        wanted = Session(scan, after.plan).result()
        assert np.array_equal(slicer.util.arrayFromVolume(volume), to_array(wanted.ct))
        read = read_result(volume)
        for name in ("ct", "nodes", "changed"):
            assert np.array_equal(to_array(getattr(read, name)), to_array(getattr(wanted, name)))
        assert read.records == records(volume) == after.records
        assert segmentation.GetNumberOfSegments() == len(after.records)
        for number in range(segmentation.GetNumberOfSegments()):
            segment = segmentation.GetNthSegment(number)
            assert segment.GetRepresentation(CLOSED_SURFACE).GetNumberOfPoints()
        table = volume.GetNodeReference(TO_TABLE)
        labels = [int(table.GetCellText(row, 0)) for row in range(table.GetNumberOfRows())]
        assert labels == [record.label for record in after.records]
    assert set(np.unique(kept(volume).label)) == {1, 2, 3}
    undo_all(volume)
    assert np.array_equal(slicer.util.arrayFromVolume(volume), original)


def test_a_segment_that_the_user_renames_keeps_its_name(edits, phantom, scene):
    scan, shown, _ = edits
    before, after = shown[2:4]  # the second lymph node becomes another one
    volume = add_result(to_volume(scene, phantom.ct, "CT"), Session(scan, before.plan).result())
    segmentation = volume.GetNodeReference(TO_SEGMENTATION).GetSegmentation()
    segments = [segmentation.GetSegment(segment_id(number)) for number in (1, 2)]
    segments[1].SetName("left, enlarged")
    Change.between(scan, before, after).show(volume)
    assert segments[1].GetName() == "left, enlarged"
    Change.between(scan, after, shown[0]).show(volume)
    assert segments[0].GetName() == segment_of(shown[0].records[0]).name
