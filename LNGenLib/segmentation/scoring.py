"""Scores of what was found in the cases of a data set; what is ignored in a case counts nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from LNGenLib.datasets.case import Case, Labeled
from LNGenLib.datasets.identity import found_of
from LNGenLib.errors import InputError
from LNGenLib.evaluation.segmentation.lesions import ScanScore, score
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.io import read_labels, to_array


class Scored(NamedTuple):
    """Scores by folder, of the same cases each, and why cases were left out."""

    scans: list[list[ScanScore]]
    left_out: dict[str, str]


def score_cases(cases: Sequence[Case], folders: Sequence[Path]) -> Scored:
    """The scores of label images in folders, one a case, found by its id (ID.nii.gz).

    Cases of which no folder holds one are passed over; those of which some do not, and those that
    can't be used, are left out. Raises InputError where none is scored.
    """
    scans: list[list[ScanScore]] = []
    left_out = {}
    for case in cases:
        try:
            files = [found_of(case.id, folder) for folder in folders]
            if any(files):
                scans.append(_score(case, folders, files))
        except InputError as error:
            left_out[case.id] = str(error)
    if not scans:
        why = next(iter(left_out.values()), f"{folders[0]} has no label image ID.nii.gz of one")
        raise InputError(f"no case can be scored; {why}")
    return Scored([list(column) for column in zip(*scans)], left_out)


def score_found(
    case: Case, loaded: Labeled, found: np.ndarray, organs: np.ndarray | None = None
) -> ScanScore:
    """The score of a mask `found` (z, y, x, not 0) in a labeled case; with the causes of what is
    false in it where `organs` are given, as `score` takes them."""
    if loaded.ignored is not None:
        found = np.where(to_array(loaded.ignored) > 0, 0, found)
    truth, spacing = to_array(loaded.nodes), array_spacing(loaded.ct)
    return score(case.id, case.patient, truth, found, spacing, organs)


def _score(case: Case, folders: Sequence[Path], files: Sequence[Path | None]) -> list[ScanScore]:
    there = [file for file in files if file is not None]
    if len(there) < len(files):
        missing = folders[files.index(None)]
        raise InputError(f"{missing} holds no label image {case.id}.nii.gz")
    loaded, scores = case.load_labeled(), []
    for file in there:
        found = to_array(read_labels(file, loaded.ct))
        if case.meaning.others and found.max() > 1:
            raise InputError(
                f"{file} holds {found.max()}, a class of its own?: give 1 in lymph nodes, else 0"
            )
        scores.append(score_found(case, loaded, found))
    return scores
