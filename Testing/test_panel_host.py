"""The panel host itself, on a sample module: it must do what Slicer does, or fail loudly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
import vtk  # noqa: E402
from panel_host import NotInHost, PanelHost  # noqa: E402

SAMPLE = Path(__file__).parent / "panel_host" / "sample"


@pytest.fixture
def host():
    with PanelHost() as host:
        yield host


@pytest.fixture
def widget(host):
    return host.open(SAMPLE / "PanelSample.py")


def add_ct(name: str) -> object:
    """A CT of 60 x 60 x 40 mm with a bright cube."""
    values = np.full((20, 30, 30), -50, np.int16)
    values[8:14, 10:20, 10:20] = 200
    ct = slicer.util.addVolumeFromArray(values, np.diag([2.0, 2.0, 2.0, 1.0]), name)
    ct.CreateDefaultDisplayNodes()
    ct.GetDisplayNode().AutoWindowLevelOff()
    ct.GetDisplayNode().SetWindowLevelMinMax(-175, 250)
    return ct


def pixel(host, view: str, ras: tuple[float, float, float]) -> tuple[int, int, int]:
    view = host.views[view]
    host.turn()
    return view.grab().toImage().pixelColor(view.to_pixel(ras)).getRgb()[:3]


def test_keys_and_mouse_set_parameters_in_slicer_text_form(host, widget):
    ui, node = widget.ui, widget.parameters.parameterNode
    host.type(ui.countSlider, "7")
    host.type(ui.nameEdit, "Ada")
    host.type(ui.strengthSpinBox, "0.25")
    host.choose(ui.shapeComboBox, "round shape")
    host.click(ui.keepCheckBox)
    low, high = ui.sizesRange.findChildren(type(ui.strengthSpinBox))
    host.type(high, "12")
    host.type(low, "4")
    names = ("nodes.count", "nodes.sizes._minimum", "nodes.sizes._maximum", "nodes.shape")
    assert [node.GetParameter(name) for name in names] == ["7", "4.0", "12.0", "ROUND"]
    names = ("name", "strength", "keep", "anatomy.2")
    assert [node.GetParameter(name) for name in names] == ["Ada", "0.25", "False", "True"]


def test_parameters_show_in_widgets(host, widget):
    ui, parameters = widget.ui, widget.parameters
    parameters.nodes.count = 9
    parameters.nodes.sizes.maximum = 20
    parameters.parameterNode.SetParameter("strength", "0.75")
    assert (ui.countSlider.value, ui.sizesRange.maximumValue) == (9, 20)
    assert ui.strengthSpinBox.value == 0.75
    with pytest.raises(ValueError, match="99"):
        parameters.nodes.count = 99
    assert parameters.nodes.count == 9


def test_node_boxes_follow_the_scene(host, widget):
    ui = widget.ui
    assert ui.ctSelector.currentNode() is None
    first, second = add_ct("first"), add_ct("second")
    assert widget.parameters.ct is first
    host.choose(ui.ctSelector, "second")
    assert widget.parameters.ct is second
    slicer.mrmlScene.RemoveNode(second)
    assert widget.parameters.ct is first
    segments = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "organs")
    assert widget.parameters.anatomy is None, "a box with 'None' picks nothing by itself"
    host.choose(ui.anatomySelector, "organs")
    assert widget.parameters.anatomy is segments


@pytest.mark.parametrize("suffix", [".mrb", ".mrml"])
def test_a_saved_scene_brings_parameters_back(host, widget, tmp_path, suffix):
    add_ct("first")
    widget.parameters.ct = add_ct("second")
    host.type(widget.ui.countSlider, "11")
    host.choose(widget.ui.shapeComboBox, "round shape")
    host.save(tmp_path / f"scene{suffix}")
    host.clear()
    assert widget.ui.ctSelector.currentNode() is None
    assert widget.ui.countSlider.value == 5
    host.load(tmp_path / f"scene{suffix}")
    assert widget.ui.countSlider.value == 11
    assert widget.ui.shapeComboBox.currentText == "round shape"
    assert widget.ui.ctSelector.currentNode().GetName() == "second"


def test_dialogs_take_the_answers_of_a_test(host, widget):
    host.answers.append(False)
    host.click(widget.ui.runButton)
    assert host.messages == ["Place points?"]
    assert slicer.mrmlScene.GetFirstNodeByName("points") is None
    host.answers.append("OK")
    host.click(widget.ui.runButton)
    assert slicer.mrmlScene.GetFirstNodeByName("points") is not None
    host.wait(lambda: "tick" in widget.seen)
    with pytest.raises(AssertionError, match="error"):
        host.click(widget.ui.runButton)


def test_control_points_are_dragged_in_a_slice_view(host, widget):
    slicer.util.setSliceViewerLayers(background=add_ct("ct"), fit=True)
    host.answers.append(True)
    host.click(widget.ui.runButton)
    points = slicer.mrmlScene.GetFirstNodeByName("points")
    red = host.views["Red"]
    red.go_to((20, 20, 20))
    host.turn()
    red.drag((20, 20, 20), (30, 24, 20))
    host.turn()
    assert np.allclose(points.GetNthControlPointPositionWorld(0), (30, 24, 20), atol=0.3)


def test_views_show_the_ct_and_a_segment(host):
    ct = add_ct("ct")
    slicer.util.setSliceViewerLayers(background=ct, fit=True)
    host.views["Red"].go_to((30, 30, 20))
    inside, outside = (30, 30, 20), (10, 10, 20)
    expected = [round(255 * (value + 175) / 425) for value in (200, -50)]
    shown = [pixel(host, "Red", place) for place in (inside, outside)]
    assert np.allclose(shown, [[value] * 3 for value in expected], atol=2)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    name = node.GetSegmentation().AddEmptySegment("cube", "cube", (1, 0, 0))
    cube = (slicer.util.arrayFromVolume(ct) > 0).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(cube, node, name, ct)
    red, green, _ = pixel(host, "Red", inside)
    assert red > green + 50
    assert pixel(host, "Red", outside) == shown[1]


def test_cells_and_headers_are_clicked(host, widget):
    ui = widget.ui
    host.click_cell(ui.table, 1, 1)
    assert widget.seen[-1] == (1, 1)
    host.click(ui.inputsButton)
    assert ui.inputsButton.collapsed
    with pytest.raises(AssertionError, match="nameEdit is not in sight"):
        host.type(ui.nameEdit, "x")
    ui.runButton.enabled = False
    with pytest.raises(AssertionError, match="runButton is not enabled"):
        host.click(ui.runButton)


def test_a_module_is_reloaded(host, widget):
    host.type(widget.ui.nameEdit, "kept")
    new = host.reload()
    assert new is not widget
    assert not widget.timer.active
    assert new.ui.nameEdit.text == "kept"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('class="QCheckBox"', 'class="ctkFancyBox"', "widget ctkFancyBox"),
        ('name="singleStep"', 'name="smallStep"', "property QDoubleSpinBox.smallStep"),
        ("<slot>setMRMLScene(", "<slot>setScene(", "setScene"),
        ("<signal>mrmlSceneChanged(", "<signal>sceneChanged(", "qMRMLWidget.sceneChanged"),
    ],
)
def test_what_a_ui_asks_for_in_vain_is_named(host, tmp_path, old, new, named):
    text = (SAMPLE / "Resources" / "UI" / "PanelSample.ui").read_text()
    assert old in text
    (tmp_path / "changed.ui").write_text(text.replace(old, new))
    with pytest.raises(AttributeError, match=named):
        slicer.util.loadUI(str(tmp_path / "changed.ui"))


def test_what_a_module_asks_for_in_vain_is_named(host, widget):
    import ctk
    import qt

    button = widget.ui.runButton
    for call, named in (
        (lambda: qt.QFancy, "qt.QFancy"),
        (lambda: ctk.ctkFancyBox(), "ctk.ctkFancyBox"),
        (lambda: button.connect("clickd()", print), "signal QPushButton.clickd"),
        (lambda: setattr(button, "colour", 1), "property QPushButton.colour"),
        (lambda: setattr(widget.ui.ctSelector, "colour", 1), "property qMRMLNodeComboBox.colour"),
        (lambda: qt.QMessageBox.question(None, "", ""), "qt.QMessageBox.question"),
    ):
        with pytest.raises(NotInHost, match=named):
            call()
    with pytest.raises(AttributeError, match="layoutManger"):
        slicer.app.layoutManger()
    assert not hasattr(slicer.modules, "totalsegmentator")


def test_errors_in_callbacks_are_raised(host, widget, capsys):
    def fail(*_: object) -> None:
        raise KeyError("lost")

    widget.ui.runButton.clicked.connect(fail)
    host.answers.append(False)
    with pytest.raises(AssertionError) as caught:
        host.click(widget.ui.runButton)
    assert "lost" in str(caught.value.__cause__)
    add_ct("ct").AddObserver(vtk.vtkCommand.ModifiedEvent, fail)
    slicer.util.getNode("ct").Modified()
    with pytest.raises(AssertionError):
        host.check()


def test_properties_are_attributes(host):
    import qt

    label = qt.QLabel("text")
    label.text += "!"
    label.toolTip = "tip"
    assert (label.text, label.toolTip, label.enabled) == ("text!", "tip", True)
    timer = qt.QTimer()
    timer.singleShot = True
    assert timer.singleShot
    seen = []
    qt.QTimer.singleShot(0, lambda: seen.append(1))
    host.wait(lambda: seen)
