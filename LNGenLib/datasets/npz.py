"""Scans of MEPLYv2 (https://huggingface.co/datasets/gwd200/MEPLYv2): an .npz each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.io import as_ct, as_labels

KINDS = {"img": "uif", "lbl": "buif", "spacing": "uif"}  # of numbers, by numpy's letters


def read_npz(path: Path) -> tuple[sitk.Image, sitk.Image]:
    """CT (int16) and labels (uint16) of a scan: `img`, `lbl` and `spacing` (mm).

    Its loader takes arrays and spacing as (z, y, x), its README calls them (H, W, D): of a volume
    with square slices the third axis is z where the first two are equal. Origin and direction are
    unknown. Raises InputError for a damaged file, and for arrays that are no CT with labels.
    """
    hu, labels, spacing = _arrays(path)
    if hu.shape[0] == hu.shape[1] != hu.shape[2]:
        hu, labels = (np.ascontiguousarray(np.moveaxis(array, 2, 0)) for array in (hu, labels))
        spacing = spacing[[2, 0, 1]]
    images = [sitk.GetImageFromArray(hu), sitk.GetImageFromArray(labels)]
    for image in images:
        image.SetSpacing(spacing[::-1].astype(float).tolist())
    return as_ct(images[0], str(path)), as_labels(images[1], images[0], f"{path}: lbl")


def _arrays(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        with np.load(path) as content:
            arrays = {name: content[name] for name in KINDS}
    except Exception as error:  # numpy, zipfile and zlib have many kinds for damaged files
        raise InputError(
            f"{path} is no scan of MEPLYv2 (img, lbl, spacing) that can be read: {error}"
        ) from error
    for name, array in arrays.items():
        if array.dtype.kind not in KINDS[name]:
            raise InputError(f"{path}: {name} holds {array.dtype}: give numbers")
    hu, labels, spacing = arrays.values()
    if hu.ndim != 3 or min(hu.shape) < 2 or labels.shape != hu.shape or not _lengths(spacing):
        raise InputError(
            f"{path} holds img {hu.shape}, lbl {labels.shape} and spacing {spacing}: give two "
            "volumes of one shape, and three lengths in mm"
        )
    return _native(hu), _native(labels), spacing


def _native(array: np.ndarray) -> np.ndarray:
    """The array as SimpleITK takes it."""
    kinds = {"f": np.float32, "b": np.uint8}
    return array.astype(kinds.get(array.dtype.kind, array.dtype.newbyteorder("=")), copy=False)


def _lengths(spacing: np.ndarray) -> bool:
    return spacing.shape == (3,) and bool((np.isfinite(spacing) & (spacing > 0)).all())
