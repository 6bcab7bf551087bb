"""Whether an image file holds what was to be written: ITK does not tell that of a full disk.

The header is read by ITK; the voxels are unpacked piece by piece and compared with those in memory,
so that neither a second image nor a second file is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk

from LNGenLib.image.packing import PIECE, Damage, zlib

LONGEST_HEADER = 1 << 26  # bytes, of NRRD and MHA

Chunks = Iterator[bytes]


def check_written(path: Path, image: sitk.Image) -> None:
    """Raise OSError where the file (a name of `CHUNKS`) does not hold the image: header, voxels and
    every checksum.

    Spacing and origin are compared to 1e-3 and 1e-2 mm, the direction to 1e-4, since NIfTI rounds.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    axes = min(image.GetDimension(), reader.GetDimension())  # NIfTI drops a last axis of one
    whole = reader.GetPixelID() == image.GetPixelID() and all(
        np.allclose(getattr(reader, name)()[:axes], getattr(image, name)()[:axes], atol=close)
        for name, close in (("GetSize", 0), ("GetSpacing", 1e-3), ("GetOrigin", 1e-2))
    )
    if image.GetDimension() == reader.GetDimension():
        whole &= np.allclose(reader.GetDirection(), image.GetDirection(), atol=1e-4)
    voxels = sitk.GetArrayViewFromImage(image)
    chunks = next(read for ending, read in CHUNKS.items() if path.name.endswith(ending))
    if path.name.endswith((".nii", ".nii.gz")) and voxels.ndim > image.GetDimension():
        voxels = np.moveaxis(voxels, -1, 0)  # components come one after the other there
    with path.open("rb") as file:
        try:
            whole = whole and _same(chunks(file), voxels)
        except (EOFError, Damage):
            whole = False
    if not whole:
        raise OSError(f"{path.name} was not written whole")


def _same(chunks: Chunks, voxels: np.ndarray) -> bool:
    """Whether the bytes are those of the voxels, and no more."""
    wanted, done = np.ascontiguousarray(voxels).reshape(-1).view(np.uint8), 0
    for chunk in chunks:
        part = wanted[done : done + len(chunk)]
        if not np.array_equal(part, np.frombuffer(chunk, np.uint8)):
            return False
        done += len(chunk)
    return done == len(wanted)


def _nifti(file: BinaryIO) -> Chunks:
    return _behind_header(iter(lambda: file.read(PIECE), b""))


def _nifti_gz(file: BinaryIO) -> Chunks:
    return _behind_header(_unpacked(file, 31))


def _behind_header(chunks: Chunks) -> Chunks:
    """What follows NIfTI's header, which the first chunk holds."""
    head = next(chunks, b"")
    yield head[int(np.frombuffer(head[108:112], "<f4")[0]) :]
    yield from chunks


def _packed(end_of_header: bytes, wbits: int) -> Callable[[BinaryIO], Chunks]:
    """How voxels are read that lie packed behind a header of text."""

    def chunks(file: BinaryIO) -> Chunks:
        head = b""
        while end_of_header not in head:
            piece = file.readline(LONGEST_HEADER)
            if not piece:
                raise EOFError("the header ends early")
            head = head[-len(end_of_header) :] + piece
        yield from _unpacked(file, wbits)

    return chunks


def _unpacked(file: BinaryIO, wbits: int) -> Chunks:
    """The content of gzip (31) or zlib (15), whose checksum and size are looked at."""
    unpacker = zlib.decompressobj(wbits)
    while not unpacker.eof:
        packed = unpacker.unconsumed_tail or file.read(PIECE)
        piece = unpacker.decompress(packed, PIECE)
        if not packed and not piece:
            raise EOFError("the voxels end early")
        yield piece
    if unpacker.unused_data or file.read(1):
        raise EOFError("something follows the voxels")


CHUNKS = {
    ".nii": _nifti,
    ".nii.gz": _nifti_gz,
    ".nrrd": _packed(b"\n\n", 31),
    ".mha": _packed(b"ElementDataFile = LOCAL\n", 15),
}
