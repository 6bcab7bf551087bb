"""Shapes from folders of images, and from the arrays of `lngen train structure`."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.evaluation.structures import RealShapes, Report
from LNGenLib.image.io import read_image, to_array
from LNGenLib.structure.frame import GRID
from LNGenLib.structure.surface import node_surface
from LNGenLib.structure.tsdf import tsdf_from_distance

NO_IMAGE = (".json", ".csv", ".txt", ".md", ".raw", ".raw.gz", ".zraw", ".img")


def read_real(path: Path, report: Report | None = None) -> RealShapes:
    """Real shapes, from a data folder as `lngen train structure` takes or its structure.npz.

    A folder without a nodes.csv is taken as one of masks that are not split. Raises InputError.
    """
    if path.suffix == ".npz":
        return _prepared(path)
    nodes = path if (path / "nodes.csv").exists() else path / "nodes"
    if not (nodes / "nodes.csv").exists():
        files = images(path)
        return RealShapes(read_shapes(files, "real", report), np.full(len(files), ""))
    with open(nodes / "nodes.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    if not rows or not {"file", "split"} <= set(rows[0]):
        raise InputError(f"{nodes / 'nodes.csv'} lacks rows with file and split: add them")
    files, split = ([row[name] for row in rows] for name in ("file", "split"))
    shapes = read_shapes([nodes / file for file in files], "real", report)
    return RealShapes(shapes, np.array(split))


def _prepared(path: Path) -> RealShapes:
    try:
        with np.load(path) as arrays:
            shapes, split = arrays["tsdf"].astype(np.float32), arrays["split"]
            if shapes.shape != (len(split), GRID, GRID, GRID):
                raise ValueError(f"TSDFs of the shape {shapes.shape}")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not the structure.npz of lngen train: give that") from error
    return RealShapes(shapes, split)


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


def read_shapes(files: list[Path], stage: str, report: Report | None = None) -> np.ndarray:
    """TSDFs (n, 32, 32, 32) of image files, float32; `report(stage, done, n)` after each.

    An image with negative values holds signed distances in mm, negative inside; one of whole
    numbers is a mask, whose largest component counts, as in training. Raises InputError.
    """
    shapes = []
    for path in files:
        shapes.append(_read_shape(path))
        if report:
            report(stage, len(shapes), len(files))
    return np.stack(shapes)


def _read_shape(path: Path) -> np.ndarray:
    image = read_image(path)
    values, spacing = to_array(image), image.GetSpacing()[::-1]
    try:
        if values.min() < 0:
            tsdf, _ = tsdf_from_distance(values, spacing)
        elif (values == np.round(values)).all():
            tsdf = node_surface(values > 0, spacing).tsdf
        else:
            raise ValueError("neither a mask nor signed distances, negative inside")
    except ValueError as error:
        raise InputError(f"{path} holds no shape ({error}): leave it out") from error
    if tsdf.min() >= 0:
        raise InputError(f"{path} is too thin for {GRID}^3 samples: leave it out")
    return tsdf
