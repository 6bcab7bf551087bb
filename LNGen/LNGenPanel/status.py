"""Where the user reads how jobs go, below the button Generate: a bar, what a job is doing, and how
the last one went."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import qt
import slicer

from LNGenLib.errors import Canceled, InputError
from LNGenLib.service.client.background import Background
from LNGenPanel.texts import fault, sentence, stageText


class Status:
    """Binds the widgets; the bar and what is being done show while a job runs. `failed` is whether
    the message tells of a failure."""

    def __init__(self, ui: Any):
        self.bar, self.doing = ui.progressBar, ui.progressLabel
        self.message, self.icon = ui.messageLabel, ui.messageIcon
        size = self.icon.style().pixelMetric(qt.QStyle.PM_SmallIconSize)
        warning = self.icon.style().standardIcon(qt.QStyle.SP_MessageBoxWarning)
        self.icon.setPixmap(warning.pixmap(size, size))
        self.failed = False
        self.idle()
        self.say("")

    def progressed(self, job: Background) -> None:
        """Show where a job stands."""
        if not self.bar.visible:
            self.say("")
        self.bar.visible = self.doing.visible = True
        fraction = job.progress.fraction
        self.bar.setRange(0, 1000 if fraction else 0)  # 0 to 0: busy
        self.bar.setValue(round(1000 * (fraction or 0)))
        self.doing.text = stageText(job)

    def idle(self) -> None:
        """Nothing runs any more."""
        self.bar.visible = self.doing.visible = False

    def say(self, text: str, error: bool = False) -> None:
        """Tell the user how it went, here and in the status bar."""
        self.failed = error
        self.message.text = text
        self.message.visible = bool(text)
        self.icon.visible = error
        if text:
            slicer.util.showStatusMessage(text, 10000)

    @contextlib.contextmanager
    def saying(self) -> Iterator[None]:
        """Say what is wrong with what the user gave; nothing where the user canceled."""
        self.say("")
        try:
            yield
        except Canceled:
            pass
        except InputError as error:
            self.say(sentence(str(error)), error=True)
        except Exception as error:
            logging.exception("LNGen")
            self.say(fault(error), error=True)
