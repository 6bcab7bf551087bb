"""A machine takes part in a study: the classifier of the two-sample test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from LNGenLib.evaluation.realism.two_sample_test import score_pairs
from LNGenLib.progress import Progress
from LNGenLib.study.twins import Twins


def read_by_machine(
    twins: Sequence[Twins], noise: dict[str, float], seed: int, progress: Progress
) -> np.ndarray:
    """How far it believes each node to be painted, 0 to 1 (2 n,): of each of the n twins the real
    one, then the painted one. It learns from the study itself, always from other twins than those
    that it reads; `noise` is that of each scan in HU."""
    pairs = [(one.real, one.painted) for one in twins]
    scored = score_pairs(pairs, noise, set(noise), seed, progress, by_pair=True)
    return expit(scored.scores[0].ravel())
