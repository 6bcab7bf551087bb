"""Figures of a segmentation over scans, with intervals by bootstrap over patients.

Every figure is a ratio of two sums over patients, so that one bootstrap serves all of them and
differences between two segmentations of the same patients.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.evaluation.distribution import Estimate
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
    found = {
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
    _, table = _table(scores)
    drawn = _drawn(len(next(iter(table.values()))), seed)
    return {name: _estimate(*_ratio(sums, drawn)) for name, sums in table.items()}


def paired(
    scores: Iterable[ScanScore], others: Iterable[ScanScore], seed: int = 0
) -> dict[str, Estimate]:
    """Each figure of `scores` minus that of `others`, over the same patients drawn for both.

    Raises InputError where the patients differ.
    """
    (patients, table), (same, other) = _table(scores), _table(others)
    if patients != same:
        raise InputError("the two segmentations are of other patients: give those of the same")
    drawn = _drawn(len(patients), seed)
    found = {}
    for name in table:
        pairs = zip(_ratio(table[name], drawn), _ratio(other[name], drawn))
        found[name] = _estimate(*(ours - theirs for ours, theirs in pairs))
    return found


def _table(scores: Iterable[ScanScore]) -> tuple[list[str], dict[str, np.ndarray]]:
    """Patients, and for each figure the sums (patients, 2) of its ratio."""
    by_patient: dict[str, list[dict[str, Ratio]]] = {}
    for score in scores:
        by_patient.setdefault(score.patient, []).append(ratios(score))
    if not by_patient:
        raise InputError("there is no scan to evaluate: give labeled ones")
    patients = sorted(by_patient)
    names: Sequence[str] = list(by_patient[patients[0]][0])
    sums = {
        name: np.array([np.sum([r[name] for r in by_patient[p]], axis=0) for p in patients])
        for name in names
    }
    return patients, sums


def _drawn(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))


def _ratio(sums: np.ndarray, drawn: np.ndarray) -> tuple[float, np.ndarray]:
    """The ratio over all patients, and over each drawn set."""
    with np.errstate(invalid="ignore", divide="ignore"):
        whole, parts = sums.sum(0), sums[drawn].sum(1)
        return whole[0] / whole[1], parts[:, 0] / parts[:, 1]


def _estimate(value: float, resampled: np.ndarray) -> Estimate:
    if np.isnan(value):
        return Estimate(*[float("nan")] * 3)
    return Estimate(float(value), *map(float, np.nanpercentile(resampled, [2.5, 97.5])))
