"""What structure training learns from: surfaces of masks, deformed copies of them, ovoids of small
sizes, and procedural solids."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from LNGenLib.files import write_npz
from LNGenLib.progress import SILENT, Progress
from LNGenLib.randomness import node_rng
from LNGenLib.structure.deformation import deform
from LNGenLib.structure.descriptors import describe
from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.networks import StructureConfig
from LNGenLib.structure.ovoids import ovoid
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.sizes import SMALLEST
from LNGenLib.structure.solids import solids

FEW, ENOUGH = 6.0, 12.0  # mm: below the one no surfaces are known, above the other enough


@dataclass(frozen=True, eq=False)
class Shapes:
    """TSDFs (n, 32, 32, 32) float32 and their descriptors (n, 12)."""

    tsdf: np.ndarray
    descriptors: np.ndarray


class Volumes(Dataset):
    """TSDFs (n, 32, 32, 32) as (1, 32, 32, 32) in [-1, 1], in all 48 symmetries of the cube."""

    def __init__(self, tsdf: np.ndarray):
        self.tsdf = torch.from_numpy(tsdf.astype(np.float32) / TRUNCATION)

    def __len__(self) -> int:
        return len(self.tsdf)

    def __getitem__(self, index: int) -> torch.Tensor:
        shape = self.tsdf[index].permute(*torch.randperm(3).tolist())
        return shape.flip([axis for axis in range(3) if torch.rand(()) < 0.5])[None]


def real_shapes(arrays: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Surfaces' TSDFs (n, 32, 32, 32) float32 of a split of `preparing.prepare`'s
    arrays, and their long axes
    (n,) in mm."""
    with np.load(arrays) as data:
        there = data["split"] == split
        return data["tsdf"][there].astype(np.float32), data["long_axis_mm"][there]


def training_shapes(
    path: Path,
    real: tuple[np.ndarray, np.ndarray],
    copies: int,
    ovoids: int,
    seed: int,
    progress: Progress = SILENT,
) -> Shapes:
    """The surfaces, so many deformed copies of each, turned by one of 48 symmetries each, and so
    many ovoids; kept in `path`, since to make them anew would take a resumed training minutes.

    `real` are TSDFs (n, 32, 32, 32) and long axes (n,) in mm, as `real_shapes` gives them.
    """

    def make() -> dict[str, np.ndarray]:
        tsdfs, axes = real
        shapes, sizes = list(tsdfs), list(axes)
        for number, (tsdf, size) in enumerate(zip(*real)):
            progress.advance("deformations", number, len(tsdfs))
            structure, rng = Structure(tsdf), node_rng(seed, number, "deformation")
            shapes.extend(turned_at_random(deform(structure, rng), rng) for _ in range(copies))
            sizes.extend([size] * copies)
        for number in range(ovoids):
            progress.advance("ovoids", number, ovoids)
            rng = node_rng(seed, number, "ovoid")
            sizes.append(_small_size(rng))
            shapes.append(ovoid(sizes[-1], rng))
        descriptors = _described(shapes, sizes, progress)
        return {"tsdf": np.stack(shapes).astype(np.float16), "descriptors": descriptors}

    kept = _kept(path, make)
    return Shapes(kept["tsdf"].astype(np.float32), kept["descriptors"])


def read_corpus(
    arrays: Path, kept: Path, config: StructureConfig, seed: int, progress: Progress
) -> tuple[Shapes, Shapes, torch.Tensor]:
    """Shapes to learn from, made of prepared arrays and kept in `kept`; the held-out ones; and
    descriptors (k, 12) of the known shapes, all of the first but deformed copies."""
    real, held_out = (real_shapes(arrays, split) for split in ("train", "validation"))
    shapes = training_shapes(kept, real, config.copies, config.ovoids, seed, progress)
    last = len(shapes.tsdf)
    known = [*range(len(real[0])), *range(last - config.ovoids, last)]
    descriptors = torch.from_numpy(shapes.descriptors[known])
    return shapes, Shapes(held_out[0], _described(*held_out)), descriptors


def solid_shapes(path: Path, count: int, seed: int) -> np.ndarray:
    """TSDFs (count, 32, 32, 32) of the procedural solids, kept in `path`."""
    return _kept(path, lambda: {"tsdf": solids(count, seed)})["tsdf"]


def _described(shapes, sizes, progress: Progress = SILENT) -> np.ndarray:
    found = []
    for number, (shape, size) in enumerate(zip(shapes, sizes)):
        progress.advance("descriptors", number, len(shapes))
        found.append(describe(shape, size))
    return np.stack(found)


def turned_at_random(tsdf: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A TSDF (32, 32, 32) by one of 48 symmetries at random."""
    turned = tsdf.transpose(rng.permutation(3))
    return np.flip(turned, tuple(np.flatnonzero(rng.random(3) < 0.5)))


def _small_size(rng: np.random.Generator) -> float:
    """A long axis in mm, even in its logarithm, the rarer from `FEW` to `ENOUGH`."""
    while True:
        size = math.exp(rng.uniform(math.log(SMALLEST), math.log(ENOUGH)))
        if rng.random() < math.log(ENOUGH / size) / math.log(ENOUGH / FEW):
            return size


def _kept(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays kept in `path`, made where they are not."""
    if not path.exists():
        write_npz(make(), path)
    with np.load(path) as arrays:
        return dict(arrays)
