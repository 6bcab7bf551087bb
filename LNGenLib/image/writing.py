"""How an image gets into a file: by ITK, or faster with the header that ITK writes."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LNGenLib.image.packing import igzip_threaded
from LNGenLib.threads import usable_cpus

LEVEL = 2  # of ISA-L's 0 to 3: a CT becomes 4 % larger than by ITK
MOST_THREADS = 4  # more of them wait for the one that hands out
NIFTI_HEADER = 352  # bytes before the voxels, as ITK writes them
NIFTI_SIZE = 42  # where the header says how many voxels there are along each axis
_LOCK = threading.Lock()


def write(image: sitk.Image, path: Path) -> None:
    """Write an image, compressed, into a folder where nothing else lies.

    Raises OSError and RuntimeError, and not always where the disk is full: `check_written` tells.
    """
    if packs(image, path):
        _write_packed(image, path)
    else:
        with _silent():
            sitk.WriteImage(image, str(path), useCompression=True)


def packs(image: sitk.Image, path: Path) -> bool:
    """Whether an image is packed by ISA-L: HU as .nii.gz, which take ITK seconds.

    ITK is quick with label maps, and makes smaller files of them.
    """
    hu = image.GetPixelID() == sitk.sitkInt16
    return igzip_threaded is not None and hu and path.name.endswith(".nii.gz")


def _write_packed(image: sitk.Image, path: Path) -> None:
    header = _nifti_header(image, path.with_name("corner.nii"))
    threads = min(usable_cpus(), MOST_THREADS)
    with igzip_threaded.open(path, "wb", compresslevel=LEVEL, threads=threads) as file:
        file.write(header)
        file.write(sitk.GetArrayViewFromImage(image).reshape(-1).view(np.uint8))


def _nifti_header(image: sitk.Image, file: Path) -> bytes:
    """What ITK writes before the voxels: that of a corner of the image, but for the size."""
    size = image.GetSize()
    corner = image[(slice(2),) * len(size)]  # an axis of one stays: ITK drops those at the end
    for key in image.GetMetaDataKeys():
        corner.SetMetaData(key, image.GetMetaData(key))
    with _silent():
        sitk.WriteImage(corner, str(file))
    header = bytearray(file.read_bytes()[:NIFTI_HEADER])
    axes = slice(NIFTI_SIZE, NIFTI_SIZE + 2 * len(size))
    header[axes] = np.array(size).astype("<i2").tobytes()  # one beyond that is seen later
    return bytes(header)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without stderr, where ITK's C libraries tell of a write that fails, beside the one line that
    the user is to get."""
    with _LOCK, contextlib.ExitStack() as undone:
        with contextlib.suppress(OSError):  # a program without a console has no stderr
            kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
            undone.callback(os.close, kept)
            undone.callback(os.dup2, kept, 2)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        yield
