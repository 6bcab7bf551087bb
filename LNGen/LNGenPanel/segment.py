"""The section Segment: lymph nodes that a trained segmentation model finds in the CT."""

from __future__ import annotations

import ctk
from slicer.i18n import tr as _

from LNGenLib.errors import InputError
from LNGenLib.image.io import as_ct
from LNGenLib.mrml.found import MODEL, add_found, count_found
from LNGenLib.mrml.inputs import Inputs
from LNGenLib.mrml.scene import remove_node
from LNGenLib.segmentation.config import check_model
from LNGenPanel.parameters import Host, chosen
from LNGenPanel.status import Status


class SegmentSection:
    """Binds the section's widgets."""

    def __init__(self, panel):
        self.panel, self.ui = panel, panel.ui
        self.status = Status(
            *(self.ui.segmentProgressBar, self.ui.segmentProgressLabel, self.ui.segmentMessageLabel)
        )
        self._models: dict[str, tuple[str, ...]] = {}  # by the address of their server
        self.ui.foundSelector.addAttribute("vtkMRMLSegmentationNode", MODEL)
        self.ui.modelEdit.filters = ctk.ctkPathLineEdit.Dirs
        self.ui.modelBox.connect("currentIndexChanged(int)", self._keepModel)
        self.ui.modelsButton.connect("clicked(bool)", self._onModels)
        self.ui.segmentButton.connect("clicked(bool)", self._onSegment)
        self.ui.removeButton.connect("clicked(bool)", self._onRemove)

    def update(self) -> None:
        """Offer the models of the chosen backend, and say what a click would do now."""
        parameters, running = self.panel.parameters, self.panel.jobs.running is not None
        local = parameters.backend.host is Host.local
        self.ui.modelEdit.visible = local
        self.ui.modelBox.visible = self.ui.modelsButton.visible = not local
        self._fill()
        own = running and self.panel.shown is self.status
        button = self.ui.segmentButton
        button.text = _("Cancel") if own else _("Segment")
        button.enabled = own or (parameters.ct is not None and not running)
        self.ui.modelsButton.enabled = not running
        self.ui.removeButton.enabled = parameters.found is not None

    def _fill(self) -> None:
        """List what the server has, as far as it was asked, and what is chosen in any case."""
        chosen_name = self.panel.parameters.modelName
        names = {*self._models.get(self.panel.backend.url, ()), chosen_name} - {""}
        box = self.ui.modelBox
        was = box.blockSignals(True)
        box.clear()
        box.addItems(sorted(names))
        box.setCurrentIndex(box.findText(chosen_name))
        box.blockSignals(was)

    def _keepModel(self, *_changed) -> None:
        if self.panel.parameters:
            self.panel.parameters.modelName = self.ui.modelBox.currentText

    def _onModels(self, *_clicked) -> None:
        """Ask the server for its models, and choose the first where none is chosen."""
        jobs, url = self.panel.jobs, self.panel.backend.url

        def work(_progress):
            return jobs.backend.client(choice).capabilities().models

        def done(models):
            self._models[url] = models
            if not models:
                raise InputError(_("the server has no segmentation model: its admin puts it there"))
            if self.panel.parameters.modelName not in models:
                self.panel.parameters.modelName = models[0]

        with self.status.saying():
            choice = self.panel.backend.choice()
            self.panel.start(work, done, self.status)

    def _model(self) -> tuple[str, str]:
        """Name of the chosen model, and where it lies; InputError where there is none."""
        parameters = self.panel.parameters
        if parameters.backend.host is Host.local:
            folder = parameters.modelFolder
            check_model(folder)
            return folder.name, str(folder)
        name = chosen(parameters.modelName or None, _("choose a model: ask the server for its own"))
        return name, name

    def _onSegment(self, *_clicked) -> None:
        """Let the model look at the CT, or cancel that."""
        jobs = self.panel.jobs
        if jobs.running is not None:
            jobs.cancel()
            return

        def work(progress):
            labels = jobs.backend.segment(choice, as_ct(inputs.ct, inputs.name), model, progress)
            return labels, count_found(labels)

        def done(outcome):
            labels, count = outcome
            self.panel.checkThere(ct)
            if not count:
                text = _("No lymph node found in {ct} by {model}")
                self.status.say(text.format(model=name, ct=ct.GetName()))
                return
            self.panel.parameters.found = add_found(ct, labels, name, source)
            text = _("Lymph nodes found in {ct} by {model}: {count}")
            self.status.say(text.format(model=name, ct=ct.GetName(), count=count))

        with self.status.saying():
            ct = chosen(self.panel.parameters.ct, _("choose a CT"))
            name, model = self._model()
            inputs, choice = Inputs.read(ct), self.panel.backend.choice()
            source = f"{choice.url}: {name}" if choice.url else model
            self.panel.start(work, done, self.status)

    def _onRemove(self, *_clicked) -> None:
        """Take what a model found out of the scene."""
        found = self.panel.parameters.found
        if found is not None:
            remove_node(found)
            self.status.say("")
