"""AUC of a two-sample test, with those real bodies whose matched control never showed.

A control that the finder never sees as a body like the real one counts as discriminated, scored
above everything: a painter would be measured by its survivors else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from LNGenLib.evaluation.estimate import bootstrap, drawn_counts
from LNGenLib.evaluation.realism.specimens import Specimen
from LNGenLib.evaluation.realism.two_sample_test import PairScores

RESAMPLES = 2000


@dataclass(frozen=True)
class AucEstimate:
    """How well one class is discriminated from real bodies: AUC over the `pairs` that have scores
    and the `missed` bodies, whose control never showed, and its 95 % interval, by bootstrap over
    bodies. Over the pairs alone: the AUC `seen`, and that of the features and of the CNN alone;
    None without pairs."""

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
    """AUC of a second class less that of a first, over the `bodies` with room for a control, and
    its 95 % interval, by bootstrap over these."""

    bodies: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class ClassScores:
    """The scores of a class, and the n real bodies with `room` for a control, the same for all
    classes. Those of them without a score count as discriminated; scores of others do not count."""

    scored: PairScores
    room: list[Specimen]

    def auc(self, seed: int) -> AucEstimate:
        """AUC of all bodies with room."""
        found = bootstrap(self._aucs, drawn_counts(len(self.room), RESAMPLES, seed))
        above = [_above(scores) for scores in self._scores]
        seen, features, cnn = (float(one.mean()) if one.size else None for one in above)
        pairs, missed = int(self._seen.sum()), int((~self._seen).sum())
        return AucEstimate(pairs, missed, found.value, found.low, found.high, seen, features, cnn)

    def difference(self, second: ClassScores, seed: int) -> Difference:
        """AUC of `second`, which has the same room, less the own."""
        draws = drawn_counts(len(self.room), RESAMPLES, seed)
        found = bootstrap(lambda drawn: second._aucs(drawn) - self._aucs(drawn), draws)
        return Difference(len(self.room), found.value, found.low, found.high)

    @cached_property
    def _rows(self) -> np.ndarray:
        """Row (n,) of the scores of each body with room, -1 where it has none."""
        rows = {body.key: row for row, body in enumerate(self.scored.bodies)}
        return np.array([rows.get(body.key, -1) for body in self.room])

    @property
    def _seen(self) -> np.ndarray:
        return self._rows >= 0

    @property
    def _scores(self) -> np.ndarray:
        return self.scored.scores[:, self._rows[self._seen]]

    def _aucs(self, draws: np.ndarray) -> np.ndarray:
        """AUC (m,) of `draws` (m, n): how often each body with room was drawn."""
        seen, missed = draws[:, self._seen], draws[:, ~self._seen].sum(1)
        above = (seen @ _above(self._scores[0]) * seen).sum(1) / seen.sum(1).clip(1)
        return (above + missed) / draws.sum(1)


def _above(scores: np.ndarray) -> np.ndarray:
    """Whether controls (columns) score above real bodies (rows), 0.5 where they tie, of `scores`
    (n, 2) of either."""
    return np.heaviside(scores[None, :, 1] - scores[:, None, 0], 0.5)
