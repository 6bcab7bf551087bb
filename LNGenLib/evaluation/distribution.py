"""How alike two samples of points are: nearest-neighbor measures and their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial.distance import cdist

NEIGHBORS = 3
RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Manifold:
    """Points (n, d), n > 3, each with the ball that reaches its third nearest neighbor."""

    points: np.ndarray

    @cached_property
    def radii(self) -> np.ndarray:
        """Radius (n,) of each ball."""
        distances = cdist(self.points, self.points)  # the nearest is the point itself
        return np.partition(distances, NEIGHBORS, axis=1)[:, NEIGHBORS]


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % percentile bootstrap interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray, rng: np.random.Generator) -> Estimate:
        """The mean of `values` (n,)."""
        means = rng.choice(values, (RESAMPLES, len(values))).mean(1)
        low, high = np.percentile(means, [2.5, 97.5])
        return cls(float(values.mean()), float(low), float(high))


def indicators(real: Manifold, generated: Manifold) -> dict[str, np.ndarray]:
    """What is averaged to improved precision and recall, density and coverage.

    precision, density: (generated,), one value a generated point; recall, coverage: (real,).
    Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991; Naeem et al. 2020,
    https://arxiv.org/abs/2002.09797.
    """
    distances = cdist(real.points, generated.points)
    in_real = distances < real.radii[:, None]
    in_generated = distances < generated.radii
    return {
        "precision": in_real.any(0),
        "recall": in_generated.any(1),
        "density": in_real.sum(0) / NEIGHBORS,
        "coverage": in_real.any(1),
    }


def nearest_neighbor_accuracy(first: np.ndarray, second: np.ndarray) -> float:
    """Share of points whose nearest other point is of their own sample (1-NNA); 0.5 is ideal.

    Both samples (n, d) have the same size. Lopez-Paz & Oquab 2017,
    https://arxiv.org/abs/1610.06545.
    """
    points = np.concatenate([first, second])
    distances = cdist(points, points)
    np.fill_diagonal(distances, np.inf)
    own = np.arange(len(points)) < len(first)
    return float((own[distances.argmin(1)] == own).mean())
