"""Places where nothing can be written whole: a small disk, a quota, a folder that is only read."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

KIB = 1024
FILLER = "filler"


class Disk:
    """A file system of its own, in memory, as small as it is made."""

    def __init__(self, folder: Path):
        self.folder, self.filler = folder, folder / FILLER

    def fill(self, room: int) -> None:
        """Leave `room` KiB."""
        with self.filler.open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(bytes(64 * KIB))
                except OSError:
                    break
        os.truncate(self.filler, max(self.filler.stat().st_size - room * KIB, 0))

    def make_room(self) -> None:
        """Take away what filled it."""
        self.filler.unlink()

    def close(self) -> None:
        """Let it be read only."""
        _mount("remount,ro", self.folder)


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Disk]:
    """A disk of `mib` MiB at a folder; the test is skipped where none can be mounted."""
    folder.mkdir()
    if _mount(f"size={mib}m", folder):
        pytest.skip("no file system can be mounted: be root, or run it by unshare -rm")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _mount(options: str, folder: Path) -> int:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    try:
        return subprocess.run(command, capture_output=True).returncode
    except FileNotFoundError:
        return 1


@contextmanager
def quota(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
