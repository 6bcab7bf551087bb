"""Smooth random deformation of lymph-node shapes, for a DDPM that would learn a few by heart.

A free-form deformation by cubic B-splines (Rueckert et al. 1999, https://doi.org/10.1109/42.796284).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage
from scipy.interpolate import BSpline

from LNGenLib.structure.frame import GRID
from LNGenLib.structure.repair import repair
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.tsdf import tsdf_from_distance

SPANS = 3  # of the splines, along each axis
CONTROL = SPANS + 3  # control points along each axis
SPREAD = 0.7  # samples, standard deviation of the displacement along each axis, at every sample


def deform(structure: Structure, rng: np.random.Generator) -> np.ndarray:
    """A TSDF (32, 32, 32) float32 deformed at random, scaled and centered anew, and topologically
    valid.

    The structure must lie in the frame, with its margin: what leaves the cube is drawn again.
    """
    # Not the truncated distance: far away, a longer shape's would stay below the limit
    distance, sample = structure.full_distance(2.0), structure.sample_mm(2.0)
    while _crosses_border(deformed := _deformed(distance, rng)):
        pass
    return repair(tsdf_from_distance(deformed, (sample,) * 3)[0])[0]


def _deformed(distance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    basis = _basis()
    knots = SPREAD * rng.standard_normal((3, CONTROL, CONTROL, CONTROL))
    shift = np.einsum("ai,bj,ck,dijk->dabc", basis, basis, basis, knots, optimize=True)
    points = np.indices(distance.shape) + shift
    # Cubic: linear interpolation would smooth the surface
    return ndimage.map_coordinates(distance, points, order=3, mode="nearest")


def _crosses_border(distance: np.ndarray) -> bool:
    """Whether a part of the shape has left the cube, which would cut it flat there."""
    inside = distance < 0
    return inside.sum() > inside[1:-1, 1:-1, 1:-1].sum()


@cache
def _basis() -> np.ndarray:
    """Weights (32, 6) of the control points at each sample of an axis, of unit squared sum."""
    knots = np.arange(-3, SPANS + 4)
    weights = BSpline.design_matrix(np.linspace(0, SPANS, GRID), knots, 3).toarray()
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)
