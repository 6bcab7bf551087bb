"""The button Generate: paints what is previewed or chosen, and ends what runs."""

from __future__ import annotations

from functools import partial
from typing import Any

from slicer.i18n import tr as _

from LNGenLib.mrml.results import add_result
from LNGenPanel.backend import BackendSection
from LNGenPanel.jobs import Jobs
from LNGenPanel.location import LocationSection
from LNGenPanel.painting import paint
from LNGenPanel.preview import PreviewSection
from LNGenPanel.request import checkThere, chosen, requestOf
from LNGenPanel.results import ResultsSection
from LNGenPanel.section import Section
from LNGenPanel.status import Status
from LNGenPanel.texts import painted


class GenerateSection(Section):
    """Binds the button."""

    def __init__(
        self,
        ui: Any,
        jobs: Jobs,
        status: Status,
        backend: BackendSection,
        location: LocationSection,
        preview: PreviewSection,
        results: ResultsSection,
    ):
        self.ui, self.jobs, self.status, self.backend = ui, jobs, status, backend
        self.location, self.preview, self.results = location, preview, results
        ui.generateButton.connect("clicked(bool)", self._onGenerate)

    def update(self) -> None:
        """Say what a click would do now."""
        count = self.preview.count()
        button = self.ui.generateButton
        if self.jobs.running is not None:
            button.text = _("Cancel")
            button.toolTip = _("End the job; the scene stays as it was")
        elif count:
            button.text = _("Generate {count} previewed lymph nodes").format(count=count)
            button.toolTip = _("Paint the lymph nodes of the preview into a copy of the CT")
        else:
            button.text = _("Generate")
            button.toolTip = _("Paint lymph nodes into a copy of the CT volume")
        can_begin = self.jobs.idle and self.parameters.ct is not None
        button.enabled = self.jobs.running is not None or can_begin
        self.ui.outdatedLabel.visible = bool(count) and self.preview.outdated()

    def _onGenerate(self, *_clicked) -> None:
        if self.jobs.running is not None:
            self.jobs.cancel()
            return
        parameters = self.parameters

        def done(outcome):
            checkThere(ct)
            parameters.result = add_result(ct, *outcome)
            self.preview.show(False)
            self.results.reveal()
            self.status.say(painted(outcome[0], parameters.result.GetName()))

        with self.status.saying():
            ct = chosen(parameters.ct, _("Select a CT volume."))
            plan = self.preview.plan()
            inputs = self.location.inputs()
            request = plan or requestOf(parameters)
            choice = self.backend.choice()
            self.jobs.start(partial(paint, self.jobs.backend, choice, inputs, request), done)
