"""Sampling of structures: descriptors and noise -> latent DDPM -> decoder -> adapter -> TSDF."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from LNGenLib.errors import InputError
from LNGenLib.latent.convolution import quick_alone, quickest_precision
from LNGenLib.latent.diffusion import StepCallback, of_batches, seeded_noise
from LNGenLib.models.store import SHIPPED, config_of, load_weights, read_description
from LNGenLib.randomness import node_seed
from LNGenLib.structure.frame import SAMPLE, TRUNCATION
from LNGenLib.structure.networks import (
    LATENT_GRID,
    SOLVER,
    STEPS,
    ExplicitConfig,
    ExplicitNetworks,
    StructureConfig,
    StructureNetworks,
)
from LNGenLib.structure.repair import is_sound, repair
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.shape_range import ANY_SHAPE, ShapeRange
from LNGenLib.structure.tsdf import signed_distance
from LNGenLib.structure.variant import Variant

BATCH = 32
ATTEMPTS = 4  # at a sound structure
POOL = 8  # batches whose unsound structures are drawn again together: a few take longer each


@dataclass(frozen=True)
class Samples:
    """Structures drawn; which of them were drawn again, and which `repair` changed at last."""

    structures: list[Structure]
    redrawn: list[bool]
    repaired: list[bool]

    def measures(self, k: int, long_axis: float) -> dict[str, float | bool]:
        """What is told of structure `k` where its long axis is `long_axis` mm; JSON."""
        structure = self.structures[k]
        return {
            "long_axis_mm": round(long_axis, 3),
            "short_axis_mm": round(structure.short_axis(long_axis), 3),
            "volume_mm3": round(structure.volume(long_axis), 3),
            "redrawn": self.redrawn[k],
            "repaired": self.repaired[k],
        }


class StructureModel:
    """The trained structure model; `path` is a .safetensors of `lngen train structure`, or of
    `lngen train explicit` for the explicit variant."""

    def __init__(
        self,
        path: Path | None = None,
        device: str = "cpu",
        variant: Variant = Variant.implicit_adapter,
    ):
        self.variant, self.device, self.batch = variant, device, BATCH
        self.precision = quickest_precision(device)
        explicit = variant is Variant.explicit
        self.path = path or SHIPPED / f"{'explicit' if explicit else 'structure'}.safetensors"
        self.description = read_description(self.path)
        kinds = (
            (ExplicitNetworks, ExplicitConfig) if explicit else (StructureNetworks, StructureConfig)
        )
        networks = kinds[0](config_of(kinds[1], self.description))
        self.networks = quick_alone(load_weights(networks, self.path, device), device)

    def sample(
        self,
        numbers: int | Sequence[int],
        seed: int,
        steps: int = STEPS,
        on_step: StepCallback | None = None,
        shape: ShapeRange | Sequence[ShapeRange] = ANY_SHAPE,
    ) -> Samples:
        """Draw sound structures: those of `numbers`, or so many; each depends on the seed, its
        number and `shape` (one for all, or one each) alone.

        They are those of `draw`, repaired where they are unsound still. Raises InputError where no
        known lymph node has such a `shape`, and for a model so little trained that it draws
        nothing.
        """
        samples = Samples([], [], [])
        for drawn, redrawn, unsound in self._draw(numbers, seed, steps, on_step, shape, ATTEMPTS):
            repaired = np.zeros(len(drawn), bool)
            for k in unsound:
                drawn[k], repaired[k] = repair(drawn[k])
            if (drawn.min((1, 2, 3)) >= 0).any():
                raise InputError(f"{self.path} draws structures without an inside: train it longer")
            samples.structures.extend(Structure(tsdf) for tsdf in drawn)
            samples.redrawn.extend(redrawn.tolist())
            samples.repaired.extend(repaired.tolist())
        return samples

    def draw(
        self,
        count: int,
        seed: int,
        steps: int = STEPS,
        attempts: int = ATTEMPTS,
        on_step: StepCallback | None = None,
    ) -> np.ndarray:
        """TSDFs (count, 32, 32, 32) float32 as the networks leave them, nothing repaired.

        Those with islands, holes or tunnels are drawn again by other noise, as long as there are
        `attempts`.
        """
        batches = self._draw(count, seed, steps, on_step, ANY_SHAPE, attempts)
        return np.concatenate([drawn for drawn, *_ in batches])

    def _draw(
        self,
        numbers: int | Sequence[int],
        seed: int,
        steps: int,
        on_step: StepCallback | None,
        shape: ShapeRange | Sequence[ShapeRange],
        attempts: int,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """TSDFs of each `POOL` batches, which were drawn again, and the places of those that are
        not sound still."""
        if self.variant is not Variant.implicit_adapter:
            attempts = 1
        every = np.arange(numbers) if isinstance(numbers, int) else np.array(numbers)
        shapes = [shape] * len(every) if isinstance(shape, ShapeRange) else shape
        pool, batches = POOL * self.batch, math.ceil(len(every) / self.batch)
        for start in range(0, len(every), pool):
            part, first = slice(start, start + pool), start // self.batch
            numbers = every[part]
            wanted = [
                self.networks.prior.draw(one, seed, int(number))
                for number, one in zip(numbers, shapes[part])
            ]
            descriptors = torch.from_numpy(np.stack(wanted)).to(self.device)
            told = [of_batches(on_step, first + k, batches) for k in range(POOL)]
            drawn = self._attempt(descriptors, numbers, told, seed, 0, steps)
            redrawn, unsound = np.zeros(len(drawn), bool), _unsound(drawn)
            for attempt in range(1, attempts):
                if not len(unsound):
                    break
                again, silent = (descriptors[unsound], numbers[unsound]), [None] * POOL
                drawn[unsound] = self._attempt(*again, silent, seed, attempt, steps)
                redrawn[unsound] = True
                unsound = unsound[_unsound(drawn[unsound])]
            yield drawn, redrawn, unsound

    def _attempt(
        self,
        descriptors: torch.Tensor,
        numbers: np.ndarray,
        told: Sequence[StepCallback | None],
        *how: int,
    ) -> np.ndarray:
        """What `_batch` draws `how`, a batch at a time, each told of by its own of `told`."""
        starts = range(0, len(numbers), self.batch)
        parts = [slice(start, start + self.batch) for start in starts]
        batches = [
            self._batch(descriptors[part], numbers[part], on_step, *how)
            for part, on_step in zip(parts, told)
        ]
        return np.concatenate(batches)

    @torch.inference_mode()
    def _batch(
        self,
        descriptors: torch.Tensor,
        numbers: np.ndarray,
        on_step: StepCallback | None,
        seed: int,
        attempt: int,
        steps: int,
    ) -> np.ndarray:
        """TSDFs (n, 32, 32, 32) of the structures `numbers` with these descriptors (n, 11)."""
        networks = self.networks

        def noise(part: str, shape: tuple[int, ...]) -> torch.Tensor:
            name = f"{part} {attempt}"
            seeds = [node_seed(seed, int(number), name) for number in numbers]
            return seeded_noise(seeds, shape).to(self.device)

        condition = networks.prior.condition(descriptors, LATENT_GRID)
        start = noise("structure", (networks.channels, *[LATENT_GRID] * 3))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision is torch.bfloat16):
            z = networks.diffusion.sample(start, condition, steps, on_step, SOLVER)
            decoded = networks.decode(z).float()
            if self.variant is Variant.implicit_adapter:
                decoded = networks.adapter(decoded, noise("adapter", networks.adapter.noise_shape))
        volumes = decoded.clamp(-1, 1).cpu().numpy()[:, 0] * TRUNCATION
        return _distances(volumes < 0) if self.variant is Variant.explicit else volumes


def _unsound(tsdfs: np.ndarray) -> np.ndarray:
    """Which of TSDFs (n, 32, 32, 32) are not sound: their places."""
    return np.flatnonzero([not is_sound(tsdf) for tsdf in tsdfs])


def _distances(masks: np.ndarray) -> np.ndarray:
    """TSDFs of masks (n, 32, 32, 32) that lie in the frame already."""
    samples = [signed_distance(mask, (1, 1, 1)) for mask in masks]
    return np.clip(np.stack(samples) * SAMPLE, -TRUNCATION, TRUNCATION).astype(np.float32)
