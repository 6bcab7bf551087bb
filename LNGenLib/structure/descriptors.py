"""Descriptors of a shape at large, on which the DDPM is conditioned.

The first two are what a clinician says of a shape: how round, how irregular.
"""

from __future__ import annotations

import numpy as np
from scipy import spatial

from LNGenLib.structure.frame import GRID, SAMPLE
from LNGenLib.structure.shape import Structure

DESCRIPTORS = 11
WANTED = 2  # of them can be asked for
IRREGULARITY = 1  # its place


def describe(tsdf: np.ndarray) -> np.ndarray:
    """Descriptors (11,) of a TSDF (32, 32, 32).

    Axis ratio (short axis / long axis) and irregularity (1 - volume / convex hull's volume); then
    the inside's center of mass (z, y, x) and second moments (zz, yy, xx, zy, zx, yx) in half long
    axes, which say how the shape lies, so that mirror images are told apart.
    """
    structure = Structure(tsdf)
    hull = spatial.ConvexHull(structure.vertices(1.0)).volume
    points = (np.argwhere(tsdf < 0) - (GRID - 1) / 2) * SAMPLE
    moments = np.cov(points.T)
    clinical = structure.short_axis(1.0), 1 - structure.volume(1.0) / hull
    return np.concatenate(
        [clinical, points.mean(0), np.diag(moments), moments[(0, 0, 1), (1, 2, 2)]]
    ).astype(np.float32)


def mirror(descriptors: np.ndarray, flip: tuple[int, int, int]) -> np.ndarray:
    """Descriptors (n, 11) of the shapes mirrored along the axes (z, y, x) where `flip` is 1."""
    z, y, x = 1 - 2 * np.array(flip, np.float32)
    return descriptors * np.array([1, 1, z, y, x, 1, 1, 1, z * y, z * x, y * x], np.float32)


def turn(descriptors: np.ndarray, order: tuple[int, int, int]) -> np.ndarray:
    """Descriptors (n, 11) of the shapes with axes (z, y, x) permuted: new axis k is order[k]."""
    axes, pairs = np.array(order), [(0, 1), (0, 2), (1, 2)]
    crossed = [pairs.index(tuple(sorted((order[a], order[b])))) for a, b in pairs]
    return descriptors[:, [0, 1, *(2 + axes), *(5 + axes), *(8 + np.array(crossed))]]
