"""Where jobs are done, as a user chooses it: this machine's worker, or a server."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.progress import SILENT, Progress
from LNGenLib.scan import Scan
from LNGenLib.service.client.client import Client, LivePainter
from LNGenLib.service.client.local import LocalService
from LNGenLib.service.protocol.tokens import SHORTEST


@dataclass(frozen=True)
class Choice:
    """This machine's worker, with or without its GPU, or with a `url` the server there, whose
    certificate `ca` (a PEM file) signed where this machine does not know who did."""

    cpu: bool = False
    url: str = ""
    token: str = ""
    ca: str = ""


class Backend:
    """Starts what was chosen when a job first needs it, and keeps it for the next; starts the
    local worker anew where it has died. `python` runs that worker."""

    def __init__(self, python: str = sys.executable):
        self.python = python
        self._local: LocalService | None = None
        self._cpu = False
        self._server: tuple[Choice, Client] | None = None
        self._lock = threading.Lock()

    def client(self, choice: Choice) -> Client:
        """A client of what was chosen; InputError where there is nothing to speak to.

        Takes seconds where the local worker is not up yet.
        """
        if choice.url:
            self.close()  # which also frees its memory
            if len(choice.token) < SHORTEST:
                raise InputError(f"Give the token that the admin of {choice.url} has for you.")
            if self._server is None or self._server[0] != choice:
                self._server = choice, Client(choice.url, choice.token, choice.ca)
            return self._server[1]
        return self._worker(choice).client

    def painter(self, choice: Choice, scan: Scan) -> LivePainter:
        """Paints edited plans into a scan where it was chosen, for a `Session`; by a new worker
        where the one on this machine has died."""
        return LivePainter(partial(self.client, choice), scan)

    def segment(
        self, choice: Choice, ct: sitk.Image, model: str, progress: Progress = SILENT
    ) -> sitk.Image:
        """As `Client.segment`; `model` is a name of the chosen server, or for the worker on this
        machine a folder."""
        client = self.client(choice)
        name = model if choice.url else self._worker(choice).offer(Path(model))
        return client.segment(ct, name, progress)

    def _worker(self, choice: Choice) -> LocalService:
        with self._lock:
            if self._local is not None and (self._local.died or self._cpu != choice.cpu):
                self._close()
            if self._local is None:
                self._local = LocalService(python=self.python, cpu=choice.cpu)
                self._cpu = choice.cpu
            return self._local

    @property
    def died(self) -> str | None:
        """Why the local worker is gone, None where it lives or was never started."""
        local = self._local
        return None if local is None else local.died

    def close(self) -> None:
        """End the local worker and its jobs."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        local, self._local = self._local, None  # at once: what is being closed has not died
        if local is not None:
            local.close()
