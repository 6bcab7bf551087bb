"""How many sampling steps do structures need, and which figure moves with them?

Draws structures of 12, 17 and 25 mm by several numbers of steps and compares their surfaces with
the real ones about as large, as `lngen evaluate structures` does: form, precision, recall and
coverage. REAL is a folder of masks, or the structure.npz of `lngen train structure`.

    python Testing/benchmarks/structure_steps.py REAL
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from LNGenLib.evaluation.shape.comparison import compare
from LNGenLib.evaluation.shape.descriptors import has_valid_surface
from LNGenLib.evaluation.shape.loading import read_real
from LNGenLib.evaluation.shape.surfaces import Surfaces
from LNGenLib.progress import SILENT
from LNGenLib.structure.model import StructureModel
from LNGenLib.structure.tsdf import tsdf_from_distance

LONG_AXES = (12.0, 17.0, 25.0)  # mm, one a bin
STEPS = (4, 6, 8, 10, 20)
FORM = ("sphericity", "solidity", "mid_long", "thin_long", "valid")


def drawn(model: StructureModel, count: int, steps: int) -> Surfaces:
    """So many surfaces of each long axis."""
    shapes, sizes = [], []
    for long_axis in LONG_AXES:
        for one in model.sample(range(count), [long_axis] * count, 0, steps).structures:
            spacing = (one.sample_mm(long_axis),) * 3
            tsdf, size = tsdf_from_distance(one.full_distance(long_axis), spacing)
            shapes.append(tsdf)
            sizes.append(size)
    valid = np.array([has_valid_surface(tsdf) for tsdf in shapes])
    return Surfaces(np.stack(shapes), np.array(sizes), valid)


def main(real: Path, count: int = 300) -> None:
    """Print the table."""
    known, model = read_real(real, SILENT), StructureModel()
    table = Table("bin", "steps", *FORM, "precision", "recall", "coverage")
    rows: list[list[str]] = []
    for steps in STEPS:
        for name, found in compare(known, drawn(model, count, steps)).bins.items():
            if steps == STEPS[0] and found.real is not None:
                rows.append([name, "real", *(f"{getattr(found.real, one):.3f}" for one in FORM)])
            if found.generated is not None:
                close = found.closeness["generated"]
                cells = [f"{getattr(found.generated, one):.3f}" for one in FORM]
                near = (close.precision, close.recall, close.coverage)
                rows.append([name, str(steps), *cells, *(f"{one.value:.2f}" for one in near)])
    for row in sorted(rows, key=lambda row: row[0]):  # the steps of a bin one after the other
        table.add_row(*row)
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
