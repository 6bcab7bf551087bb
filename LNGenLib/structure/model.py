"""Sampling of structures: descriptors and noise -> latent DDPM -> decoder -> adapter -> TSDF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from LNGenLib.errors import InputError
from LNGenLib.latent.diffusion import StepCallback, of_batches, seeded_noise
from LNGenLib.models.store import SHIPPED, config_of, load_weights, read_description
from LNGenLib.randomness import node_seed
from LNGenLib.structure.frame import SAMPLE, TRUNCATION
from LNGenLib.structure.networks import (
    LATENT_GRID,
    ExplicitConfig,
    ExplicitNetworks,
    StructureConfig,
    StructureNetworks,
)
from LNGenLib.structure.repair import repair
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.shape_range import ANY_SHAPE, ShapeRange
from LNGenLib.structure.tsdf import signed_distance
from LNGenLib.structure.variant import Variant

BATCH = 32
STEPS = 20
ATTEMPTS = 3  # of the adapter at a sound structure


@dataclass(frozen=True)
class Samples:
    """Structures drawn; which of them were drawn again by the adapter, and which `repair` changed
    at last."""

    structures: list[Structure]
    redrawn: list[bool]
    repaired: list[bool]


class StructureModel:
    """The trained structure model; `path` is a .safetensors of `lngen train structure`, or of
    `lngen train explicit` for the explicit variant."""

    def __init__(
        self,
        path: Path | None = None,
        device: str = "cpu",
        variant: Variant = Variant.implicit_adapter,
    ):
        self.variant, self.device = variant, device
        explicit = variant is Variant.explicit
        self.path = path or SHIPPED / f"{'explicit' if explicit else 'structure'}.safetensors"
        self.description = read_description(self.path)
        kinds = (
            (ExplicitNetworks, ExplicitConfig) if explicit else (StructureNetworks, StructureConfig)
        )
        self.networks = kinds[0](config_of(kinds[1], self.description))
        load_weights(self.networks, self.path, device)

    def sample(
        self,
        count: int,
        seed: int,
        steps: int = STEPS,
        on_step: StepCallback | None = None,
        shape: ShapeRange = ANY_SHAPE,
    ) -> Samples:
        """Draw `count` sound structures; number k depends on (seed, k) and `shape` alone.

        They are those of `draw`, repaired where they are unsound still. Raises InputError where no
        known lymph node has such a `shape`, and for a model so little trained that it draws
        nothing.
        """
        samples = Samples([], [], [])
        for drawn, redrawn in self._draw(count, seed, steps, on_step, shape, ATTEMPTS):
            repaired = [repair(tsdf) for tsdf in drawn]
            if any(tsdf.min() >= 0 for tsdf, _ in repaired):
                raise InputError(f"{self.path} draws structures without an inside: train it longer")
            samples.structures.extend(Structure(tsdf) for tsdf, _ in repaired)
            samples.redrawn.extend(redrawn)
            samples.repaired.extend(changed for _, changed in repaired)
        return samples

    def draw(
        self, count: int, seed: int, steps: int = STEPS, attempts: int = ATTEMPTS
    ) -> np.ndarray:
        """TSDFs (count, 32, 32, 32) float32 as the networks leave them, nothing repaired.

        Where the adapter leaves islands, holes or tunnels it is given other noise, as long as there
        are `attempts`.
        """
        batches = self._draw(count, seed, steps, None, ANY_SHAPE, attempts)
        return np.concatenate([drawn for drawn, _ in batches])

    def _draw(
        self,
        count: int,
        seed: int,
        steps: int,
        on_step: StepCallback | None,
        shape: ShapeRange,
        attempts: int,
    ) -> Iterator[tuple[np.ndarray, list[bool]]]:
        """TSDFs of each batch, and which were drawn again by the adapter."""
        for numbers, decoded in self._decoded(count, seed, steps, on_step, shape):
            drawn = self._restored(decoded, seed, numbers, 0)
            redrawn = [False] * len(drawn)
            for attempt in range(1, attempts if self.variant is Variant.implicit_adapter else 1):
                for k, tsdf in enumerate(drawn):
                    if repair(tsdf)[1]:
                        one, redrawn[k] = slice(k, k + 1), True
                        drawn[k] = self._restored(decoded[one], seed, numbers[one], attempt)[0]
            yield drawn, redrawn

    def _decoded(
        self, count: int, seed: int, steps: int, on_step: StepCallback | None, shape: ShapeRange
    ) -> Iterator[tuple[range, torch.Tensor]]:
        """Numbers of each batch, and its TSDFs (n, 1, 32, 32, 32) in [-1, 1] before the adapter."""
        batches = range(0, count, BATCH)
        for batch, start in enumerate(batches):
            numbers = range(start, min(start + BATCH, count))
            seeds = [node_seed(seed, number, "structure") for number in numbers]
            networks = self.networks
            noise = seeded_noise(seeds, (networks.channels, *[LATENT_GRID] * 3)).to(self.device)
            wanted = np.stack([networks.prior.draw(shape, seed, number) for number in numbers])
            with torch.inference_mode():
                condition = networks.prior.condition(
                    torch.from_numpy(wanted).to(self.device), LATENT_GRID
                )
                on_batch = of_batches(on_step, batch, len(batches))
                z = networks.diffusion.sample(noise, condition, steps, on_batch, "dpm")
                yield numbers, networks.decode(z)

    def _restored(
        self, decoded: torch.Tensor, seed: int, numbers: range, attempt: int
    ) -> np.ndarray:
        """TSDFs (n, 32, 32, 32) of decoded ones, restored by the adapter where there is one."""
        with torch.inference_mode():
            if self.variant is Variant.implicit_adapter:
                adapter = self.networks.adapter
                seeds = [node_seed(seed, number, f"adapter {attempt}") for number in numbers]
                noise = seeded_noise(seeds, adapter.noise_shape).to(self.device)
                decoded = adapter(decoded, noise)
        volumes = decoded.clamp(-1, 1).cpu().numpy()[:, 0] * TRUNCATION
        return _distances(volumes < 0) if self.variant is Variant.explicit else volumes


def _distances(masks: np.ndarray) -> np.ndarray:
    """TSDFs of masks (n, 32, 32, 32) that lie in the frame already."""
    samples = [signed_distance(mask, (1, 1, 1)) for mask in masks]
    return np.clip(np.stack(samples) * SAMPLE, -TRUNCATION, TRUNCATION).astype(np.float32)
