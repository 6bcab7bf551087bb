"""The prior of small lymph nodes, of which there are no masks: ovoids with low harmonics.

Its numbers approximate the smaller nodes of DeepLesion (ULS23) and go on from there; they are an
assumption. With t = log10(long axis / 3 mm) within 0 to 1, small nodes are rounder (axis ratios)
and more rarely lobulated.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from LNGenLib.structure.frame import GRID, SAMPLE
from LNGenLib.structure.repair import is_valid
from LNGenLib.structure.tsdf import tsdf_from_distance

RATIO_SD = 0.09
ORDERS = (2, 3, 4)  # of the harmonics
SMOOTH = (0.02, 0.04)  # rms of the harmonics over the radius
LOBULATED = (0.07, 0.12)
LOBULATED_SHARES = ((5.0, 0.08), (10.0, 0.18), (math.inf, 0.40))  # below a long axis in mm


def ovoid(long_axis: float, rng: np.random.Generator) -> np.ndarray:
    """TSDF (32, 32, 32) float32 of an ovoid as lymph nodes of `long_axis` mm are, turned at
    random."""
    t = float(np.clip(math.log10(long_axis / 3), 0, 1))
    share = next(share for below, share in LOBULATED_SHARES if long_axis < below)
    while True:
        middle = _ratio(0.86 - 0.12 * t, rng)
        thin = middle * _ratio(0.86 - 0.10 * t, rng)
        rms = rng.uniform(*(LOBULATED if rng.random() < share else SMOOTH))
        turn = Rotation.random(rng=rng).as_matrix()
        tsdf = _ovoid(np.array([1.0, middle, thin]), rms, turn, rng)
        if is_valid(tsdf):
            return tsdf


def _ratio(mean: float, rng: np.random.Generator) -> float:
    return float(np.clip(rng.normal(mean, RATIO_SD), 0.4, 1.0))


def _ovoid(radii: np.ndarray, rms: float, turn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    axis = (np.arange(GRID) - (GRID - 1) / 2) * SAMPLE
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1) @ turn
    distance = np.linalg.norm(points, axis=-1)
    directions = points / distance[..., None]
    radius = 1 / np.linalg.norm(directions / radii, axis=-1)
    return tsdf_from_distance(
        distance / (radius * (1 + _bumps(directions, rms, rng))) - 1, (1,) * 3
    )[0]


def _bumps(directions: np.ndarray, rms: float, rng: np.random.Generator) -> np.ndarray:
    """A random function of directions (..., 3) of this root mean square over the sphere."""
    polar = np.arccos(np.clip(directions[..., 0], -1, 1))
    azimuth = np.arctan2(directions[..., 1], directions[..., 2])
    bumps = np.zeros(directions.shape[:-1])
    weights = []
    for order in ORDERS:
        for m in range(order + 1):
            a, b = rng.normal(size=2) / order
            wave = sph_harm_y(order, m, polar, azimuth)
            bumps += a * wave.real + b * wave.imag
            weights.append(a**2 / (1 if m == 0 else 2) + (b**2 / 2 if m else 0))
    return bumps * rms / math.sqrt(sum(weights) / (4 * math.pi))
