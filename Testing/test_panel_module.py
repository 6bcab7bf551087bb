"""The module as Slicer loads it: at each start, in a Slicer that is too old, entered and left, when
it fails and when it is reloaded. In the panel host (Testing/panel_host, not 3D Slicer)."""

from __future__ import annotations

import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
pytest.importorskip("PySide6")

from panel_story import MODULE, load_phantom  # noqa: E402  isort: skip
from panel_host import PanelHost  # noqa: E402
from PySide6 import QtWidgets  # noqa: E402

AT_START = """
import importlib.util, os, sys, time, types
import slicer, slicer.util, vtk  # what Slicer has loaded before any module

for name, content in {
    "qt": {},
    "slicer.i18n": {"tr": str, "translate": lambda context, text: text},
    "slicer.ScriptedLoadableModule": {
        f"ScriptedLoadableModule{part}": type(part, (), {})
        for part in ("", "Widget", "Logic", "Test")
    },
}.items():
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(content)
sys.path.insert(0, os.path.dirname(sys.argv[1]))  # as Slicer does
before = set(sys.modules)
begin = time.perf_counter()
spec = importlib.util.spec_from_file_location("LNGen", sys.argv[1])
spec.loader.exec_module(importlib.util.module_from_spec(spec))
print(time.perf_counter() - begin, *sorted({n.split(".")[0] for n in set(sys.modules) - before}))
"""


def test_a_start_of_slicer_loads_next_to_nothing():
    done = subprocess.run(
        [sys.executable, "-c", AT_START, str(MODULE)], capture_output=True, text=True, check=True
    )
    seconds, *loaded = done.stdout.split()
    assert float(seconds) < 0.3
    assert not {"torch", "scipy", "SimpleITK", "requests", "LNGenLib"} & set(loaded), loaded


@pytest.fixture
def host():
    with PanelHost() as host:
        yield host


def test_a_slicer_that_is_too_old_is_told_so(host, monkeypatch):
    monkeypatch.setattr(type(slicer.app), "minorVersion", 10)
    widget = host.open(MODULE)
    texts = [label.text for label in widget.parent.findChildren(QtWidgets.QLabel)]
    assert texts == ["LNGen needs 3D Slicer 5.12 or later: install a newer Slicer."]
    assert widget.panel is None
    widget.exit()
    widget.enter()


def test_a_setup_that_fails_leaves_nothing_that_fails_again(host, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError("no such file")

    monkeypatch.setattr(slicer.util, "loadUI", fail)
    with pytest.raises(OSError, match="no such file"):
        host.open(MODULE)
    widget = slicer.modules.LNGenWidget
    widget.exit()
    widget.cleanup()


def test_entering_and_leaving_warns_of_nothing_and_keeps_one_observer(host):
    widget = host.open(MODULE)
    panel = widget.panel
    load_phantom(host)
    node = panel.parameters.parameterNode
    watched = len(panel.Observations)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            widget.exit()
            widget.exit()
            widget.enter()
            widget.enter()
    assert len(panel.Observations) == watched
    host.type(panel.ui.countSpinBox, "7")
    assert node.GetParameter("nodes.count") == "7"
    widget.exit()
    panel.parameters.nodes.count = 9
    assert panel.ui.countSpinBox.value == 7, "what is not shown does not follow"
    widget.enter()
    assert panel.ui.countSpinBox.value == 9


def test_leaving_ends_placing_and_late_edits_do_no_harm(host):
    widget = host.open(MODULE)
    panel = widget.panel
    load_phantom(host)
    host.choose(panel.ui.placeBox, "Points, one lymph node each")
    host.choose(panel.ui.pointsSelector, "Create new Point List")
    host.click(panel.ui.pointsPlaceWidget.placeButton())
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    widget.exit()
    assert interaction.GetCurrentInteractionMode() != interaction.Place
    widget.cleanup()
    panel.ui.tokenEdit.editingFinished.emit()
    panel.ui.opacitySlider.value = 20
    widget.cleanup()


def test_reloading_loads_the_panel_and_the_library_anew(host):
    widget = host.open(MODULE)
    old = {name: sys.modules[name] for name in ("LNGenPanel.panel", "LNGenLib.errors")}
    widget.onReload()
    host.turn()
    assert all(sys.modules[name] is not module for name, module in old.items())
    assert slicer.modules.LNGenWidget is not widget
    assert slicer.modules.LNGenWidget.panel.ui.generateButton.text == "Generate"


def test_what_the_module_depends_on_is_declared(host):
    host.open(MODULE)
    declared = set(slicer.modules.lngen.dependencies)
    assert declared == {"Markups", "Segmentations", "SubjectHierarchy", "Volumes"}


def test_nothing_of_the_computer_is_saved_with_the_scene(host, tmp_path):
    widget = host.open(MODULE)
    load_phantom(host)
    widget.panel.ui.tokenEdit.text = "a token that nobody else knows"
    host.save(tmp_path / "scene.mrb")
    with zipfile.ZipFile(tmp_path / "scene.mrb") as bundle:
        (scene,) = [name for name in bundle.namelist() if name.endswith(".mrml")]
        saved = bundle.read(scene).decode()
    node = saved[saved.index("<ScriptedModule") :].split(">")[0]
    assert str(Path.home()) not in node and "nobody else knows" not in saved
