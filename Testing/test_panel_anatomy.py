"""The organs by the extension TotalSegmentator, without Qt.

The stand-in raises, asks and logs as the extension's `TotalSegmentator.py` does.
"""

from __future__ import annotations

from subprocess import CalledProcessError
from types import SimpleNamespace

import pytest
from panel_parts import loaded, module

from LNGenLib.errors import Canceled, InputError


class InstallError(Exception):
    def __init__(self, message, restartRequired=False):
        super().__init__(message)
        self.message = message

    def __str__(self):
        return self.message


class Node:
    def __init__(self, name):
        self.name, self.segments = name, 0

    def GetName(self):
        return self.name

    def GetSegmentation(self):
        return SimpleNamespace(GetNumberOfSegments=lambda: self.segments)


class Scene:
    def __init__(self):
        self.nodes = []

    def AddNewNodeByClass(self, kind, name):
        assert kind == "vtkMRMLSegmentationNode"
        self.nodes.append(Node(name))
        return self.nodes[-1]

    def RemoveNode(self, node):
        self.nodes.remove(node)  # raises where it is gone; Slicer would log an error

    def IsNodePresent(self, node):
        return node in self.nodes


class TotalSegmentator:
    """`during` is called while it works, `lines` are what its process prints."""

    def __init__(self):
        self.gpu, self.fast = False, []
        self.lines, self.fault, self.set_up_fault = ["Predicting", "Saved in 3 s"], None, None
        self.segments, self.during = 104, lambda: None

    def setupPythonRequirements(self, upgrade=False):
        self.log("PyTorch Python package is required. Installing...")
        if self.set_up_fault:
            raise self.set_up_fault

    def log(self, text):
        if self.logCallback:
            self.logCallback(text)

    def process(
        self, inputVolume, outputSegmentation, quality=None, cpu=False, task=None, subset=None,
        interactive=False, sequenceBrowserNode=None,
    ):  # fmt: skip
        self.fast.append(quality == "normal" and not self.gpu and interactive and task == "total")
        for line in self.lines:
            self.log(line)
        self.during()
        if self.fault:
            raise self.fault
        outputSegmentation.segments = self.segments


@pytest.fixture
def scene():
    return Scene()


@pytest.fixture
def ct(scene):
    scene.nodes.append(Node("CT"))
    return scene.nodes[0]


@pytest.fixture
def logic():
    return TotalSegmentator()


@pytest.fixture
def events():
    return []


@pytest.fixture
def segment(scene, logic, events):
    app = SimpleNamespace(processEvents=lambda: events.append("processed"))
    slicer = module("slicer", mrmlScene=scene, app=app)
    extension = module("TotalSegmentator", TotalSegmentatorLogic=lambda: logic)
    with loaded("anatomy", slicer, extension) as found:
        yield found.segmentAnatomy


def test_organs_are_made_while_slicer_goes_on_and_a_fast_mode_is_offered(
    segment, scene, ct, logic, events
):
    said = []
    anatomy = segment(ct, said.append)
    assert scene.nodes == [ct, anatomy] and anatomy.GetName() == "CT anatomy"
    assert said[1:] == logic.lines and len(events) == len(said) == 3
    assert logic.fast == [True]
    assert segment(ct).segments == 104, "without a log"


STOPPED = CalledProcessError(1, ["PythonSlicer", "TotalSegmentator"])
KILLED = CalledProcessError(-9, ["PythonSlicer", "TotalSegmentator"])
OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"


@pytest.mark.parametrize(
    "fault, lines, words",
    [
        (STOPPED, ["Traceback", "RuntimeError: weights are damaged"], "RuntimeError: weights are"),
        (STOPPED, [OOM], "memory ran out. Crop the CT"),
        (KILLED, ["Predicting"], "signal 9.*memory ran out"),
        (RuntimeError("Python was not found"), [], "Python was not found. The Python console"),
        (ImportError("no torch"), [], "no torch"),
    ],
)
def test_a_failure_is_a_sentence_and_leaves_no_node(
    segment, scene, ct, logic, caplog, fault, lines, words
):
    logic.fault, logic.lines = fault, lines
    with pytest.raises(InputError, match=f"^TotalSegmentator failed: .*{words}") as failed:
        segment(ct)
    assert scene.nodes == [ct]
    assert type(fault).__name__ in caplog.text and "returned non-zero" not in str(failed.value)


@pytest.mark.parametrize(
    "fault, words",
    [
        (InstallError("This module requires SlicerNNUNet extension."), "requires SlicerNNUNet"),
        (CalledProcessError(1, ["PythonSlicer", "-m", "pip"]), "Check the connection"),
    ],
)
def test_a_set_up_that_fails_is_a_sentence(segment, scene, ct, logic, fault, words):
    logic.set_up_fault = fault
    with pytest.raises(InputError, match=f"^TotalSegmentator could not be set up: .*{words}"):
        segment(ct)
    assert scene.nodes == [ct]


@pytest.mark.parametrize(
    "fault",
    [InstallError("User cancelled."), ValueError("TotalSegmentator update was cancelled.")],
)
def test_to_decline_is_no_error(segment, scene, ct, logic, fault):
    logic.set_up_fault = fault
    with pytest.raises(Canceled):
        segment(ct)
    assert scene.nodes == [ct]


@pytest.mark.parametrize("fault", [None, RuntimeError("no such node")])
@pytest.mark.parametrize("gone", ["CT", "scene"])
def test_a_ct_that_goes_meanwhile_takes_its_organs_along(segment, scene, ct, logic, gone, fault):
    logic.during = scene.nodes.clear if gone == "scene" else lambda: scene.nodes.remove(ct)
    logic.fault = fault
    with pytest.raises(InputError, match="CT is no longer in the scene"):
        segment(ct)
    assert scene.nodes == []


def test_organs_that_the_user_removes_meanwhile_stay_removed(segment, scene, ct, logic):
    logic.during = lambda: scene.nodes.pop()
    with pytest.raises(Canceled):
        segment(ct)
    assert scene.nodes == [ct]


def test_no_organs_are_no_result(segment, scene, ct, logic):
    """As where the file can't be read, which the extension does not tell."""
    logic.segments = 0
    with pytest.raises(InputError, match="found no organ"):
        segment(ct)
    assert scene.nodes == [ct]


def test_without_the_extension_it_is_named(scene, ct):
    with loaded("anatomy", module("slicer", mrmlScene=scene), module("TotalSegmentator")) as found:
        with pytest.raises(InputError, match="Install the extension TotalSegmentator"):
            found.segmentAnatomy(ct)
