"""Masks of lymph nodes become surfaces, kept as arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.files import read_table, write_npz
from LNGenLib.image.io import read_image, to_array
from LNGenLib.progress import SILENT, Progress
from LNGenLib.structure.frame import GRID
from LNGenLib.structure.surface import NodeSurface, node_surface


def table_of_masks(data: Path) -> Path:
    """Where the `nodes.csv` of a data folder is: in it, or else in its folder `nodes`."""
    table = data / "nodes.csv"
    return table if table.exists() else data / "nodes" / "nodes.csv"


def prepare(data: Path, output: Path, progress: Progress = SILENT) -> None:
    """Write the surface of every mask that the `nodes.csv` of `data` lists to `output` (.npz), but
    of those that their image's border cuts off: they would teach flat faces.

    The table has at least the columns `file` and `split` (train, validation or test). Arrays:
    `tsdf` (n, 32, 32, 32) float16, `long_axis_mm` (n,), `dice` and `volume_ratio` (n,) of surface
    and mask, `single` (n,), `split` (n,), `name` (n,). Raises InputError for a mask that outlines
    nothing, and where no training or validation mask is whole.
    """
    table = table_of_masks(data)
    listed, rows, surfaces = read_table(table), [], []
    for number, row in enumerate(listed):
        progress.advance("masks", number, len(listed))
        found = read_surface(table.parent / row["file"])
        if not found.cut_off:
            rows.append(row)
            surfaces.append(found)
    for split in ("train", "validation"):
        if all(row["split"] != split for row in rows):
            raise InputError(
                f"{table.parent}: every mask of the split {split} reaches the border of its image, "
                "as if cut off there: leave background round the lymph nodes"
            )
    arrays = {
        "tsdf": np.stack([one.tsdf for one in surfaces]).astype(np.float16),
        "long_axis_mm": np.array([one.long_axis for one in surfaces]),
        "dice": np.array([one.dice for one in surfaces]),
        "volume_ratio": np.array([one.volume_ratio for one in surfaces]),
        "single": np.array([one.single for one in surfaces]),
        "split": np.array([row["split"] for row in rows]),
        "name": np.array([row["file"] for row in rows]),
    }
    write_npz(arrays, output)


def read_surface(path: Path) -> NodeSurface:
    """The surface of the mask in an image file, nonzero inside; InputError where it has none."""
    image = read_image(path)
    values = to_array(image)
    try:
        if (values < 0).any() or (values % 1).any():
            raise ValueError("its values are no mask's")
        found = node_surface(values > 0, image.GetSpacing()[::-1])
    except ValueError as error:
        raise InputError(f"{path} outlines no lymph node ({error}): leave it out") from error
    if found.tsdf.min() >= 0:
        raise InputError(f"{path} is too thin for {GRID}^3 samples: leave it out")
    return found
