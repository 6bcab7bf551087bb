"""Work on a thread of its own, watched from another one that must not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from LNGenLib.errors import Canceled
from LNGenLib.progress import Progress


class Background:
    """Does `work`, which is given a `Progress` that `cancel` makes raise `Canceled`.

    `stage`, `step` and `steps` are where it stands; `progress` has the server's estimates of the
    fraction done and the seconds left.
    """

    def __init__(self, work: Callable[[Progress], Any]):
        self.stage, self.step, self.steps = "", 0, 1
        self._canceled = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None
        self.progress = Progress(self._report, self._canceled.is_set)
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[Progress], Any]) -> None:
        try:
            self._value = work(self.progress)
        except BaseException as error:
            self._error = error

    def _report(self, stage: str, step: int, steps: int) -> None:
        self.stage, self.step, self.steps = stage, step, steps

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
