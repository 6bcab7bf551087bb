"""The voxels of an image file, which must be whole: their count, their checksum, finite numbers.

ITK reads the headers, not the voxels: what is missing of a cut file it makes zeros, as it does NaN
in NIfTI, it looks at no checksum, and takes `ct.nii` in place of a `ct.nii.gz` beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.packing import PIECE, Damage, zlib

BLOCK = 1 << 17  # bytes that are read in one go
PADDING = 1024  # bytes that a writer may leave behind the voxels
GZIP_OR_ZLIB = 47  # zlib's `wbits`: either, by its first bytes
CUT = "{} is cut, it ends before its last voxel: copy it again"
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Stored:
    """What the header of an image file says of its voxels.

    `header` is what SimpleITK's `reader` opens. From byte `offset` on, `file` holds `count` values
    of `kind`; where `packed`, it holds them as gzip or zlib, `length` bytes of it (None: up to the
    end), with `start` other bytes before the values. `oriented`: the header says how the patient
    lies in the image.
    """

    reader: str
    header: Path
    file: Path
    kind: np.dtype
    count: int
    offset: int
    oriented: bool
    packed: bool = False
    start: int = 0
    length: int | None = None


def read_head(path: Path, size: int = 540) -> tuple[bytes, bool]:
    """The first bytes of a file, unpacked, and whether it is packed by gzip; InputError for damage
    in what that takes."""
    with open(path, "rb") as file:
        packed, head = file.read(len(GZIP)) == GZIP, b""
        file.seek(0)
        for block in (_unpacked if packed else _blocks)(file, None):
            head += block
            if len(head) >= size:
                break
        return head[:size], packed


def read_information(stored: Stored) -> sitk.ImageFileReader:
    """What ITK reads in the header: size, place, tags.

    Raises RuntimeError where ITK does not read it, and InputError where it reads another count of
    values.
    """
    reader = sitk.ImageFileReader()
    reader.SetImageIO(stored.reader)
    reader.SetFileName(str(stored.header))
    reader.ReadImageInformation()
    if math.prod(reader.GetSize()) * reader.GetNumberOfComponents() != stored.count:
        raise InputError(f"{stored.header} has a damaged header: copy it again")
    return reader


def image_of(values: np.ndarray, reader: sitk.ImageFileReader) -> sitk.Image:
    """The image of values (n,) in the order of the file, x first, with what the header says."""
    components = reader.GetNumberOfComponents()
    shape = reader.GetSize()[::-1] + ((components,) if components > 1 else ())
    image = sitk.GetImageFromArray(values.reshape(shape), isVector=components > 1)
    image.SetSpacing(reader.GetSpacing())
    image.SetOrigin(reader.GetOrigin())
    image.SetDirection(reader.GetDirection())
    for key in filter(_is_utf8, reader.GetMetaDataKeys()):
        if _is_utf8(value := reader.GetMetaData(key)):
            image.SetMetaData(key, value)
    return image


def _is_utf8(text: str) -> bool:
    """SimpleITK gives, and does not take, what is not."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def as_volume(image: sitk.Image, path: Path) -> sitk.Image:
    """The image without further axes of length 1; InputError where it is not one 3D volume."""
    while image.GetDimension() > 3 and image.GetSize()[-1] == 1:
        image = image[..., 0]
    if image.GetDimension() != 3 or min(image.GetSize()) < 2:
        size = " x ".join(map(str, image.GetSize()))
        raise InputError(f"{path} has the size {size}: give one 3D volume")
    return image


def read_values(stored: Stored) -> np.ndarray:
    """The values (count,), of the machine's byte order.

    Raises InputError unless the file holds all that its header says, undamaged and finite, before
    it takes more memory than the content needs.
    """
    file, size = stored.file, stored.count * stored.kind.itemsize
    if not file.is_file():
        raise InputError(f"{file} is missing, {stored.header} asks for it: put it beside that")
    packed_size = file.stat().st_size - stored.offset
    if packed_size < ((stored.length or 0) if stored.packed else size):
        raise InputError(CUT.format(file))
    content, found = bytearray(), -stored.start
    with open(file, "rb") as opened:
        opened.seek(stored.offset)
        for block in (_unpacked if stored.packed else _blocks)(opened, stored.length):
            content += block[max(-found, 0) : max(size - found, 0)]
            found += len(block)
    if len(content) < size:
        raise InputError(CUT.format(file))
    if found > size + PADDING:
        raise InputError(
            f"{stored.header} tells of {size} bytes of voxels where there are {found}: its header "
            "is damaged, copy it again"
        )
    values = np.frombuffer(content, stored.kind)
    check_finite(values, str(stored.header))
    return values.astype(stored.kind.newbyteorder("="), copy=False)


def _blocks(opened: BinaryIO, length: int | None) -> Iterator[bytes]:
    """The next `length` bytes of a file, or those up to its end (None)."""
    left = math.inf if length is None else length
    while left > 0 and (block := opened.read(int(min(BLOCK, left)))):
        left -= len(block)
        yield block


def _unpacked(opened: BinaryIO, length: int | None = None) -> Iterator[bytes]:
    """The content of gzip members or of a zlib stream, with all checksums looked at; InputError for
    damage, and where the last one does not end."""
    decoder = zlib.decompressobj(GZIP_OR_ZLIB)
    for block in _blocks(opened, length):
        piece = b""
        while block or len(piece) == PIECE:  # a piece that is full may not be the last one
            if decoder.eof:
                block = block.lstrip(b"\0")  # padding behind a member
                if not block:
                    break
                decoder = zlib.decompressobj(GZIP_OR_ZLIB)
            try:
                piece = decoder.decompress(block, PIECE)
            except Damage as error:
                raise InputError(f"{opened.name} is damaged ({error}): copy it again") from error
            yield piece
            block = decoder.unused_data or decoder.unconsumed_tail
    if not decoder.eof:
        raise InputError(CUT.format(opened.name))


def check_finite(values: np.ndarray, name: str) -> None:
    """Raise InputError for NaN and infinite values (an array of any shape)."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"{name} has NaN or infinite values: replace them (in a CT by -1024)")
