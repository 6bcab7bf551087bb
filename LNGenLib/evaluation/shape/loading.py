"""Surfaces from folders of images, and from the arrays of `lngen train structure`."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.evaluation.shape.descriptors import has_valid_surface
from LNGenLib.evaluation.shape.surfaces import RealSurfaces, Surfaces
from LNGenLib.files import read_table
from LNGenLib.image.io import read_image, to_array
from LNGenLib.progress import Progress
from LNGenLib.structure.frame import GRID
from LNGenLib.structure.preparing import read_surface, table_of_masks
from LNGenLib.structure.tsdf import tsdf_from_distance

NO_IMAGE = (".json", ".csv", ".txt", ".md", ".raw", ".raw.gz", ".zraw", ".img")


def read_real(path: Path, progress: Progress) -> RealSurfaces:
    """The surfaces of masks: of a data folder as `lngen train structure` takes, of its
    structure.npz, or of a folder of masks that are not split. Raises InputError.
    """
    if path.suffix == ".npz":
        return _prepared(path)
    table = table_of_masks(path)
    if table.exists():
        rows = read_table(table)
        if not rows or not {"file", "split"} <= set(rows[0]):
            raise InputError(f"{table} lacks rows with file and split: add them")
        files, split = [table.parent / row["file"] for row in rows], [row["split"] for row in rows]
    else:
        files = images(path)
        split = [""] * len(files)
    found = []
    for number, file in enumerate(files):
        progress.advance("real", number, len(files))
        found.append(read_surface(file))
    return RealSurfaces(
        np.stack([one.tsdf for one in found]),
        np.array([one.long_axis for one in found]),
        np.array([has_valid_surface(one.tsdf) for one in found]),
        single=np.array([one.single for one in found]),
        split=np.array(split),
        dice=np.array([one.dice for one in found]),
        volume_ratio=np.array([one.volume_ratio for one in found]),
    )


def _prepared(path: Path) -> RealSurfaces:
    try:
        with np.load(path) as arrays:
            tsdf = arrays["tsdf"].astype(np.float32)
            if tsdf.shape != (len(tsdf), GRID, GRID, GRID):
                raise ValueError(f"TSDFs of the shape {tsdf.shape}")
            rest = {name: arrays[name] for name in ("single", "split", "dice", "volume_ratio")}
            valid = np.array([has_valid_surface(one) for one in tsdf])
            return RealSurfaces(tsdf, arrays["long_axis_mm"], valid, **rest)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not the structure.npz of lngen train: give that") from error


def read_generated(folder: Path, progress: Progress) -> Surfaces:
    """Surfaces of a folder of images: signed distances in mm, negative inside, as `lngen
    structures` writes them, or masks. Raises InputError.
    """
    files, shapes, long_axes, valid = images(folder), [], [], []
    for number, file in enumerate(files):
        progress.advance("generated", number, len(files))
        image = read_image(file)
        distance = to_array(image)
        if (distance < 0).any():
            try:
                tsdf, long_axis = tsdf_from_distance(distance, image.GetSpacing()[::-1])
            except ValueError as error:
                raise InputError(f"{file} holds no shape ({error}): leave it out") from error
        else:
            surface = read_surface(file)
            distance = tsdf = surface.tsdf
            long_axis = surface.long_axis
        shapes.append(tsdf)
        long_axes.append(long_axis)
        valid.append(has_valid_surface(distance))  # to sample it anew could change that
    return Surfaces(np.stack(shapes), np.array(long_axes), np.array(valid))


def images(folder: Path) -> list[Path]:
    """The image files of a folder, sorted; InputError where there is none."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give one of shapes, an image each")
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name[0] != "." and not path.name.endswith(NO_IMAGE)
    ]
    if not files:
        raise InputError(f"{folder} holds no images: give a folder of shapes, an image each")
    return files
