"""LNGen: synthetic lymph nodes in CT. The module, its panel, its logic and its self test."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

if importlib.util.find_spec("LNGenLib") is None:  # a checkout has it beside this module's folder
    sys.path.append(str(Path(__file__).parents[1]))

from LNGenPanel.backend import BackendSection
from LNGenPanel.generate import GenerateSection
from LNGenPanel.jobs import Jobs
from LNGenPanel.nodes import NodesSection
from LNGenPanel.packages import python
from LNGenPanel.painting import paint
from LNGenPanel.parameters import LNGenParameterNode, chosen
from LNGenPanel.preview import PreviewSection
from LNGenPanel.results import ResultsSection
from LNGenPanel.samples import registerSampleData
from LNGenPanel.segment import SegmentSection
from LNGenPanel.status import Status
from LNGenPanel.where import WhereSection

from LNGenLib.errors import InputError
from LNGenLib.mrml.inputs import Inputs
from LNGenLib.mrml.results import add_result
from LNGenLib.service.client.backend import Backend, Choice
from LNGenLib.service.client.background import Background
from LNGenLib.synthesis.request import SynthesisRequest

HOMEPAGE = "https://example.org/SlicerLNGen"


class LNGen(ScriptedLoadableModule):
    """The module, as Slicer lists it."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("LNGen")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        self.parent.dependencies = []
        self.parent.contributors = ["LNGen contributors"]
        self.parent.helpText = _(
            "Paints realistic SYNTHETIC lymph nodes into a CT, with a segment and exact "
            "measurements for each. For research and training; not a medical device. "
            '<p>See the <a href="{url}">documentation</a>.</p>'
        ).format(url=f"{HOMEPAGE}/blob/main/docs/slicer.md")
        self.parent.acknowledgementText = _(
            "After Guo et al., LN-Gen: Rectal Lymph Nodes Generation via Anatomical Features, "
            '<a href="https://arxiv.org/abs/2408.14977">arXiv:2408.14977</a>.'
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


class LNGenWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel. Each of its sections is an object of LNGenPanel; `update` follows the choices."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: LNGenLogic | None = None
        self.parameters: LNGenParameterNode | None = None
        self._guiTag = None

    def setup(self) -> None:
        """Called when the user opens the module the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/LNGen.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)

        self.logic = LNGenLogic()
        self.jobs = Jobs(self.logic.backend, self._progressed, self._ended)
        self.status = Status(self.ui.progressBar, self.ui.progressLabel, self.ui.messageLabel)
        self.shown = self.status  # that of the job that runs, or ran last
        self.backend = BackendSection(self, Path(self.resourcePath("requirements.txt")))
        self.where = WhereSection(self)
        self.nodes = NodesSection(self)
        self.preview = PreviewSection(self)
        self.generate = GenerateSection(self)
        self.results = ResultsSection(self)
        self.segment = SegmentSection(self)

        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.ui.anatomyButton.visible = hasattr(slicer.modules, "totalsegmentator")
        self.ui.anatomyButton.connect("clicked(bool)", self.onAnatomy)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Called when the application closes and when the module is reloaded."""
        self.jobs.cancel()
        self.setParameterNode(None)
        self.removeObservers()
        self.logic.backend.close()

    def enter(self) -> None:
        """Called each time the user opens this module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Called each time the user opens another module; a job goes on."""
        if self.parameters and self._guiTag is not None:
            self.parameters.disconnectGui(self._guiTag)
            self._guiTag = None
            self.removeObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self._onModified)

    def onSceneStartClose(self, _caller, _event) -> None:
        """What runs is of a scene that goes."""
        self.jobs.cancel()
        for status in (self.status, self.segment.status):
            status.say("")
        self.setParameterNode(None)

    def onSceneEndClose(self, _caller, _event) -> None:
        """A new scene has its own choices."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneStartImport(self, _caller, _event) -> None:
        """The choices come before the nodes that they refer to, which selectors would not find."""
        self.setParameterNode(None)

    def onSceneEndImport(self, _caller, _event) -> None:
        """All nodes are there."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Observe the scene's parameter node, and choose the first CT where none is chosen."""
        self.setParameterNode(self.logic.getParameterNode())
        if self.parameters.ct is None:
            first = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if first is not None:
                self.parameters.ct = first

    def setParameterNode(self, parameters: LNGenParameterNode | None) -> None:
        """Bind the panel to these choices."""
        if self.parameters:
            self.parameters.disconnectGui(self._guiTag)
            self.removeObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self._onModified)
            self.preview.observe(None)
        self.parameters, self._guiTag = parameters, None
        if parameters:
            self._guiTag = parameters.connectGui(self.ui)
            self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self._onModified)
            self.update()

    def _onModified(self, _caller=None, _event=None) -> None:
        self.update()

    def update(self) -> None:
        """Show what the choices are."""
        if self.parameters:
            for section in (self.backend, self.where, self.nodes, self.preview):
                section.update()
            self.updateButtons()

    def updateButtons(self) -> None:
        """Let nothing begin while a job runs, and say what may begin now."""
        if not self.parameters:
            return
        idle, ready = self.jobs.running is None, self.parameters.ct is not None
        self.ui.previewButton.enabled = self.ui.regionButton.enabled = ready and idle
        self.ui.testButton.enabled = idle
        for section in (self.generate, self.results, self.segment):
            section.update()

    def start(
        self,
        work: Callable,
        done: Callable[[Any], None],
        status: Status | None = None,
    ) -> None:
        """Begin a job, see `Jobs.start`; `status` tells of it, else that under Generate."""
        self.jobs.check()
        self.shown = status or self.status
        self.shown.say("")
        self.jobs.start(work, done)
        self.updateButtons()

    def jump(self, ras) -> None:
        """Show a point (RAS mm) in all slice views."""
        node = slicer.vtkMRMLSliceNode
        node.JumpAllSlices(slicer.mrmlScene, *ras, node.CenteredJumpSlice)

    def checkThere(self, node: slicer.vtkMRMLNode) -> None:
        """Raise InputError where a node that a job began with has gone."""
        if not slicer.mrmlScene.IsNodePresent(node):
            raise InputError(_("the CT is no longer in the scene: the result was not added"))

    def _progressed(self, job: Background) -> None:
        self.shown.progressed(job)

    def _ended(self, message: str | None) -> None:
        self.shown.idle()
        if message is not None:
            self.shown.say(message or _("Canceled; the scene is as it was"), error=bool(message))
        if message:
            self.backend.look()
        self.updateButtons()

    def onAnatomy(self, *_clicked) -> None:
        """Segment the organs of the CT with the extension TotalSegmentator."""
        with self.status.saying():
            ct = chosen(self.parameters.ct, _("choose a CT"))
            with slicer.util.tryWithErrorDisplay(_("The anatomy was not made."), waitCursor=True):
                self.parameters.anatomy = self.logic.segmentAnatomy(ct)


