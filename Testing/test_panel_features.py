"""The panel's sections one by one, in the host (Testing/panel_host, not 3D Slicer)."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
pytest.importorskip("PySide6")

from panel_story import BESIDE_RECTUM, PATIENCE, finish  # noqa: E402  isort: skip
from panel_host import packaging  # noqa: E402
from PySide6 import QtWidgets  # noqa: E402
from rois import to_roi  # noqa: E402
from service_host import TOKEN, Host  # noqa: E402

from LNGenLib.mrml.markups import planned  # noqa: E402
from LNGenLib.mrml.results import records  # noqa: E402
from LNGenLib.mrml.segmentations import NewSegment, add_segments  # noqa: E402
from LNGenLib.mrml.surfaces import without_surface  # noqa: E402
from LNGenLib.structure.sizes import Sizes  # noqa: E402
from LNGenLib.synthesis.request import SynthesisRequest  # noqa: E402
from LNGenLib.synthesis.result import SynthesisResult  # noqa: E402


def request(panel) -> SynthesisRequest:
    from LNGenPanel.request import requestOf

    return requestOf(panel.parameters)


def placing() -> bool:
    """Whether a click in a view would place a point."""
    node = slicer.app.applicationLogic().GetInteractionNode()
    return node.GetCurrentInteractionMode() == node.Place


def test_sizes_and_shapes_reach_the_request(host, panel):
    assert (request(panel).sizes.low_mm, request(panel).sizes.high_mm) == (8, 8)
    host.choose(panel.ui.lawBox, "Uniform over 1.7 to 30 mm")
    assert request(panel).sizes == Sizes("uniform")
    host.choose(panel.ui.lawBox, "Clinical: most 3 to 10 mm")
    host.choose(panel.ui.shapeBox, "Round")
    assert request(panel).sizes == Sizes("clinical")
    assert request(panel).shape.axis_ratio == (0.85, 1)
    bars = panel.ui.histogramLabel.pixmap.toImage()
    green = [
        sum(bars.pixelColor(x, y).green() > 150 for y in range(bars.height()))
        for x in range(bars.width())
    ]
    assert 3 < np.argmax(green) / bars.width() * 30 < 7 and green[-10] <= 1
    seed = panel.parameters.nodes.seed
    panel.ui.advancedCollapsibleButton.collapsed = False
    host.turn()
    host.click(panel.ui.newSeedButton)
    assert panel.parameters.nodes.seed == panel.ui.seedSpinBox.value != seed


def test_a_box_a_segment_and_points_reach_the_request(host, panel):
    to_roi(slicer.mrmlScene, (0, 40, -80, -20, -60, 0), "box")
    host.choose(panel.ui.placeBox, "Box (ROI)")
    host.choose(panel.ui.roiSelector, "box")
    assert request(panel).region_box == pytest.approx((0, 40, -80, -20, -60, 0))

    ct = panel.parameters.ct
    labels = np.zeros(slicer.util.arrayFromVolume(ct).shape, np.uint8)
    labels[30:40, 40:60, 50:70], labels[30:40, 40:60, 80:90] = 1, 2
    rows = [NewSegment(k, name, name, (1, 0, 0)) for k, name in ((1, "left"), (2, "right"))]
    add_segments(ct, labels, rows, "parts")
    host.choose(panel.ui.placeBox, "Segment")
    panel.ui.segmentSelector.setCurrentNode(slicer.mrmlScene.GetFirstNodeByName("parts"))
    panel.ui.segmentSelector.setCurrentSegmentID("right")
    host.turn()
    mask = panel.location.inputs().scan().region
    assert np.array_equal(slicer.util.arrayFromVolume(ct).shape, mask.GetSize()[::-1])
    import SimpleITK as sitk

    assert np.array_equal(sitk.GetArrayFromImage(mask) > 0, labels == 2)

    host.choose(panel.ui.placeBox, "Points, one lymph node each")
    host.choose(panel.ui.pointsSelector, "Create new Point List")
    host.views["Red"].go_to(BESIDE_RECTUM)
    host.click(panel.ui.pointsPlaceWidget.placeButton())
    host.views["Red"].click(BESIDE_RECTUM)
    host.turn()
    ((r, a, s),) = request(panel).points
    assert (r, a, s) == pytest.approx(BESIDE_RECTUM, abs=1.5)
    assert not panel.ui.countSpinBox.enabled


@pytest.mark.parametrize("width", [400, 700])
def test_no_text_is_cut(host, panel, pictures, width):
    ui = panel.ui
    ui.advancedCollapsibleButton.collapsed = ui.resultsCollapsibleButton.collapsed = False
    host.turn()
    kinds = (QtWidgets.QLabel, QtWidgets.QAbstractButton)
    for place in ("Automatic: all stations by their weights", "Chosen stations"):
        for where in ("This computer", "Server"):
            host.choose(ui.placeBox, place)
            host.choose(ui.hostBox, where)
            name = f"panel_{width}_{place.split()[-1]}_{where.split()[-1]}.png"
            host.screenshot(pictures / name, panel_width=width)
            content = ui.sectionsWidget
            room = content.visibleRegion().boundingRect().width()
            assert content.width <= room + 1, "the scroll bar hides a part"
            for kind in kinds:
                for widget in content.findChildren(kind):
                    if widget.visible and widget.text and not getattr(widget, "wordWrap", False):
                        assert widget.width >= widget.minimumSizeHint().width(), widget.text
    host.choose(ui.hostBox, "This computer")


def test_what_is_not_chosen_is_asked_for(host, panel):
    host.choose(panel.ui.placeBox, "Box (ROI)")
    host.click(panel.ui.generateButton)
    assert panel.jobs.running is None
    assert panel.ui.messageLabel.text == "Select or place a box (ROI)." and panel.status.failed


def test_the_candidate_region_is_shown_and_hidden(host, panel):
    host.click(panel.ui.regionButton)
    finish(host, panel)
    region = panel.parameters.region
    names = [region.GetSegmentation().GetNthSegment(k).GetName() for k in range(3)]
    assert "mesorectal" in names and panel.ui.regionButton.checked
    assert panel.ui.mesorectalLabel.text.endswith(" ml")
    host.click(panel.ui.regionButton)
    assert panel.parameters.region is None and not panel.ui.regionButton.checked


def test_stations_that_are_not_in_the_ct_are_grayed_with_the_reason(host, panel):
    ui, location = panel.ui, panel.location
    host.choose(ui.placeBox, "Chosen stations")
    rows = [
        {"name": name, "available": name != "presacral", "reason": "no sacrum in this CT"}
        | {"volume_ml": 7.0, "weight": 0.1}
        for name in location.boxes
    ]
    location._mark({"stations": rows}, (panel.parameters.ct, panel.parameters.anatomy))
    host.turn()
    assert not ui.presacralCheckBox.enabled and not ui.presacralCheckBox.checked
    assert ui.presacralLabel.text == "no sacrum in this CT" and ui.mesorectalCheckBox.enabled
    assert "presacral" not in request(panel).stations
    panel.parameters.anatomy = None
    assert ui.presacralCheckBox.enabled and not ui.presacralLabel.text, "it was of other organs"


def test_a_preview_is_resized_deleted_and_added_to(host, panel):
    ui = panel.ui
    host.type(ui.countSpinBox, "2")
    host.click(ui.previewButton)
    finish(host, panel)
    preview = panel.parameters.preview
    host.click_cell(ui.previewTable, 1, 0)
    host.type(ui.sizeSpinBox, "11")
    assert [node.long_axis_mm for node in planned(preview)] == [8, 11]
    assert preview.GetNthControlPointLabel(1) == "LN 2"
    assert not ui.outdatedLabel.visible
    ui.advancedCollapsibleButton.collapsed = False
    host.turn()
    host.type(ui.seedSpinBox, "9")
    assert ui.outdatedLabel.visible

    host.click_cell(ui.previewTable, 0, 0)
    host.click(ui.deleteButton)
    assert [node.number for node in planned(preview)] == [2] and ui.previewTable.rowCount == 1
    host.views["Red"].go_to(BESIDE_RECTUM)
    host.click(ui.previewPlaceWidget.placeButton())
    host.views["Red"].click(BESIDE_RECTUM)
    host.wait(lambda: ui.previewTable.rowCount == 2, 5, "the added lymph node")
    host.wait(lambda: not without_surface(preview), PATIENCE, "its shape")
    finish(host, panel)
    assert [node.number for node in planned(preview)] == [2, 3] and not without_surface(preview)
    assert ui.generateButton.text == "Generate 2 previewed lymph nodes"
    host.answers.append(False)
    host.click(ui.clearButton)
    assert panel.parameters.preview is preview, "Clear asks first"
    host.click(ui.previewPlaceWidget.placeButton())
    host.answers.append(True)
    host.click(ui.clearButton)
    assert panel.parameters.preview is None and ui.generateButton.text == "Generate"
    assert not placing(), "the next click would make a stray list"
    assert not slicer.mrmlScene.GetNodesByClass("vtkMRMLMarkupsFiducialNode").GetNumberOfItems()


def test_a_result_is_exported_and_joins_a_data_set(host, panel, tmp_path):
    ui = panel.ui
    host.click(ui.generateButton)
    finish(host, panel)
    result = panel.parameters.result
    ui.advancedCollapsibleButton.collapsed = False
    host.turn()
    host.answers.append("")
    host.click(ui.exportButton)
    assert panel.jobs.idle and not panel.status.failed, "the user picked no folder"
    host.answers.append(tmp_path)
    host.click(ui.exportButton)
    finish(host, panel)
    read = SynthesisResult.read(tmp_path / "CT_SYNTHETIC")
    assert read.records == records(result)
    host.answers.append(tmp_path)
    host.click(ui.trainingButton)
    finish(host, panel)
    with open(tmp_path / "splits.csv", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["CT_SYNTHETIC.nii.gz"]
    host.answers.append(tmp_path)
    host.click(ui.exportButton)
    host.wait(lambda: panel.jobs.running is None, PATIENCE)
    assert "exists already" in ui.messageLabel.text


def test_the_backend_is_tried_and_a_server_asked_only_with_consent(host, panel, tmp_path):
    ui = panel.ui
    ui.advancedCollapsibleButton.collapsed = False
    host.turn()
    host.click(ui.testButton)
    finish(host, panel)
    assert "Ready, on cpu" in ui.backendLabel.text and "self test" in ui.backendLabel.toolTip

    server = Host(tmp_path / "service")
    host.choose(ui.hostBox, "Server")
    host.type(ui.urlEdit, server.url)
    host.type(ui.tokenEdit, TOKEN)
    host.answers.append(False)
    host.click(ui.generateButton)
    assert server.url in host.messages[-1] and panel.jobs.running is None
    host.answers.append(True)
    host.click(ui.generateButton)
    finish(host, panel)
    assert ui.resultsTable.rowCount == 1 and panel.logic.backend.died is None
    assert TOKEN not in str(panel.parameters.parameterNode)
    assert panel.backend.choice().url == server.url, "asked again"
    host.click(ui.forgetButton)
    assert not ui.tokenEdit.text and not panel.backend.servers.consent(server.url)
    server.stop()
    host.type(ui.tokenEdit, TOKEN)
    host.click(ui.testButton)
    host.wait(lambda: panel.jobs.idle, PATIENCE)
    assert panel.status.failed and ui.backendLabel.text == ui.messageLabel.text, "not 'not tried'"
    host.choose(ui.hostBox, "This computer")


def test_missing_packages_are_installed_on_consent_only(host, panel):
    ui = panel.ui
    ui.advancedCollapsibleButton.collapsed = False
    host.turn()
    host.missing.update(("monai", "uvicorn"))
    panel.backend.look()
    assert "monai" in ui.setupLabel.text and ui.setupLabel.visible
    host.answers.append(False)
    host.click(ui.generateButton)
    assert panel.jobs.running is None and not panel.status.failed, "to decline is no error"
    assert not packaging.installed
    host.answers.append(True)
    host.click(ui.setupButton)
    assert [name.split(">")[0] for name in packaging.installed] == ["monai", "uvicorn"]
    assert ui.backendLabel.text == "Not tried yet." and not ui.setupButton.enabled
    assert not ui.setupLabel.visible


def test_the_logic_works_without_the_panel(host, panel):
    volumes, failures = [], []
    logic, parameters = panel.logic, panel.parameters
    wanted = SynthesisRequest(1, seed=2, texture_steps=2)
    jobs = logic.synthesizeAsync(
        *(parameters.ct, wanted, parameters.anatomy),
        onDone=volumes.append,
        onFailed=failures.append,
    )
    host.wait(lambda: jobs.running is None, PATIENCE)
    assert not failures and len(records(volumes[0])) == 1
    jobs = logic.synthesizeAsync(parameters.ct, wanted, onFailed=failures.append)
    jobs.cancel()
    assert failures == [""]


def test_the_logic_that_waits_is_the_library_s_own(panel, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "LNGenLib.mrml.case.synthesize_in_scene", lambda *given: calls.append(given) or "volume"
    )
    parameters, wanted = panel.parameters, SynthesisRequest(1)
    given = (parameters.ct, wanted, parameters.anatomy, None)
    assert panel.logic.synthesize(*given) == "volume" and calls == [given]


def test_a_painted_preview_tells_what_was_asked_for(host, panel):
    """Not what a plan alone would let one guess."""
    ui = panel.ui
    host.choose(ui.shapeBox, "Round")
    host.click(ui.previewButton)
    finish(host, panel)
    asked = request(panel)
    host.click(ui.generateButton)
    finish(host, panel)
    told = json.loads(panel.parameters.result.GetAttribute("LNGen.provenance"))
    assert SynthesisRequest.from_json(told["request"]) == asked
    assert set(told["input_voxels_sha256"]) == {"ct", "anatomy"}


@pytest.mark.parametrize("change", ["older", "other weights"])
def test_a_preview_that_would_be_painted_otherwise_is_refused(host, panel, change):
    """One that an earlier LNGen left in a scene, say."""
    host.click(panel.ui.previewButton)
    finish(host, panel)
    preview = panel.parameters.preview
    content = json.loads(preview.GetAttribute("LNGen.plan"))
    if change == "older":
        content = {"seed": content["request"]["seed"], "nodes": []}
    else:
        content["weights"] = "0" * 64
    preview.SetAttribute("LNGen.plan", json.dumps(content))
    host.click(panel.ui.generateButton)
    host.wait(lambda: panel.jobs.running is None, PATIENCE)
    message = panel.ui.messageLabel.text
    assert "make it anew" in message and panel.parameters.result is None
    host.answers.append(True)
    host.click(panel.ui.clearButton)
