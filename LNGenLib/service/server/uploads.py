"""Uploaded voxels on disk, by client and by the SHA-256 of their bytes."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

PIECE = 1 << 20  # bytes decompressed at a time
MOST_A_CLIENT = 32  # uploads kept; the one used longest ago makes room

log = logging.getLogger(__name__)


class BadUpload(ValueError):
    """The bytes are not what was announced; the message says in which way."""


class Uploads:
    """`folder/CLIENT/SHA256`: one client's hash never finds another's file."""

    def __init__(self, folder: Path):
        self.folder = folder
        for client in folder.glob("*"):
            for unfinished in client.glob(".*"):
                unfinished.unlink()

    def path(self, client: str, sha256: str) -> Path | None:
        """Where an upload lies, None where there is none; counts as a use.

        `sha256` must have been checked to be hexadecimal.
        """
        path = self.folder / client / sha256
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def receive(self, client: str, sha256: str, size: int, compressed: bool) -> Receiver:
        """A receiver of `size` bytes (uncompressed) that are to have this hash."""
        folder = self.folder / client
        folder.mkdir(parents=True, exist_ok=True)
        for path in _by_use(folder)[: 1 - MOST_A_CLIENT]:
            path.unlink()
        return Receiver(folder, sha256, size, compressed)

    def expire(self, seconds: float) -> None:
        """Remove what was not used for so long."""
        for client in self.folder.glob("*"):
            for path in _by_use(client):
                if path.stat().st_mtime < time.time() - seconds:
                    try:
                        path.unlink()
                    except OSError as error:
                        log.error("an old upload can't be removed: %s", error.strerror)


def _by_use(folder: Path) -> list[Path]:
    """Whole uploads, the one used longest ago first."""
    return sorted(folder.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)


class Receiver:
    """Takes an upload piece by piece; the file appears whole, when its hash is right, or never."""

    def __init__(self, folder: Path, sha256: str, size: int, compressed: bool):
        self.target, self.expected, self.size = folder / sha256, sha256, size
        self.temporary = folder / f".{secrets.token_hex(8)}"
        self.file = self.temporary.open("wb")
        self.digest, self.got = hashlib.sha256(), 0
        self.decompressor = zlib.decompressobj(wbits=31) if compressed else None

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a full disk, where something is still to be written
            self.file.close()
        self.temporary.unlink(missing_ok=True)

    def feed(self, chunk: bytes) -> None:
        """Take more of the body; BadUpload as soon as it is more than was announced."""
        for piece in self._decompressed(chunk):
            self.got += len(piece)
            if self.got > self.size:
                raise BadUpload(f"the body holds more than the {self.size} bytes announced")
            self.digest.update(piece)
            self.file.write(piece)

    def _decompressed(self, chunk: bytes) -> Iterator[bytes]:
        if self.decompressor is None:
            yield chunk
            return
        while True:
            if chunk and self.decompressor.eof:
                raise BadUpload("more bytes follow the gzip stream")
            try:
                piece = self.decompressor.decompress(chunk, PIECE)
            except zlib.error as error:
                raise BadUpload("the body is not gzip") from error
            chunk = self.decompressor.unconsumed_tail or self.decompressor.unused_data
            yield piece
            if not chunk and len(piece) < PIECE:
                return

    def finish(self) -> None:
        """The body is over; BadUpload where it is short, cut or of another hash."""
        if self.got < self.size or (self.decompressor and not self.decompressor.eof):
            raise BadUpload(f"the body ends early: {self.got} of {self.size} bytes")
        if self.digest.hexdigest() != self.expected:
            raise BadUpload("the SHA-256 of the bytes is another: upload again")
        self.file.close()
        os.replace(self.temporary, self.target)
