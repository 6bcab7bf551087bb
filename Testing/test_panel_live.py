"""Live in the panel host, by mouse and keys: what is dragged is what is seen."""

from __future__ import annotations

import threading

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
pytest.importorskip("PySide6")

from panel_story import PATIENCE, ask_for_one, finish, load_phantom  # noqa: E402  isort: skip
import vtk  # noqa: E402
from PySide6 import QtWidgets  # noqa: E402

from LNGenLib.mrml.markups import plan_of, planned, set_plan  # noqa: E402
from LNGenLib.mrml.results import TO_CT, TO_SEGMENTATION, records  # noqa: E402
from LNGenLib.mrml.segmentations import segment_id  # noqa: E402
from LNGenLib.mrml.surfaces import TO_SURFACES  # noqa: E402

IN_BONE = (0.0, -78.0, 0.0)  # RAS mm


@pytest.fixture
def live(host):
    """The panel, live, with a preview of three lymph nodes."""
    panel = ask_for_one(host)
    host.type(panel.ui.countSpinBox, "3")
    host.click(panel.ui.previewButton)
    finish(host, panel)
    host.click(panel.ui.liveCheckBox)
    finish(host, panel)
    assert panel.ui.liveCheckBox.checked and panel.parameters.result is not None
    return panel


def settle(host, panel) -> None:
    """Wait until nothing is left to be painted."""
    host.turn()
    host.wait(lambda: panel.jobs.running is None, PATIENCE, "the edit")
    host.turn()


class Slow:
    """Paints as a session's painter does, but not before `go`, unless it is canceled."""

    def __init__(self, session):
        self.painter, self.go = session._painter, threading.Event()
        session._painter = self

    def repaint(self, plan, shown, fit, progress):
        while not self.go.wait(0.01):
            progress.check()
        return self.painter.repaint(plan, shown, fit, progress)


def voxels(panel) -> np.ndarray:
    return slicer.util.arrayFromVolume(panel.parameters.result).copy()


def assert_consistent(panel) -> None:
    """Preview, session, volume, segments and table are of one plan."""
    session, result = panel.live.session, panel.parameters.result
    assert session.shows(plan_of(panel.parameters.preview))
    assert records(result) == session.records
    numbers = [node.number for node in session.plan.nodes]
    segments = result.GetNodeReference(TO_SEGMENTATION).GetSegmentation()
    assert sorted(segments.GetSegmentIDs()) == sorted(map(segment_id, numbers))
    assert panel.ui.resultsTable.rowCount == panel.ui.previewTable.rowCount == len(numbers)
    drawn = result.GetNodeReference(TO_CT)
    wanted = slicer.util.arrayFromVolume(drawn).copy()
    for piece in session.painted.pieces:
        piece.put_into(wanted[piece.box])
    assert np.array_equal(voxels(panel), wanted)


