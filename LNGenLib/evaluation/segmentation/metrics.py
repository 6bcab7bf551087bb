"""Figures of a segmentation over scans, with intervals by bootstrap over patients.

Every figure is a ratio of two sums over patients, so that one bootstrap serves all of them and
differences between two segmentations of the same patients.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.evaluation.estimate import Estimate, bootstrap, drawn_indices
from LNGenLib.evaluation.segmentation.lesions import BINS, ScanScore

RESAMPLES = 1000

Ratio = tuple[float, float]


def ratios(score: ScanScore) -> dict[str, Ratio]:
    """Numerator and denominator of each figure, of one scan.

    `dice` and `sensitivity` are of voxels, averaged over scans, as in the paper's Table I;
    `lesion sensitivity` and `precision` are shares of nodes and of findings over all scans.
    """
    nodes, detected, false = (
        {"": sum(by_bin.values())} | by_bin for by_bin in (score.nodes, score.detected, score.false)
    )
    found: dict[str, Ratio] = {
        "dice": (2 * score.shared / max(score.truth + score.found, 1), 1),
        "sensitivity": (score.shared / max(score.truth, 1), min(score.truth, 1)),
    }
    for size in ("", *BINS):
        found[f"lesion sensitivity {size}".strip()] = (detected[size], nodes[size])
        found[f"precision {size}".strip()] = (detected[size], detected[size] + false[size])
        found[f"false positives a scan {size}".strip()] = (false[size], 1)
    return found


def estimate(scores: Iterable[ScanScore], seed: int = 0) -> dict[str, Estimate]:
    """Each figure over scans, and its 95 % interval; NaN where nothing is to be counted."""
    patients, table = _table(scores)
    draws = drawn_indices(len(patients), RESAMPLES, seed)
    return {name: bootstrap(partial(_ratio, sums), draws) for name, sums in table.items()}


def paired(
    scores: Iterable[ScanScore], others: Iterable[ScanScore], seed: int = 0
) -> dict[str, Estimate]:
    """Each figure of `scores` minus that of `others`, over the same patients drawn for both.

    Raises InputError where the patients differ.
    """
    (patients, table), (same, other) = _table(scores), _table(others)
    if patients != same:
        raise InputError("the two segmentations are of other patients: give those of the same")
    draws = drawn_indices(len(patients), RESAMPLES, seed)

    def difference(name: str, drawn: np.ndarray) -> np.ndarray:
        return _ratio(table[name], drawn) - _ratio(other[name], drawn)

    return {name: bootstrap(partial(difference, name), draws) for name in table}


def _table(scores: Iterable[ScanScore]) -> tuple[list[str], dict[str, np.ndarray]]:
    """Patients, and for each figure the sums (patients, 2) of its ratio."""
    by_patient: dict[str, list[dict[str, Ratio]]] = {}
    for score in scores:
        by_patient.setdefault(score.patient, []).append(ratios(score))
    if not by_patient:
        raise InputError("there is no scan to evaluate: give labeled ones")
    patients = sorted(by_patient)
    sums = {
        name: np.array([np.sum([r[name] for r in by_patient[p]], axis=0) for p in patients])
        for name in by_patient[patients[0]][0]
    }
    return patients, sums


def _ratio(sums: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The ratio (m,) of patients `drawn` (m, n)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        numerator, denominator = sums[drawn].sum(1).T
        return numerator / denominator
