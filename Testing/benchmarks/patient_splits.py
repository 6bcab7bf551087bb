"""How well real lymph nodes cover those of other patients: what held-out recall can be.

Takes the arrays that `lngen train structure` prepared (structure.npz) and the table that they were
prepared from, whose rows have a patient each. Patients are drawn at random until they have as many
lymph nodes as the split `test`; as many others as the split `train` has are scored against them, as
generated ones are (docs/evaluation.md).

    python Testing/benchmarks/patient_splits.py runs/structure/structure.npz DATA/nodes/nodes.csv
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from LNGenLib.evaluation.distribution import Manifold, indicators
from LNGenLib.evaluation.loading import read_real
from LNGenLib.evaluation.structures import Reference

FIGURES = ("precision", "recall", "coverage")


def main(arrays: Path, nodes: Path, splits: int = 200, seed: int = 0) -> None:
    """Print the fixed split beside random ones."""
    with nodes.open(newline="") as file:
        rows = list(csv.DictReader(file))
    real = read_real(arrays)
    if [row["split"] for row in rows] != real.split.tolist():
        raise typer.BadParameter(f"{nodes} is not the table that {arrays} was prepared from")
    points, patients = Reference(real).manifold.points, np.array([row["patient"] for row in rows])
    train, test = (real.split == name for name in ("train", "test"))
    rng, found = np.random.default_rng(seed), []
    for _ in range(splits):
        order = rng.permutation(np.unique(patients))
        counts = np.cumsum([(patients == patient).sum() for patient in order])
        out = np.isin(patients, order[: np.searchsorted(counts, test.sum()) + 1])
        found.append(
            scores(points[out], points[rng.permutation(np.flatnonzero(~out))[: train.sum()]])
        )
    table = Table("real lymph nodes", *FIGURES, title=f"{test.sum()} of other patients")
    table.add_row("the split", *(f"{value:.3f}" for value in scores(points[test], points[train])))
    low, middle, high = np.percentile(found, (5, 50, 95), axis=0)
    spread = (f"{m:.3f} ({a:.3f}-{b:.3f})" for a, m, b in zip(low, middle, high))
    table.add_row(f"{splits} random splits, median (5-95 %)", *spread)
    Console(width=120).print(table)


def scores(of: np.ndarray, others: np.ndarray) -> list[float]:
    """`FIGURES` of points (n, 64) of some patients' shapes by those (m, 64) of `others`."""
    found = indicators(Manifold(of), Manifold(others))
    return [float(found[name].mean()) for name in FIGURES]


if __name__ == "__main__":
    typer.run(main)
