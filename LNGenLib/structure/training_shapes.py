"""The shapes that structure training learns from: as drawn, deformed, and procedural solids."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from LNGenLib.latent.autoencoder import Autoencoder
from LNGenLib.latent.training import OnStep
from LNGenLib.randomness import node_rng
from LNGenLib.structure.deformation import deform
from LNGenLib.structure.descriptors import describe, mirror, turn
from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.repair import repair
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.solids import solids


class Shapes(Dataset):
    """TSDFs (1, 32, 32, 32) in [-1, 1], flipped at random along each axis.

    With `turned` the axes are permuted too, which gives all 48 symmetries of the cube.
    """

    def __init__(self, tsdf: np.ndarray, flipped: bool = True, turned: bool = False):
        self.tsdf = torch.from_numpy(tsdf.astype(np.float32) / TRUNCATION)
        self.flipped, self.turned = flipped, turned

    def __len__(self) -> int:
        return len(self.tsdf)

    def __getitem__(self, index: int):
        shape = self.tsdf[index]
        if self.turned:
            shape = shape.permute(*torch.randperm(3).tolist())
        if self.flipped:
            shape = shape.flip([axis for axis in range(3) if torch.rand(()) < 0.5])
        return shape[None]


class DescribedShapes(Dataset):
    """A TSDF (1, 32, 32, 32) in [-1, 1], its descriptors (11,), and its latent where it is encoded.

    With `turned` in all 48 symmetries of the cube, each with its own descriptors: the DDPM is told
    which of them it sees, so that it draws none that lies as no lymph node does.
    """

    def __init__(self, tsdf: np.ndarray, descriptors: np.ndarray, turned: bool = True):
        orders = list(itertools.permutations(range(3))) if turned else [(0, 1, 2)]
        flips = list(np.ndindex(2, 2, 2)) if turned else [(0, 0, 0)]
        self.symmetries = list(itertools.product(orders, flips))
        turns = [mirror(turn(descriptors, order), flip) for order, flip in self.symmetries]
        self.descriptors = torch.from_numpy(np.concatenate(turns))
        self.tsdf = torch.from_numpy(tsdf / TRUNCATION)
        self.latents = None

    @torch.no_grad()
    def encode(self, autoencoder: Autoencoder, report: OnStep) -> None:
        """Keep the latents: encoding in each step would cost a tenth of the training."""
        latents = []
        for number, symmetry in enumerate(self.symmetries):
            report("latents", number, len(self.symmetries))
            latents += [autoencoder.encode(x) for x in self._images(symmetry)[:, None].split(64)]
        self.latents = torch.cat(latents)

    def _images(self, symmetry, shapes=slice(None)) -> torch.Tensor:
        order, flip = symmetry
        turned = self.tsdf[shapes].permute(0, *(1 + axis for axis in order))
        return turned.flip([1 + axis for axis in range(3) if flip[axis]])

    def __len__(self) -> int:
        return len(self.descriptors)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        symmetry, shape = divmod(index, len(self.tsdf))
        image = self._images(self.symmetries[symmetry], slice(shape, shape + 1))
        item = image, self.descriptors[index]
        return item if self.latents is None else (*item, self.latents[index])


def sound_shapes(arrays: Path, report: OnStep) -> tuple[np.ndarray, np.ndarray]:
    """TSDFs (n, 32, 32, 32) of the training and the validation part, repaired: drawn masks hold
    islands and holes by slips of the pen, which a generator must not learn."""
    with np.load(arrays) as data:
        tsdf, split = data["tsdf"].astype(np.float32), data["split"]
    used = np.flatnonzero(np.isin(split, ("train", "validation")))
    for number, index in enumerate(used):
        report("repair", number, len(used))
        tsdf[index] = repair(tsdf[index])[0]
    return tsdf[split == "train"], tsdf[split == "validation"]


def described_shapes(tsdf: np.ndarray, report: OnStep, turned: bool = True) -> DescribedShapes:
    """TSDFs (n, 32, 32, 32) with their descriptors."""
    return DescribedShapes(tsdf, _descriptors(tsdf, report), turned)


def deformed_shapes(
    path: Path, tsdf: np.ndarray, copies: int, seed: int, report: OnStep
) -> DescribedShapes:
    """Each of the TSDFs (n, 32, 32, 32) deformed in so many ways, in its own orientation."""

    def make() -> dict[str, np.ndarray]:
        structures, shapes = [Structure(shape) for shape in tsdf], []
        for number in range(copies * len(tsdf)):
            report("deformations", number, copies * len(tsdf))
            rng = node_rng(seed, number, "deformation")
            shapes.append(deform(structures[number % len(tsdf)], rng).astype(np.float16))
        return {"tsdf": np.stack(shapes), "descriptors": _descriptors(shapes, report)}

    arrays = _kept(path, make)
    return DescribedShapes(arrays["tsdf"].astype(np.float32), arrays["descriptors"], turned=False)


def solid_shapes(path: Path, count: int, seed: int) -> np.ndarray:
    """TSDFs (count, 32, 32, 32) of the procedural solids."""
    return _kept(path, lambda: {"tsdf": solids(count, seed)})["tsdf"]


def _descriptors(shapes: Sequence[np.ndarray], report: OnStep) -> np.ndarray:
    """Descriptors (n, 11) of n TSDFs."""
    found = []
    for number, shape in enumerate(shapes):
        report("descriptors", number, len(shapes))
        found.append(describe(shape.astype(np.float32)))
    return np.stack(found)


def _kept(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays kept in `path`, made where they are not: made anew, they would take a resumed
    training minutes."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished.npz")
        np.savez_compressed(unfinished, **make())
        unfinished.replace(path)
    with np.load(path) as arrays:
        return dict(arrays)
