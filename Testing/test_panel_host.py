"""The panel host must be as strict as Slicer: what is wrong there fails a test here."""

import enum
import logging
import sys
import warnings
from pathlib import Path
from subprocess import CalledProcessError
from typing import Annotated

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
pytest.importorskip("PySide6")

from panel_host import NotInHost, PanelHost, packaging  # noqa: E402
from PySide6 import QtCore  # noqa: E402

UI = """<ui version="4.0"><widget class="qMRMLWidget" name="root">
<layout class="QVBoxLayout" name="rows">{}</layout></widget>
<connections><connection><sender>root</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>box</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"""
ITEM = (
    '<item><widget class="{}" name="{}"><property name="{}"><{}>{}</{}></property></widget></item>'
)
MODULE = """
from slicer.ScriptedLoadableModule import *
seen = []
class Thing(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title, parent.dependencies = "Thing", ["{}"]
class ThingWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        seen.append("setup")
    def enter(self):
        seen.append("enter")
class ThingFileReader:
    def __init__(self, parent):
        self.parent = parent
    def fileType(self):
        return "Thing"
    def load(self, properties):
        import slicer
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", properties["name"])
        self.parent.loadedNodes = [node.GetID()]
        return True
"""
CT = "vtkMRMLScalarVolumeNode"


@pytest.fixture
def host():
    with PanelHost() as host:
        yield host


def load(path: Path, *items: tuple[str, ...]):
    """The named widgets of a .ui with these: class, name, property, type, value."""
    lines = (ITEM.format(*item, item[3]) for item in items)
    path.write_text(UI.format("".join(lines)))
    root = slicer.util.loadUI(str(path))
    root.setMRMLScene(slicer.mrmlScene)
    root.show()
    return slicer.util.childWidgetVariables(root), root


@pytest.fixture
def ui(host, tmp_path):
    ui, ui.root = load(
        tmp_path / "a.ui",
        ("qMRMLNodeComboBox", "box", "noneEnabled", "bool", "false"),
        ("ctkCollapsibleButton", "section", "text", "string", "More"),
        ("ctkSliderWidget", "size", "singleStep", "double", "0.1"),
        ("qSlicerMarkupsPlaceWidget", "place", "toolTip", "string", "tip"),
    )
    ui.box.nodeTypes = [CT]
    return ui


def raise_below() -> None:
    QtCore.QTimer.singleShot(0, lambda: {}["lost"])


def remove_twice() -> None:
    node = slicer.mrmlScene.AddNewNodeByClass(CT)
    slicer.mrmlScene.RemoveNode(node)
    slicer.mrmlScene.RemoveNode(node)


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (raise_below, "lost"),
        (remove_twice, "removed already"),
        (lambda: logging.warning("logged"), "logged"),
        (lambda: warnings.warn("warned", stacklevel=1), "warned"),
        (lambda: QtCore.qWarning("told"), "told"),
        (lambda: slicer.mrmlScene.AddNode(None), "unable to add a null node"),
    ],
)
def test_what_stains_slicers_log_fails_the_test(host, cause, text):
    cause()
    with pytest.raises(AssertionError, match=text):
        host.turn()
    with host.expecting(text):
        cause()
    with pytest.raises(AssertionError, match="no error"), host.expecting(text):
        pass


@pytest.mark.parametrize(
    ("item", "named"),
    [
        (("ctkFancyBox", "box", "text", "string", "x"), "widget ctkFancyBox"),
        (("QCheckBox", "box", "smallStep", "bool", "true"), "property QCheckBox.smallStep"),
        (("QCheckBox", "box", "checked", "bool", "true"), "setMRMLScene"),
    ],
)
def test_what_a_ui_asks_for_in_vain_is_named(host, tmp_path, item, named):
    with pytest.raises(AttributeError, match=named):
        load(tmp_path / "a.ui", item)


def test_what_a_module_asks_for_in_vain_is_named(host, ui):
    import ctk
    import qt

    for call, named in (
        (lambda: qt.QFancy, "qt.QFancy"),
        (lambda: ctk.ctkFancyBox(), "ctk.ctkFancyBox"),
        (lambda: ui.section.connect("clickd()", print), "signal ctkCollapsibleButton.clickd"),
        (lambda: setattr(ui.box, "colour", 1), "property qMRMLNodeComboBox.colour"),
        (lambda: qt.QMessageBox.question(None, "", ""), "qt.QMessageBox.question"),
    ):
        with pytest.raises(NotInHost, match=named):
            call()
    with pytest.raises(AssertionError, match="no answer"):
        slicer.util.confirmYesNoDisplay("Really?")


