"""One job at a time, done elsewhere and looked at by a timer, so that the panel never waits."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import qt
from slicer.i18n import tr as _

from LNGenLib.errors import Canceled, InputError
from LNGenLib.progress import Progress
from LNGenLib.service.client.backend import Backend
from LNGenLib.service.client.background import Background
from LNGenPanel.texts import fault, sentence

EVERY = 50  # ms between two looks
TURN = 0.015  # seconds that the job's thread is given at each look


class Jobs:
    """`start` gives `work` to a thread and its value to `done`, back on the main thread.

    `began()` hears of its beginning and `progressed(job)` of the job between; `ended(message)` of
    its end, with a message where it failed and an empty one where it was canceled; None where it
    is done.
    """

    def __init__(
        self,
        backend: Backend,
        progressed: Callable[[Background], None],
        ended: Callable[[str | None], None],
        began: Callable[[], None] = lambda: None,
    ):
        self.backend, self.progressed, self.ended = backend, progressed, ended
        self.began = began
        self.running: Background | None = None
        self._held = False
        self._done: Callable[[Any], None] | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(EVERY)
        self._timer.connect("timeout()", self._look)

    @property
    def idle(self) -> bool:
        """Whether a job may begin."""
        return self.running is None and not self._held

    def check(self) -> None:
        """Raise InputError where a job runs."""
        if not self.idle:
            raise InputError(_("Another job is running: wait for it, or cancel it."))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let no job begin while this thread does something long that lets events through."""
        self._held = True
        self.began()
        try:
            yield
        finally:
            self._held = False
            self.began()

    def start(self, work: Callable[[Progress], Any], done: Callable[[Any], None]) -> None:
        """Begin; InputError where another job runs."""
        self.check()
        if self.backend.died:
            self.backend.close()  # this job has another worker
        self.running, self._done = Background(work), done
        self._timer.start()
        self.progressed(self.running)
        self.began()

    def cancel(self) -> None:
        """End the job at once, as the user sees it; its thread and the worker follow soon after,
        and what they still make is thrown away."""
        if self.running is not None:
            self.running.cancel()
            self._end("")

    def _look(self) -> None:
        job = self.running
        if job is None:
            return
        if not job.over(TURN):
            if self.backend.died:
                job.cancel()
                self._end(sentence(self.backend.died))
            else:
                self.progressed(job)
            return
        done = self._done
        self._timer.stop()
        try:
            done(job.outcome())
            message = None
        except Canceled:
            message = ""
        except InputError as error:
            message = sentence(str(error))
        except Exception as error:
            logging.exception("LNGen")
            message = fault(error)
        self._end(message)

    def _end(self, message: str | None) -> None:
        self._timer.stop()
        self.running = self._done = None
        self.ended(message)
