"""Whether lymph nodes look benign or suspicious, and are seen: chosen and told in the panel's host
(Testing/panel_host, not 3D Slicer)."""

from __future__ import annotations

import dataclasses
import json

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
pytest.importorskip("PySide6")

from panel_story import PATIENCE, finish  # noqa: E402  isort: skip

from LNGenLib.mrml.markups import planned  # noqa: E402
from LNGenLib.mrml.results import RECORDS, records  # noqa: E402
from LNGenLib.mrml.surfaces import without_surface  # noqa: E402
from LNGenLib.synthesis.appearance import Appearance  # noqa: E402
from LNGenLib.synthesis.realizing import shape_of  # noqa: E402
from LNGenLib.synthesis.request import BENIGN, MIXED, SUSPICIOUS, SynthesisRequest  # noqa: E402
from LNGenLib.synthesis.result import warning_of_unseen  # noqa: E402

SEEN = 4  # column of the conspicuity
IN_FAT = (21.0, 18.0, -6.0)  # RAS mm: far from the organs of the phantom


def request(panel) -> SynthesisRequest:
    from LNGenPanel.request import requestOf

    return requestOf(panel.parameters)


def choices(panel) -> tuple[str, float]:
    return request(panel).appearance, request(panel).suspicious


def generate(host, panel) -> None:
    host.click(panel.ui.generateButton)
    finish(host, panel)


def row(panel, number: int) -> list[str]:
    table = panel.ui.resultsTable
    return [table.item(number, column).text() for column in range(table.columnCount)]


def test_an_appearance_reaches_the_request(host, panel):
    ui = panel.ui
    assert choices(panel) == (MIXED, 0.3) and ui.lookBox.currentText == "Mixed"
    assert ui.suspiciousSpinBox.enabled and ui.suspiciousSpinBox.value == 30
    host.type(ui.suspiciousSpinBox, "45")
    assert choices(panel) == (MIXED, 0.45)
    for text, appearance in (("Benign", BENIGN), ("Suspicious", SUSPICIOUS)):
        host.choose(ui.lookBox, text)
        assert choices(panel)[0] == appearance and not ui.suspiciousSpinBox.enabled
    host.choose(ui.lookBox, "Mixed")
    assert choices(panel) == (MIXED, 0.45) and ui.suspiciousSpinBox.enabled


def test_a_chosen_shape_counts_more_than_the_appearance(host, panel, models):
    host.choose(panel.ui.lookBox, "Benign")
    host.choose(panel.ui.shapeBox, "Round")
    drawn = shape_of(Appearance(BENIGN), request(panel).shape, 8.0, models.structure)
    assert drawn.axis_ratio == (0.85, 1.0) and drawn.irregularity[1] < 0.1
    host.choose(panel.ui.shapeBox, "Irregular")
    drawn = shape_of(Appearance(BENIGN), request(panel).shape, 8.0, models.structure)
    assert drawn.irregularity == (0.03, 1.0) and drawn.axis_ratio[1] < 0.85


def test_an_appearance_is_saved_with_the_scene(host, panel, tmp_path):
    host.type(panel.ui.suspiciousSpinBox, "55")
    host.choose(panel.ui.lookBox, "Suspicious")
    host.save(tmp_path / "scene.mrb")
    host.clear()
    assert choices(panel) == (MIXED, 0.3)
    host.load(tmp_path / "scene.mrb")
    assert choices(panel) == (SUSPICIOUS, 0.55) and panel.ui.lookBox.currentText == "Suspicious"


def test_a_scene_of_before_there_were_appearances_is_loaded(host, panel, tmp_path):
    """Its other choices stay, its records tell less."""
    panel.ui.advancedCollapsibleButton.collapsed = False
    host.turn()
    host.type(panel.ui.seedSpinBox, "17")
    host.type(panel.ui.countSpinBox, "2")
    generate(host, panel)
    result, node = panel.parameters.result, panel.parameters.parameterNode
    newer = ("conspicuity", "appearance", "necrosis", "hilum")
    told = json.loads(result.GetAttribute(RECORDS))
    older = [{key: one[key] for key in one if key not in newer} for one in told]
    result.SetAttribute(RECORDS, json.dumps(older))
    panel.release()
    for name in ("look", "suspicious"):
        assert node.HasParameter(f"appearance.{name}")
        node.UnsetParameter(f"appearance.{name}")
    host.save(tmp_path / "older.mrb")
    host.clear()
    host.load(tmp_path / "older.mrb")
    assert choices(panel) == (MIXED, 0.3) and panel.ui.suspiciousSpinBox.value == 30
    assert (request(panel).seed, request(panel).count) == (17, 2)
    assert len(records(panel.parameters.result)) == panel.ui.resultsTable.rowCount == 2
    assert row(panel, 0)[SEEN] == "-"
    assert "Benign" not in panel.ui.resultsTable.item(0, 0).toolTip()


