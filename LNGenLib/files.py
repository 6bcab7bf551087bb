"""What LNGen writes appears whole or not at all, and never in the place of an input.

A file is LNGen's own, which it writes anew without being asked, where it says so itself: a JSON by
its fields `synthetic` or `software`, an image or a picture by a note in its header.
"""

from __future__ import annotations

import csv
import errno
import json
import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from LNGenLib import __version__
from LNGenLib.errors import InputError, OutputError

if TYPE_CHECKING:
    import numpy as np

SOFTWARE = f"LNGen {__version__}"
OWN = b"LNGen"  # in the header of every image and picture that LNGen writes
HEADER = 1 << 16  # bytes, unpacked
CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # what a disk without room answers
UNFINISHED = ".writing-"  # how that begins which a killed run leaves


def unwritten(path: Path, error: Exception) -> OutputError:
    """The OutputError that tells in one line why `path` can't be written."""
    if isinstance(error, OutputError):
        return error
    number, reason = getattr(error, "errno", None), getattr(error, "strerror", None)
    if number in CLOSED:
        return OutputError(f"{path} can't be written to ({reason}): give another folder")
    if number is None or number in FULL:  # ITK, torch and numpy don't say what the disk answered
        reason = "is the disk full?" if number is None else "the disk is full, or a quota"
        return OutputError(
            f"{path} can't be written whole ({reason}): make room, or give another folder"
        )
    return OutputError(
        f"{path} can't be written ({reason}): check the path, or give another folder"
    )


def check_output(
    path: Path,
    files: Iterable[str] = (),
    inputs: Iterable[Path | None] = (),
    overwrite: bool | None = None,
) -> Path:
    """`path`, or the nearest folder above it that exists; InputError where nothing can be written.

    A temporary folder in it is on the file system of `path`, a mounted volume too. Neither `path`
    nor one of the `files` to be written into it may be one of the `inputs`, by whatever name or
    link; a file that exists must be LNGen's own (`is_own`), or `overwrite` true (None: the command
    has no such option).
    """
    folder = _nearest(path)
    if not folder.is_dir():
        raise InputError(f"{folder} is a file: give a folder for the results")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} can't be written to: give another folder for the results")
    targets = [path / name for name in files]
    there = [one for one in inputs if one is not None and one.exists()]
    for target in (path, *targets):
        if target.exists() and any(map(target.samefile, there)):
            raise InputError(f"{target} is an input: give another folder for the results")
    for target in targets:
        if target.is_dir():
            raise InputError(f"{target} is a folder: take it away, or give another folder")
        if target.exists() and not overwrite and not is_own(target):
            way_out = "give another folder" + ("" if overwrite is None else ", or --overwrite")
            raise InputError(f"{target} is there and does not say that it is LNGen's: {way_out}")
    return folder


def _nearest(path: Path) -> Path:
    """`path`, or what exists above it."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def is_own(path: Path) -> bool:
    """Whether LNGen wrote a file, by what the file says of itself."""
    try:
        if path.suffix == ".json":
            content = json.loads(path.read_text())
            return content.get("synthetic") is True or OWN.decode() in str(content.get("software"))
        with path.open("rb") as file:
            head = file.read(HEADER)
        if head[:2] == b"\x1f\x8b":
            head = zlib.decompressobj(wbits=31).decompress(head, HEADER)
    except (OSError, ValueError, AttributeError, zlib.error):
        return False
    return OWN in head


def keep_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings of what goes on where it was interrupted into its folder.

    Raises InputError where it holds what others made, which would be taken for this one's.
    """
    kept = folder / "settings.json"
    if kept.exists():
        if kept.read_text() != json.dumps(settings, indent=1):
            raise InputError(
                f"{folder} holds what was made by other settings ({kept.name}): give these, or a "
                "new folder"
            )
        return
    others = sorted(path for end in ("safetensors", "ckpt") for path in folder.glob(f"*.{end}"))
    if others:
        raise InputError(f"{others[0]} is of another training: give a new folder")
    write_bytes(json.dumps(settings, indent=1).encode(), kept)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file of the same name, in a folder of its own, that moves to `path` when the
    block, which only writes it, ends without an error. Missing folders of `path` are made.

    What fails is an OutputError; nothing stays of the file then, and an older `path` as it was.
    """
    try:
        with _unfinished(_nearest(path.parent), path) as folder:
            yield folder / path.name
            _to_disk(folder / path.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(folder / path.name, path)
    except RuntimeError as error:  # ITK's and torch's
        raise unwritten(path, error) from error


@contextmanager
def _unfinished(within: Path, path: Path) -> Iterator[Path]:
    """A temporary folder `within` another, in which `path` is made; OutputError names that."""
    folder = within / f"{UNFINISHED}{secrets.token_hex(8)}"
    try:
        folder.mkdir()
        yield folder
    except OutputError as error:
        raise OutputError(str(error).replace(str(folder), str(path))) from error
    except OSError as error:
        raise unwritten(path, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def write_json(content: Any, path: Path) -> None:
    """As `write_bytes`, of JSON, with dataclasses as objects."""
    write_bytes(json.dumps(content, indent=1, default=asdict).encode() + b"\n", path)


def write_npy(array: np.ndarray, path: Path) -> None:
    """As `write_bytes`, of an array of any shape."""
    import numpy as np  # here: the command line starts without it

    with whole_file(path) as temporary:
        np.save(temporary, array)


def write_npz(arrays: dict[str, Any], path: Path) -> None:
    """As `write_bytes`, of arrays by name, compressed."""
    import numpy as np

    with whole_file(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; InputError that names the file where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))  # editors add the mark
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object ({{...}}): give one that does")
    return content


def read_table(
    path: Path, columns: Sequence[str] = (), way_out: str = "see docs/training.md"
) -> list[dict[str, str]]:
    """The rows of a CSV, whose columns commas or, as where Excel writes decimals by commas,
    semicolons separate; InputError where there is none, or one that lacks some `columns`."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        separator = ";" if ";" in "".join(lines[:1]) else ","
        reader = csv.DictReader(lines, delimiter=separator)
        rows = list(reader)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no CSV in UTF-8 that can be read: {error}") from error
    if not set(columns) <= set(reader.fieldnames or ()):
        raise InputError(f"{path} lacks the columns {' and '.join(columns)}: {way_out}")
    return rows


def json_field(content: dict[str, Any], *names: str, file: Path, make: str) -> Any:
    """The value that `names` lead to in the JSON object of a file.

    InputError where it is missing, as in a file of another version; `make` says what makes it anew.
    """
    value: Any = content
    for name in names:
        if not isinstance(value, dict) or name not in value:
            raise InputError(
                f"{file} lacks {'.'.join(names)} (another version of LNGen wrote it?): {make}"
            )
        value = value[name]
    return value


@contextmanager
def output_folder(path: Path, gone: Iterable[str] = ()) -> Iterator[Path]:
    """A temporary folder whose files move into `path` when the block ends without an error.

    Where `path` is new, it appears with all of them at once. The files `gone` are taken away, if
    they are there: of an earlier result, they would be taken for this one's. Raises OutputError
    where the disk is full or closed.
    """
    with _unfinished(check_output(path), path) as temporary:
        yield temporary
        files = sorted(temporary.iterdir())
        for file in files:
            _to_disk(file)
        if path.exists():
            for name in gone:
                (path / name).unlink(missing_ok=True)
            for file in files:
                file.replace(path / file.name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.rename(path)


def _to_disk(file: Path) -> None:
    """Wait until a file is on the disk, which may turn out to be full only now."""
    with file.open("r+b") as opened:
        os.fsync(opened.fileno())
