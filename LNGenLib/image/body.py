"""The body in a CT, and what of it lies beneath the skin."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.image.components import FACES, largest_component
from LNGenLib.image.grid import distance_to

BELOW_SKIN = 15.0  # mm: no nodes in subcutaneous fat


def inner_part(outside: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """What lies deeper than the skin, of what is not `outside` (z, y, x); `spacing` is in mm."""
    return distance_to(outside, BELOW_SKIN, spacing) > BELOW_SKIN


def outside_of(hu: np.ndarray) -> np.ndarray:
    """Air and everything not connected to the body (table, clothes)."""
    body = ndimage.binary_opening(hu > -250, iterations=1)
    if not body.any():
        raise InputError("the CT holds no body (no voxels above -250 HU): check its HU")
    filled = [ndimage.binary_fill_holes(part) for part in largest_component(body, FACES)]
    return ~np.stack(filled)
