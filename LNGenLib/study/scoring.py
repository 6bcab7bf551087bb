"""The score of a reader study: each reader, people pooled, sizes and looks, what was recognized.

Intervals are by bootstrap over the pairs of a painted and a real case, which were matched and stay
together; a pooled figure is the mean over readers, and draws these, too. They tell of other nodes
and readers like these, but not of other scans; of two or three readers they are too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from LNGenLib.evaluation.estimate import Estimate, drawn_counts
from LNGenLib.evaluation.segmentation.lesions import BINS, bin_of
from LNGenLib.study.answers import MACHINE, Reader, Study
from LNGenLib.study.figures import NAMES, figures, mean_roc, roc, weighted_kappa

RESAMPLES = 2000
RECOGNIZED = 10  # painted nodes that are listed

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Figures:
    """How well painted is told from real (`figures.figures`); None where there is nothing to
    count."""

    auc: Estimate | None
    accuracy: Estimate | None
    sensitivity: Estimate | None
    specificity: Estimate | None


@dataclass(frozen=True)
class ReaderScore:
    """One reader, over the cases that were `answered`; `seconds` is the median of a case, `roc` the
    points of the curve. `less_machine` is the AUC less the machine's, over the cases that both
    answered."""

    name: str
    machine: bool
    experience_years: float | None
    answered: int
    seconds: float | None
    figures: Figures
    roc: Points
    less_machine: Estimate | None


@dataclass(frozen=True)
class Pooled:
    """The mean over `readers`: the people, or the machines where there are none. Each counts over
    the cases that reader answered, `answered` in all; `kappa` is quadratically weighted, the mean
    over pairs of readers."""

    readers: list[str]
    answered: int
    figures: Figures
    roc: Points
    kappa: float | None


@dataclass(frozen=True)
class Group:
    """Cases of a size, or painted ones of a look and all real ones: how many were answered by a
    pooled reader, and the pooled figures."""

    name: str
    real: int
    painted: int
    figures: Figures


@dataclass(frozen=True)
class CaseScore:
    """One case: each reader's rating, and the mean of the pooled ones, None where none answered."""

    case: str
    painted: bool
    scan: str
    long_axis_mm: float
    appearance: str | None
    rating: float | None
    ratings: dict[str, float]
    record: dict[str, Any] | None


@dataclass(frozen=True)
class Comment:
    """What a reader wrote about a case."""

    case: str
    painted: bool
    reader: str
    rating: float
    comment: str


@dataclass(frozen=True)
class Report:
    """All of a study's score; `recognized` are the painted cases of the highest mean rating."""

    study: str
    readers: list[ReaderScore]
    pooled: Pooled
    groups: list[Group]
    recognized: list[CaseScore]
    comments: list[Comment]
    cases: list[CaseScore]


def score(study: Study, readers: Sequence[Reader], seed: int = 0) -> Report:
    """The score of `readers`, at least one, with intervals by the bootstrap's `seed`."""
    sheet = _Sheet(study, readers, seed)
    cases = sheet.cases()
    seen = [case for case in cases if case.painted and case.rating is not None]
    seen.sort(key=lambda case: (-(case.rating or 0), case.case))
    comments = [
        Comment(id, case.synthetic, reader.name, answer.rating, answer.comment.strip())
        for id, case in study.cases.items()
        for reader in readers
        if (answer := reader.answers.get(id)) and answer.comment.strip()
    ]
    scores = [sheet.reader(row) for row in range(len(readers))]
    groups = list(sheet.groups())
    return Report(study.id, scores, sheet.pool(), groups, seen[:RECOGNIZED], comments, cases)


