"""Simple generators of lymph-node shapes, to compare the diffusion model with."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from LNGenLib.errors import InputError
from LNGenLib.latent.diffusion import seeded_noise
from LNGenLib.randomness import node_seed
from LNGenLib.structure.ellipsoids import elastic_ellipsoid
from LNGenLib.structure.frame import GRID, TRUNCATION

SAMPLING_STEPS = 50


class Baseline(ABC):
    """A generator of normalized TSDFs (`structure.frame`)."""

    @classmethod
    @abstractmethod
    def fit(cls, tsdf: np.ndarray) -> Baseline:
        """The generator for training TSDFs (n, 32, 32, 32)."""

    @abstractmethod
    def sample(self, count: int, seed: int) -> np.ndarray:
        """TSDFs (count, 32, 32, 32) float32; number k depends on (seed, k) alone."""


class Ellipsoids(Baseline):
    """Elastically deformed ellipsoids (`structure.ellipsoids`); they learn nothing."""

    @classmethod
    def fit(cls, tsdf: np.ndarray) -> Ellipsoids:
        """Themselves, whatever the training TSDFs (n, 32, 32, 32)."""
        return cls()

    def sample(self, count: int, seed: int) -> np.ndarray:
        """TSDFs (count, 32, 32, 32), see `Baseline.sample`."""
        return np.stack([elastic_ellipsoid(seed, k) for k in range(count)])


class Components:
    """Principal components of TSDFs (n, 32, 32, 32); coordinates (n, k) have unit variance.

    Raises InputError for fewer TSDFs than give that many components.
    """

    def __init__(self, tsdf: np.ndarray, count: int):
        if len(tsdf) <= count:
            raise InputError(f"{len(tsdf)} training shapes are too few: give more than {count}")
        flat = tsdf.reshape(len(tsdf), -1).astype(np.float32)
        self.mean = flat.mean(0)
        _, scale, axes = np.linalg.svd(flat - self.mean, full_matrices=False)
        self.axes, self.scale = axes[:count], scale[:count] / len(flat) ** 0.5

    def coordinates(self, tsdf: np.ndarray) -> np.ndarray:
        """Coordinates (n, k) float32 of TSDFs (n, 32, 32, 32)."""
        return (tsdf.reshape(len(tsdf), -1) - self.mean) @ self.axes.T / self.scale

    def tsdf(self, coordinates: np.ndarray) -> np.ndarray:
        """TSDFs (n, 32, 32, 32) float32, clamped, at coordinates (n, k)."""
        flat = self.mean + (coordinates * self.scale) @ self.axes
        return flat.clip(-TRUNCATION, TRUNCATION).reshape(-1, GRID, GRID, GRID)


class Gaussian(Baseline):
    """A normal distribution over principal components: a statistical shape model of TSDFs.

    Leventon et al. 2000 (https://doi.org/10.1109/CVPR.2000.855835).
    """

    def __init__(self, components: Components):
        self.components = components

    @classmethod
    def fit(cls, tsdf: np.ndarray, components: int = 64) -> Gaussian:
        """The model of training TSDFs (n, 32, 32, 32)."""
        return cls(Components(tsdf, components))

    def sample(self, count: int, seed: int) -> np.ndarray:
        """TSDFs (count, 32, 32, 32), see `Baseline.sample`."""
        return self.components.tsdf(_noise(count, seed, len(self.components.scale)).numpy())


class Flow(Baseline):
    """A rectified flow over principal components (Liu et al. 2023, https://arxiv.org/abs/2209.03003).

    A perceptron learns the velocity from noise to the training shapes and their mirror images.
    """

    def __init__(self, components: Components, velocity: nn.Module):
        self.components, self.velocity = components, velocity

    @classmethod
    def fit(cls, tsdf: np.ndarray, components: int = 96, steps: int = 8000, seed: int = 0) -> Flow:
        """The model of training TSDFs (n, 32, 32, 32), by `steps` steps of training."""
        space = Components(tsdf, components)
        mirrored = [np.flip(tsdf, tuple(np.flatnonzero(s) + 1)) for s in np.ndindex(2, 2, 2)]
        real = torch.from_numpy(np.concatenate([space.coordinates(m) for m in mirrored]))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(space, _train(Velocity(components), real, steps))

    @torch.no_grad()
    def sample(self, count: int, seed: int) -> np.ndarray:
        """TSDFs (count, 32, 32, 32), see `Baseline.sample`."""
        z = _noise(count, seed, len(self.components.scale))
        for step in range(SAMPLING_STEPS):
            z += self.velocity(z, torch.full((count, 1), step / SAMPLING_STEPS)) / SAMPLING_STEPS
        return self.components.tsdf(z.numpy())


class Velocity(nn.Module):
    """Velocity (n, k) at coordinates (n, k) and times (n, 1), 0 of the noise to 1 of the shapes."""

    def __init__(self, components: int, width: int = 512, waves: int = 32):
        super().__init__()
        self.register_buffer("frequencies", torch.pi * 2 ** torch.linspace(-1, 5, waves))
        self.layers = nn.Sequential(
            nn.Linear(components + 2 * waves, width),
            nn.SiLU(),
            *(layer for _ in range(3) for layer in (nn.Linear(width, width), nn.SiLU())),
            nn.Linear(width, components),
        )

    def forward(self, z: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Velocity (n, k) at coordinates (n, k) and times (n, 1)."""
        angles = time * self.frequencies
        return self.layers(torch.cat([z, angles.sin(), angles.cos()], 1))


def _train(velocity: Velocity, real: torch.Tensor, steps: int, batch: int = 256) -> nn.Module:
    """The moving average of `velocity` over the second half of its training on (n, k)."""
    averaged = AveragedModel(velocity, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    optimizer = torch.optim.AdamW(velocity.parameters(), 1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        data = real[torch.randint(len(real), (batch,))]
        noise, time = torch.randn_like(data), torch.rand(batch, 1)
        wanted = data - noise
        loss = nn.functional.mse_loss(velocity(noise + time * wanted, time), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step >= steps // 2:
            averaged.update_parameters(velocity)
    return averaged.module.eval()


def _noise(count: int, seed: int, components: int) -> torch.Tensor:
    return seeded_noise([node_seed(seed, k, "baseline") for k in range(count)], (components,))
