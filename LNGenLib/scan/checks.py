"""Checks of labels against the CT that they are said to be of.

They look at a coarse grid: it takes a tenth of a second for a CT of 512 x 512 x 300.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import coarse_steps, thinned
from LNGenLib.image.hu import FAT, OUTSIDE
from LNGenLib.image.io import to_array
from LNGenLib.scan.order import disorder

MOST_NAMED = 3  # faults in a message
MOST_FAT = 0.8  # share of the scan's fat that structures may hold
LEAST_FAT = 100  # voxels of the coarse grid, below which its share tells nothing
BONE = 100.0  # HU
# Numbers of bones in TotalSegmentator 1 that are soft tissue in 2, and the other way round
BONES_IN_1 = (*range(21, 25), *range(80, 90))
BONES_IN_2 = (*range(42, 51), *range(94, 105))
FEWEST = 10  # voxels of the coarse grid that tell a label's HU
VOTES = 2  # labels at least that must look like those of version 1


def check_anatomy(ct: sitk.Image, anatomy: sitk.Image, name: str = "the anatomy") -> None:
    """Raise InputError, which bears the `name`, unless `anatomy` shows structures of this CT, in
    TotalSegmentator 2's numbers and the body's own order, and leaves fat for lymph nodes."""
    check_shows(ct, anatomy, name)
    _, hu, labels = _coarse(ct, anatomy)
    fat = (hu > FAT[0]) & (hu < FAT[1])
    if fat.sum() >= LEAST_FAT and (labels[fat] > 0).mean() > MOST_FAT:
        raise InputError(
            f"{name} labels {(labels[fat] > 0).mean():.0%} of the fat, in which lymph nodes lie: "
            "leave out the whole body and the like"
        )
    if _is_version_1(hu, labels):
        raise InputError(
            f"{name} has the numbers of TotalSegmentator 1, by the HU of its bones: segment the CT "
            "with version 2, or give a folder with a mask a class (colon.nii.gz, ...)"
        )
    check_body_order(ct, anatomy, name)


def check_shows(ct: sitk.Image, labels: sitk.Image, name: str) -> None:
    """Raise InputError, which bears the `name`, where `labels` (0 is background) shows nothing, or
    more than half of it outside of the body."""
    if not sitk.GetArrayViewFromImage(labels).any():
        raise InputError(f"{name} shows nothing in this CT: give labels of this CT")
    _, hu, there = _coarse(ct, labels)
    shown = there > 0
    if not shown.any() or (hu[shown] < OUTSIDE).mean() <= 0.5:
        return
    from LNGenLib.image.body import outside_of

    if outside_of(hu)[shown].mean() > 0.5:  # lungs are air, too, but within
        raise InputError(f"{name} lies in air: is it of this CT?")


def check_nodes_shown(ct: sitk.Image, labels: sitk.Image, name: str) -> None:
    """Raise InputError, which bears the `name`, where more than half of the lymph nodes' `labels`
    (0 is background) is air; a scan without any is none the worse."""
    hu = sitk.GetArrayViewFromImage(ct)[sitk.GetArrayViewFromImage(labels) > 0]
    if len(hu) and (hu < OUTSIDE).mean() > 0.5:
        raise InputError(f"{name} lies in air: is it of this CT?")


def check_body_order(ct: sitk.Image, anatomy: sitk.Image, name: str = "the anatomy") -> None:
    """Raise InputError, which bears the `name`, where `anatomy` (TotalSegmentator's numbers) shows
    the left femur right of the right one, the sacrum before the bladder, L4 below L5 or the like,
    and more such than what lies right: the header tells another direction than the patient had.

    Only what is there counts. A flip that was there before the segmentation shows where it makes
    the order of the body impossible, but a mirrored patient is possible.
    """
    faults = disorder(*_coarse(ct, anatomy))
    if faults:
        more = f", and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
        raise InputError(
            f"by the labels of {name} {', '.join(faults[:MOST_NAMED])}{more}: the header's "
            "direction is wrong (flipped?), or the numbers are not TotalSegmentator 2's: correct it"
        )


def _coarse(ct: sitk.Image, labels: sitk.Image) -> tuple[sitk.Image, np.ndarray, np.ndarray]:
    """The coarse grid, and HU and labels (z, y, x) on it."""
    steps = coarse_steps(array_spacing(ct))
    grid = thinned(ct, steps)
    return grid, to_array(grid), to_array(thinned(labels, steps))


def _is_version_1(hu: np.ndarray, labels: np.ndarray) -> bool:
    """Whether more labels (z, y, x) look like numbers of TotalSegmentator 1 than of version 2, by
    what is bone in `hu` (z, y, x)."""
    count = np.bincount(labels.ravel(), minlength=max(BONES_IN_2) + 1)
    mean = np.bincount(labels.ravel(), hu.ravel(), len(count)) / np.maximum(count, 1)
    votes = {1: 0, 2: 0}
    for version, numbers in ((1, BONES_IN_1), (2, BONES_IN_2)):
        for number in numbers:
            if count[number] >= FEWEST:
                votes[version if mean[number] > BONE else 3 - version] += 1
    return votes[1] >= VOTES and votes[1] > votes[2]
