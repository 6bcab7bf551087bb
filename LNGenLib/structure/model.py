"""Sampling of structures: descriptors and noise -> latent DDPM -> decoder -> adapter -> TSDF."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from LNGenLib.errors import InputError
from LNGenLib.latent.batches import in_batches, most_together
from LNGenLib.latent.convolution import in_precision, quick_alone, quickest_precision
from LNGenLib.latent.diffusion import seeded_noise
from LNGenLib.models.store import SHIPPED, config_of, load_weights, read_description
from LNGenLib.progress import SILENT, Progress
from LNGenLib.randomness import node_seed
from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.networks import LATENT_GRID, STEPS, StructureConfig, StructureNetworks
from LNGenLib.structure.repair import repair
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.shape_range import ANY_SHAPE, ShapeRange

BATCH = 32


@dataclass(frozen=True)
class Samples:
    """Structures drawn, and which of them `repair` changed."""

    structures: list[Structure]
    repaired: list[bool]

    @classmethod
    def of(cls, drawn: Iterable[np.ndarray]) -> Samples:
        """Of TSDFs (32, 32, 32) as they were drawn."""
        repaired = [repair(tsdf) for tsdf in drawn]
        return cls([Structure(tsdf) for tsdf, _ in repaired], [changed for _, changed in repaired])


class StructureModel:
    """The trained structure model; `path` is a .safetensors of `lngen train structure`."""

    looks = True  # benign or suspicious

    def __init__(self, path: Path | None = None, device: str = "cpu"):
        self.device, self.batch = device, BATCH
        self.precision = quickest_precision(device)
        self.path = path or SHIPPED / "structure.safetensors"
        self.description = read_description(self.path)
        networks = StructureNetworks(config_of(StructureConfig, self.description))
        self.networks = quick_alone(load_weights(networks, self.path, device), device)
        self.networks.adapter.to(memory_format=torch.channels_last_3d)  # the others gain nothing

    def knows(self, long_axis: float, shape: ShapeRange) -> bool:
        """Whether `sample` can draw such a shape for a long axis in mm."""
        return self.networks.prior.knows(long_axis, shape)

    def sample(
        self,
        numbers: Sequence[int],
        long_axes: Sequence[float],
        seed: int,
        steps: int = STEPS,
        progress: Progress = SILENT,
        shapes: ShapeRange | Sequence[ShapeRange] = ANY_SHAPE,
    ) -> Samples:
        """Draw the structures `numbers`, each as lymph nodes of its long axis in mm are; each
        depends on the seed, its number, long axis and shape (one of `shapes` for all, or one each)
        alone.

        Islands, holes and tunnels are repaired. Raises InputError where no known lymph node has
        such a shape, and for a model so little trained that it draws nothing.
        """
        drawn = self.draw(numbers, long_axes, seed, steps, progress, shapes)
        if (drawn.min((1, 2, 3)) >= 0).any():
            raise InputError(f"{self.path} draws structures without an inside: train it longer")
        return Samples.of(drawn)

    def draw(
        self,
        numbers: Sequence[int],
        long_axes: Sequence[float],
        seed: int,
        steps: int = STEPS,
        progress: Progress = SILENT,
        shapes: ShapeRange | Sequence[ShapeRange] = ANY_SHAPE,
        adapted: bool = True,
    ) -> np.ndarray:
        """TSDFs (n, 32, 32, 32) float32 as the networks leave them, nothing repaired; those of the
        decoder alone where they are not to be `adapted`."""
        ranges = [shapes] * len(numbers) if isinstance(shapes, ShapeRange) else shapes
        networks = self.networks
        wanted = [
            networks.prior.draw(axis, shape, seed, int(number))
            for number, axis, shape in zip(numbers, long_axes, ranges)
        ]
        seeds = [node_seed(seed, int(number), "structure") for number in numbers]

        @torch.inference_mode()
        def draw_some(part: slice, own: Progress) -> list[np.ndarray]:
            descriptors = torch.from_numpy(np.stack(wanted[part])).to(self.device)
            condition = networks.prior.condition(descriptors, LATENT_GRID)
            noise = seeded_noise(seeds[part], (networks.config.latent_channels, *[LATENT_GRID] * 3))
            with in_precision(self.precision):
                z = networks.diffusion.sample(noise.to(self.device), condition, steps, own)
                tsdf = networks.autoencoder.decode(z)
                if adapted:
                    tsdf = networks.adapter(tsdf)
            return list(tsdf.float().clamp(-1, 1).cpu().numpy()[:, 0] * TRUNCATION)

        most = most_together(self.batch, self.device, self.precision)
        drawn = in_batches(draw_some, len(numbers), most, self.device, progress)
        return np.stack(drawn)
