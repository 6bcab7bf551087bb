"""LNGen: synthetic lymph nodes in CT. The module, its panel, its logic and its self test.

Slicer runs this file at each start: it imports nothing of the library before it is needed.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import qt
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

from LNGenPanel.samples import PhantomReader as LNGenFileReader  # noqa: F401 - Slicer looks for it
from LNGenPanel.samples import registerSampleData

if TYPE_CHECKING:
    from LNGenPanel.jobs import Jobs
    from LNGenPanel.panel import Panel
    from LNGenPanel.parameters import LNGenParameterNode

    from LNGenLib.service.client.backend import Backend, Choice
    from LNGenLib.service.client.background import Background
    from LNGenLib.synthesis.request import SynthesisRequest

HOMEPAGE = "https://example.org/SlicerLNGen"
OLDEST = 5, 12  # of Slicer: the first with slicer.packaging
OURS = "LNGenPanel", "LNGenLib"


class LNGen(ScriptedLoadableModule):
    """The module, as Slicer lists it."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Lymph Node Generator")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        self.parent.dependencies = ["Markups", "Segmentations", "SubjectHierarchy", "Volumes"]
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
    """What Slicer calls; the panel itself is `LNGenPanel.panel.Panel`, None in a Slicer that is too
    old and until `setup` is done."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.panel: Panel | None = None
        self.logic: LNGenLogic | None = None

    def setup(self) -> None:
        """Called when the user opens the module the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        if (slicer.app.majorVersion, slicer.app.minorVersion) < OLDEST:
            text = _("LNGen needs 3D Slicer {major}.{minor} or later: install a newer Slicer.")
            self.layout.addWidget(qt.QLabel(text.format(major=OLDEST[0], minor=OLDEST[1])))
            return
        from LNGenPanel.panel import Panel

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/LNGen.ui"))
        self.layout.addWidget(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = LNGenLogic()
        requirements = Path(self.resourcePath("requirements.txt"))
        self.panel = Panel(slicer.util.childWidgetVariables(uiWidget), self.logic, requirements)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneReady)
        self.addObserver(scene, scene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneReady)
        self.addObserver(scene, scene.NodeAddedEvent, self.onNodeAdded)
        # before selectors hear of it, which choose another node then
        self.addObserver(
            scene, scene.NodeAboutToBeRemovedEvent, self.onNodeAboutToBeRemoved, priority=1.0
        )
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        self.panel.bind()

    def cleanup(self) -> None:
        """Called when the application closes and when the module is reloaded."""
        self.removeObservers()
        if self.panel is not None:
            self.panel.close()

    def enter(self) -> None:
        """Called each time the user opens this module."""
        if self.panel is not None:
            self.panel.bind()

    def exit(self) -> None:
        """Called each time the user opens another module; a job goes on."""
        if self.panel is not None:
            self.panel.release()

    def onReload(self) -> None:
        """Load the panel and the library anew, too."""
        self.cleanup()  # while what it is made of is loaded
        for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, _caller, _event) -> None:
        """What runs is of a scene that goes."""
        self.panel.forget()

    def onSceneStartImport(self, _caller, _event) -> None:
        """The choices come before the nodes that they refer to, which selectors would not find."""
        self.panel.release()

    def onSceneReady(self, _caller, _event) -> None:
        """A new scene has its own choices, and all its nodes are there."""
        if self.parent.isEntered:
            self.panel.bind()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAdded(self, _caller, _event, node) -> None:
        """It may be the organs of the CT."""
        if node.IsA("vtkMRMLSegmentationNode") or node.IsA("vtkMRMLVolumeNode"):
            self.panel.awaitFilled(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, _caller, _event, node) -> None:
        """It may be one that is chosen."""
        self.panel.leaving(node)

    def onNodeRemoved(self, _caller, _event) -> None:
        """What belonged to it goes along."""
        self.panel.tidy()


class LNGenLogic(ScriptedLoadableModuleLogic):
    """What the module does, with and without its panel."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._backend: Backend | None = None

    @property
    def backend(self) -> Backend:
        """Where jobs are done."""
        if self._backend is None:
            from LNGenPanel.packages import python

            from LNGenLib.service.client.backend import Backend

            self._backend = Backend(python())
        return self._backend

    def getParameterNode(self) -> LNGenParameterNode:
        """The scene's choices."""
        from LNGenPanel.parameters import LNGenParameterNode

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

        return synthesize_in_scene(volumeNode, request, anatomyNode, regionNode)

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
        from LNGenPanel.jobs import Jobs
        from LNGenPanel.painting import paint

        from LNGenLib.mrml.inputs import Inputs
        from LNGenLib.mrml.results import add_result
        from LNGenLib.service.client.backend import Choice
        from LNGenLib.synthesis.request import SynthesisRequest

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
        from LNGenLib.synthesis.request import SynthesisRequest

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
