"""What lies where a segmentation finds a lymph node that is none."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

from LNGenLib.image.grid import inside_grid
from LNGenLib.scan.totalsegmentator import KINDS

REACH = 2.0  # mm from an organ, within which a voxel counts as that organ's
ELSE = "other"
CAUSES = (*KINDS, ELSE)


def count_causes(
    findings: np.ndarray, false: Iterable[int], organs: np.ndarray, spacing: np.ndarray
) -> dict[str, int]:
    """How many of the `false` ones among the `findings` lie on bowel, vessels, muscle and others.

    `findings` and `organs` are labels (z, y, x) on one grid, the latter in the numbers of
    `LNGenLib.scan.totalsegmentator`; `spacing` is in mm.
    """
    counts = dict.fromkeys(CAUSES, 0)
    boxes, pad = ndimage.find_objects(findings), np.ceil(REACH / spacing).astype(int)
    for number in false:
        near = inside_grid(boxes[number - 1], findings.shape, pad)
        counts[cause_of(findings[near] == number, organs[near], spacing)] += 1
    return counts


def cause_of(finding: np.ndarray, organs: np.ndarray, spacing: np.ndarray) -> str:
    """What most voxels of a mask lie on: "bowel", "vessel", "muscle" or "other".

    Each voxel counts for the organ next to it; those farther than 2 mm from all count for none. It
    is "other" where none counts; of kinds with as many voxels it is the first of "other" and the
    order above. `finding` (bool) and `organs` are (z, y, x) and reach 2 mm beyond the mask;
    `spacing` is in mm.
    """
    if not organs.any():
        return ELSE
    distance, nearest = ndimage.distance_transform_edt(organs == 0, spacing, return_indices=True)
    labels = organs[tuple(nearest)][finding & (distance <= REACH)]
    votes = {kind: int(np.isin(labels, numbers).sum()) for kind, numbers in KINDS.items()}
    votes = {ELSE: len(labels) - sum(votes.values())} | votes  # first, as ties go to the first
    return max(votes, key=votes.__getitem__)
