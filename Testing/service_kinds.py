"""Cheap kinds of jobs for tests and benchmarks of the service, beside the product's own."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.service.worker import kinds
from LNGenLib.service.worker.kinds import JobKind
from LNGenLib.service.worker.tasks import Work
from LNGenLib.validation import from_json

NAME = "service_kinds:KINDS"
FOLDER = Path(__file__).parent  # to be on the path of server and worker


@dataclass(frozen=True)
class Steps:
    """A job of `steps` steps of some seconds; `mark` comes back with the result."""

    steps: int = 3
    seconds: float = 0.01
    mark: str = ""

    def __post_init__(self):
        if not isinstance(self.steps, int) or not 1 <= self.steps <= 10_000:
            raise InputError(f"steps {self.steps!r}: give 1 to 10000")
        if not isinstance(self.seconds, (int, float)) or not 0 <= self.seconds <= 60:
            raise InputError(f"seconds {self.seconds!r}: give 0 to 60")

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Steps:
        return from_json(cls, values)


def _sleep(work: Work) -> dict[str, Any]:
    """Sleeps; gives the sum of an image where one came along, and the process that did it."""
    request = work.request
    work.progress.stage("sleeping", request.steps)
    for step in range(request.steps):
        time.sleep(request.seconds)
        work.progress.step(step + 1, request.steps)
    (work.folder / "mark.txt").write_text(request.mark)
    return {
        "mark": request.mark,
        "process": os.getpid(),
        "sums": {
            name: float(sitk.GetArrayViewFromImage(image).sum(dtype=np.float64))
            for name, image in work.images.items()
        },
    }


def _stuck(work: Work) -> dict[str, Any]:
    """Never asks whether it is canceled."""
    time.sleep(600)
    return {}


def _crash(work: Work) -> dict[str, Any]:
    (work.folder / "half.txt").write_text("half")
    os._exit(7)


def _fault(work: Work) -> dict[str, Any]:
    raise RuntimeError("secret of the server")


def _out_of_memory(work: Work) -> dict[str, Any]:
    raise MemoryError


def _batches(work: Work) -> dict[str, Any]:
    """Succeeds with batches of 2 and less."""
    if work.models.structure.batch > 2:
        raise MemoryError
    return {"batches": [work.models.structure.batch, work.models.texture.batch]}


def _timed(work: Work) -> dict[str, Any]:
    """A synthesis with the engine's seconds in its provenance."""
    from LNGenLib.synthesis import engine

    synthesize, spent = engine.synthesize, []

    def timed(*inputs: Any) -> Any:
        begin = time.perf_counter()
        result = synthesize(*inputs)
        spent.append(time.perf_counter() - begin)
        return result

    engine.synthesize = timed
    try:
        content = kinds.KINDS["synthesize"].run(work)
    finally:
        engine.synthesize = synthesize
    content["provenance"]["engine_seconds"] = spent[0]
    return content


SLEEP = JobKind(Steps.from_json, _sleep, optional=("image",), stages={"sleeping": 1.0})
KINDS = {
    **kinds.KINDS,
    "synthesize": replace(kinds.KINDS["synthesize"], run=_timed),
    "sleep": SLEEP,
    "stuck": JobKind(Steps.from_json, _stuck),
    "slow": JobKind(Steps.from_json, _stuck, seconds=0.5),
    "crash": JobKind(Steps.from_json, _crash),
    "fault": JobKind(Steps.from_json, _fault),
    "out of memory": JobKind(Steps.from_json, _out_of_memory),
    "batches": JobKind(Steps.from_json, _batches),
}