@pytest.mark.slow
def test_drag_resize_look_vary_remove_undo_redo(host, live, pictures):
    panel, ui = live, live.ui
    preview, red, states = panel.parameters.preview, host.views["Red"], [voxels(live)]
    host.click_cell(ui.previewTable, 0, 0)
    before = np.array(preview.GetNthControlPointPositionWorld(0))
    red.drag(tuple(before), tuple(before + (0, -2, 0)))
    settle(host, panel)
    assert not panel.status.failed, ui.messageLabel.text
    moved = np.array(planned(preview)[0].center_ras_mm)
    assert np.allclose(moved, before + (0, -2, 0), atol=1.5)
    states.append(voxels(panel))
    shapes = preview.GetNodeReference(TO_SURFACES).GetDisplayNode()
    assert not shapes.GetVisibility2D(), "what is painted would be covered"

    size = planned(preview)[0].long_axis_mm
    red.hover(tuple(moved))
    red.wheel(tuple(moved), -2)
    assert planned(preview)[0].long_axis_mm == pytest.approx(size - 1.0, abs=0.06)
    assert QtWidgets.QToolTip.text().startswith(f"LN 1: {size - 1:.1f} x ")
    settle(host, panel)
    states.append(voxels(panel))
    slice_shown = red.mrmlSliceNode().GetSliceOffset()
    assert slice_shown == pytest.approx(before[2], abs=1.6), "the wheel was the node's"

    ui.nodeLookBox.setCurrentIndex(1)
    ui.nodeLookBox.activated.emit(1)
    settle(host, panel)
    assert records(panel.parameters.result)[0].appearance == "suspicious"
    host.click(ui.varyButton)
    settle(host, panel)
    assert planned(preview)[0].variant == 1
    host.screenshot(pictures / "live_400.png", 400)
    host.click(ui.deleteButton)
    settle(host, panel)
    assert [node.number for node in planned(preview)] == [2, 3]
    assert_consistent(panel)
    assert ui.messageLabel.text == "LN 1 removed."

    assert not ui.redoEditButton.enabled
    for _ in range(3):
        host.click(ui.undoEditButton)
    assert np.array_equal(voxels(panel), states[2])
    host.click(ui.undoEditButton)
    assert np.array_equal(voxels(panel), states[1])
    host.click(ui.undoEditButton)
    assert np.array_equal(voxels(panel), states[0]) and not ui.undoEditButton.enabled
    assert_consistent(panel)
    host.click(ui.redoEditButton)
    assert np.array_equal(voxels(panel), states[1])
    assert_consistent(panel)


@pytest.mark.slow
def test_the_wheel_is_the_nodes_in_a_view_that_a_layout_brings_until_live_ends(host, live):
    layout, preview, notches = slicer.app.layoutManager(), live.parameters.preview, []

    def size_after_wheel(view) -> float:
        before = planned(preview)[0]
        view.go_to(before.center_ras_mm)
        host.turn()
        view.hover(before.center_ras_mm)
        view.wheel(before.center_ras_mm, -1)
        settle(host, live)
        return planned(preview)[0].long_axis_mm - before.long_axis_mm

    layout.add_slice("Red+", "Axial")
    host.turn()
    for name in ("Red+", "Red"):
        notches.append(size_after_wheel(host.views[name]))
    assert notches == pytest.approx([-0.5, -0.5])
    assert_consistent(live)
    host.click(live.ui.liveCheckBox)
    layout.add_slice("Red++", "Axial")
    host.turn()
    assert [size_after_wheel(host.views[name]) for name in ("Red", "Red+", "Red++")] == [0, 0, 0]


@pytest.mark.slow
def test_live_ends_with_slicer_whose_views_are_gone(host, live, monkeypatch):
    monkeypatch.setattr(type(slicer.app), "layoutManager", lambda _: None)
    live.live.stop()
    monkeypatch.undo()
    assert live.live.session is None
    node = planned(live.parameters.preview)[0]
    host.views["Red"].go_to(node.center_ras_mm)
    host.turn()
    host.views["Red"].hover(node.center_ras_mm)
    host.views["Red"].wheel(node.center_ras_mm, -1)
    host.turn()
    assert planned(live.parameters.preview)[0] == node


@pytest.mark.slow
def test_a_click_adds_a_node_or_says_why_not(host, live, pictures):
    panel, ui, red = live, live.ui, host.views["Red"]
    preview, before = panel.parameters.preview, voxels(live)
    there = planned(preview)[1].center_ras_mm
    host.click_cell(ui.previewTable, 1, 0)
    host.click(ui.deleteButton)
    settle(host, panel)
    host.choose(ui.lawBox, "One size")
    ui.previewPlaceWidget.placeModeEnabled = True
    host.turn()
    red.go_to(there)
    host.turn()
    red.click(there)
    settle(host, panel)
    assert not panel.status.failed, ui.messageLabel.text
    new = planned(preview)[-1]
    assert new.number == 4 and np.linalg.norm(np.array(new.center_ras_mm) - there) < 5 + 3 * 3**0.5
    assert_consistent(panel)
    host.screenshot(pictures / "live_added_700.png", 700)

    after = voxels(panel)
    ui.previewPlaceWidget.placeModeEnabled = True
    red.go_to(IN_BONE)
    host.turn()
    red.click(IN_BONE)
    settle(host, panel)
    assert panel.status.failed and "no room for a lymph node" in ui.messageLabel.text.lower()
    assert QtWidgets.QToolTip.text() == ui.messageLabel.text
    assert np.array_equal(voxels(panel), after) and not np.array_equal(after, before)
    assert_consistent(panel)


