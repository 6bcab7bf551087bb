"""Precision, recall and coverage: how alike two samples of points are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from LNGenLib.evaluation.estimate import Estimate

NEIGHBORS = 3
CLOSENESS = ("precision", "recall", "coverage")


@dataclass(frozen=True)
class Closeness:
    """Mean and 2.5 to 97.5 % of the draws, each of `number` surfaces against as many others."""

    number: int
    precision: Estimate
    recall: Estimate
    coverage: Estimate

    @classmethod
    def of(cls, number: int, draws: list[tuple[float, float, float]]) -> Closeness:
        """Of CLOSENESS of each draw."""
        values = np.array(draws)
        means = values.mean(0)
        return cls(number, *(Estimate.of(means[k], values[:, k]) for k in range(len(CLOSENESS))))


def closeness(real: np.ndarray, generated: np.ndarray) -> tuple[float, float, float]:
    """CLOSENESS of points (m, d) to points (n, d), both of more than 3: improved precision and
    recall, and coverage.

    A point's ball reaches its third nearest neighbor of its own sample. Kynkaanniemi et al. 2019,
    https://arxiv.org/abs/1904.06991; Naeem et al. 2020, https://arxiv.org/abs/2002.09797.
    """
    distances = cdist(real, generated)
    in_real = distances < _radii(real)[:, None]
    in_generated = distances < _radii(generated)
    precision, recall, coverage = in_real.any(0), in_generated.any(1), in_real.any(1)
    return float(precision.mean()), float(recall.mean()), float(coverage.mean())


def _radii(points: np.ndarray) -> np.ndarray:
    distances = cdist(points, points)  # the nearest is the point itself
    return np.partition(distances, NEIGHBORS, axis=1)[:, NEIGHBORS]
