"""The panel in the host (Testing/panel_host, not 3D Slicer): the whole story, by mouse and keys."""

from __future__ import annotations

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
pytest.importorskip("PySide6")

from panel_story import MODULE, finish, load_phantom  # noqa: E402  isort: skip
from panel_host import PanelHost  # noqa: E402
from PySide6 import QtWidgets  # noqa: E402

from LNGenLib.mrml.markups import planned  # noqa: E402
from LNGenLib.mrml.results import TO_CT, TO_SEGMENTATION, records  # noqa: E402

SCREEN = 1366, 768  # pixels, of a small laptop


@pytest.fixture
def host():
    with PanelHost() as host:
        yield host


@pytest.mark.slow
def test_pick_preview_generate_undo_save_and_load(host, pictures, tmp_path):
    panel = host.open(MODULE).panel
    ui = panel.ui
    host.window.resize(*SCREEN)

    def picture(name: str) -> None:
        """At both widths: Generate is in view without scrolling."""
        for width in (400, 700):
            host.screenshot(pictures / f"{name}_{width}.png", width)
            assert host.in_view(ui.generateButton), (name, width)

    load_phantom(host)
    host.choose(ui.ctSelector, "CT")
    host.choose(ui.anatomySelector, "organs")
    host.choose(ui.placeBox, "Chosen stations")
    for box in panel.location.boxes.values():
        if box.checked != (box is ui.mesorectalCheckBox):
            host.click(box)
    host.type(ui.countSpinBox, "5")
    assert panel.parameters.nodes.law.name == "clinical", "as everywhere, until another is chosen"
    host.choose(ui.lawBox, "Uniform over a range")
    low, high = ui.rangeWidget.findChildren(QtWidgets.QDoubleSpinBox)
    host.type(low, "5")
    host.type(high, "12")
    host.click(ui.advancedCollapsibleButton)
    host.type(ui.seedSpinBox, "3")
    host.click(ui.advancedCollapsibleButton)
    picture("1_chosen")

    host.click(ui.previewButton)
    assert ui.generateButton.text == "Cancel" and not ui.previewButton.enabled
    finish(host, panel)
    preview = panel.parameters.preview
    assert preview.GetNumberOfControlPoints() == ui.previewTable.rowCount == 5
    nodes = planned(preview)
    assert {node.station for node in nodes} == {"mesorectal"}
    assert all(5 <= node.long_axis_mm <= 12 for node in nodes)

    host.click_cell(ui.previewTable, 1, 0)
    before = np.array(preview.GetNthControlPointPositionWorld(1))
    assert_shown_by_all_slices(host, before)
    surface = points_of_shapes(preview)
    picture("2_previewed")
    wanted = before + (-5, -5, 0)
    host.views["Red"].drag(tuple(before), tuple(wanted))
    host.turn()
    moved = np.array(preview.GetNthControlPointPositionWorld(1))
    assert np.allclose(moved, wanted, atol=1.5), "a pixel of the slice view is about a millimeter"
    shift = points_of_shapes(preview) - surface
    assert np.allclose(np.abs(shift).max(axis=0), np.abs(moved - before), atol=0.01)
    picture("3_dragged")

    assert ui.generateButton.text == "Generate 5 previewed lymph nodes"
    host.click(ui.generateButton)
    finish(host, panel)
    result = panel.parameters.result
    segmentation = result.GetNodeReference(TO_SEGMENTATION).GetSegmentation()
    assert segmentation.GetNumberOfSegments() == ui.resultsTable.rowCount == 5
    assert not ui.resultsCollapsibleButton.collapsed and ui.resultsTable.currentRow() == 0
    host.wait(lambda: host.in_view(ui.resultsTable.viewport()), 5, "the table")
    assert segmentation.ContainsRepresentation("Closed surface"), "nothing would show in 3D"
    assert np.linalg.norm(np.array(records(result)[1].center_ras_mm) - moved) < 6
    assert "SYNTHETIC" in result.GetName()

    host.click_cell(ui.resultsTable, 2, 0)
    third = records(result)[2]
    assert_shown_by_all_slices(host, third.center_ras_mm)
    picture("4_generated")
    painted = slicer.util.arrayFromVolume(result).copy()
    original = slicer.util.arrayFromVolume(result.GetNodeReference(TO_CT))
    composite = host.views["Red"].mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == result.GetNodeReference(TO_CT).GetID()
    assert composite.GetForegroundVolumeID() == result.GetID()
    assert composite.GetForegroundOpacity() == 1
    ui.opacitySlider.value = 30
    assert composite.GetForegroundOpacity() == pytest.approx(0.3)

    host.click(ui.undoButton)
    assert ui.messageLabel.text == "SYNTHETIC lymph nodes left in CT SYNTHETIC: 4."
    assert [record.label for record in records(result)] == [1, 2, 4, 5]
    assert segmentation.GetNumberOfSegments() == ui.resultsTable.rowCount == 4
    now = slicer.util.arrayFromVolume(result)
    changed = now != painted
    assert changed.any() and np.array_equal(now[changed], original[changed])

    host.save(tmp_path / "scene.mrb")
    host.clear()
    assert ui.resultsTable.rowCount == 0 and panel.parameters.ct is None
    host.load(tmp_path / "scene.mrb")
    assert ui.placeBox.currentText == "Chosen stations"
    checked = [name for name, box in panel.location.boxes.items() if box.checked]
    assert checked == ["mesorectal"]
    assert (ui.countSpinBox.value, ui.seedSpinBox.value) == (5, 3)
    assert (ui.rangeWidget.minimumValue, ui.rangeWidget.maximumValue) == (5, 12)
    assert ui.ctSelector.currentNode().GetName() == "CT"
    assert ui.anatomySelector.currentNode().GetName() == "organs"
    assert ui.resultsTable.rowCount == 4 and ui.previewTable.rowCount == 5
    loaded = slicer.util.arrayFromVolume(panel.parameters.result)
    assert np.array_equal(loaded, now)
    host.answers.append(True)
    host.click(ui.undoAllButton)
    assert np.array_equal(loaded, original) and ui.resultsTable.rowCount == 0
    picture("5_loaded")


def assert_shown_by_all_slices(host, ras) -> None:
    """All slice views show the slice of this point (RAS mm)."""
    for name, axis in (("Red", 2), ("Yellow", 0), ("Green", 1)):
        center = host.views[name].mrmlSliceNode().GetSliceToRAS().GetElement(axis, 3)
        assert center == pytest.approx(ras[axis], abs=1.6), name  # half a voxel


def points_of_shapes(preview) -> np.ndarray:
    return slicer.util.arrayFromModelPoints(preview.GetNodeReference("LNGen.surfaces")).copy()
