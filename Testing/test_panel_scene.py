"""The panel and what else happens in its scene. In the panel host (Testing/panel_host, not 3D
Slicer)."""

from __future__ import annotations

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
pytest.importorskip("PySide6")

from panel_story import BESIDE_RECTUM, PATIENCE, finish, load_phantom  # noqa: E402  isort: skip

from PySide6 import QtWidgets  # noqa: E402

from LNGenLib.mrml.results import TO_SEGMENTATION  # noqa: E402
from LNGenLib.mrml.surfaces import TO_SURFACES, without_surface  # noqa: E402


def preview_of(host, panel):
    host.click(panel.ui.previewButton)
    finish(host, panel)
    return panel.parameters.preview


def offered(selector) -> list[str]:
    box = selector.findChild(QtWidgets.QComboBox)
    return [box.itemText(k) for k in range(box.count)]


def test_a_size_at_the_end_of_the_slider_is_drawn(host, panel):
    ui = panel.ui
    host.type(ui.fixedWidget, "30")
    bars = ui.histogramLabel.pixmap.toImage()
    assert bars.pixelColor(bars.width() - 2, 10).green() > 150
    host.choose(ui.lawBox, "Uniform over a range")
    ui.rangeWidget.setValues(30, 30)
    assert panel.parameters.nodes.range.minimum == 30
    assert bars == ui.histogramLabel.pixmap.toImage()


def test_a_ct_that_is_shown_is_chosen_before_others_with_its_organs(host, panel):
    host.clear()
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "first of all")
    values = np.zeros((4, 5, 6), np.int16)
    slicer.util.addVolumeFromArray(values, name="another")
    load_phantom(host)
    panel.parameters.ct = panel.parameters.anatomy = None
    panel.release()
    panel.bind()
    host.turn()
    assert panel.parameters.ct.GetName() == "CT"
    assert panel.parameters.anatomy.GetName() == "organs"
    display = panel.parameters.ct.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (400, 40)


def test_a_ct_opens_at_a_soft_tissue_window(host, panel):
    volume = slicer.util.addVolumeFromArray(np.zeros((4, 5, 6), np.int16), name="automatic")
    volume.CreateDefaultDisplayNodes()
    assert volume.GetDisplayNode().GetAutoWindowLevel()
    host.choose(panel.ui.ctSelector, "automatic")
    display = volume.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (400, 40)


def test_a_ct_and_organs_that_are_loaded_while_the_panel_is_open_are_chosen(host, panel):
    host.clear()
    load_phantom(host)
    host.wait(lambda: panel.parameters.anatomy, 5, "the organs")
    assert (panel.parameters.ct.GetName(), panel.parameters.anatomy.GetName()) == ("CT", "organs")
    host.choose(panel.ui.anatomySelector, "None")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "nothing of it")
    host.turn()
    assert panel.parameters.anatomy is None, "the user wanted none"
    values = np.zeros((4, 5, 6), np.int16)
    other = slicer.util.addVolumeFromArray(values, name="of another patient")
    host.turn()
    assert panel.parameters.ct.GetName() == "CT"
    host.choose(panel.ui.ctSelector, "None")
    slow = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "slowly read")
    host.turn()
    assert panel.parameters.ct is None, "it has no voxels yet"
    slicer.mrmlScene.RemoveNode(other)
    slicer.mrmlScene.RemoveNode(slicer.mrmlScene.GetFirstNodeByName("CT"))
    slicer.util.updateVolumeFromArray(slow, values)
    host.wait(lambda: panel.parameters.ct is slow, 5, "the CT that was read")
    load_phantom(host)
    other = slow
    host.choose(panel.ui.ctSelector, "CT")
    host.choose(panel.ui.anatomySelector, "organs")
    host.choose(panel.ui.ctSelector, other.GetName())
    host.turn()
    assert panel.parameters.anatomy is None, "these organs are not of that CT"


def test_no_other_node_stands_in_for_one_that_was_removed(host, panel):
    ui, scene = panel.ui, slicer.mrmlScene
    host.click(ui.generateButton)
    finish(host, panel)
    host.choose(ui.placeBox, "Segment")
    for name in ("mine", "another"):
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
        node.GetSegmentation().AddEmptySegment("part", "part")
    ui.segmentSelector.setCurrentNode(scene.GetFirstNodeByName("mine"))
    host.turn()
    assert panel.parameters.segmentation.GetName() == "mine"
    scene.RemoveNode(panel.parameters.segmentation)
    host.turn()
    assert panel.parameters.segmentation is None and panel.parameters.segment == ""
    host.click(ui.generateButton)
    assert ui.messageLabel.text == "Select a segmentation and a segment." and panel.status.failed
    scene.RemoveNode(panel.parameters.ct)
    host.turn()
    assert panel.parameters.ct is None and not ui.generateButton.enabled
    assert offered(ui.ctSelector) == ["None"], "a result is no CT to begin with"


def shown(result) -> bool:
    return bool(result.GetNodeReference(TO_SEGMENTATION).GetDisplayNode().GetVisibility())


def test_one_result_is_shown_at_a_time(host, panel):
    results = []
    for _ in range(2):
        host.click(panel.ui.generateButton)
        finish(host, panel)
        results.append(panel.parameters.result)
    first, second = results
    assert shown(second) and not shown(first)
    host.choose(panel.ui.resultSelector, first.GetName())
    host.turn()
    composite = host.views["Red"].mrmlSliceCompositeNode()
    assert shown(first) and not shown(second)
    assert composite.GetForegroundVolumeID() == first.GetID()


