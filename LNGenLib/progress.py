"""Progress and cancellation of long work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from LNGenLib.errors import Canceled


@dataclass
class Progress:
    """Hands what is under way to `report(stage, step, steps)` and keeps seconds by stage.

    `canceled()` is asked between steps; where it answers True, `Canceled` is raised. `fraction`
    (done, 0 to 1) and `seconds_left` are a server's estimates of its whole job, else None.
    """

    report: Callable[[str, int, int], None] | None = None
    canceled: Callable[[], bool] | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    fraction: float | None = None
    seconds_left: float | None = None
    _stage: str = ""
    _since: float = 0.0

    def stage(self, name: str, steps: int = 1) -> None:
        """A new stage begins."""
        self._begin(name)
        self.step(0, steps)

    def _begin(self, name: str) -> None:
        self.finish()
        self._stage, self._since = name, time.perf_counter()

    def step(self, done: int, steps: int) -> None:
        """`done` of `steps` steps of the stage are done."""
        self.check()
        if self.report:
            self.report(self._stage, done, steps)

    def advance(self, stage: str, done: int, steps: int) -> None:
        """`done` of `steps` steps are done of a stage, which begins where it is another one."""
        if stage != self._stage:
            self._begin(stage)
        self.step(done, steps)

    def parts(self, count: int) -> list[Progress]:
        """The progress of each of `count` equal parts of the stage; they may go on beside one
        another."""
        done, lock = [0] * count, threading.Lock()

        def report(number: int, step: int, steps: int) -> None:
            with lock:
                done[number] = step
                self.step(sum(done), count * steps)

        def part(number: int) -> Progress:
            return Progress(lambda _, step, steps: report(number, step, steps))

        return [part(number) for number in range(count)]

    def estimate(self, fraction: float | None, seconds_left: float | None) -> None:
        """What a server says of its whole job."""
        self.fraction, self.seconds_left = fraction, seconds_left

    def check(self) -> None:
        """Raise `Canceled` where it is canceled."""
        if self.canceled and self.canceled():
            raise Canceled

    def finish(self) -> None:
        """The last stage is over."""
        if self._stage:
            spent = time.perf_counter() - self._since
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + spent
            self._stage = ""


class _Silent(Progress):
    """Reports to nobody, is never canceled, and keeps nothing, since all share it."""

    def _begin(self, name: str) -> None:
        pass

    def estimate(self, fraction: float | None, seconds_left: float | None) -> None:
        pass


SILENT = _Silent()
