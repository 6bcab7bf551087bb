"""The section Advanced, its detection: lymph nodes that a trained segmentation model finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from LNGenLib.errors import InputError
from LNGenLib.image.io import as_ct
from LNGenLib.mrml.found import MODEL, add_found, count_found
from LNGenLib.mrml.inputs import Inputs
from LNGenLib.mrml.scene import remove_node
from LNGenLib.segmentation.config import check_model
from LNGenPanel.backend import BackendSection
from LNGenPanel.jobs import Jobs
from LNGenPanel.request import checkThere, chosen
from LNGenPanel.section import Section
from LNGenPanel.status import Status

FOLDER = "LNGen/modelFolder"  # setting


class DetectionSection(Section):
    """Binds the section's widgets."""

    def __init__(self, ui: Any, jobs: Jobs, status: Status, backend: BackendSection):
        self.ui, self.jobs, self.status, self.backend = ui, jobs, status, backend
        self._models: dict[str, tuple[str, ...]] = {}  # by the address of their server
        ui.foundSelector.addAttribute("vtkMRMLSegmentationNode", MODEL)
        ui.modelEdit.filters = ctk.ctkPathLineEdit.Dirs
        ui.modelEdit.currentPath = qt.QSettings().value(FOLDER, "") or ""
        ui.modelEdit.connect("currentPathChanged(QString)", self._keepFolder)
        ui.modelBox.connect("currentIndexChanged(int)", self._keepModel)
        ui.modelsButton.connect("clicked(bool)", self._onModels)
        ui.detectButton.connect("clicked(bool)", self._onDetect)
        ui.removeButton.connect("clicked(bool)", self._onRemove)

    def update(self) -> None:
        """Offer the models of the chosen backend; without a model there is nothing to click."""
        local, found = self.backend.local, self.parameters.found
        self.ui.modelEdit.visible = local
        self.ui.modelBox.visible = self.ui.modelsButton.visible = not local
        self._fill()
        button = self.ui.detectButton
        button.visible = bool(self._folder() if local else self.parameters.modelName)
        button.enabled = self.jobs.idle and self.parameters.ct is not None
        self.ui.modelsButton.enabled = self.jobs.idle
        for widget in (self.ui.foundLabel, self.ui.foundSelector, self.ui.removeButton):
            widget.visible = button.visible or found is not None
        self.ui.removeButton.enabled = found is not None

    def _folder(self) -> str:
        return self.ui.modelEdit.currentPath.strip()

    def _fill(self) -> None:
        """List what the server has, as far as it was asked, and what is chosen in any case."""
        chosen_name = self.parameters.modelName
        names = {*self._models.get(self.backend.url, ()), chosen_name} - {""}
        box = self.ui.modelBox
        was = box.blockSignals(True)
        box.clear()
        box.addItems(sorted(names))
        box.setCurrentIndex(box.findText(chosen_name))
        box.blockSignals(was)

    def _keepFolder(self, *_changed) -> None:
        qt.QSettings().setValue(FOLDER, self._folder())
        if self.parameters is not None:
            self.update()

    def _keepModel(self, *_changed) -> None:
        if self.parameters is not None:
            self.parameters.modelName = self.ui.modelBox.currentText

    def _onModels(self, *_clicked) -> None:
        """Ask the server for its models, and choose the first where none is chosen."""
        url = self.backend.url

        def work(_progress):
            return self.jobs.backend.client(choice).capabilities().models

        def done(models):
            self._models[url] = models
            if not models:
                raise InputError(_("The server has no segmentation model: its admin adds them."))
            if self.parameters.modelName not in models:
                self.parameters.modelName = models[0]

        with self.status.saying():
            choice = self.backend.choice(sends=False)
            self.jobs.start(work, done)

    def _model(self) -> tuple[str, str]:
        """Name of the chosen model, and where it lies; InputError where there is none."""
        if self.backend.local:
            folder = Path(self._folder())
            check_model(folder)
            return folder.name, str(folder)
        name = chosen(self.parameters.modelName or None, _("Select a detection model."))
        return name, name

    def _onDetect(self, *_clicked) -> None:
        """Let the model look at the CT."""

        def work(progress):
            backend = self.jobs.backend
            labels = backend.segment(choice, as_ct(inputs.ct, inputs.name), model, progress)
            return labels, count_found(labels)

        def done(outcome):
            labels, count = outcome
            checkThere(ct)
            if not count:
                text = _("No lymph node found in {ct} by {model}.")
                self.status.say(text.format(model=name, ct=ct.GetName()))
                return
            self.parameters.found = add_found(ct, labels, name, source)
            text = _("Lymph nodes found in {ct} by {model}: {count}.")
            self.status.say(text.format(model=name, ct=ct.GetName(), count=count))

        with self.status.saying():
            ct = chosen(self.parameters.ct, _("Select a CT volume."))
            name, model = self._model()
            inputs, choice = Inputs.read(ct), self.backend.choice()
            source = f"{choice.url}: {name}" if choice.url else model
            self.jobs.start(work, done)

    def _onRemove(self, *_clicked) -> None:
        """Take what a model found out of the scene."""
        found = self.parameters.found
        if found is not None:
            remove_node(found)
            self.status.say("")
