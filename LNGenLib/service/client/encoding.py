"""An image as it travels: its description, and its voxels piece by piece."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.progress import Progress
from LNGenLib.service.protocol.messages import VOXEL_BYTES, UploadedImage

PIECE = 1 << 16  # bytes at a time; each has CONNECT seconds to leave


@dataclass(frozen=True, eq=False)
class Packed:
    """An image as jobs name it, and the bytes of its voxels, shape (bytes,), as long as the image
    itself is there."""

    described: UploadedImage
    content: memoryview


def packed(image: sitk.Image) -> Packed:
    """The image, ready to travel; InputError for what can't be uploaded."""
    voxels = sitk.GetArrayViewFromImage(image)
    if voxels.dtype.name not in VOXEL_BYTES or voxels.ndim != 3:
        raise InputError("an image to upload is a 3D volume of numbers")
    voxels = voxels.astype(voxels.dtype.newbyteorder("<"), copy=False)
    content = np.ascontiguousarray(voxels).data.cast("B")
    described = UploadedImage(
        hashlib.sha256(content).hexdigest(),
        voxels.dtype.name,
        image.GetSize(),
        image.GetSpacing(),
        image.GetOrigin(),
        image.GetDirection(),
    )
    return Packed(described, content)


class Pieces:
    """The bytes of an upload, piece by piece, until it is canceled."""

    def __init__(self, content: memoryview, progress: Progress):
        self.content, self.progress = content, progress

    def __len__(self) -> int:
        return len(self.content)

    def __iter__(self) -> Iterator[memoryview]:
        for start in range(0, len(self.content), PIECE):
            self.progress.check()
            yield self.content[start : start + PIECE]


def gzipped(pieces: Iterable[memoryview]) -> Iterator[bytes]:
    """Pieces, packed while they are sent."""
    packer = zlib.compressobj(1, wbits=31)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()