class _Sheet:
    """Ratings (readers, cases), NaN where unanswered, and the draws of cases and pooled readers."""

    def __init__(self, study: Study, readers: Sequence[Reader], seed: int) -> None:
        self.study, self.readers = study, readers
        self.ratings = np.array([[one.rating(id) for id in study.cases] for one in readers])
        self.painted = np.array([case.synthetic for case in study.cases.values()])
        people = [row for row, reader in enumerate(readers) if not reader.machine]
        self.pooled = people or list(range(len(readers)))
        rng = np.random.default_rng(seed)
        pairs = np.unique([case.pair for case in study.cases.values()], return_inverse=True)[1]
        self.weights = drawn_counts(pairs.max() + 1, RESAMPLES, rng)[:, pairs]
        self.drawn_readers = drawn_counts(len(self.pooled), RESAMPLES, rng)

    def reader(self, row: int) -> ReaderScore:
        reader, ratings = self.readers[row], self.ratings[row]
        seconds = [each.seconds for each in reader.answers.values() if each.seconds is not None]
        return ReaderScore(
            reader.name,
            reader.machine,
            reader.experience_years,
            len(reader.answers),
            float(np.median(seconds)) if seconds else None,
            self._figures(ratings[None], np.ones((len(self.weights), 1))),
            _points(roc(ratings, self.painted)),
            self._less_machine(row),
        )

    def _less_machine(self, row: int) -> Estimate | None:
        others = [k for k, reader in enumerate(self.readers) if reader.name == MACHINE and k != row]
        if not others:
            return None
        pair = self.ratings[[row, *others]]
        pair[:, np.isnan(pair).any(0)] = np.nan
        own, machine = (figures(each, self.painted, self.weights)["auc"] for each in pair)
        return _known(own - machine)

    def pool(self) -> Pooled:
        ratings = self.ratings[self.pooled]
        kappas = [weighted_kappa(one, other) for one, other in combinations(ratings, 2)]
        kappas = [kappa for kappa in kappas if not np.isnan(kappa)]
        return Pooled(
            [self.readers[row].name for row in self.pooled],
            int((~np.isnan(ratings)).sum()),
            self._figures(ratings, self.drawn_readers),
            _points(mean_roc([roc(each, self.painted) for each in ratings])),
            float(np.mean(kappas)) if kappas else None,
        )

    def groups(self) -> Iterator[Group]:
        cases = list(self.study.cases.values())
        sizes = np.array([bin_of(case.long_axis_mm) for case in cases])
        looks = np.array([case.appearance or "" for case in cases])
        chosen = {size: sizes == size for size in BINS}
        for look in sorted({*looks[self.painted]} - {""}):
            chosen[str(look)] = ~self.painted | (looks == look)
        for name, those in chosen.items():
            ratings = np.where(those, self.ratings[self.pooled], np.nan)
            answered = ~np.isnan(ratings).all(0)
            real, painted = (int((answered & one).sum()) for one in (~self.painted, self.painted))
            yield Group(name, real, painted, self._figures(ratings, self.drawn_readers))

    def cases(self) -> list[CaseScore]:
        found = []
        for (id, case), column in zip(self.study.cases.items(), self.ratings.T):
            names = [reader.name for reader in self.readers]
            ratings = {name: float(one) for name, one in zip(names, column) if not np.isnan(one)}
            pooled = [ratings[names[row]] for row in self.pooled if names[row] in ratings]
            mean = float(np.mean(pooled)) if pooled else None
            about = (case.synthetic, case.scan, case.long_axis_mm, case.appearance)
            found.append(CaseScore(id, *about, mean, ratings, case.record))
        return found

    def _figures(self, ratings: np.ndarray, drawn: np.ndarray) -> Figures:
        """The mean over readers, of their `ratings` (r, n) and how often each is `drawn` (m, r)."""
        each = [figures(one, self.painted, self.weights) for one in ratings]
        return Figures(*(_known(_mean([one[name] for one in each], drawn)) for name in NAMES))


def _mean(values: Sequence[np.ndarray], drawn: np.ndarray) -> np.ndarray:
    """The mean (m,) over readers of their values (m,), as often as they are `drawn` (m, r), of
    those that have any."""
    table = np.stack(values, 1)
    counts = drawn * ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        return (np.nan_to_num(table) * counts).sum(1) / counts.sum(1)


def _known(values: np.ndarray) -> Estimate | None:
    """The first of the values (m,) with the interval of the others; None where it is NaN."""
    return None if np.isnan(values[0]) else Estimate.of(values[0], values[1:])


def _points(curve: np.ndarray) -> Points:
    return [(float(x), float(y)) for x, y in curve.round(6)]
