"""Figures of ratings: how well they tell painted from real, and how far two readers agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LNGenLib.study.answers import UNSURE

NAMES = ("auc", "accuracy", "sensitivity", "specificity")
TINY = 1e-9  # beside a step of a curve; the steps are farther apart


def figures(ratings: np.ndarray, painted: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The figures `NAMES` of one reader, each (m,); NaN where there is nothing to count.

    `ratings` (n,) are NaN where a case was not answered, `painted` (n,) is the truth, `weights`
    (m, n) how often each case counts in each of m draws. A rating above 3 calls a case synthetic,
    one below real, and 3 is half right. In the AUC ties count half.
    """
    right = np.heaviside(np.where(painted, 1, -1) * (ratings - UNSURE), 0.5)
    answered = ~np.isnan(ratings)
    nodes, others = answered & painted, answered & ~painted

    def share(cases: np.ndarray) -> np.ndarray:
        return weights[:, cases] @ right[cases] / weights[:, cases].sum(1)

    above = np.heaviside(ratings[nodes] - ratings[others][:, None], 0.5)
    compared = weights[:, nodes].sum(1) * weights[:, others].sum(1)
    with np.errstate(invalid="ignore"):
        auc = (weights[:, others] @ above * weights[:, nodes]).sum(1) / compared
        return dict(zip(NAMES, (auc, share(answered), share(nodes), share(others))))


def roc(ratings: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Points (k, 2) of the curve from (0, 0) to (1, 1): the share of real cases that are called
    synthetic, and of painted ones, by `ratings` (n,) at all thresholds; (0, 2) where one is
    missing."""
    answered = ~np.isnan(ratings)
    ratings, painted = ratings[answered], painted[answered]
    if painted.all() or not painted.any():
        return np.empty((0, 2))
    called = ratings >= np.r_[np.inf, np.unique(ratings)[::-1]][:, None]
    return np.stack([called[:, ~painted].mean(1), called[:, painted].mean(1)], 1)


def mean_roc(curves: Sequence[np.ndarray]) -> np.ndarray:
    """The mean height (k, 2) of curves (., 2) of `roc`: its area is the mean of their areas."""
    curves = [curve for curve in curves if len(curve)]
    if not curves:
        return np.empty((0, 2))
    across = np.unique(np.concatenate(curves)[:, 0])
    sides = np.stack([across - TINY, across + TINY], 1).ravel()  # of the steps
    heights = np.mean([np.interp(sides, *curve.T) for curve in curves], axis=0)
    return np.stack([across.repeat(2), heights], 1)


def weighted_kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa of two readers' ratings (n,), rounded, with quadratic weights, over the cases
    that both answered; NaN where both always say the same one thing, or share no case.

    The squared differences less what they would be by chance, for which there is a closed form.
    """
    both = ~np.isnan(first + second)
    if not both.any():
        return float("nan")
    one, other = np.rint(first[both]), np.rint(second[both])
    chance = one.var() + other.var() + (one.mean() - other.mean()) ** 2
    return float(1 - ((one - other) ** 2).mean() / chance) if chance else float("nan")
