"""Where the user reads how jobs go: a bar, what a job is doing, and how the last one went."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import qt
import slicer
from slicer.i18n import tr as _

from LNGenLib.errors import Canceled, InputError
from LNGenLib.service.client.background import Background


class Status:
    """Binds the widgets of one such place; the bar and the label `doing` show while a job runs."""

    def __init__(self, bar: qt.QProgressBar, doing: qt.QLabel, message: qt.QLabel):
        self.bar, self.doing, self.message = bar, doing, message
        self.idle()
        self.say("")

    def progressed(self, job: Background) -> None:
        """Show where a job stands."""
        self.bar.visible = self.doing.visible = True
        fraction, seconds = job.progress.fraction, job.progress.seconds_left
        self.bar.setRange(0, 1000 if fraction else 0)  # 0 to 0: busy
        self.bar.setValue(round(1000 * (fraction or 0)))
        text = {
            "": _("Sending to the backend"),
            "anatomy": _("Looking at the anatomy"),
            "models": _("Loading the networks"),
            "structures": _("Drawing shapes"),
            "placement": _("Finding places"),
            "texture": _("Painting tissue"),
            "painting": _("Blending into the CT"),
            "segmenting": _("Looking for lymph nodes"),
            "versions": _("Looking at versions"),
            "self test": _("Painting one lymph node to try"),
        }.get(job.stage, job.stage)
        if job.steps > 1:
            text = _("{stage}, step {step} of {steps}").format(
                stage=text, step=job.step, steps=job.steps
            )
        if seconds is not None:
            text = _("{stage}, about {seconds:.0f} s left").format(stage=text, seconds=seconds)
        self.doing.text = text

    def idle(self) -> None:
        """Nothing runs any more."""
        self.bar.visible = self.doing.visible = False

    def say(self, text: str, error: bool = False) -> None:
        """Tell the user how it went, here and in the status bar."""
        self.message.text = text
        self.message.styleSheet = "color: #d03a2f" if error else ""
        self.message.visible = bool(text)
        if text:
            slicer.util.showStatusMessage(text, 10000)

    @contextlib.contextmanager
    def saying(self) -> Iterator[None]:
        """Say what is wrong with what the user gave; nothing where the user canceled."""
        try:
            yield
        except Canceled:
            pass
        except InputError as error:
            self.say(str(error), error=True)
