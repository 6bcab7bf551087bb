"""Folders of results that appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from LNGenLib.errors import InputError


def check_output(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists; InputError where nothing can be written.

    A temporary folder in it is on the file system of `path`, a mounted volume too.
    """
    folder = path.absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise InputError(f"{folder} is a file: give a folder for the results")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} can't be written to: give another folder for the results")
    return folder


def keep_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings of what goes on where it was interrupted into its folder.

    Raises InputError where it holds what others made, which would be taken for this one's.
    """
    kept, content = folder / "settings.json", json.dumps(settings, indent=1)
    if kept.exists() and kept.read_text() != content:
        raise InputError(
            f"{folder} holds what was made by other settings ({kept.name}): give these, or a new "
            "folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    kept.write_text(content)


@contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """A temporary folder whose files move into `path` when the block ends without an error."""
    temporary = Path(tempfile.mkdtemp(prefix=".lngen-", dir=check_output(path)))
    try:
        yield temporary
        path.mkdir(parents=True, exist_ok=True)
        for file in sorted(temporary.iterdir()):
            file.replace(path / file.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
