"""The lobulated border of an irregular lymph node: a few rounded lobes that have grown together.

Each lobe is a smaller copy of the structure that touches its surface from within, so that a
lobulated node is about as round as it was. Numbers and form are by eye.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION
from LNGenLib.structure.repair import is_valid
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.tsdf import signed_distance, tsdf_from_distance

IRREGULARITY = (0.06, 0.12)  # that a lobulated structure has
LOBES = (4, 7)
CANDIDATES = 4  # points of the surface; the next lobe touches that farthest from the others
PART = (0.45, 0.54)  # of the structure's size, that lobes have on average
SCATTER = 0.2  # of a lobe's size, to each side
CORE = 0.55  # of the structure's size, from which clefts reach no deeper
SOFT = 0.08  # long axes, over which lobes go over into one another
MOST_ROUNDER = 0.05  # change of axis ratio
TRIES = 16


def lobulated(structure: Structure, rng: np.random.Generator) -> Structure:
    """The structure with a lobulated border, and about its axis ratio.

    Lobes are drawn anew until it is irregular, as round as before, and one component without
    tunnels; where it never is, the most irregular one of those as round as before is taken, or the
    structure as it is.
    """
    samples = 1 / structure.sample_mm(1.0)  # the long axis, in samples of the frame
    distance, ratio = _distance(structure.tsdf), structure.short_axis(1.0)
    vertices = structure.vertices(samples)
    best, most = structure.tsdf, structure.irregularity
    for _ in range(TRIES):
        lobes = _lobes(distance, vertices, SOFT * samples, rng)
        if not is_valid(lobes):
            continue
        made = Structure(lobes)  # not truncated, nor in the middle of its frame yet
        if abs(made.short_axis(1.0) - ratio) > MOST_ROUNDER or made.irregularity <= most:
            continue
        tsdf, _ = tsdf_from_distance(lobes, (1.0, 1.0, 1.0))
        if not is_valid(tsdf):
            continue
        best, most = tsdf, made.irregularity
        if IRREGULARITY[0] <= most <= IRREGULARITY[1]:
            break
    return Structure(best)


def _distance(tsdf: np.ndarray) -> np.ndarray:
    """Signed distance (32, 32, 32) in samples, beyond the truncation to the nearest sample on the
    other side of the surface."""
    far = signed_distance(tsdf < 0, (1, 1, 1))
    return np.where(np.abs(tsdf) < 0.9 * TRUNCATION, tsdf / SAMPLE, far)


def _lobes(
    distance: np.ndarray, vertices: np.ndarray, soft: float, rng: np.random.Generator
) -> np.ndarray:
    """Signed distance (32, 32, 32) from drawn lobes of the shape of this `distance` and `vertices`
    (n, 3), round a core. All are in samples, from the middle of the grid."""
    tops = [rng.choice(vertices)]
    for _ in range(rng.integers(*LOBES, endpoint=True) - 1):
        some = rng.choice(vertices, CANDIDATES)
        apart = np.linalg.norm(some[:, None] - np.array(tops), axis=-1).min(1)
        tops.append(some[apart.argmax()])
    parts = rng.uniform(*PART) * rng.uniform(1 - SCATTER, 1 + SCATTER, len(tops))
    lobes = _shrunken(distance, vertices.mean(0), CORE)
    for top, part in zip(tops, parts, strict=True):
        lobes = _union(lobes, _shrunken(distance, top, part), soft)
    return lobes


def _shrunken(distance: np.ndarray, toward: np.ndarray, part: float) -> np.ndarray:
    """The signed distance of the same shape shrunken toward a point, to this `part` of its size."""
    point = toward + (GRID - 1) / 2
    return part * ndimage.affine_transform(
        distance, np.full(3, 1 / part), point - point / part, order=1, mode="nearest"
    )


def _union(first: np.ndarray, second: np.ndarray, width: float) -> np.ndarray:
    """The smooth union of two signed distances (https://iquilezles.org/articles/smin)."""
    overlap = np.maximum(width - np.abs(first - second), 0)
    return np.minimum(first, second) - overlap**2 / (4 * width)
