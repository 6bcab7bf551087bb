"""The noise of a CT: its level and correlation, measured; noise like it, drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import ndimage

WINDOW_SIZE = (1, 5, 5)  # voxels (z, y, x)
TYPICAL_LEVEL = 12.0  # HU, where there is nothing to measure


def local_deviation(hu: np.ndarray) -> np.ndarray:
    """Standard deviation in a 5 x 5 in-plane window round each voxel (z, y, x), in HU."""
    hu = hu.astype(np.float32)
    mean = ndimage.uniform_filter(hu, WINDOW_SIZE)
    square = ndimage.uniform_filter(hu**2, WINDOW_SIZE)
    return np.sqrt(np.maximum(square - mean**2, 0) * 25 / 24)


@dataclass(frozen=True)
class Noise:
    """Gaussian noise of standard deviation `level` (HU), smoothed by `sigma` (z, y, x) voxels."""

    level: float
    sigma: tuple[float, ...]

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """A field of unit standard deviation with the measured correlation (z, y, x)."""
        pad = [int(np.ceil(3 * s)) for s in self.sigma]
        white = rng.standard_normal([n + 2 * p for n, p in zip(shape, pad, strict=True)])
        smooth = ndimage.gaussian_filter(white.astype(np.float32), self.sigma, truncate=4)
        impulse = np.zeros((1, 65))
        impulse[0, 32] = 1
        kernels = [ndimage.gaussian_filter(impulse, (0, s), truncate=4) for s in self.sigma]
        gain = np.prod([np.sqrt((k**2).sum()) for k in kernels])
        return smooth[tuple(slice(p, p + n) for p, n in zip(pad, shape, strict=True))] / gain


def measure_noise(hu: np.ndarray, tissue: np.ndarray) -> Noise:
    """Noise in the homogeneous parts of `tissue` (z, y, x, bool) of `hu` (z, y, x).

    The level is the mode of the local standard deviation (global noise level of Christianson et
    al., AJR 2015), the correlation that between neighbors along each axis in the quieter half.
    The 5 x 5 window takes part of smooth noise away; both are corrected for it by what the same
    window does to known noise.
    """
    deviation = local_deviation(hu)
    inner = deviation[tissue]
    inner = inner[inner > 0]
    if len(inner) < 200:
        return Noise(TYPICAL_LEVEL, (0.0, 0.6, 0.6))
    quiet = tissue & (deviation < np.median(inner))
    residual = hu - ndimage.uniform_filter(hu.astype(np.float32), WINDOW_SIZE)
    sigmas, across, along = _window_effect()
    sigma = []
    for axis in range(3):
        a, b = (np.moveaxis(x, axis, 0) for x in (residual, quiet))
        both = b[1:] & b[:-1]
        if both.sum() < 100:
            sigma.append(0.0)
            continue
        power = (a[1:] ** 2 + a[:-1] ** 2)[both].mean() / 2
        correlation = (a[1:] * a[:-1])[both].mean() / power
        sigma.append(float(np.interp(correlation, along if axis == 0 else across, sigmas)))
    unit = Noise(1.0, tuple(sigma)).draw((8, 96, 96), np.random.default_rng(0))
    return Noise(_mode(inner) / _mode(local_deviation(unit).ravel()), tuple(sigma))


def _mode(deviations: np.ndarray) -> float:
    """The most frequent of local deviations, below their 95th percentile."""
    top = float(np.percentile(deviations, 95))
    histogram, edges = np.histogram(deviations, bins=64, range=(0, top))
    mode = int(ndimage.gaussian_filter1d(histogram.astype(float), 2).argmax())
    return float(edges[mode : mode + 2].mean())


@cache
def _window_effect() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sigmas (voxels) of Gaussian noise, and the correlation of neighbors that each leaves.

    First in-plane, after the local mean is taken away; then between slices, where it is not.
    """
    sigmas = np.arange(0, 2.01, 0.05)
    impulse = np.zeros((41, 41))
    impulse[20, 20] = 1
    across, along = [], []
    for sigma in sigmas:
        field = ndimage.gaussian_filter(impulse, sigma, truncate=4)
        along.append(_neighbors(field))
        across.append(_neighbors(field - ndimage.uniform_filter(field, WINDOW_SIZE[1:])))
    return sigmas, np.array(across), np.array(along)


def _neighbors(field: np.ndarray) -> float:
    """Correlation of neighbors along the last axis of white noise filtered by `field`."""
    return float((field[..., 1:] * field[..., :-1]).sum() / (field**2).sum())