@pytest.mark.slow
def test_what_is_refused_goes_back(host, live):
    panel, preview, before = live, live.parameters.preview, voxels(live)
    host.click_cell(panel.ui.previewTable, 0, 0)
    was = planned(preview)
    preview.SetNthControlPointPositionWorld(0, *IN_BONE)
    settle(host, panel)
    assert panel.status.failed and "LN 1" in panel.ui.messageLabel.text
    assert planned(preview) == was and np.array_equal(voxels(panel), before)
    assert_consistent(panel)


@pytest.mark.slow
def test_what_is_changed_while_another_edit_is_painted_follows(host, live):
    panel, preview = live, live.parameters.preview
    first, second, third = planned(preview)
    slow = Slow(panel.live.session)
    host.click_cell(panel.ui.previewTable, 0, 0)
    host.click(panel.ui.varyButton)
    host.wait(lambda: panel.jobs.running is not None, 5, "the first")
    moved = np.array(third.center_ras_mm) + (0.0, 0.4, 0.0)
    preview.SetNthControlPointPositionWorld(2, *moved)
    host.click_cell(panel.ui.previewTable, 1, 0)
    host.click(panel.ui.deleteButton)
    assert panel.jobs.running is not None
    slow.go.set()
    settle(host, panel)
    host.wait(lambda: panel.live.session.shows(plan_of(preview)), PATIENCE, "the others")
    settle(host, panel)
    assert [node.number for node in planned(preview)] == [1, 3]
    assert planned(preview)[0].variant == first.variant + 1
    assert np.allclose(planned(preview)[1].center_ras_mm, moved)
    assert_consistent(panel)


@pytest.mark.slow
def test_an_edit_that_is_canceled_is_taken_back(host, live):
    panel, preview, before = live, live.parameters.preview, voxels(live)
    was, slow = planned(preview), Slow(panel.live.session)
    host.click_cell(panel.ui.previewTable, 0, 0)
    host.click(panel.ui.varyButton)
    host.wait(lambda: panel.jobs.running is not None, 5, "the edit")
    host.click(panel.ui.generateButton)  # which is Cancel now
    slow.go.set()
    settle(host, panel)
    assert planned(preview) == was and np.array_equal(voxels(panel), before)
    host.click(panel.ui.varyButton)
    settle(host, panel)
    assert planned(preview)[0].variant == 1 and not np.array_equal(voxels(panel), before)
    assert_consistent(panel)


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["switch", "ct", "preview", "result"])
def test_live_may_end_while_an_edit_is_painted(host, live, gone):
    panel, before = live, voxels(live)
    volume, slow = panel.parameters.result, Slow(live.live.session)
    host.click_cell(panel.ui.previewTable, 0, 0)
    host.click(panel.ui.varyButton)
    host.wait(lambda: panel.jobs.running is not None, 5, "the edit")
    if gone == "switch":
        host.click(panel.ui.liveCheckBox)
    else:
        slicer.mrmlScene.RemoveNode(getattr(panel.parameters, gone))
    slow.go.set()
    settle(host, panel)
    assert not panel.status.failed and panel.live.session is None
    if gone == "switch":
        assert np.array_equal(slicer.util.arrayFromVolume(volume), before)