def test_the_results_tell_how_well_each_lymph_node_is_seen(host, panel):
    ui = panel.ui
    host.type(ui.countSpinBox, "3")
    generate(host, panel)
    assert "hardly" not in ui.messageLabel.text
    header = ui.resultsTable.horizontalHeaderItem(SEEN)
    assert header.text() == "Conspicuity"
    assert header.toolTip() == (
        "Peak change of HU over the level of the noise there; below 1.5 hardly seen"
    )
    made = records(panel.parameters.result)
    assert [row(panel, k)[SEEN] for k in range(3)] == [f"{r.conspicuity:.1f}" for r in made]

    looks = (
        {"conspicuity": 1.44, "appearance": SUSPICIOUS, "necrosis": True, "hilum": False},
        {"conspicuity": 1.5, "appearance": BENIGN, "necrosis": False, "hilum": True},
        {"conspicuity": None, "appearance": None, "necrosis": False, "hilum": False},
    )
    told = [dataclasses.asdict(one) | look for one, look in zip(made, looks)]
    panel.parameters.result.SetAttribute(RECORDS, json.dumps(told))
    panel.update()
    assert [row(panel, k)[SEEN] for k in range(3)] == ["1.4", "1.5", "-"]
    items = [[ui.resultsTable.item(k, column) for column in range(5)] for k in range(3)]
    assert [not line[SEEN].icon().isNull() for line in items] == [True, False, False]
    tips = [line[SEEN].toolTip().splitlines()[:-1] for line in items]
    assert [tip[:1] for tip in tips[:2]] == [["Suspicious, necrotic core"], ["Benign, fatty hilum"]]
    assert ["Can hardly be seen" in tip for tip in tips] == [True, False, False]
    told[0]["conspicuity"] = 3.0
    panel.parameters.result.SetAttribute(RECORDS, json.dumps(told))
    panel.update()
    assert ui.resultsTable.item(0, SEEN).icon().isNull()


def test_lymph_nodes_that_can_hardly_be_seen_are_named(host, panel):
    ui = panel.ui
    host.type(ui.fixedWidget, "1.7")
    host.type(ui.countSpinBox, "4")
    generate(host, panel)
    made = records(panel.parameters.result)
    assert any(record.hardly_seen for record in made), [record.conspicuity for record in made]
    said = ui.messageLabel.text
    assert said.endswith(f". {warning_of_unseen(made)}.") and "\n" not in said
    assert said.startswith("4 SYNTHETIC lymph nodes are in CT SYNTHETIC")


def test_lymph_nodes_that_are_added_moved_and_resized_keep_their_appearance(host, panel):
    ui = panel.ui
    host.type(ui.countSpinBox, "4")
    host.type(ui.suspiciousSpinBox, "50")
    host.click(ui.previewButton)
    finish(host, panel)
    preview = panel.parameters.preview
    host.views["Red"].go_to(IN_FAT)
    host.click(ui.previewPlaceWidget.placeButton())
    host.views["Red"].click(IN_FAT)
    host.wait(lambda: ui.previewTable.rowCount == 5, 5, "the added lymph node")
    host.wait(lambda: not without_surface(preview), PATIENCE, "its shape")
    finish(host, panel)
    looks = {node.number: node.look for node in planned(preview)}
    words = {BENIGN: "Benign", SUSPICIOUS: "Suspicious"}
    assert {look.appearance for look in looks.values()} == set(words)
    for k, look in enumerate(looks.values()):
        assert ui.previewTable.item(k, 0).toolTip().startswith(words[look.appearance])

    host.click_cell(ui.previewTable, 0, 0)
    place = tuple(preview.GetNthControlPointPositionWorld(0))
    host.views["Red"].drag(place, (place[0] - 3, place[1] - 3, place[2]))
    host.turn()
    assert preview.GetNthControlPointPositionWorld(0) != place
    for k, size in ((1, "6"), (2, "9"), (4, "4")):
        host.click_cell(ui.previewTable, k, 0)
        host.type(ui.sizeSpinBox, size)
    assert {node.number: node.look for node in planned(preview)} == looks

    generate(host, panel)
    made = records(panel.parameters.result)
    assert [record.wanted_long_axis_mm for record in made] == [8, 6, 9, 8, 4]
    for record in made:
        look = looks[record.label]
        wanted = (look.appearance, look.hilum, look.necrosis)
        assert (record.appearance, record.hilum, record.necrosis) == wanted
