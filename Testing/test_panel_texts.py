"""The module's files: tool tips, translation, requirements, stations; and life without torch."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from packaging.requirements import Requirement

from LNGenLib.placement.stations import STATIONS

MODULE = Path(__file__).parents[1] / "LNGen"
UI = ElementTree.parse(MODULE / "Resources" / "UI" / "LNGen.ui")
SOURCES = sorted(MODULE.rglob("*.py"))
LAYOUT = {
    "qMRMLWidget",
    "QWidget",
    "QScrollArea",
    "ctkCollapsibleButton",
}  # hold others and do nothing else


def text(widget, name: str) -> str | None:
    return widget.findtext(f"property[@name='{name}']/string")


def test_every_control_has_a_tool_tip():
    for widget in UI.iter("widget"):
        kind, name = widget.get("class"), widget.get("name")
        if kind in LAYOUT or (kind == "QLabel" and (text(widget, "text") or "").endswith(":")):
            continue
        assert text(widget, "toolTip"), f"{name} has no tool tip"


def test_every_text_of_the_ui_can_be_translated():
    spoken = {"text", "toolTip", "placeholderText", "title"}
    for each in UI.iter("property"):
        string = each.find("string")
        if string is not None and each.get("name") in spoken:
            assert string.get("notr") is None, string.text


def calls(tree: ast.AST, name: str):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_what_is_translated_is_a_plain_text_with_named_fields(path):
    for call in calls(ast.parse(path.read_text()), "_"):
        (argument,) = call.args
        assert isinstance(argument, ast.Constant) and isinstance(argument.value, str), call.lineno
        assert "{}" not in argument.value, call.lineno


SHOWN = {"text", "toolTip", "title", "helpText", "acknowledgementText"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_text_is_shown_that_can_not_be_translated(path):
    """Of texts in sentences: those set as properties of widgets, said, raised or asked."""
    tree = ast.parse(path.read_text())
    within = {id(part) for call in calls(tree, "_") for part in ast.walk(call)}
    shown = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and any(isinstance(each, ast.Attribute) and each.attr in SHOWN for each in node.targets)
    ]
    speakers = ("say", "show", "setToolTip", "confirmYesNoDisplay", "errorDisplay", "delayDisplay")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in speakers or name in ("InputError", "chosen"):
                shown += node.args
    for part in (part for value in shown for part in ast.walk(value)):
        if (
            isinstance(part, ast.Constant)
            and isinstance(part.value, str)
            and id(part) not in within
        ):
            told = path.name, part.lineno, part.value
            assert not re.search(r"[a-z] [a-z]", part.value) or "<a " in part.value, told


LIBRARY = MODULE.parent / "LNGenLib"
BEHIND = ("image", "latent", "models", "structure", "texture", "placement", "synthesis", "mrml")
BEHIND_PANEL = [path for name in BEHIND for path in sorted((LIBRARY / name).rglob("*.py"))]
BEHIND_PANEL += sorted((LIBRARY / "service").rglob("*.py"))
BEHIND_PANEL += [LIBRARY / f"segmentation/{name}.py" for name in ("config", "inference", "nnunet")]


def test_errors_that_reach_the_panel_name_no_option_of_the_command_line():
    raised = 0
    for path in BEHIND_PANEL:
        for node in ast.walk(ast.parse(path.read_text())):
            for part in ast.walk(node) if isinstance(node, ast.Raise) else ():
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    raised += 1
                    assert not re.search(r"(^|[ (])--[a-z]", part.value), (path.name, part.value)
    assert raised > 200


def test_what_is_installed_into_slicer_replaces_nothing_of_it():
    lines = (MODULE / "Resources" / "requirements.txt").read_text().splitlines()
    names = {Requirement(line).name.lower() for line in lines if line and line[0] != "#"}
    assert not names & {"lngen", "vtk", "simpleitk", "numpy", "torch", "torchvision"}
    assert {"monai", "fastapi", "uvicorn", "safetensors", "einops", "scikit-image", "isal"} <= names


def test_the_check_boxes_are_the_stations():
    (group,) = (w for w in UI.iter("widget") if w.get("name") == "stationsWidget")
    boxes = [w for w in group.iter("widget") if w.get("class") == "QCheckBox"]
    assert [text(box, "text").lower() for box in boxes] == [station.name for station in STATIONS]
    fields = [box.findtext("property[@name='SlicerParameterName']/string") for box in boxes]
    for field, station in zip(fields, STATIONS, strict=True):
        words = re.sub("[A-Z]", lambda letter: " " + letter[0].lower(), field.split(".")[1])
        assert words == station.name.replace("-", " ")


WITHOUT = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    NAMES = {"torch", "monai", "skimage", "einops", "safetensors", "fastapi", "uvicorn"}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Blocked())
from panel_story import MODULE, load_phantom
from panel_host import PanelHost

with PanelHost() as host:
    host.missing.update(("monai", "fastapi"))
    panel = host.open(MODULE).panel
    ui = panel.ui
    load_phantom(host)
    ui.advancedCollapsibleButton.collapsed = False
    host.turn()
    print("status:", ui.setupLabel.text)
    host.choose(ui.ctSelector, "CT")
    host.click(ui.generateButton)
    print("said:", ui.messageLabel.text)
    host.click(ui.setupButton)
    assert panel.jobs.running is None and ui.generateButton.text == "Generate"
    host.choose(ui.hostBox, "Server")
    assert not ui.setupButton.visible
    print("server:", ui.backendLabel.text, ui.setupLabel.text)
assert not {"torch", "monai"} & set(sys.modules)
"""


def test_without_torch_the_panel_opens_and_says_what_is_missing():
    pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
    pytest.importorskip("PySide6")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    status, said, server = (
        re.search(f"^{word}: (.*)$", done.stdout, re.M)[1] for word in ("status", "said", "server")
    )
    assert "PyTorch 2.4.1 or later" in status and "monai" in status and "fastapi" in status
    assert "install the extension PyTorch" in said
    assert "missing" not in server
