"""How sharp a CT is: the spread of its edges between fat and soft tissue."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage, special

from LNGenLib.image.hu import FAT, SOFT_TISSUE

TYPICAL_SPREAD = 0.8  # mm, where there is nothing to measure
BORDER = -25.0  # HU, half-way between fat and soft tissue
SLICES = 8  # looked at, evenly spaced: more take time and teach little
STEEPEST = 0.3  # across slices over in-plane: a slice smears borders that run through it obliquely
PROFILES = 4000
LEAST_REACH, REACH = 2, 4  # samples of a profile to either side
BESIDE = 2  # lines of a profile to either side
APART = 1.0  # mm between them at most: farther off a body's border bends
FEWEST = 50  # of them in a scan
FEWEST_OF_NODES = 20  # of them across the borders of lymph nodes
SPREADS = np.arange(0.2, 3.01, 0.05)  # samples
SHIFTS = np.arange(-1.5, 1.51, 0.25)  # samples


def edge_spread(hu: np.ndarray, spacing: np.ndarray) -> float:
    """In-plane standard deviation (mm) of the edge spread of a CT (z, y, x) at fat's borders.

    Profiles run across soft tissue's border to fat along the in-plane gradient. Each is an error
    function of its own place and height and of one spread, which fits all best: the scanner's blur
    and the voxel's width. They are as short as holds the edge: what lies farther off is often
    another body.
    """
    profiles, step = _profiles(hu, np.asarray(spacing), None, REACH)
    spread = max(TYPICAL_SPREAD, 0.4 * step)
    for reach in range(LEAST_REACH, REACH + 1):
        clear = _clear(profiles[:, REACH - reach : REACH + reach + 1])
        if len(clear) < FEWEST:
            break
        spread = fit_spread(clear) * step
        if reach_of(spread, step) <= reach:
            break
    return spread


def fit_spread(profiles: np.ndarray) -> float:
    """The spread (samples) of error functions that fits profiles (n, 2 reach + 1) best."""
    centered = profiles - profiles.mean(1, keepdims=True)
    explained = (centered @ _edges(profiles.shape[1] // 2).T) ** 2  # (n, spreads x shifts)
    explained = explained.reshape(len(profiles), len(SPREADS), len(SHIFTS)).max(2).sum(0)
    best = int(np.clip(explained.argmax(), 1, len(SPREADS) - 2))
    low, middle, high = explained[best - 1 : best + 2]
    top = (low - high) / 2 / (low - 2 * middle + high)  # of the parabola through the three
    return float(SPREADS[best] + np.clip(top, -1, 1) * (SPREADS[1] - SPREADS[0]))


def reach_of(spread: float, step: float) -> int:
    """Samples, `step` mm apart, to either side of a border that hold an edge of a spread (mm)."""
    return int(np.clip(np.ceil(3 * spread / step), LEAST_REACH, REACH))


@cache
def _edges(reach: int) -> np.ndarray:
    """Error functions of each spread and shift, without mean and of unit length."""
    offset = np.arange(-reach, reach + 1)
    scaled = (offset - SHIFTS[:, None]) / (SPREADS[:, None, None] * np.sqrt(2))
    edges = special.erf(scaled).reshape(-1, len(offset))
    edges -= edges.mean(1, keepdims=True)
    return edges / np.linalg.norm(edges, axis=1, keepdims=True)


def border_profiles(
    hu: np.ndarray, inside: np.ndarray, spacing: np.ndarray, reach: int
) -> np.ndarray:
    """Profiles (n, 2 reach + 1) from fat into a body, which is `inside` (z, y, x, bool)."""
    border = ndimage.binary_dilation(inside) & ~ndimage.binary_erosion(inside)
    return _clear(_profiles(hu, spacing, border, reach)[0])


def _clear(profiles: np.ndarray) -> np.ndarray:
    """Those of profiles (n, 2 reach + 1) that begin in fat and end in soft tissue."""
    fat, soft = profiles[:, :2].mean(1), profiles[:, -2:].mean(1)
    return profiles[(fat > FAT[0]) & (fat < FAT[1]) & (soft > 0) & (soft < SOFT_TISSUE[1])]


def _profiles(
    hu: np.ndarray, spacing: np.ndarray, where: np.ndarray | None, reach: int
) -> tuple[np.ndarray, float]:
    """Profiles (n, 2 reach + 1) up the gradient at the border of fat, and the mm between their
    samples."""
    step = float(spacing[1:].min())
    slices = np.unique(np.linspace(0, len(hu) - 1, SLICES).round().astype(int))
    below, own, above = (
        hu[(slices + k).clip(0, len(hu) - 1)].astype(np.float32) for k in (-1, 0, 1)
    )
    smooth, change = (ndimage.gaussian_filter(part, (0, 1, 1)) for part in (own, above - below))
    gradient = np.stack(np.gradient(smooth, *spacing[1:], axis=(1, 2)))
    size = np.hypot(*gradient)
    upright = np.abs(change) < STEEPEST * 2 * float(spacing[0]) * size
    border = upright & (np.abs(smooth - BORDER) < 30)
    if where is not None:
        border &= where[slices]
    if not border.any():
        return np.empty((0, 2 * reach + 1)), step
    voxels = np.argwhere(border & (size >= np.median(size[border])))
    if len(voxels) > PROFILES:
        voxels = voxels[np.random.default_rng(0).choice(len(voxels), PROFILES, replace=False)]
    z, *place = voxels.T
    at = tuple(voxels.T)
    across = np.stack([part[at] / size[at] for part in gradient])[:, :, None, None]
    along = np.stack([-across[1], across[0]])
    offset = np.arange(-reach, reach + 1)[:, None] * step
    beside = np.arange(-BESIDE, BESIDE + 1) * min(step, APART)  # their mean: less noisy, as sharp
    way = (offset * across + beside * along) / spacing[1:, None, None, None]
    points = np.stack(place)[:, :, None, None] + way
    profiles = np.empty((len(z), 2 * reach + 1))
    for k in np.unique(z):  # each slice by itself: splines through several would mix them
        lines = ndimage.map_coordinates(own[k], points[:, z == k], mode="nearest")
        profiles[z == k] = lines.mean(2)
    return profiles, step
