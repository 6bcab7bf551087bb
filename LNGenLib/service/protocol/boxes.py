"""The part of a synthesis that travels back: the boxes in which the CT changed."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.io import like, marked_synthetic, to_array
from LNGenLib.synthesis.result import SynthesisResult

BLOCK = 8  # voxels: changes nearer to each other than about this share a box
TYPES = {"changed": np.uint8, "nodes": np.uint16, "ct": np.int16}

Box = tuple[slice, slice, slice]


def changed_boxes(changed: np.ndarray) -> list[Box]:
    """Boxes (z, y, x) that together hold every nonzero voxel of `changed`."""
    from scipy import ndimage

    coarse = changed > 0
    for axis in (2, 1, 0):  # in this order in a fourth of the time
        blocks = np.arange(0, changed.shape[axis], BLOCK)
        coarse = np.logical_or.reduceat(coarse, blocks, axis)
    found = ndimage.find_objects(ndimage.label(coarse, np.ones((3, 3, 3)))[0])
    return [_trimmed(changed, box) for box in found]


def _trimmed(changed: np.ndarray, blocks: Box) -> Box:
    starts = [b.start * BLOCK for b in blocks]
    part = changed[tuple(slice(b.start * BLOCK, b.stop * BLOCK) for b in blocks)]
    hits = [np.flatnonzero(part.any(axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    z, y, x = (slice(a + int(hit[0]), a + int(hit[-1]) + 1) for a, hit in zip(starts, hits))
    return z, y, x


def write_boxes(result: SynthesisResult, path: Path) -> list[list[int]]:
    """Write the changed boxes of a result as .npz; returns where (z, y, x) each begins.

    Box k is the arrays ct_k (int16 HU), nodes_k (uint16 labels) and changed_k (uint8); HU that did
    not change need not be whole, and do not count.
    """
    whole = {name: sitk.GetArrayViewFromImage(getattr(result, name)) for name in TYPES}
    boxes = changed_boxes(whole["changed"])
    arrays: dict[str, Any] = {
        f"{name}_{k}": whole[name][box].astype(kind)
        for name, kind in TYPES.items()
        for k, box in enumerate(boxes)
    }
    np.savez_compressed(path, **arrays)
    return [[b.start for b in box] for box in boxes]


def read_arrays(content: bytes, most: int) -> dict[str, np.ndarray]:
    """The arrays, of any shape, of an .npz of at most `most` bytes unpacked, or InputError."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > most:
                raise InputError("the server's reply holds more than its job can give")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("the server's reply can't be read: ask again") from error


def apply_boxes(ct: sitk.Image, content: bytes, starts: list[list[int]]) -> dict[str, sitk.Image]:
    """`ct` (HU of any type, not modified), labels and changed region, with the boxes of a reply put
    in: HU where they changed.

    Raises InputError where they do not fit the CT.
    """
    hu = to_array(ct)
    whole = {"ct": hu, "nodes": np.zeros(hu.shape, np.uint16), "changed": np.zeros(hu.shape, "u1")}
    room = math.prod(hu.shape) * 5 * 4 + (1 << 20)  # boxes may overlap
    arrays = read_arrays(content, room)
    for name, kind in TYPES.items():
        for k, start in enumerate(starts):
            values, changed = (arrays.get(f"{part}_{k}") for part in (name, "changed"))
            if (
                values is None
                or changed is None
                or values.dtype != kind
                or values.shape != changed.shape
                or not values.ndim == len(start) == 3
                or any(not 0 <= a <= size - n for a, n, size in zip(start, values.shape, hu.shape))
            ):
                raise InputError("the server's reply does not fit the CT: ask again")
            box = tuple(slice(a, a + n) for a, n in zip(start, values.shape))
            if name == "ct":
                values = np.where(changed, values, hu[box])
            whole[name][box] = values
    return {name: marked_synthetic(like(array, ct)) for name, array in whole.items()}
