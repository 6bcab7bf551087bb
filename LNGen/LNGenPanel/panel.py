"""The panel: its sections, and what they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from LNGenLib.mrml.choices import first_anatomy, first_ct, own_ids
from LNGenLib.mrml.surfaces import remove_orphans
from LNGenLib.mrml.volumes import soft_tissue_window
from LNGenPanel.anatomy import segmentAnatomy
from LNGenPanel.backend import BackendSection
from LNGenPanel.detection import DetectionSection
from LNGenPanel.generate import GenerateSection
from LNGenPanel.jobs import Jobs
from LNGenPanel.location import LocationSection
from LNGenPanel.nodes import NodesSection
from LNGenPanel.parameters import LNGenParameterNode
from LNGenPanel.preview import PreviewSection
from LNGenPanel.request import chosen
from LNGenPanel.results import ResultsSection
from LNGenPanel.servers import Servers
from LNGenPanel.status import Status


class Panel(VTKObservationMixin):
    """Composes the sections; `update` follows the choices, `bind` those of the scene."""

    def __init__(self, ui: Any, logic: slicer.ScriptedLoadableModuleLogic, requirements: Path):
        VTKObservationMixin.__init__(self)
        self.ui, self.logic = ui, logic
        self.parameters: LNGenParameterNode | None = None
        self._guiTag: int | None = None
        self._ct: slicer.vtkMRMLScalarVolumeNode | None = None  # that the panel has got ready
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
        self.detection = DetectionSection(ui, jobs, status, self.backend)
        self.sections = (
            *(self.backend, self.location, self.nodes, self.preview),
            *(self.generate, self.results, self.detection),
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
        self._setParameters(None)

    def close(self) -> None:
        """Let go of everything."""
        self.forget()
        self.removeObservers()
        self.logic.backend.close()

    def tidy(self) -> None:
        """Take away what belonged to a preview that was deleted."""
        remove_orphans(slicer.mrmlScene)

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
        self._prepare(self.parameters.ct)
        own = own_ids(slicer.mrmlScene)
        for selector in (self.ui.anatomySelector, self.ui.pointsSelector):
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

    def _prepare(self, ct: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Show a CT that was just chosen as radiologists do, with its organs if there are some."""
        if ct is self._ct:
            return
        self._ct = ct
        if ct is not None:
            soft_tissue_window(ct)
            if self.parameters.anatomy is None:
                self.parameters.anatomy = first_anatomy(slicer.mrmlScene, ct)

    def _progressed(self, job) -> None:
        self.status.progressed(job)

    def _ended(self, message: str | None) -> None:
        self.status.idle()
        if message is not None:
            self.status.say(message or _("Canceled; the scene is as it was."), error=bool(message))
        self.backend.ended(message)
        self.update()
        self.preview.complete()

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
