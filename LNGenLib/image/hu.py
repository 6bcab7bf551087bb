"""The HU window of LN-Gen (section IV-B) and where tissues lie in it."""

from __future__ import annotations

import numpy as np

WINDOW = (-175.0, 250.0)  # HU
FAT = (-150.0, -30.0)
SOFT_TISSUE = (-20.0, 180.0)
MUSCLE = (10.0, 110.0)


def normalize(hu: np.ndarray) -> np.ndarray:
    """HU, of any shape, clipped to the window, scaled to [-1, 1] (float32)."""
    low, high = WINDOW
    return (2 * (np.clip(hu, low, high) - low) / (high - low) - 1).astype(np.float32)


def denormalize(values: np.ndarray) -> np.ndarray:
    """HU of values in [-1, 1], of any shape."""
    low, high = WINDOW
    return low + (np.asarray(values) + 1) * (high - low) / 2
