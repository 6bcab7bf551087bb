"""Figures of a segmentation over scans, with intervals by bootstrap over patients and trainings.

Every figure is a ratio of two sums over patients and the trainings' seeds, so that one bootstrap
serves all of them and differences between two segmentations of the same patients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.evaluation.estimate import Estimate, bootstrap, drawn_cells
from LNGenLib.evaluation.segmentation.lesions import BINS, ScanScore

RESAMPLES = 1000

Ratio = tuple[float, float]
Trainings = Mapping[int, Iterable[ScanScore]]  # scores of each, by its seed


def ratios(score: ScanScore) -> dict[str, Ratio]:
    """Numerator and denominator of each figure, of one scan.

    `dice` and `sensitivity` are of voxels, averaged over scans, as in the paper's Table I;
    `lesion sensitivity` and `precision` are shares of nodes and of findings over all scans;
    `missed`, `split` and `merged` are of nodes. `false on bowel a scan` and the like are there
    where the causes are known.
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
    for kind in ("missed", "split", "merged"):
        found[kind] = (sum(getattr(score, kind).values()), nodes[""])
    return found | {f"false on {name} a scan": (n, 1) for name, n in score.causes.items()}


def estimate(trainings: Trainings, seed: int = 0) -> dict[str, Estimate]:
    """Each figure over scans and trainings, and its 95 % interval; NaN where nothing is to be
    counted.

    Patients and trainings are both drawn, so that the interval tells of either. A figure is over
    the scans that have it. Raises InputError where there is no scan, or where the trainings'
    patients differ.
    """
    table = _table(trainings)
    draws = table.draws(seed)
    return {name: bootstrap(partial(_ratio, sums), draws) for name, sums in table.sums.items()}


def paired(trainings: Trainings, others: Trainings, seed: int = 0) -> dict[str, Estimate]:
    """Each figure of `trainings` minus that of `others`, over the same patients and seeds drawn for
    both.

    Raises InputError where the patients or the seeds differ.
    """
    table, other = _table(trainings), _table(others)
    if (table.seeds, table.patients) != (other.seeds, other.patients):
        raise InputError(
            "the two segmentations are of other patients or seeds: give those of the same"
        )

    def difference(name: str, drawn: np.ndarray) -> np.ndarray:
        return _ratio(table.sums[name], drawn) - _ratio(other.sums[name], drawn)

    both, draws = [name for name in table.sums if name in other.sums], table.draws(seed)
    return {name: bootstrap(partial(difference, name), draws) for name in both}


class _Table(NamedTuple):
    """Sums (seeds * patients, 2) of each figure's ratio, the patients of one seed after another."""

    seeds: list[int]
    patients: list[str]
    sums: dict[str, np.ndarray]

    def draws(self, seed: int) -> np.ndarray:
        return drawn_cells(len(self.seeds), len(self.patients), RESAMPLES, seed)


def _table(trainings: Trainings) -> _Table:
    cells: dict[tuple[int, str], list[dict[str, Ratio]]] = {}
    for seed, scores in trainings.items():
        for score in scores:
            cells.setdefault((seed, score.patient), []).append(ratios(score))
    if not cells:
        raise InputError("there is no scan to evaluate: give labeled ones")
    seeds, patients = sorted(trainings), sorted({patient for _, patient in cells})
    if len(cells) < len(seeds) * len(patients):
        raise InputError("the trainings are scored on other patients each: give the same for all")
    rows = [cells[cell] for cell in product(seeds, patients)]
    names = dict.fromkeys(name for row in rows for scan in row for name in scan)
    sums = {
        name: np.array([np.sum([scan.get(name, (0, 0)) for scan in row], axis=0) for row in rows])
        for name in names
    }
    return _Table(seeds, patients, sums)


def _ratio(sums: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The ratio (m,) of cells `drawn` (m, n)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        numerator, denominator = sums[drawn].sum(1).T
        return numerator / denominator
