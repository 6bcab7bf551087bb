"""How alike two samples of points are, and figures with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

NEIGHBORS = 3
CLOSENESS = ("precision", "recall", "coverage")


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


def closeness(real: np.ndarray, generated: np.ndarray) -> tuple[float, float, float]:
    """CLOSENESS of points (m, d) to points (n, d), both of more than 3: improved precision and
    recall, and coverage.

    A point's ball reaches its third nearest neighbor of its own sample. Kynkaanniemi et al. 2019,
    https://arxiv.org/abs/1904.06991; Naeem et al. 2020, https://arxiv.org/abs/2002.09797.
    """
    distances = cdist(real, generated)
    in_real = distances < _radii(real)[:, None]
    in_generated = distances < _radii(generated)
    found = in_real.any(0), in_generated.any(1), in_real.any(1)
    return tuple(float(inside.mean()) for inside in found)


def _radii(points: np.ndarray) -> np.ndarray:
    distances = cdist(points, points)  # the nearest is the point itself
    return np.partition(distances, NEIGHBORS, axis=1)[:, NEIGHBORS]