@pytest.mark.slow
def test_undo_under_a_transform_and_an_end_where_the_ct_moves(host, live):
    panel, preview, before = live, live.parameters.preview, voxels(live)
    turned = vtk.vtkTransform()
    turned.RotateWXYZ(17, 1, 2, 3)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(turned.GetMatrix())
    plan = plan_of(preview)
    preview.SetAndObserveTransformNodeID(node.GetID())
    set_plan(preview, plan)
    settle(host, panel)
    host.click_cell(panel.ui.previewTable, 0, 0)
    host.click(panel.ui.varyButton)
    settle(host, panel)
    for _ in range(9):
        if panel.ui.undoEditButton.enabled:
            host.click(panel.ui.undoEditButton)
            settle(host, panel)
    assert np.array_equal(voxels(panel), before) and panel.ui.redoEditButton.enabled
    panel.parameters.ct.SetAndObserveTransformNodeID(node.GetID())
    host.click(panel.ui.varyButton)
    settle(host, panel)
    assert panel.status.failed and "another geometry" in panel.ui.messageLabel.text
    assert panel.live.session is None


def test_a_point_whose_description_is_overwritten_is_painted_as_a_new_node(host, live):
    panel, preview = live, live.parameters.preview
    preview.SetNthControlPointDescription(0, "ask the surgeon")
    settle(host, panel)
    assert not panel.status.failed
    assert sorted(node.number for node in planned(preview)) == [2, 3, 4]
    assert_consistent(panel)


@pytest.mark.slow
def test_a_preview_of_another_ct_is_refused(host, panel):
    host.click(panel.ui.previewButton)
    finish(host, panel)
    first, kind = panel.parameters.ct, "vtkMRMLScalarVolumeNode"
    load_phantom(host)
    volumes = slicer.util.getNodesByClass(kind)
    panel.parameters.ct = next(v for v in volumes if v.GetClassName() == kind and v is not first)
    host.turn()
    host.click(panel.ui.liveCheckBox)
    assert panel.status.failed and "another CT" in panel.ui.messageLabel.text
    assert not panel.ui.liveCheckBox.checked


@pytest.mark.slow
def test_slicers_own_undo_is_used_where_it_is_on(host, live):
    panel, scene, before = live, slicer.mrmlScene, voxels(live)
    scene.SetUndoOn()
    try:
        host.click_cell(panel.ui.previewTable, 0, 0)
        host.click(panel.ui.varyButton)
        settle(host, panel)
        varied = voxels(panel)
        assert not np.array_equal(varied, before)
        scene.Undo()
        settle(host, panel)
        assert np.array_equal(voxels(panel), before)
        assert_consistent(panel)
        host.click(panel.ui.redoEditButton)
        settle(host, panel)
        assert np.array_equal(voxels(panel), varied)
    finally:
        scene.SetUndoOff()
        scene.ClearUndoStack()


@pytest.mark.slow
def test_it_begins_with_an_empty_ct_and_ends_where_another_is_chosen(host, live):
    panel, ui = live, live.ui
    there = planned(panel.parameters.preview)[0].center_ras_mm
    host.click(ui.liveCheckBox)
    assert panel.live.session is None and ui.undoAllButton.enabled
    host.answers.append(True)
    host.click(ui.clearButton)
    host.click(ui.liveCheckBox)
    finish(host, panel)
    assert panel.live.session.plan.nodes == () and ui.resultsTable.rowCount == 0
    ui.previewPlaceWidget.placeModeEnabled = True
    host.views["Red"].go_to(there)
    host.turn()
    host.views["Red"].click(there)
    settle(host, panel)
    ui.previewPlaceWidget.placeModeEnabled = False
    assert not panel.status.failed, ui.messageLabel.text
    assert ui.resultsTable.rowCount == 1
    assert_consistent(panel)
    assert not ui.undoAllButton.enabled, "lymph nodes are removed in the preview"
    set_plan(panel.parameters.preview, plan_of(panel.parameters.preview))
    settle(host, panel)
    panel.parameters.result = None
    host.turn()
    assert panel.live.session is None and not ui.liveCheckBox.checked
