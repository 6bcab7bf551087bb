"""The queue and the worker process. One worker does one job at a time: that is the GPU's lock."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from LNGenLib.service.protocol.endings import why_ended
from LNGenLib.service.protocol.messages import JobState
from LNGenLib.service.server.job import Job
from LNGenLib.service.server.store import Store
from LNGenLib.service.worker.kinds import JobKind
from LNGenLib.threads import share_cpus

GRACE = 5.0  # seconds that a canceled job has to come to its next step, before its worker is killed
RETRY = 5.0  # seconds
LAST_WORDS = 1 << 14  # bytes of what a worker wrote that are kept

log = logging.getLogger(__name__)


class Runner:
    """Does queued jobs one after the other in a worker process, which it starts again if it ends.

    `name` is where `kinds` are found (module:NAME); `device` is what the worker runs on, None
    until it is up.
    """

    def __init__(self, store: Store, kinds: Mapping[str, JobKind], name: str, datasets: Path):
        self.store, self.kinds, self.name, self.datasets = store, kinds, name, datasets
        self.device: str | None = None
        self.waiting: deque[Job] = deque()
        self.submitted = asyncio.Event()
        self.current: Job | None = None
        self.reason: str | None = None  # why the current job's worker was killed
        self.worker: Process | None = None
        self._listening: asyncio.Task[None] | None = None

    def submit(self, job: Job) -> None:
        """Put a job at the end of the queue."""
        self.waiting.append(job)
        self.submitted.set()

    def cancel(self, job: Job) -> None:
        """End a job: at once where it waits, at its next step where it runs."""
        if job.state is JobState.queued:
            self.waiting.remove(job)
            self.store.finish(job, JobState.canceled)
        elif job.state is JobState.running:
            self.store.publish(job, state=JobState.canceling)
            if worker := self._alive():
                _send(worker, cancel=job.id)
            asyncio.get_running_loop().call_later(GRACE, self._kill, job)

    async def run(self) -> None:
        """Work until canceled; the worker and its job end with it."""
        try:
            while True:
                worker = self._alive()
                if worker is None:
                    await self._start()
                elif self.waiting:
                    await self._do(self.waiting.popleft(), worker)
                else:
                    self.submitted.clear()
                    await self.submitted.wait()
        finally:
            await self._stop()

    def _alive(self) -> Process | None:
        """The worker process, None where there is none that runs."""
        return self.worker if self.worker and self.worker.returncode is None else None

    async def _start(self) -> None:
        self.device = None
        module = "LNGenLib.service.worker"
        command = [sys.executable, "-m", module, self.name, str(self.datasets)]
        environment = dict(os.environ)
        share_cpus(environment)
        try:
            self.worker = worker = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
            )
        except OSError as error:
            log.exception("the worker can't be started")
            why = error.strerror or str(error)
        else:
            said = bytearray()
            self._listening = asyncio.create_task(_listen(worker, said))
            ready = await _read(worker)
            if ready is not None:
                self.device = ready["device"]
                return
            await asyncio.wait([self._listening], timeout=1)  # what it started may go on
            why = why_ended(await worker.wait(), said.decode(errors="replace"))
        log.error("the worker did not start; the next try is in %.0f s", RETRY)
        while self.waiting:
            reason = f"the server's worker process does not start: {why}"
            self.store.finish(self.waiting.popleft(), JobState.failed, reason)
        await asyncio.sleep(RETRY)

    async def _do(self, job: Job, worker: Process) -> None:
        kind, started = self.kinds[job.submission.kind], time.time()
        self.current, self.reason = job, None
        self.store.publish(job, state=JobState.running, started=started)
        _send(worker, id=job.id, folder=str(job.folder), **asdict(job.submission))
        reason = f"the job took more than {kind.seconds:.0f} s"
        limit = asyncio.get_running_loop().call_later(kind.seconds, self._kill, job, reason)
        try:
            while (message := await _read(worker)) is not None and "end" not in message:
                self._report(job, kind, time.time() - started, **message)
        finally:
            limit.cancel()
        self.current = None
        if job.state is JobState.canceling:
            self.store.finish(job, JobState.canceled)
        elif message is None:
            gone = f"the worker process is gone: {why_ended(await worker.wait())}; try again"
            self.store.finish(job, JobState.failed, self.reason or gone)
        else:
            self.store.finish(job, JobState(message["end"]), message.get("error"))

    def _report(
        self, job: Job, kind: JobKind, spent: float, stage: str, step: int, steps: int
    ) -> None:
        """Publish where a job stands that runs for `spent` seconds."""
        fraction = kind.fraction(stage, step, steps)
        left = round(spent * (1 - fraction) / fraction, 1) if fraction and fraction > 0.01 else None
        fraction = fraction and round(fraction, 4)
        self.store.publish(
            job, stage=stage, step=step, steps=steps, fraction=fraction, seconds_left=left
        )

    def _kill(self, job: Job, reason: str | None = None) -> None:
        if job is self.current and (worker := self._alive()):
            self.reason = reason
            worker.kill()

    async def _stop(self) -> None:
        if worker := self._alive():
            worker.kill()
            await worker.wait()
        for job in [job for job in self.store.jobs.values() if not job.state.final]:
            self.store.interrupt(job)


def _send(worker: Process, **message: Any) -> None:
    cast(StreamWriter, worker.stdin).write(json.dumps(message).encode() + b"\n")


async def _listen(worker: Process, said: bytearray) -> None:
    """Pass on to stderr what a worker writes there, and keep the last of it."""
    while piece := await cast(StreamReader, worker.stderr).read(LAST_WORDS):
        said += piece
        del said[:-LAST_WORDS]
        with contextlib.suppress(OSError):  # a full disk
            os.write(2, piece)


async def _read(worker: Process) -> dict[str, Any] | None:
    """The worker's next message, None where it has ended."""
    line = await cast(StreamReader, worker.stdout).readline()
    return json.loads(line) if line.endswith(b"\n") else None
