"""The HU window of LN-Gen (section IV-B) and where tissues lie in it."""

from __future__ import annotations

import numpy as np

WINDOW = (-175.0, 250.0)  # HU
FAT = (-150.0, -30.0)
SOFT_TISSUE = (-20.0, 180.0)
MUSCLE = (10.0, 110.0)
OUTSIDE = -300.0  # below it is no tissue

LEAST_PLATEAU = (0.01, 0.0005)  # share of the voxels at the lower and the upper end of a window
ABOVE_NEXT = 5  # times what a value next to the end has; without a window it has less
NEXT = 100  # HU from the end
ENDS = (-500, 700)  # HU: scanners end below and above by themselves
PIECE = 1 << 20  # voxels counted at a time: it bounds the memory
SOME = 31  # every so many voxels tell that a scan holds values of lung and edges


def normalize(hu: np.ndarray) -> np.ndarray:
    """HU, of any shape, clipped to the window, scaled to [-1, 1] (float32)."""
    low, high = WINDOW
    return (2 * (np.clip(hu, low, high) - low) / (high - low) - 1).astype(np.float32)


def denormalize(values: np.ndarray) -> np.ndarray:
    """HU of values in [-1, 1], of any shape."""
    low, high = WINDOW
    return low + (np.asarray(values) + 1) * (high - low) / 2


def window_of(hu: np.ndarray) -> tuple[int, int] | None:
    """The window (HU) that a whole CT `hu` (of any shape and type) was cut to, None where it was
    not.

    Where values are cut off, they pile up at the end: air at the lower one, bone at the upper one.
    A scanner's own ends lie beyond what matters here (`ENDS`).
    """
    low, high = float(hu.min()), float(hu.max())
    if low <= ENDS[0] and not _between(hu.ravel()[::SOME], low, ENDS[0]):
        if not _between(hu, low, ENDS[0]):  # where lung and edges lie: the lowest is padding
            hu = hu[hu > low]
            low = float(hu.min()) if hu.size else high
    if low <= ENDS[0] and high >= ENDS[1]:
        return None
    low, high = round(low), round(high)
    flat, counts = hu.ravel(), np.zeros(high - low + 1, int)
    for start in range(0, flat.size, PIECE):
        part = np.round(flat[start : start + PIECE]).astype(int)
        counts += np.bincount(part - low, minlength=len(counts))
    piled = (
        low > ENDS[0] and _piles_up(counts, LEAST_PLATEAU[0]),
        high < ENDS[1] and _piles_up(counts[::-1], LEAST_PLATEAU[1]),
    )
    return (low, high) if any(piled) else None


def _between(hu: np.ndarray, low: float, high: float) -> bool:
    return bool(((hu > low) & (hu <= high)).any())


def _piles_up(counts: np.ndarray, least: float) -> bool:
    """Whether the first value stands out among the next ones; among few of them, as in a scan
    without noise, none does."""
    following = counts[1 : NEXT + 1]
    following = following[following > 0]
    first = counts[0]
    return bool(
        first >= least * counts.sum()
        and len(following) >= ABOVE_NEXT
        and first >= ABOVE_NEXT * following.mean()
    )
