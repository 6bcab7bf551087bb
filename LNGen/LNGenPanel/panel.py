"""The panel: its sections, and what they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from LNGenLib.mrml.choices import first_anatomy, first_ct, is_filled, lies_on, own_ids
from LNGenLib.mrml.results import parts_of
from LNGenLib.mrml.scene import remove_node
from LNGenLib.mrml.surfaces import remove_orphans
from LNGenLib.mrml.volumes import soft_tissue_window
from LNGenPanel.anatomy import segmentAnatomy
from LNGenPanel.backend import BackendSection
from LNGenPanel.detection import DetectionSection
from LNGenPanel.generate import GenerateSection
from LNGenPanel.jobs import Jobs
from LNGenPanel.live import LiveSection
from LNGenPanel.location import LocationSection, endPlacing
from LNGenPanel.nodes import NodesSection
from LNGenPanel.parameters import LNGenParameterNode
from LNGenPanel.preview import PreviewSection
from LNGenPanel.request import chosen
from LNGenPanel.results import ResultsSection
from LNGenPanel.servers import Servers
from LNGenPanel.status import Status

MOST_LOOKS, BETWEEN_LOOKS = 200, 100  # ms; at a node that is being read
CHOSEN = ("ct", "anatomy", "roi", "segmentation", "points")  # for which no other node stands in


class Panel(VTKObservationMixin):
    """Composes the sections; `update` follows the choices, `bind` those of the scene."""

    def __init__(self, ui: Any, logic: slicer.ScriptedLoadableModuleLogic, requirements: Path):
        VTKObservationMixin.__init__(self)
        self.ui, self.logic = ui, logic
        self.parameters: LNGenParameterNode | None = None
        self._guiTag: int | None = None
        self._ct: slicer.vtkMRMLScalarVolumeNode | None = None  # that the panel has got ready
        self._reading: dict[slicer.vtkMRMLNode, int] = {}  # nodes without content, and looks left
        self._timer = qt.QTimer()
        self._timer.setInterval(BETWEEN_LOOKS)
        self._timer.connect("timeout()", self._look)
        # nodes that are being removed: what chose each of them, and what goes with it
        self._leaving: dict[slicer.vtkMRMLNode, tuple[list[str], list[slicer.vtkMRMLNode]]] = {}
        (regions,) = slicer.util.findChildren(ui.segmentSelector, className="qMRMLNodeComboBox")
        self._selectors = (ui.ctSelector, ui.anatomySelector, regions, ui.pointsSelector)
        self.jobs = Jobs(logic.backend, self._progressed, self._ended, self.update)
        self.status = Status(ui)
        jobs, status = self.jobs, self.status
        kept = Path(slicer.app.slicerUserSettingsFilePath).parent / "LNGen" / "servers.json"
        self.backend = BackendSection(ui, jobs, status, Servers(kept), requirements)
        self.location = LocationSection(ui, jobs, status, self.backend)
        self.nodes = NodesSection(ui)
        self.preview = PreviewSection(
            ui, jobs, status, self.backend, self.location, self._previewChanged
        )
        self.results = ResultsSection(ui, jobs, status)
        self.generate = GenerateSection(
            ui, jobs, status, self.backend, self.location, self.preview, self.results
        )
        self.live = LiveSection(self.preview, self.results)
        self.detection = DetectionSection(ui, jobs, status, self.backend)
        self.sections = (
            *(self.backend, self.location, self.nodes, self.preview),
            *(self.generate, self.results, self.live, self.detection),
        )
        ui.anatomyButton.visible = hasattr(slicer.modules, "totalsegmentator")
        ui.anatomyButton.connect("clicked(bool)", self._onAnatomy)

    def bind(self) -> None:
        """Show and keep the choices of the scene, with a CT and organs where it has some."""
        if self._guiTag is not None:
            return
        parameters = self.logic.getParameterNode()
        if parameters.ct is None:
            parameters.ct = first_ct(slicer.mrmlScene)
        self._setParameters(parameters)
        self._guiTag = parameters.connectGui(self.ui)
        self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onModified)
        self.update()

    def release(self) -> None:
        """Let the widgets go their own way, while another module is shown or a scene is read."""
        self.location.endPlacing()
        self.preview.endPlacing()
        if self._guiTag is not None:
            node = self.parameters.parameterNode
            self.removeObserver(node, vtk.vtkCommand.ModifiedEvent, self._onModified)
            self.parameters.disconnectGui(self._guiTag)
            self._guiTag = None

    def forget(self) -> None:
        """End what runs, and let go of a scene that is being closed."""
        self.jobs.cancel()
        self.status.say("")
        self.release()
        self._leaving.clear()
        self._reading.clear()
        self._setParameters(None)

    def close(self) -> None:
        """Let go of everything."""
        self.forget()
        self.removeObservers()
        self.logic.backend.close()

    def leaving(self, node: slicer.vtkMRMLNode) -> None:
        """A node is about to be removed from the scene: nothing is placed into it any more."""
        if self.parameters is None or slicer.mrmlScene.IsClosing():
            return
        for widget in (
            self.ui.roiPlaceWidget,
            self.ui.pointsPlaceWidget,
            self.ui.previewPlaceWidget,
        ):
            if widget.currentNode() is node:
                endPlacing(widget)
        names = [name for name in CHOSEN if getattr(self.parameters, name) is node]
        if names or parts_of(node):
            self._leaving[node] = names, parts_of(node)

    def tidy(self) -> None:
        """A node was removed: soon, when selectors have chosen another in its place, choose none,
        and take away what belonged to it."""
        qt.QTimer.singleShot(0, self._tidy)

    def _tidy(self) -> None:
        scene = slicer.mrmlScene
        if self.parameters is None:
            return
        remove_orphans(scene)
        for node in [node for node in self._leaving if not scene.IsNodePresent(node)]:
            names, parts = self._leaving.pop(node)
            for name in names:
                setattr(self.parameters, name, None)
            if "segmentation" in names:
                self.parameters.segment = ""
            for part in filter(scene.IsNodePresent, parts):
                remove_node(part)

    def _setParameters(self, parameters: LNGenParameterNode | None) -> None:
        self.parameters = parameters
        for section in self.sections:
            section.bind(parameters)

    def _onModified(self, _caller, _event) -> None:
        self.update()

    def update(self) -> None:
        """Show what the choices are, and what may be done now."""
        if self.parameters is None:
            return
        if self.parameters.ct is not self._ct:
            self._ct = self.parameters.ct
            qt.QTimer.singleShot(0, self._prepare)  # once whoever chooses has done
        own = own_ids(slicer.mrmlScene)
        for selector in self._selectors:
            selector.sortFilterProxyModel().hiddenNodeIDs = own
        for section in self.sections:
            section.update()
        self._widen()
        self.ui.anatomyButton.enabled = self.jobs.idle and self.parameters.ct is not None

    def _widen(self) -> None:
        """Let Slicer make the panel no narrower than its sections, which would be cut."""
        area = self.ui.sectionsArea
        bar = area.style().pixelMetric(qt.QStyle.PM_ScrollBarExtent)
        area.setMinimumWidth(self.ui.sectionsWidget.layout().minimumSize().width() + bar)

    def _previewChanged(self) -> None:
        self.generate.update()
        self.live.follow()

    def awaitFilled(self, added: slicer.vtkMRMLNode) -> None:
        """See whether a node that was added is the CT or its organs, once its reader has filled
        it."""
        self._reading[added] = MOST_LOOKS
        self._timer.start()

    def _look(self) -> None:
        for node, looks in list(self._reading.items()):
            there, filled = slicer.mrmlScene.IsNodePresent(node), is_filled(node)
            self._reading[node] = looks - 1
            if filled or not there or not looks:
                del self._reading[node]
            if filled and there:
                self._prepare(node)
        if not self._reading:
            self._timer.stop()

    def _prepare(self, added: slicer.vtkMRMLNode | None = None) -> None:
        """Show the CT that is chosen as radiologists do, and choose its organs; of a node that was
        `added` see whether it is one of them."""
        parameters, scene = self.parameters, slicer.mrmlScene
        if parameters is None:
            return
        if added is not None and parameters.ct is None and first_ct(scene) is added:
            parameters.ct = added
        ct = parameters.ct
        if ct is None:
            return
        soft_tissue_window(ct)
        if parameters.anatomy is None or not lies_on(parameters.anatomy, ct):
            found = first_anatomy(scene, ct)
            if added in (None, found):
                parameters.anatomy = found

    def _progressed(self, job) -> None:
        self.status.progressed(job)

    def _ended(self, message: str | None) -> None:
        self.status.idle()
        if message is not None:
            self.status.say(message or _("Canceled; the scene is as it was."), error=bool(message))
        self.backend.ended(message)
        self.update()
        self.preview.complete()
        self.live.ended(message)

    def _onAnatomy(self, *_clicked) -> None:
        """Segment the organs of the CT with the extension TotalSegmentator."""
        with self.status.saying():
            self.jobs.check()
            ct = chosen(self.parameters.ct, _("Select a CT volume."))
            with self.jobs.held():
                anatomy = segmentAnatomy(ct, self.status.say)
            if self.parameters is not None:
                self.parameters.anatomy = anatomy
                self.status.say(_("The organ segmentation is ready."))
