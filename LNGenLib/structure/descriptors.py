"""Descriptors of a lymph node's size and shape, on which the DDPM is conditioned."""

from __future__ import annotations

import math

import numpy as np

from LNGenLib.structure.frame import GRID, SAMPLE
from LNGenLib.structure.shape import Structure

DESCRIPTORS = 12
LOG_SIZE, AXIS_RATIO, IRREGULARITY, MOMENTS = 0, 1, 2, slice(6, 12)  # their places


def describe(tsdf: np.ndarray, long_axis: float) -> np.ndarray:
    """Descriptors (12,) float32 of a TSDF (32, 32, 32) of a lymph node of `long_axis` mm.

    The decimal logarithm of the long axis; what a clinician says of a shape: axis ratio (short
    axis / long axis) and irregularity (1 - volume / convex hull's volume); then the inside's center
    of mass (z, y, x) and second moments (zz, yy, xx, zy, zx, yx) in half long axes, which say how
    the shape lies, so that mirror images differ.
    """
    structure = Structure(tsdf)
    points = (np.argwhere(tsdf < 0) - (GRID - 1) / 2) * SAMPLE
    moments = np.cov(points.T)
    clinical = math.log10(long_axis), structure.short_axis(1.0), structure.irregularity
    return np.concatenate(
        [clinical, points.mean(0), np.diag(moments), moments[(0, 0, 1), (1, 2, 2)]]
    ).astype(np.float32)
