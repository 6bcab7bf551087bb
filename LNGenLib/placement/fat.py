"""Fat in a CT, found where it is looked at."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import ndimage

from LNGenLib.image.grid import Box, corner, distance_to, inside_grid, shifted
from LNGenLib.image.hu import FAT
from LNGenLib.image.tiles import Tiled

PART = (16, 64, 64)  # voxels that are smoothed at a time
HALO = 6  # voxels round them that the smoothing sees
TILE, ROUND = 40.0, 10.0  # mm in which sheets are looked for at a time, and round it
FINE, SHEET, EVEN = 1.0, 1.4, 2.0  # mm, standard deviations of what a CT is smoothed by
BUBBLE = 80.0  # HU below fat: no noise makes it as dark
SURE = 2.2  # times the noise's own spread, within which a value says nothing
# HU above fat, at least:
WALL = 55.0  # FINE: what walls fat off
FASCIA = 15.0  # SHEET: thin sheets and vessels, which a node does not cut
STRAND = 8.0  # EVEN, apart from walls: the same, where noise hides them
NEAR_WALL = 4.5  # mm from a wall in which it raises EVEN
CALM, FEWEST_CALM = 4.0, 50  # mm from what is not fat, and voxels, by which noise is known
OPEN = 2  # of a sheet: no wall is near
MOST_CUT = 0.02  # share of a node's voxels that noise raises as high


class Fat:
    """Fat in `hu` (z, y, x; `spacing` in mm), smoothed by about 1 mm in-plane so that noise makes
    no holes: `fat[box]` is a mask (bool) that is found when first looked at."""

    def __init__(self, hu: np.ndarray, spacing: np.ndarray) -> None:
        self.shape = hu.shape
        mask = Tiled(hu.shape, PART, partial(_fat, hu, np.minimum(1 / spacing[1:], 1.5)))
        tile = np.ceil(TILE / spacing).astype(int).tolist()
        # functions of the arrays, not of this object: it would hold itself, and go late
        self._mask, self._sheets = mask, Tiled(hu.shape, tile, partial(_sheets, hu, mask, spacing))

    def __getitem__(self, box: Box) -> np.ndarray:
        return self._mask[box] > 0

    def whole(self) -> np.ndarray:
        """All of it (z, y, x, bool)."""
        return self[tuple(slice(0, size) for size in self.shape)]

    def is_cut(self, box: Box, inside: np.ndarray, rim: np.ndarray) -> bool:
        """Whether a thin sheet or a vessel runs through what lies `inside` a node (z, y, x, bool)
        in a box, or along it, in its `rim`, where no wall is near."""
        sheets = self._sheets[box]
        cut = (sheets[inside] > 0).sum() + (sheets[rim] == OPEN).sum()
        return bool(cut > MOST_CUT * inside.sum())


def _fat(hu: np.ndarray, sigma: np.ndarray, box: Box) -> np.ndarray:
    seen = inside_grid(box, hu.shape, np.array([0, HALO, HALO]))
    smooth = ndimage.gaussian_filter(hu[seen].astype(np.float32), (0, *sigma))
    smooth = smooth[shifted(box, -corner(seen))]
    return (smooth > FAT[0]) & (smooth < FAT[1])


def _sheets(hu: np.ndarray, mask: Tiled, spacing: np.ndarray, box: Box) -> np.ndarray:
    """Thin sheets and vessels: 1, or `OPEN` where no wall is near."""
    near = inside_grid(box, hu.shape, np.ceil(ROUND / spacing).astype(int))
    part, fat = hu[near].astype(np.float32), mask[near] > 0
    calm = distance_to(~fat, CALM, spacing) > CALM
    calm = calm if calm.sum() > FEWEST_CALM else fat
    walls = _raised(part, calm, FINE, WALL, spacing)
    open_fat = distance_to(walls, NEAR_WALL, spacing) == np.inf
    sheets = _raised(part, calm, SHEET, FASCIA, spacing)
    sheets |= _raised(part, calm, EVEN, STRAND, spacing) & open_fat
    return (np.where(open_fat, OPEN, 1) * sheets)[shifted(box, -corner(near))]


def _raised(
    hu: np.ndarray, fat: np.ndarray, sigma: float, least: float, spacing: np.ndarray
) -> np.ndarray:
    """Where `hu` (z, y, x), smoothed by `sigma` mm, is above `fat` (bool): by `least` HU, and by
    more than noise raises it."""
    smooth = ndimage.gaussian_filter(hu, sigma / spacing)
    level = float(np.median(hu[fat])) if fat.any() else 0.0
    return smooth > level + max(least, SURE * noise_in(smooth[fat], level))


def noise_in(hu: np.ndarray, level: float) -> float:
    """Standard deviation of fat's HU by noise: of values (n,) those below its `level`, which other
    tissue does not raise, nor gas lowers much."""
    lower = hu[(hu < level) & (hu > level - BUBBLE)]
    return 1.48 * float(level - np.median(lower)) if len(lower) else 0.0
