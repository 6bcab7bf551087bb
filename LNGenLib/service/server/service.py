"""What a server is given (`Settings`), and what its routes work on (`Service`)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from LNGenLib.service.protocol.messages import KINDS_NAME
from LNGenLib.service.protocol.tokens import Tokens
from LNGenLib.service.server.runner import Runner
from LNGenLib.service.server.store import Store
from LNGenLib.service.server.uploads import Uploads
from LNGenLib.service.worker.kinds import load_kinds

GIB = 1 << 30
DAY = 24 * 3600.0


@dataclass(frozen=True)
class Settings:
    """Of a server. `data` is its folder, `kinds` where its kinds of jobs are found (module:NAME).

    `max_upload` is in bytes, `max_jobs` counts those that wait or run.
    """

    data: Path
    tokens: Tokens
    max_upload: int = GIB
    max_jobs: int = 32
    kinds: str = KINDS_NAME
    keep_results: float = 7 * DAY
    keep_uploads: float = DAY


class Service:
    """What the routes work on: kinds of jobs, jobs, uploads, data sets, and the queue."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.kinds = load_kinds(settings.kinds)
        self.store = Store(settings.data / "jobs")
        self.uploads = Uploads(settings.data / "uploads")
        self.datasets = settings.data / "datasets"
        self.datasets.mkdir(exist_ok=True)
        self.runner = Runner(self.store, self.kinds, settings.kinds, self.datasets)
        self.streams = self.receiving = 0

    async def expire(self) -> None:
        """Remove what is old, every minute."""
        while True:
            self.store.expire(self.settings.keep_results)
            self.uploads.expire(self.settings.keep_uploads)
            await asyncio.sleep(60)
