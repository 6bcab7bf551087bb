"""Machines take part in a study: the classifier of the two-sample test, and one that does not see
the nodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

from LNGenLib.evaluation.realism.two_sample_test import FOLDS, TREES, score_pairs
from LNGenLib.progress import Progress
from LNGenLib.study.twins import Twins
from LNGenLib.texture.blending import REACH

SHELLS = (0.0, 2.0, 5.0, 9.0, np.inf)  # mm, beyond 3 mm round the nodes
PERCENTILES = (10, 25, 50, 75, 90)


def read_by_machine(
    twins: Sequence[Twins], noise: dict[str, float], seed: int, progress: Progress
) -> np.ndarray:
    """How far it believes each node to be painted, 0 to 1 (2 n,): of each of the n twins the real
    one, then the painted one. It learns from the study itself, always from other twins than those
    that it reads; `noise` is that of each scan in HU."""
    pairs = [(one.real, one.painted) for one in twins]
    scored = score_pairs(pairs, noise, set(noise), seed, progress, by_pair=True)
    return expit(scored.scores[0].ravel())


def read_surroundings(
    crops: Sequence[np.ndarray],
    spacings: Sequence[np.ndarray],
    radii: Sequence[float],
    seed: int,
) -> np.ndarray:
    """As `read_by_machine`, by one that does not see the nodes, (2 n,): `crops` (z, y, x) of
    these spacings (z, y, x) in mm, with the node within a radius of mm from the middle of each."""
    each = zip(crops, spacings, radii, strict=True)
    table = np.array([_surroundings(*one) for one in each])
    truth, pairs = np.arange(len(table)) % 2, np.arange(len(table)) // 2
    forest = RandomForestClassifier(TREES, min_samples_leaf=3, random_state=seed)
    folds = GroupKFold(min(FOLDS, len(table) // 2), shuffle=True, random_state=seed)
    belief = cross_val_predict(forest, table, truth, groups=pairs, cv=folds, method="predict_proba")
    return belief[:, 1]


def _surroundings(crop: np.ndarray, spacing: np.ndarray, radius: float) -> np.ndarray:
    """What shells round the ball that holds a node show, as gray values and how far they vary."""
    axes = [(np.arange(n) - n // 2) * s for n, s in zip(crop.shape, spacing.tolist())]
    far = np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij", sparse=True)))
    off = far - (radius + REACH)
    found = []
    for inner, outer in zip(SHELLS, SHELLS[1:]):
        shell = crop[(off > inner) & (off <= outer)]
        found += [*np.percentile(shell, PERCENTILES), shell.mean(), shell.std()]
    return np.array(found)
