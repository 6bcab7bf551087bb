"""The button Generate: paints what is previewed or chosen, and ends what runs."""

from __future__ import annotations

from functools import partial

from slicer.i18n import tr as _

from LNGenLib.mrml.results import add_result
from LNGenLib.synthesis.result import warning_of_unseen
from LNGenPanel.painting import paint
from LNGenPanel.parameters import chosen, requestOf


class GenerateSection:
    """Binds the button."""

    def __init__(self, panel):
        self.panel, self.ui = panel, panel.ui
        self.ui.generateButton.connect("clicked(bool)", self._onGenerate)

    def update(self) -> None:
        """Say what a click would do now."""
        busy = self.panel.jobs.running is not None
        count = self.panel.preview.count()
        button = self.ui.generateButton
        if busy:
            button.text = _("Cancel")
            button.toolTip = _("End the job; the scene stays as it was")
        elif count:
            button.text = _("Generate {count} previewed lymph nodes").format(count=count)
            button.toolTip = _("Paint the lymph nodes of the preview into a copy of the CT")
        else:
            button.text = _("Generate")
            button.toolTip = _("Paint lymph nodes into a copy of the CT; choose one first")
        button.enabled = busy or self.panel.parameters.ct is not None
        self.ui.outdatedLabel.visible = bool(count) and self.panel.preview.outdated()

    def _onGenerate(self, *_clicked) -> None:
        panel, parameters = self.panel, self.panel.parameters
        if panel.jobs.running is not None:
            panel.jobs.cancel()
            return

        def done(outcome):
            panel.checkThere(ct)
            volume = add_result(ct, *outcome)
            panel.preview.show(False)
            self.ui.originalButton.checked = False
            parameters.result = volume
            panel.results.show()
            text = _("{count} SYNTHETIC lymph nodes are in {name}")
            if any(record.anatomy_estimated for record in outcome[0].records):
                text += _(" (anatomy estimated from HU; labels of organs make places surer)")
            text = text.format(count=len(outcome[0].records), name=volume.GetName())
            unseen = warning_of_unseen(outcome[0].records)
            panel.status.say(". ".join(filter(None, (text, unseen))))

        with panel.status.saying():
            ct = chosen(parameters.ct, _("choose a CT"))
            plan = panel.preview.plan()
            inputs = panel.where.inputs()
            request = plan or requestOf(parameters)
            choice = panel.backend.choice()
            panel.start(partial(paint, panel.logic.backend, choice, inputs, request), done)
