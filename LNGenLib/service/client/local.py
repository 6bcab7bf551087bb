"""The worker on this machine: a server on loopback, as a child process of this one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, cast

import LNGenLib
from LNGenLib.errors import InputError
from LNGenLib.segmentation.config import check_model
from LNGenLib.service.client.client import Client
from LNGenLib.service.protocol.endings import why_ended
from LNGenLib.service.protocol.messages import KINDS_NAME

ENDING = 2.0  # seconds that a child which says no more is given to end
ONLY_TRAINING = ("cases", "raw", "preprocessed", "*.ckpt", "tensorboard")  # of a model's folder


class LocalService:
    """Starts the child, and ends it with the block; it ends by itself where this process dies.

    `client` speaks to it. Without `data`, jobs are kept in a temporary folder that goes with it.
    Port and token are random; the token goes through a pipe, where no other user sees it. With
    `cpu` no GPU is used. Raises InputError where the child does not start.
    """

    def __init__(
        self,
        data: Path | None = None,
        python: str = sys.executable,
        kinds: str = KINDS_NAME,
        cpu: bool = False,
    ):
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if data is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="lngen-")
            data = Path(self._temporary.name)
        self.data = data
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log = self.data / "log.txt"
        token = secrets.token_urlsafe(32)
        try:
            with self.log.open("w") as log:
                self.process = subprocess.Popen(
                    [python, "-m", "LNGenLib.service.server"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    env=_environment(cpu),
                    # Windows' only: who closed the child's console window would end it
                    creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                )
        except OSError as error:
            why = f"{python}: {error.strerror}"
            raise InputError(f"The local worker did not start: {why}") from error
        self._stdin = cast(IO[str], self.process.stdin)
        self._stdout = cast(IO[str], self.process.stdout)
        settings = {"token": token, "data": str(self.data), "kinds": kinds}
        try:
            self._stdin.write(json.dumps(settings) + "\n")
            self._stdin.flush()
            port = json.loads(self._stdout.readline())["port"]
        except (OSError, ValueError) as error:
            why = self._why_ended()
            self.close()
            raise InputError(f"The local worker did not start: {why}") from error
        self.client = Client(f"http://127.0.0.1:{port}", token)

    @property
    def died(self) -> str | None:
        """Why there is no child any more, or None where it lives."""
        if self.process.poll() is None:
            return None
        return f"The local worker is gone: {self._why_ended()}. Try again."

    def _why_ended(self) -> str:
        """Of a child that is ending, or has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(ENDING)
        return why_ended(self.process.returncode, self.log.read_text(errors="replace"))

    def offer(self, model: Path) -> str:
        """Let segment jobs use the model in a folder of this machine; the name that they give it.

        Raises InputError where the folder holds none.
        """
        check_model(model)
        model = model.resolve()
        changed = max(path.stat().st_mtime_ns for path in model.iterdir())
        name = hashlib.sha256(f"{model} {changed}".encode()).hexdigest()[:16]
        there = self.data / "datasets" / name
        if not there.exists():
            try:
                there.symlink_to(model, target_is_directory=True)
            except OSError:  # Windows, where few users may
                self._copy(model, there)
        return name

    def _copy(self, model: Path, there: Path) -> None:
        """Copy a model's folder whole or not at all."""
        part = self.data / f".{there.name}"
        try:
            shutil.copytree(model, part, ignore=shutil.ignore_patterns(*ONLY_TRAINING))
            part.rename(there)
        except OSError as error:
            raise InputError(f"{model} can't be copied to {self.data}: {error}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def close(self) -> None:
        """End the child and its jobs."""
        with contextlib.suppress(OSError):  # what was not read before the child ended
            self._stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._stdout.close()
        if self._temporary:
            self._temporary.cleanup()

    def __enter__(self) -> LocalService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _environment(cpu: bool) -> dict[str, str]:
    """This process's, with LNGenLib where the child finds it: Slicer has modules on paths of its
    own."""
    paths = [str(Path(LNGenLib.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if cpu else {}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **hidden}
