"""From a folder of lymph-node masks to the arrays that training reads."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from LNGenLib.structure.tsdf import tsdf_from_mask


def prepare(
    data: Path, output: Path, report: Callable[[str, int, int], None] = lambda *_: None
) -> None:
    """Write the TSDFs of every mask that `data/nodes.csv` lists to `output` (.npz).

    The table has at least the columns `file` and `split` (train, validation or test). Arrays:
    `tsdf` (n, 32, 32, 32) float16, `long_axis_mm` (n,), `split` (n,), `name` (n,).
    """
    from LNGenLib.image.io import read_image, to_array

    with open(data / "nodes.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    tsdfs, axes = [], []
    for number, row in enumerate(rows):
        report("masks", number, len(rows))
        image = read_image(data / row["file"])
        tsdf, axis = tsdf_from_mask(to_array(image) > 0, image.GetSpacing()[::-1])
        tsdfs.append(tsdf.astype(np.float16))
        axes.append(axis)
    np.savez_compressed(
        output,
        tsdf=np.stack(tsdfs),
        long_axis_mm=np.array(axes),
        split=np.array([row["split"] for row in rows]),
        name=np.array([row["file"] for row in rows]),
    )