class LNGenLogic(ScriptedLoadableModuleLogic):
    """What the module does, with and without its panel."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.backend = Backend(python())

    def getParameterNode(self) -> LNGenParameterNode:
        """The scene's choices."""
        return LNGenParameterNode(super().getParameterNode())

    def synthesize(
        self,
        volumeNode: slicer.vtkMRMLScalarVolumeNode,
        request: SynthesisRequest | None = None,
        anatomyNode: slicer.vtkMRMLNode | None = None,
        regionNode: slicer.vtkMRMLNode | None = None,
    ) -> slicer.vtkMRMLScalarVolumeNode:
        """Paint lymph nodes, in this process, and wait for them; the new volume.

        See `LNGenLib.mrml.case.synthesize_in_scene`. Needs torch in this Python.
        """
        from LNGenLib.mrml.case import synthesize_in_scene

        return synthesize_in_scene(
            volumeNode, request or SynthesisRequest(), anatomyNode, regionNode
        )

    def synthesizeAsync(
        self,
        volumeNode: slicer.vtkMRMLScalarVolumeNode,
        request: SynthesisRequest | None = None,
        anatomyNode: slicer.vtkMRMLNode | None = None,
        regionNode: slicer.vtkMRMLNode | None = None,
        onDone: Callable[[slicer.vtkMRMLScalarVolumeNode], None] = lambda volume: None,
        onFailed: Callable[[str], None] = lambda message: None,
        onProgress: Callable[[Background], None] = lambda job: None,
        choice: Choice | None = None,
    ) -> Jobs:
        """The same by the backend, while Slicer goes on: `onDone` is given the new volume, or
        `onFailed` a message, which is empty where `cancel` of what this returns was called."""

        def ended(message: str | None) -> None:
            if message is not None:
                onFailed(message)

        inputs = Inputs.read(volumeNode, anatomyNode, regionNode)
        jobs = Jobs(self.backend, onProgress, ended)
        work = partial(
            paint, self.backend, choice or Choice(), inputs, request or SynthesisRequest()
        )
        jobs.start(work, lambda outcome: onDone(add_result(volumeNode, *outcome)))
        return jobs

    def segmentAnatomy(
        self, volumeNode: slicer.vtkMRMLScalarVolumeNode
    ) -> slicer.vtkMRMLSegmentationNode:
        """The organs of a CT by the extension TotalSegmentator, which must be installed."""
        from TotalSegmentator import TotalSegmentatorLogic

        logic = TotalSegmentatorLogic()
        logic.setupPythonRequirements()
        name = _("{ct} anatomy").format(ct=volumeNode.GetName())
        anatomy = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
        try:
            logic.process(volumeNode, anatomy, task="total")
        except Exception:
            slicer.mrmlScene.RemoveNode(anatomy)
            raise
        return anatomy


class LNGenTest(ScriptedLoadableModuleTest):
    """The self test: two lymph nodes in the pelvic phantom."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Called by Slicer."""
        self.setUp()
        self.test_LNGen1()

    def test_LNGen1(self) -> None:
        """Paint, look at the records, undo."""
        from LNGenPanel.samples import addPhantom

        from LNGenLib.mrml.results import records
        from LNGenLib.mrml.undo import undo_all

        self.delayDisplay(_("Starting the test"))
        ct, anatomy = addPhantom(spacing=(3.0, 3.0, 3.0))
        original = slicer.util.arrayFromVolume(ct).copy()
        request = SynthesisRequest(2, seed=3, stations=("mesorectal",), texture_steps=2)
        try:
            volume = LNGenLogic().synthesize(ct, request, anatomy)
        except ImportError:
            self.delayDisplay(_("PyTorch is not installed: nothing was painted"))
            return
        self.assertEqual(len(records(volume)), 2)
        self.assertTrue((slicer.util.arrayFromVolume(volume) != original).any())
        undo_all(volume)
        self.assertTrue((slicer.util.arrayFromVolume(volume) == original).all())
        self.delayDisplay(_("Test passed"))
