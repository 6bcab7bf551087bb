"""Work on a thread of its own, watched from another one that must not wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from LNGenLib.errors import Canceled
from LNGenLib.progress import Progress
from LNGenLib.service.worker.kinds import KINDS


class Background:
    """Does `work`, which is given a `Progress` that `cancel` makes raise `Canceled`.

    `stage`, `step` and `steps` say where it stands. `kind` is that of the job that takes most of
    its time, None where it is no job of the service.
    """

    def __init__(self, work: Callable[[Progress], Any], kind: str | None):
        self.stage, self.step, self.steps = "", 0, 1
        self._kind, self._since = kind and KINDS[kind], time.monotonic()
        self._canceled = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None
        progress = Progress(self._report, self._canceled.is_set)
        self._thread = threading.Thread(target=self._run, args=(work, progress), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[Progress], Any], progress: Progress) -> None:
        try:
            self._value = work(progress)
        except BaseException as error:
            self._error = error

    def _report(self, stage: str, step: int, steps: int) -> None:
        self.stage, self.step, self.steps = stage, step, steps

    @property
    def fraction(self) -> float:
        """Share of the work that is done, 0 to 1."""
        if not self._kind or not self.stage:
            return 0.0
        return self._kind.fraction(self.stage, self.step, self.steps)

    @property
    def seconds_left(self) -> float | None:
        """An estimate, None where there is none yet."""
        spent, fraction = time.monotonic() - self._since, self.fraction
        return spent * (1 - fraction) / fraction if fraction > 0.01 else None

    def cancel(self) -> None:
        """Ask for its end; does not wait for it."""
        self._canceled.set()

    def over(self, patience: float = 0.0) -> bool:
        """Whether it has ended, after `patience` seconds at most.

        Waiting gives the thread its turn where the caller holds Python's lock otherwise, as
        Slicer's event loop does.
        """
        self._thread.join(patience)
        return not self._thread.is_alive()

    def outcome(self) -> Any:
        """What `work` gave or raised, once it is over."""
        if self._canceled.is_set():
            raise Canceled
        if self._error is not None:
            raise self._error
        return self._value
