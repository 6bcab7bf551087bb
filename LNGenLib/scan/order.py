"""The order of the body: what lies left of, behind or below what, in every patient."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from LNGenLib.image.geometry import index_to_ras
from LNGenLib.image.grid import voxels_of
from LNGenLib.scan.totalsegmentator import NUMBERS

BODY = "midline of the body"  # beside the classes
TISSUE = -250.0  # HU of the body's
MOST_AT_SIDE = 0.25  # share of the scan's left or right end that is tissue
LEAST = 10.0  # mm that tell
LEVEL = 6.0  # mm of height that are compared
FEWEST = 20  # voxels of a class that tell where it lies
SIDED = "femur hip gluteus_maximus iliac_artery iliac_vena kidney iliopsoas autochthon".split()
SIDES = ("left", "right")
LUMBAR = ("vertebrae_S1", *(f"vertebrae_L{k}" for k in (5, 4, 3, 2, 1)))
# Axis (R, A, S), what has less of it, what has more, and by how many mm at least. Where sides are
# not in the name they may be swapped in a patient, as in situs inversus: only the aorta counts,
# and only far off.
RULES = (
    *((0, f"{name}_left", f"{name}_right", LEAST) for name in SIDED),
    (0, "aorta", BODY, 25.0),
    *((1, "sacrum", name, LEAST) for name in ("urinary_bladder", "prostate", "colon")),
    *((1, name, "aorta", LEAST) for name in LUMBAR[1:]),
    *((1, name, "inferior_vena_cava", LEAST) for name in LUMBAR[1:]),
    *((1, f"autochthon_{side}", f"iliopsoas_{side}", LEAST) for side in SIDES),
    *((1, f"gluteus_maximus_{side}", "urinary_bladder", LEAST) for side in SIDES),
    (2, "prostate", "urinary_bladder", LEAST),
    (2, "urinary_bladder", "vertebrae_L5", LEAST),
    (2, "urinary_bladder", "liver", LEAST),
    (2, "sacrum", "vertebrae_L5", LEAST),
    *((2, low, high, LEAST) for low, high in zip(LUMBAR, LUMBAR[1:])),
    *((2, f"femur_{side}", f"hip_{side}", 25.0) for side in SIDES),
    *((2, f"hip_{side}", f"kidney_{side}", LEAST) for side in SIDES),
    *((2, f"iliac_artery_{side}", "aorta", LEAST) for side in SIDES),
    *((2, f"iliac_vena_{side}", "inferior_vena_cava", LEAST) for side in SIDES),
)
WRONG = ("right of", "before", "above")
COMPARED = (*NUMBERS, BODY)


def disorder(grid: sitk.Image, hu: np.ndarray, labels: np.ndarray) -> list[str]:
    """What `labels` (z, y, x; TotalSegmentator's numbers) of a CT `hu` (z, y, x) on the `grid` show
    where no patient has it ("the sacrum lies before the prostate").

    Of an axis on which as much lies right nothing is said: single structures may be mislabeled, or
    the patient an exception.
    """
    count, mean = _places(grid, hu, labels)
    right, wrong = [0, 0, 0], [list[str]() for _ in range(3)]
    for axis, low, high, least in RULES:
        off = _difference(count, mean[axis], COMPARED.index(low), COMPARED.index(high), axis == 2)
        if off > least:
            right[axis] += 1
        elif off < -least:
            wrong[axis].append(f"the {_in_words(low)} lies {WRONG[axis]} the {_in_words(high)}")
    return [fault for k in range(3) if len(wrong[k]) > right[k] for fault in wrong[k]]


def _places(
    grid: sitk.Image, hu: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Voxels of all that is `COMPARED` at each level (names, levels), and the sums of their R, A
    and S."""
    table = np.zeros(max(NUMBERS.values()) + 2, np.uint8)
    table[list(NUMBERS.values())] = np.arange(len(NUMBERS)) + 1
    kinds = table.take(labels, mode="clip")
    found = voxels_of(kinds)
    body = 2 * voxels_of(hu[::2, ::2, ::2] > TISSUE) if _is_wide(grid, hu) else found[:0]
    kind = np.concatenate([kinds[tuple(found.T)] - 1, np.full(len(body), len(NUMBERS))])
    ras = index_to_ras(grid, np.concatenate([found, body]))
    level = ((ras[:, 2] - ras[:, 2].min(initial=0)) / LEVEL).astype(int)
    shape = len(COMPARED), int(level.max(initial=0)) + 1
    cell = np.ravel_multi_index((kind, level), shape)
    count, *sums = (
        np.bincount(cell, weights, shape[0] * shape[1]).reshape(shape) for weights in (None, *ras.T)
    )
    return count, tuple(sums)


def _is_wide(grid: sitk.Image, hu: np.ndarray) -> bool:
    """Whether there is air on the left and on the right: else the body's middle is not known."""
    across = 2 - int(np.abs(np.reshape(grid.GetDirection(), (3, 3))[0]).argmax())
    return all((hu.take(side, across) > TISSUE).mean() < MOST_AT_SIDE for side in (0, -1))


def _difference(count: np.ndarray, total: np.ndarray, low: int, high: int, whole: bool) -> float:
    """Mean of one class less that of another in mm, of the `whole` of them or at the levels at
    which both are; NaN where they can't be compared. Arrays are (names, levels)."""
    if min(count[low].sum(), count[high].sum()) < FEWEST:
        return np.nan
    if whole:
        return total[high].sum() / count[high].sum() - total[low].sum() / count[low].sum()
    both = (count[low] > 0) & (count[high] > 0)
    off = total[high][both] / count[high][both] - total[low][both] / count[low][both]
    return float(off.mean()) if both.any() else np.nan


def _in_words(name: str) -> str:
    """A class's name in plain words: femur_left is the left femur."""
    words = name.replace("vertebrae_", "vertebra_").split("_")
    return " ".join(words[-1:] + words[:-1] if words[-1] in SIDES else words)
