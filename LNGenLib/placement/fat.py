"""Fat in a CT, found where it is looked at."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import ndimage

from LNGenLib.image.grid import Box, corner, distance_to, inside_grid, shifted, surroundings
from LNGenLib.image.hu import FAT

SLICES, THREADS = 16, 2  # smoothed at a time; more threads gain little
BEYOND = 8  # voxels round what is looked at that are found with it
HALO = 6  # voxels round a part that its smoothing sees
FINE, SHEET, EVEN = 1.0, 1.4, 2.0  # mm, standard deviations of what a CT is smoothed by
SURE = 2.2  # times the noise's own spread, within which a value says nothing
# HU above fat, at least:
WALL = 55.0  # FINE: what walls fat off
FASCIA = 15.0  # SHEET: thin sheets and vessels, which a node does not cut
STRAND = 8.0  # EVEN, apart from walls: the same, where noise hides them
NEAR_WALL = 4.5  # mm from a wall in which it raises EVEN
MOST_CUT = 0.02  # share of a node's voxels that noise raises as high


class Fat:
    """Fat in `hu` (z, y, x; `spacing` in mm), smoothed by about 1 mm in-plane so that noise makes
    no holes: `fat[box]` is a mask (bool) that is found when first looked at."""

    def __init__(self, hu: np.ndarray, spacing: np.ndarray) -> None:
        self.shape = hu.shape
        self._hu, self._spacing = hu, spacing
        self._sigma = (0, *np.minimum(1 / spacing[1:], 1.5))
        self._mask, self._known = np.zeros(hu.shape, bool), np.zeros(hu.shape, bool)

    def __getitem__(self, box: Box) -> np.ndarray:
        if not self._known[box].all():
            around = (
                slice(max(part.start - BEYOND, 0), min(part.stop + BEYOND, size))
                for part, size in zip(box, self.shape)
            )
            self._find(*around)
        return self._mask[box]

    def whole(self) -> np.ndarray:
        """All of it (z, y, x, bool)."""
        return self[tuple(slice(0, size) for size in self.shape)]

    def is_cut(self, box: Box, inside: np.ndarray) -> bool:
        """Whether a thin sheet or a vessel runs through what is `inside` (bool) in a box."""
        near = inside_grid(box, self.shape, np.ceil(NEAR_WALL / self._spacing).astype(int))
        own = shifted(box, -corner(near))
        hu, fat = self._hu[near].astype(np.float32), self[near]
        walls = _raised(hu, fat, FINE, WALL, self._spacing)
        near_walls = distance_to(walls, NEAR_WALL, self._spacing) < np.inf
        raised = _raised(hu, fat, SHEET, FASCIA, self._spacing)
        raised |= _raised(hu, fat, EVEN, STRAND, self._spacing) & ~near_walls
        return bool(raised[own][inside].sum() > MOST_CUT * inside.sum())

    def _find(self, z: slice, y: slice, x: slice) -> None:
        def find(start: int) -> None:
            slab = (slice(start, min(start + SLICES, z.stop)), y, x)
            missing = ~self._known[slab]
            if not missing.any():
                return
            part = shifted(surroundings(missing, 0, self._spacing), corner(slab))
            seen = inside_grid(part, self.shape, np.array([0, HALO, HALO]))
            hu = self._hu[seen].astype(np.float32)
            smooth = ndimage.gaussian_filter(hu, self._sigma)[shifted(part, -corner(seen))]
            self._mask[part] = (smooth > FAT[0]) & (smooth < FAT[1])
            self._known[part] = True

        with ThreadPoolExecutor(THREADS) as threads:  # scipy lets others run meanwhile
            list(threads.map(find, range(z.start, z.stop, SLICES)))


def _raised(
    hu: np.ndarray, fat: np.ndarray, sigma: float, least: float, spacing: np.ndarray
) -> np.ndarray:
    """Where `hu` (z, y, x), smoothed by `sigma` mm, is above most of its `fat` (bool): by `least`
    HU, and by more than noise raises it."""
    smooth = ndimage.gaussian_filter(hu, sigma / spacing)
    level = np.median(hu[fat]) if fat.any() else 0.0
    lower = smooth[fat & (smooth < level)]  # walls raise what is higher, too
    spread = 1.48 * (level - np.median(lower)) if len(lower) else 0.0
    return smooth > level + max(least, SURE * spread)
