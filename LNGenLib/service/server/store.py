"""Jobs: in memory while the server runs, each with a folder on disk that outlives it.

jobs/ID/job.json    its state, whose it is, what was asked for until it is over; written whole or
                    not at all
jobs/ID/inputs/     its images, until it is over
jobs/ID/work/       what is being made; never served
jobs/ID/scratch/    what the job needs only itself
jobs/ID/result/     work/ under its final name: there when the state is `done`
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from LNGenLib.errors import OutputError
from LNGenLib.files import UNFINISHED, write_json
from LNGenLib.service.protocol.messages import JobState, JobStatus, Submission
from LNGenLib.service.server.job import Job

RESUME_SECONDS = 60.0  # for which the events of a job that is over are kept
JOBS_KEPT = 500  # of a client, that are over; the oldest make room

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SavedJob:
    """What job.json holds."""

    status: JobStatus
    client: str
    submission: Submission


SAVED_JOB = TypeAdapter(SavedJob)


class Store:
    """All jobs. Used by the server's event loop only."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.jobs: dict[str, Job] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if path.is_dir() and path.name.startswith("."):
                shutil.rmtree(path)
            elif path.is_dir():
                self._load(path)

    def _load(self, folder: Path) -> None:
        try:
            saved = SAVED_JOB.validate_json((folder / "job.json").read_bytes())
            status = saved.status
            if status.id != folder.name or (status.state.final and status.ended is None):
                raise ValueError(f"{status} is not that of {folder.name}")
            job = Job(status, saved.client, saved.submission, folder)
        except (OSError, ValueError):
            log.exception("%s holds no job that can be read; it is left alone", folder)
            return
        job.events.append(status)
        self.jobs[job.id] = job
        if not status.state.final:
            self.interrupt(job)
        job.forget_request()
        self._tidy(job)  # what a server that was killed left

    def add(
        self,
        client: str,
        submission: Submission,
        images: Mapping[str, Path],
        key: str | None = None,
    ) -> Job:
        """A new job, queued, with links to its images' voxels."""
        name, now = secrets.token_hex(16), time.time()
        status = JobStatus(name, submission.kind, JobState.queued, event=1, created=now)
        job = Job(status, client, submission, self.folder / f".{name}", key)
        try:
            for part in ("inputs", "work", "scratch"):
                (job.folder / part).mkdir(parents=True)
            for image, path in images.items():
                _link(path, job.folder / "inputs" / image)
            _save(job)
            job.folder = job.folder.replace(self.folder / name)
        except (OSError, OutputError):
            shutil.rmtree(job.folder, ignore_errors=True)
            raise
        job.events.append(status)
        self.jobs[name] = job
        return job

    def of(self, client: str) -> list[Job]:
        """A client's jobs, oldest first."""
        mine = [job for job in self.jobs.values() if job.client == client]
        return sorted(mine, key=lambda job: job.status.created)

    def find(self, client: str, name: str) -> Job | None:
        """A client's job by its id; None for another client's too."""
        job = self.jobs.get(name)
        return job if job is not None and job.client == client else None

    def submitted(self, client: str, key: str | None) -> Job | None:
        """A client's job by the key of its submission."""
        mine = (job for job in self.jobs.values() if job.client == client and job.key == key)
        return next(mine, None) if key else None

    @property
    def open(self) -> int:
        """How many jobs are not over."""
        return sum(not job.state.final for job in self.jobs.values())

    def publish(self, job: Job, **changes: Any) -> None:
        """Change a job's status, wake those who watch, and keep a new state on disk."""
        before = job.state
        job.status = replace(job.status, **changes, event=job.status.event + 1)
        if job.state is not before:
            try:
                _save(job)
            except OutputError:  # a full disk; after a restart the job counts as interrupted
                log.exception("the state of job %s can't be written", job.id)
        job.events.append(job.status)
        job.changed.set()
        job.changed = asyncio.Event()

    def finish(self, job: Job, state: JobState, error: str | None = None) -> None:
        """The one step into a final state."""
        assert state.final and not job.state.final, (job.state, state)
        if state is JobState.done:
            try:
                os.replace(job.folder / "work", job.folder / "result")
            except OSError:
                log.exception("the result of job %s can't be kept", job.id)
                state, error = JobState.failed, "the server could not keep the result: try again"
        job.forget_request()
        done = {"fraction": 1.0} if state is JobState.done else {}
        self.publish(job, state=state, error=error, ended=time.time(), seconds_left=None, **done)
        self._tidy(job)

    def interrupt(self, job: Job) -> None:
        """Fail a job because the server ends, or has ended."""
        reason = f"interrupted: the server ended while the job was {job.state.value}"
        self.finish(job, JobState.failed, reason)

    def _tidy(self, job: Job) -> None:
        parts = ["inputs", "work", "scratch"] + ["result"] * (job.state is not JobState.done)
        for path in [*map(job.folder.joinpath, parts), *job.folder.glob(f"{UNFINISHED}*")]:
            shutil.rmtree(path, ignore_errors=True)

    def remove(self, job: Job) -> None:
        """Forget a job that is over, and its files; OSError where they can't be removed."""
        gone = self.folder / f".{job.id}"
        os.replace(job.folder, gone)
        del self.jobs[job.id]
        shutil.rmtree(gone, ignore_errors=True)  # the rest goes at the next start

    def expire(self, seconds: float) -> None:
        """Remove jobs that ended so long ago, and the oldest of a client that has too many."""
        jobs = self.jobs.values()
        over = [(job.status.ended, job) for job in jobs if job.status.ended is not None]
        kept: Counter[str] = Counter()
        for ended, job in sorted(over, key=lambda pair: pair[0], reverse=True):
            kept[job.client] += 1
            if ended < time.time() - RESUME_SECONDS:
                job.events.clear()  # the final one is sent in any case
            if kept[job.client] > JOBS_KEPT or ended < time.time() - seconds:
                try:
                    self.remove(job)
                except OSError:
                    log.exception("the old job %s can't be removed", job.id)


def _save(job: Job) -> None:
    saved = SavedJob(job.status, job.client, job.submission)
    write_json(asdict(saved), job.folder / "job.json")


def _link(source: Path, target: Path) -> None:
    """The same file under another name, so that an upload may expire while its job waits."""
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
