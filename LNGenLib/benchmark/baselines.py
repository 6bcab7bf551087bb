"""Simple models of lymph-node shapes, to compare the diffusion models with.

Shapes are TSDFs (n, 32, 32, 32) float32 in the frame of `LNGenLib.structure.frame`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LNGenLib.randomness import node_rng
from LNGenLib.structure.ellipsoids import elastic_ellipsoid
from LNGenLib.structure.frame import GRID, TRUNCATION

COMPONENTS = 64
NOISE = 0.5  # of what is drawn round training shapes, in standard deviations


@dataclass(frozen=True, eq=False)
class ShapeSpace:
    """Principal components of training shapes, whose coordinates have unit variance: a statistical
    shape model of TSDFs (Leventon et al. 2000, https://doi.org/10.1109/CVPR.2000.855835)."""

    mean: np.ndarray  # (32768,)
    axes: np.ndarray  # (k, 32768), each as long as its standard deviation
    training: np.ndarray  # coordinates (n, k)

    @classmethod
    def fit(cls, tsdf: np.ndarray) -> ShapeSpace:
        """The space of n training shapes, at least 2; of k = 64 components, or n - 1."""
        flat = tsdf.reshape(len(tsdf), -1)
        mean = flat.mean(0)
        places, scale, axes = np.linalg.svd(flat - mean, full_matrices=False)
        count, root = min(COMPONENTS, len(tsdf) - 1), len(tsdf) ** 0.5
        return cls(mean, scale[:count, None] * axes[:count] / root, places[:, :count] * root)

    def gaussian(self, count: int, seed: int) -> np.ndarray:
        """Shapes of a normal distribution; number k depends on (seed, k) alone."""
        return self._shapes(self._noise(count, seed, "gaussian"))

    def noisy(self, count: int, seed: int) -> np.ndarray:
        """Training shapes, taken at random, with noise; number k depends on (seed, k) alone."""
        chosen = [node_rng(seed, k, "chosen").integers(len(self.training)) for k in range(count)]
        return self._shapes(self.training[chosen] + NOISE * self._noise(count, seed, "noisy"))

    def _noise(self, count: int, seed: int, purpose: str) -> np.ndarray:
        size = len(self.axes)
        return np.stack([node_rng(seed, k, purpose).normal(size=size) for k in range(count)])

    def _shapes(self, coordinates: np.ndarray) -> np.ndarray:
        flat = self.mean + coordinates.astype(np.float32) @ self.axes
        return flat.clip(-TRUNCATION, TRUNCATION).reshape(-1, GRID, GRID, GRID)


def ellipsoids(count: int, seed: int) -> np.ndarray:
    """TSDFs (count, 32, 32, 32) of elastically deformed ellipsoids (`structure.ellipsoids`), that
    learn nothing."""
    return np.stack([elastic_ellipsoid(seed, k) for k in range(count)])