def test_parameters_are_kept_and_refused_as_slicer_does(host, ui):
    from slicer.parameterNodeWrapper import (
        Decimals,
        FloatRange,
        RangeBounds,
        WithinRange,
        parameterNodeWrapper,
        parameterPack,
    )

    class Shape(enum.Enum):
        any = 0
        round = 1

    @parameterPack
    class Nodes:
        size: Annotated[float, WithinRange(1, 30)] = 8.0
        shape: Shape

    @parameterNodeWrapper
    class Wrapper:
        nodes: Nodes
        ct: slicer.vtkMRMLScalarVolumeNode

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    wrapper = Wrapper(node)
    ui.size.setProperty("SlicerParameterName", "nodes.size")
    tag = wrapper.connectGui(ui)
    host.type(ui.size, "7.3")
    assert node.GetParameter("nodes.size") == "7.300000000000001", "as CTK's slider has it"
    held = wrapper.nodes
    node.SetParameter("nodes.shape", "round")
    held.size = 9.0
    assert wrapper.nodes.shape is Shape.any, "a pack that was held writes all of its old values"
    for value, error in ((99.0, ValueError), ("9", TypeError)):
        with pytest.raises(error):
            wrapper.nodes.size = value
    with pytest.raises(AttributeError):
        wrapper.nodes.colour = 1
    wrapper.disconnectGui(tag)
    node.UnsetParameter("nodes.shape")
    with pytest.raises(ValueError, match="Shape"):
        Wrapper(node)
    with host.expecting("Unused annotations"):
        parameterPack(type("P", (), {"__annotations__": {"a": Annotated[float, Decimals(1)]}}))
    with pytest.raises(ValueError, match="not allowed"):
        bounds = Annotated[FloatRange, RangeBounds(1, 30)]
        parameterPack(type("P", (), {"__annotations__": {"a": bounds}}))


def test_a_node_box_picks_little_by_itself(host, ui):
    first, second = (slicer.mrmlScene.AddNewNodeByClass(CT, name) for name in "ab")
    assert ui.box.currentNode() is None
    host.choose(ui.box, "b")
    slicer.mrmlScene.RemoveNode(second)
    assert ui.box.currentNode() is first, "Qt takes the next row"
    ui.box.sortFilterProxyModel().setHiddenNodeIDs([first.GetID()])
    assert ui.box.currentNode() is None
    host.choose(ui.box, "Create new Volume")
    assert ui.box.currentNode().GetName() == "Volume"
    host.clear()
    assert ui.box.currentNode() is None


def test_place_mode_and_its_buttons_outlive_what_a_panel_does(host, ui):
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    points.CreateDefaultDisplayNodes()
    ui.place.setMRMLScene(slicer.mrmlScene)
    ui.place.deleteButton().hide()
    ui.place.setCurrentNode(points)
    assert ui.place.deleteButton().visible
    ui.place.buttonsVisible = False
    points.Modified()
    assert ui.place.deleteButton().visible and not ui.place.placeButton().visible
    ui.place.setPlaceModeEnabled(True)
    assert ui.place.placeModeEnabled and ui.place.placeButton().checked
    slicer.mrmlScene.RemoveNode(points)
    ui.place.setCurrentNode(None)
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    host.views["Red"].click((0, 0, 0))
    host.turn()
    assert slicer.mrmlScene.GetFirstNodeByName("F") is not None, "the stray list"


def test_what_lies_in_a_folded_section_is_hidden(host, ui):
    import qt

    label = qt.QLabel("text", ui.section)
    qt.QVBoxLayout(ui.section).addWidget(label)
    host.turn()
    ui.section.collapsed = True
    label.show()
    assert not label.visible and ui.section.sizeHint().height() == 40
    ui.section.collapsed = False
    assert label.visible
    with pytest.raises(AssertionError, match="takes"):
        host.window.set_panel_width(10)


def test_an_installation_that_fails_is_shown_and_raised(host):
    from slicer.packaging import pip_check, pip_ensure

    assert pip_check("numpy>=1") and not pip_check("numpy>=99") and not pip_check("no-such-thing")
    host.missing.add("monai")
    host.failing.add("monai")
    host.answers.extend((True, False))
    with host.expecting("installation failed"), pytest.raises(CalledProcessError):
        pip_ensure("monai")
    assert host.messages[-1] == "Package installation failed." and not packaging.installed
    with pytest.raises(RuntimeError, match="declined"):
        pip_ensure("monai")


def test_sample_data_is_kept_by_category_and_loaded_by_a_reader_only(host, tmp_path):
    from SampleData import SampleDataLogic

    (tmp_path / "Thing.py").write_text(MODULE.format("Markups"))
    host.open(tmp_path / "Thing.py")
    file, called = (tmp_path / "Thing.py").as_uri(), []
    source = {"sampleName": "A", "uris": file, "fileNames": "a.thing", "nodeNames": "a"}
    for _ in range(2):
        SampleDataLogic.registerCustomSampleDataSource(
            "Mine", customDownloader=called.append, loadFileTypes="Thing", **source
        )
    assert len(slicer.modules.sampleDataSources["Mine"]) == 1
    assert SampleDataLogic().downloadSample("A").GetName() == "a" and not called
    wrong = source | {"sampleName": "B", "checksums": "SHA256:0"}
    SampleDataLogic.registerCustomSampleDataSource("Mine", **wrong)
    for name, error in (("B", ValueError), ("C", IndexError)):
        with pytest.raises(error):
            SampleDataLogic().downloadSample(name)


@pytest.mark.parametrize("dependency", ["Markups", "NoSuchModule"])
def test_a_module_needs_its_dependencies(host, tmp_path, dependency):
    (tmp_path / "Thing.py").write_text(MODULE.format(dependency))
    if dependency == "NoSuchModule":
        with pytest.raises(RuntimeError, match="NoSuchModule"):
            host.open(tmp_path / "Thing.py")
        return
    widget = host.open(tmp_path / "Thing.py")
    host.leave()
    assert not widget.parent.isEntered
    host.enter()
    assert host.reload() is not widget
    assert sys.modules["Thing"].seen == ["setup"], "a reload does not enter"
