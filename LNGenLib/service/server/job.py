"""A job as the server has it in memory, and the stream of its events."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from LNGenLib.service.protocol.messages import JobResult, JobState, JobStatus, Submission

EVENTS_KEPT = 256  # of a job, to resume from; each holds all of the status, so that none is missed


@dataclass
class Job:
    """A job, the client it belongs to, and its latest events.

    `key` is what the client calls its submission, known until the server ends.
    """

    status: JobStatus
    client: str
    submission: Submission
    folder: Path
    key: str | None = None
    events: deque[JobStatus] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        """32 hex digits, drawn at random."""
        return self.status.id

    @property
    def state(self) -> JobState:
        """Its state now."""
        return self.status.state

    def forget_request(self) -> None:
        """Drop what was asked for, up to a megabyte, once it is over."""
        self.submission = replace(self.submission, request={})

    def result(self) -> JobResult | None:
        """What it left, None where it is not done."""
        path = self.folder / "result" / "result.json"
        if self.state is not JobState.done or not path.exists():
            return None
        return JobResult.from_json(json.loads(path.read_text()))

    async def watch(self, after: int, alive: float) -> AsyncIterator[JobStatus | None]:
        """Its events numbered above `after`, up to the final one; None every `alive` seconds.

        The final event comes in any case, so that a watcher from before a restart ends too.
        """
        while True:
            changed = self.changed
            for event in [event for event in self.events if event.event > after]:
                after = event.event
                yield event
                if event.state.final:
                    return
            if self.state.final:
                yield self.status
                return
            try:
                await asyncio.wait_for(changed.wait(), alive)
            except asyncio.TimeoutError:
                yield None
