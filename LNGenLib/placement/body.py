"""The body in a CT, and what of it lies beneath the skin."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.placement.grid import distance_to

BELOW_SKIN = 15.0  # mm: no nodes in subcutaneous fat


def inner_part(outside: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """What lies deeper than the skin, of what is not `outside` (z, y, x); `spacing` is in mm."""
    return distance_to(outside, BELOW_SKIN, spacing) > BELOW_SKIN


def outside_of(hu: np.ndarray) -> np.ndarray:
    """Air and everything not connected to the body (table, clothes)."""
    body = ndimage.binary_opening(hu > -250, iterations=1)
    labels, count = ndimage.label(body)
    if not count:
        raise InputError("the CT holds no body (no voxels above -250 HU): check its HU")
    body = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return ~np.stack([ndimage.binary_fill_holes(part) for part in body])
