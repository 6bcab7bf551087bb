"""How well a class was told from real bodies, those counted whose twin never showed.

A twin that the finder never sees as a body like the real one counts as told, scored above
everything: a painter would be judged by its survivors else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from LNGenLib.evaluation.realism.specimens import Specimen
from LNGenLib.evaluation.realism.two_sample_test import Judged

RESAMPLES = 2000


@dataclass(frozen=True)
class Verdict:
    """How well one class was told from real bodies: AUC over the `pairs` that were judged and the
    `missed` bodies, whose twin counts as told, and its 95 % interval, by bootstrap over bodies.
    Over the judged pairs alone: the AUC `seen`, and that of the features and of the CNN alone; None
    without pairs."""

    pairs: int
    missed: int
    auc: float
    low: float
    high: float
    seen: float | None
    features: float | None
    cnn: float | None


@dataclass(frozen=True)
class Difference:
    """How much better a second class was told from real bodies than a first: difference of AUC over
    the `bodies` with room for a twin, and its 95 % interval, by bootstrap over these."""

    bodies: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Judgment:
    """What was judged of a class, and the n real bodies with `room` for a twin, the same for all
    classes. Those of them that were not judged count as told; others that were do not count."""

    judged: Judged
    room: list[Specimen]

    def verdict(self, seed: int) -> Verdict:
        """AUC of all bodies with room."""
        estimate = _estimate(self._aucs(_draws(len(self.room), seed)))
        above = [_above(scores) for scores in self._scores]
        alone = [float(one.mean()) if one.size else None for one in above]
        pairs = int(self._seen.sum())
        return Verdict(pairs, len(self.room) - pairs, *estimate, *alone)

    def difference(self, second: Judgment, seed: int) -> Difference:
        """AUC of `second`, which has the same room, less the own."""
        draws = _draws(len(self.room), seed)
        return Difference(len(self.room), *_estimate(second._aucs(draws) - self._aucs(draws)))

    @cached_property
    def _rows(self) -> np.ndarray:
        """Row (n,) of each body with room in what was judged, -1 where it was not."""
        rows = {body.key: row for row, body in enumerate(self.judged.bodies)}
        return np.array([rows.get(body.key, -1) for body in self.room])

    @property
    def _seen(self) -> np.ndarray:
        return self._rows >= 0

    @property
    def _scores(self) -> np.ndarray:
        return self.judged.scores[:, self._rows[self._seen]]

    def _aucs(self, draws: np.ndarray) -> np.ndarray:
        """AUC (m,) of `draws` (m, n): how often each body with room was drawn."""
        seen, missed = draws[:, self._seen], draws[:, ~self._seen].sum(1)
        told = (seen @ _above(self._scores[0]) * seen).sum(1) / seen.sum(1).clip(1)
        return (told + missed) / draws.sum(1)


def _above(scores: np.ndarray) -> np.ndarray:
    """Whether twins (columns) score above real bodies (rows), 0.5 where they tie, of `scores`
    (n, 2) of either."""
    return np.heaviside(scores[None, :, 1] - scores[:, None, 0], 0.5)


def _draws(count: int, seed: int) -> np.ndarray:
    """How often each of `count` bodies is in the whole (first row) and in each resample."""
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    return np.vstack([np.ones(count, int), drawn])


def _estimate(values: np.ndarray) -> tuple[float, float, float]:
    """The first value, of the whole, and the 95 % interval by the others, of the resamples."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return float(values[0]), float(low), float(high)