def test_a_result_that_is_deleted_elsewhere_takes_its_parts_along(host, panel):
    before = ids()
    host.click(panel.ui.generateButton)
    finish(host, panel)
    slicer.mrmlScene.RemoveNode(panel.parameters.result)
    host.turn()
    left = {name for name in ids() - before if "Display" not in name and "Storage" not in name}
    assert left == set() and panel.ui.resultsTable.rowCount == 0


def ids() -> set[str]:
    nodes = slicer.mrmlScene.GetNodes()
    return {nodes.GetItemAsObject(k).GetID() for k in range(nodes.GetNumberOfItems())}


@pytest.mark.parametrize("end", ["another location", "deleted"])
def test_placing_ends_with_what_was_placed_into(host, panel, end):
    ui = panel.ui
    host.choose(ui.placeBox, "Points, one lymph node each")
    host.choose(ui.pointsSelector, "Create new Point List")
    host.click(ui.pointsPlaceWidget.placeButton())
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    if end == "deleted":
        slicer.mrmlScene.RemoveNode(panel.parameters.points)
    else:
        host.choose(ui.placeBox, "Box (ROI)")
    host.turn()
    assert interaction.GetCurrentInteractionMode() != interaction.Place


@pytest.mark.parametrize(
    ("url", "token", "said"),
    [
        ("", "", "Enter the address"),
        ("foo", "t" * 30, "is no address"),
        ("https://a", "t", "token"),
    ],
)
def test_nobody_is_asked_to_send_a_ct_to_what_is_no_server(host, panel, url, token, said):
    ui = panel.ui
    ui.advancedCollapsibleButton.collapsed = False
    host.turn()
    host.choose(ui.hostBox, "Server")
    host.type(ui.urlEdit, url)
    host.type(ui.tokenEdit, token)
    host.click(ui.generateButton)
    assert said in ui.messageLabel.text and not host.messages
    assert not panel.backend.servers.consent(url)
    host.choose(ui.hostBox, "This computer")
    assert ui.backendLabel.text == "Not tried yet."


def test_selectors_offer_nothing_that_lngen_made(host, panel):
    ui = panel.ui
    host.click(ui.generateButton)
    finish(host, panel)
    preview_of(host, panel)
    assert offered(ui.anatomySelector) == ["None", "organs"]
    assert offered(ui.ctSelector) == ["None", "CT"]
    assert not any("preview" in text for text in offered(ui.pointsSelector))


def test_results_of_one_ct_have_names_of_their_own(host, panel):
    names = set()
    for _ in range(2):
        host.click(panel.ui.generateButton)
        finish(host, panel)
        names.add(panel.parameters.result.GetName())
        assert panel.parameters.result.GetName() in panel.ui.messageLabel.text
    assert len(names) == 2


def test_a_preview_that_is_emptied_paints_what_is_chosen(host, panel):
    preview = preview_of(host, panel)
    host.click_cell(panel.ui.previewTable, 0, 0)
    host.click(panel.ui.deleteButton)
    assert panel.parameters.preview is preview and panel.ui.generateButton.text == "Generate"
    host.click(panel.ui.generateButton)
    finish(host, panel)
    assert panel.ui.resultsTable.rowCount == 1


def test_a_preview_that_is_deleted_elsewhere_takes_its_shapes_along(host, panel):
    preview = preview_of(host, panel)
    shapes = preview.GetNodeReference(TO_SURFACES)
    slicer.mrmlScene.RemoveNode(preview)
    host.turn()
    assert not slicer.mrmlScene.IsNodePresent(shapes)
    assert panel.ui.previewTable.rowCount == 0 and panel.ui.generateButton.text == "Generate"


def test_a_point_that_is_added_while_a_job_runs_gets_its_shape_after_it(host, panel):
    preview = preview_of(host, panel)
    host.click(panel.ui.regionButton)
    assert panel.jobs.running is not None
    preview.AddControlPointWorld(BESIDE_RECTUM)
    host.wait(lambda: preview.GetNumberOfControlPoints() == 2, 5)
    host.wait(lambda: not without_surface(preview), PATIENCE, "its shape")
    assert panel.parameters.region is not None


def test_a_question_waits_until_the_mouse_is_done(host, panel):
    """A dialog within an event of VTK's mouse would leave its interactor stuck."""
    preview = preview_of(host, panel)
    host.missing.add("monai")
    host.answers.append(False)
    preview.AddControlPointWorld(BESIDE_RECTUM)
    assert len(host.answers) == 1, "nothing was asked yet"
    host.turn()
    assert not host.answers and panel.jobs.idle
    host.missing.clear()
    panel.backend.look()


def test_one_size_is_as_it_is_shown(host, panel):
    from LNGenPanel.request import requestOf

    panel.parameters.nodes.fixed = 7.300000000000001  # as a slider of 0.1 steps to it
    assert requestOf(panel.parameters).sizes.low_mm == 7.3


def test_nothing_begins_while_totalsegmentator_runs(host, panel, monkeypatch):
    """It lets events through, and takes minutes."""
    ui, seen = panel.ui, []

    def segment(ct, log):
        log("Segmenting")
        host.turn()
        buttons = (ui.generateButton, ui.previewButton, ui.anatomyButton, ui.regionButton)
        seen.append(([button.enabled for button in buttons], ui.messageLabel.text))
        return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "made")

    monkeypatch.setattr("LNGenPanel.panel.segmentAnatomy", segment)
    ui.anatomyButton.visible = True
    host.turn()
    host.click(ui.anatomyButton)
    assert seen == [([False] * 4, "Segmenting")]
    assert panel.parameters.anatomy.GetName() == "made" and ui.generateButton.enabled
    assert ui.messageLabel.text == "The organ segmentation is ready."
