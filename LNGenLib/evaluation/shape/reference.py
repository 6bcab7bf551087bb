"""How close surfaces come to the real ones of a bin of the long axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.spatial.distance import cdist

from LNGenLib.evaluation.shape.features import SYMMETRIES, Features, turned
from LNGenLib.evaluation.shape.precision_recall import Closeness, closeness
from LNGenLib.evaluation.shape.surfaces import RealSurfaces
from LNGenLib.randomness import node_rng

LEAST, MOST = 20, 100  # surfaces that are compared with as many others
DRAWS = 20


class Reference:
    """Real surfaces of a bin, at least 20, and how close others come to them.

    Surfaces to compare are given by their `points` (48, n, k), one an orientation, without unit:
    those of `Features.of` TSDFs (n, 32, 32, 32). Those of a draw are taken at random, each in a
    random one of 48 orientations.
    """

    def __init__(self, real: RealSurfaces, seed: int):
        self.real, self.seed = real, seed
        self.points = Features.fit(real.tsdf, node_rng(seed, 0, "orientations")).of
        self._real = self.points(real.tsdf)
        self._train, self._test = (self._real[:, real.split == s] for s in ("train", "test"))
        self._held_out = self._real[:, (real.split != "train") & (real.split != "")]

    def closeness(self, points: np.ndarray) -> Closeness | None:
        """To all real surfaces; None for fewer than 20."""
        return self._apart(self._real, points)

    def halves(self, number: int) -> Closeness | None:
        """Of random halves of the real surfaces to each other, at most so many in each."""
        count = self._real.shape[1]
        number = min(number, count // 2)

        def sample(rng: np.random.Generator) -> list[np.ndarray]:
            return np.split(self._real[:, rng.permutation(count)[: 2 * number]], 2, axis=1)

        return self._over_draws(number, sample)

    def closeness_to_test(self, points: np.ndarray) -> Closeness | None:
        """To the surfaces of test patients alone; None where one of both are fewer than 20."""
        return self._apart(self._test, points)

    def training_to_test(self) -> Closeness | None:
        """The same of the training surfaces."""
        return self._apart(self._test, self._train)

    def memorization(self, points: np.ndarray) -> float | None:
        """Median distance to the nearest training surface, in any orientation, over that of the
        held-out real ones: 0 is copied, 1 as new as other patients.

        None where training or held-out surfaces are fewer than 20.
        """
        if min(self._train.shape[1], self._held_out.shape[1]) < LEAST:
            return None
        return self._to_training(points) / self._to_training(self._held_out)

    def mirrored(self) -> np.ndarray:
        """Points of the training surfaces turned at random: the control of memorization."""
        train = self.real.tsdf[self.real.split == "train"]
        return self.points(turned(train, node_rng(self.seed, 0, "mirrored")))

    def _to_training(self, points: np.ndarray) -> float:
        nearest = [cdist(oriented, self._train[0]).min(1) for oriented in points]
        return float(np.median(np.min(nearest, axis=0)))

    def _apart(self, real: np.ndarray, points: np.ndarray) -> Closeness | None:
        sets = real, points
        number = min(MOST, *(each.shape[1] for each in sets))

        def sample(rng: np.random.Generator) -> list[np.ndarray]:
            return [each[:, rng.permutation(each.shape[1])[:number]] for each in sets]

        return self._over_draws(number, sample)

    def _over_draws(
        self, number: int, sample: Callable[[np.random.Generator], Sequence[np.ndarray]]
    ) -> Closeness | None:
        if number < LEAST:
            return None
        draws = []
        for k in range(DRAWS):
            rng = node_rng(self.seed, k, "closeness")
            draws.append(closeness(*(_oriented(points, rng) for points in sample(rng))))
        return Closeness.of(number, draws)


def _oriented(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each of n points (48, n, k) in one orientation at random: (n, k)."""
    count = points.shape[1]
    return points[rng.integers(SYMMETRIES, size=count), np.arange(count)]
