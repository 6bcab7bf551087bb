"""How close a set of generated lymph-node shapes is to real ones.

Shapes are TSDFs (n, 32, 32, 32) float32 in the frame of `LNGenLib.structure.frame`.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist

from LNGenLib.errors import InputError
from LNGenLib.evaluation.distribution import (
    NEIGHBORS,
    Estimate,
    Manifold,
    indicators,
    nearest_neighbor_accuracy,
)
from LNGenLib.evaluation.features import Features
from LNGenLib.evaluation.shape import FORM, TOPOLOGY, measure_shapes
from LNGenLib.randomness import node_rng

Report = Callable[[str, int, int], None]  # stage, steps done, steps


@dataclass(frozen=True, eq=False)
class RealShapes:
    """Real TSDFs, and the split (n,) of each: train, validation, test, or "" where unknown."""

    tsdf: np.ndarray
    split: np.ndarray

    @property
    def is_split(self) -> bool:
        """Whether there are training and test shapes enough to tell apart what was learned."""
        return all((self.split == name).sum() > NEIGHBORS for name in ("train", "test"))


@dataclass(frozen=True)
class Form:
    """Mean and SD of a measure, and the Kolmogorov-Smirnov distance to the real shapes' values."""

    mean: float
    sd: float
    ks: float


@dataclass(frozen=True)
class Scores:
    """What one set of shapes scores against the real ones.

    `memorization` is the median distance to the nearest training shape, in any of 48 orientations,
    over that of the held-out real shapes: 0 is copied, 1 as new as other patients. `held_out` are
    precision, recall, density and coverage of the test shapes alone. Both are None where the real
    shapes are not split.
    """

    count: int
    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate
    nearest_neighbor_accuracy: float
    memorization: float | None
    held_out: dict[str, Estimate] | None
    topology: dict[str, float]  # shares, by the names of `evaluation.shape.TOPOLOGY`
    form: dict[str, Form]  # by the names of `evaluation.shape.FORM`


@dataclass(frozen=True)
class StructureReport:
    """Scores of generated shapes, beside those of training shapes mirrored at random.

    `training_held_out` are training shapes, as many as `generated.held_out` uses, against the test
    shapes. It and `mirrored` are None where the real shapes are not split.
    """

    seed: int
    real: dict[str, int]  # number of shapes, by split
    real_topology: dict[str, float]
    real_form: dict[str, Form]
    generated: Scores
    mirrored: Scores | None
    training_held_out: dict[str, Estimate] | None


class Reference:
    """Real shapes, and all that is computed from them alone, once for many sets to score.

    Raises InputError for fewer than 65 different shapes.
    """

    def __init__(self, real: RealShapes, seed: int = 0):
        self.real, self.seed = real, seed
        self.features = Features.fit(real.tsdf)
        self.manifold = Manifold(self.features.of(real.tsdf))
        self.measures = measure_shapes(real.tsdf)
        if real.is_split:
            train = real.split == "train"
            points = self.manifold.points
            self._train = points[train]
            self._test = Manifold(points[real.split == "test"])
            self._novelty = self._distance_to_training(real.tsdf[~train])

    def by_seed(self, seed: int) -> Reference:
        """The same for another seed: the real shapes are not measured again."""
        other = copy(self)
        other.seed = seed
        return other

    def score(self, generated: np.ndarray) -> Scores:
        """Score TSDFs (m, 32, 32, 32); InputError for fewer than 4 of them."""
        if len(generated) <= NEIGHBORS:
            raise InputError(
                f"{len(generated)} generated shapes are too few: give at least {NEIGHBORS + 1}"
            )
        points = self.features.of(generated)
        real, split = self.manifold.points, self.real.is_split
        equal = min(len(points), len(real))
        topology, form = self._summary(measure_shapes(generated))
        return Scores(
            count=len(generated),
            **self._estimates(self.manifold, Manifold(points)),
            nearest_neighbor_accuracy=nearest_neighbor_accuracy(
                self._some(real, equal), self._some(points, equal)
            ),
            memorization=self._memorization(generated) if split else None,
            held_out=self._held_out(points, len(points)) if split else None,
            topology=topology,
            form=form,
        )

    def report(self, generated: np.ndarray) -> StructureReport:
        """Score generated TSDFs (n, 32, 32, 32) and their control."""
        split = self.real.is_split
        names, counts = np.unique(self.real.split, return_counts=True)
        topology, form = self._summary(self.measures)
        return StructureReport(
            seed=self.seed,
            real={str(name) or "all": int(count) for name, count in zip(names, counts)},
            real_topology=topology,
            real_form=form,
            generated=self.score(generated),
            mirrored=self.score(self.mirrored(len(generated))) if split else None,
            training_held_out=self.training_held_out(len(generated)) if split else None,
        )

    def held_out(self, generated: np.ndarray) -> dict[str, Estimate]:
        """`Scores.held_out` alone of TSDFs (m, 32, 32, 32); the real shapes must be split."""
        return self._held_out(self.features.of(generated), len(generated))

    def training_held_out(self, count: int) -> dict[str, Estimate]:
        """What as many training shapes as `Scores.held_out` uses of `count` score where they are
        scored so; the real shapes must be split."""
        return self._held_out(self._train, count)

    def mirrored(self, count: int) -> np.ndarray:
        """Training TSDFs (count, 32, 32, 32) flipped at random, each used once, then twice."""
        train = self.real.tsdf[self.real.split == "train"]
        rng = node_rng(self.seed, 0, "mirrored")
        rounds = -(-count // len(train))
        order = np.concatenate([rng.permutation(len(train)) for _ in range(rounds)])[:count]
        flips = rng.random((count, 3)) < 0.5
        return np.stack([np.flip(train[k], np.flatnonzero(flip)) for k, flip in zip(order, flips)])

    def _memorization(self, generated: np.ndarray) -> float:
        return self._distance_to_training(generated) / self._novelty

    def _distance_to_training(self, tsdf: np.ndarray) -> float:
        """Median distance to the nearest training shape, each shape in its nearest orientation."""
        oriented = self.features.of_symmetric(tsdf)
        return float(np.median(np.min([cdist(o, self._train).min(1) for o in oriented], axis=0)))

    def _held_out(self, points: np.ndarray, count: int) -> dict[str, Estimate]:
        """`count` of the points, but no more than training shapes, against the test shapes."""
        some = self._some(points, min(count, len(self._train)))
        return self._estimates(self._test, Manifold(some))

    def _estimates(self, real: Manifold, generated: Manifold) -> dict[str, Estimate]:
        rng = node_rng(self.seed, 0, "bootstrap")
        found = indicators(real, generated)
        return {name: Estimate.of(values, rng) for name, values in found.items()}

    def _some(self, points: np.ndarray, count: int) -> np.ndarray:
        return node_rng(self.seed, 0, "subsample").permutation(points)[:count]

    def _summary(self, measures: dict[str, np.ndarray]) -> tuple[dict[str, float], dict[str, Form]]:
        topology = {name: float(measures[name].mean()) for name in TOPOLOGY}
        form = {}
        for name in FORM:
            values = measures[name]
            ks = stats.ks_2samp(values, self.measures[name]).statistic
            form[name] = Form(float(values.mean()), float(values.std()), float(ks))
        return topology, form
