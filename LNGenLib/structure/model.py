"""Sampling of structures: noise -> latent DDPM -> decoder -> adapter -> TSDF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from LNGenLib.latent.diffusion import StepCallback, of_batches, seeded_noise
from LNGenLib.models.store import SHIPPED, config_of, load_weights, read_description
from LNGenLib.randomness import node_seed
from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.networks import StructureConfig, StructureNetworks
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.tsdf import largest_component

BATCH = 32
STEPS = 50


@dataclass(frozen=True)
class Samples:
    """Structures drawn, and which of them had islands, holes or a cut border before the repair."""

    structures: list[Structure]
    repaired: list[bool]


class StructureModel:
    """The trained structure model; `path` is a .safetensors of `lngen train structure`."""

    def __init__(self, path: Path | None = None, device: str = "cpu"):
        self.path = path or SHIPPED / "structure.safetensors"
        self.description = read_description(self.path)
        self.device = device
        networks = StructureNetworks(config_of(StructureConfig, self.description))
        self.networks = load_weights(networks, self.path, device)

    def sample(
        self, count: int, seed: int, steps: int = STEPS, on_step: StepCallback | None = None
    ) -> Samples:
        """Draw `count` structures; the noise of number k depends on (seed, k) alone."""
        structures, repaired = [], []
        batches = range(0, count, BATCH)
        for batch, start in enumerate(batches):
            numbers = range(start, min(start + BATCH, count))
            seeds = [node_seed(seed, number, "structure") for number in numbers]
            tsdfs = self._draw(seeds, steps, of_batches(on_step, batch, len(batches)))
            for number, tsdf in zip(numbers, tsdfs, strict=True):
                if tsdf.min() >= 0:  # no shape at all
                    tsdf = self._draw([node_seed(seed, number, "structure again")], steps)[0]
                sound, changed = repair(tsdf)
                structures.append(Structure(sound))
                repaired.append(changed)
        return Samples(structures, repaired)

    def _draw(
        self, seeds: list[int], steps: int, on_step: StepCallback | None = None
    ) -> np.ndarray:
        """TSDFs (n, 32, 32, 32) as the adapter leaves them."""
        grid = self.networks.LATENT_GRID
        noise = seeded_noise(seeds, (self.networks.config.latent_channels, grid, grid, grid))
        with torch.inference_mode():
            z = self.networks.diffusion.sample(noise.to(self.device), None, steps, on_step)
            return self.networks.decode(z).float().cpu().numpy()[:, 0] * TRUNCATION


def repair(tsdf: np.ndarray) -> tuple[np.ndarray, bool]:
    """The TSDF with one component, no holes and a positive border; and whether that changed it."""
    closed = tsdf.copy()
    for axis in range(3):
        for face in (0, -1):
            border = np.moveaxis(closed, axis, 0)[face]
            np.maximum(border, TRUNCATION / 10, out=border)
    inside = closed < 0
    body = ndimage.binary_fill_holes(largest_component(inside))
    closed[inside & ~body] = TRUNCATION
    closed[body & ~inside] = -TRUNCATION
    return closed, bool(((tsdf < 0) != (closed < 0)).any())
