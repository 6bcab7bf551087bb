"""How many sampling steps does tissue need, and which figure moves with them?

Takes soft-tissue bodies found in CTs out of them, paints each again in its own shape, place and
mean HU, and compares the tissue deeper than two samples of the patch, where there is no partial
volume, with the body's own. Both are without the finest grain, as tissue is before noise is added.

    python Testing/benchmarks/texture_steps.py CT CT ...
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from LNGenLib.evaluation.realism.specimens import Specimen, find_specimens
from LNGenLib.image.geometry import array_spacing, extract_patch
from LNGenLib.image.io import as_ct, read_ct, to_array
from LNGenLib.structure.frame import GRID, SAMPLE
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.surface import node_surface
from LNGenLib.texture.dataset import LabeledScan
from LNGenLib.texture.model import GRAIN, TextureModel
from LNGenLib.texture.patch import PATCH, patch_distance, patch_step

BODIES = 24  # of a scan
DEEP = -2.0  # samples
FEWEST = 100  # samples that deep
LAGS = (1, 4)  # samples
STEPS, REFERENCE = (4, 6, 10, 20, 50), 100


def lymph_node(body: Specimen) -> LymphNode:
    """A lymph node of a body's shape at its place."""
    shape = node_surface(body.mask, tuple(body.spacing))
    samples = np.argwhere(shape.tsdf < 0).mean(0) - (GRID - 1) / 2
    middle = np.argwhere(body.mask).mean(0) + body.start
    center = middle - samples * SAMPLE * shape.long_axis / 2 / body.spacing
    return LymphNode(Structure(shape.tsdf), shape.long_axis, np.eye(3), center, body.spacing)


def differences(hu: np.ndarray, where: np.ndarray, lag: int) -> np.ndarray:
    """Of samples `lag` apart in-plane, both in `where`."""
    found = []
    for axis in (1, 2):
        values, known = (np.moveaxis(x, axis, 0) for x in (hu, where))
        found.append((values[lag:] - values[:-lag])[known[lag:] & known[:-lag]])
    return np.concatenate(found)


def main(cts: list[Path], threads: int = 2, seed: int = 0) -> None:
    """Print the table."""
    torch.set_num_threads(threads)
    model = TextureModel()
    jobs = []
    for path in cts:
        ct = as_ct(read_ct(path))
        hu, spacing = to_array(ct), array_spacing(ct)
        kept = []
        for body in find_specimens(path.name, LabeledScan(hu, spacing, None)):
            node = lymph_node(body)
            deep = patch_distance(node.structure, node.rotation, node.long_axis) < DEEP
            if deep.sum() >= FEWEST:
                step = patch_step(node.long_axis)
                real = extract_patch(hu, spacing, node.center, step, PATCH)
                kept.append((node, deep, ndimage.gaussian_filter(real, GRAIN)))
        chosen = np.random.default_rng(seed).permutation(len(kept))[:BODIES]
        jobs.append((hu, *zip(*(kept[k] for k in chosen))))

    def painted(steps: int) -> tuple[list[np.ndarray], float]:
        """Tissue of every body, and seconds for each."""
        start, tissues = time.perf_counter(), []
        for hu, nodes, deep, real in jobs:
            means = [float(r[d].mean()) for r, d in zip(real, deep)]
            found = model.sample(hu, nodes, means, range(len(nodes)), steps)
            tissues += [tissue.hu for tissue in found]
        return tissues, (time.perf_counter() - start) / len(tissues)

    deep = [d for job in jobs for d in job[2]]
    real = [r for job in jobs for r in job[3]]
    reference, _ = painted(REFERENCE)
    table = Table(
        "steps",
        "deviation",
        *(f"difference at {lag}" for lag in LAGS),
        "off the reference, HU",
        "seconds",
    )

    def row(steps: int, tissues: list[np.ndarray], seconds: str) -> None:
        own = np.concatenate([t[d] - t[d].mean() for t, d in zip(tissues, deep)])
        theirs = np.concatenate([r[d] - r[d].mean() for r, d in zip(real, deep)])
        cells = [own.std() / theirs.std()]
        for lag in LAGS:
            pairs = [
                [differences(x, d, lag) for x, d in zip(all_, deep)] for all_ in (tissues, real)
            ]
            a, b = (np.concatenate(found).std() for found in pairs)
            cells.append(a / b)
        off = np.concatenate([(t - r)[d] for t, r, d in zip(tissues, reference, deep)])
        shown = [f"{cell:.2f}" for cell in cells]
        table.add_row(str(steps), *shown, f"{np.sqrt((off**2).mean()):.1f}", seconds)

    for steps in STEPS:
        tissues, seconds = painted(steps)
        row(steps, tissues, f"{seconds:.2f}")
    row(REFERENCE, reference, "")
    console = Console(width=120)
    console.print(f"{len(real)} bodies; ratios of generated tissue to the bodies' own, 1 is alike:")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
