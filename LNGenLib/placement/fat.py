"""Fat in a CT, found where it is looked at."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from LNGenLib.image.hu import FAT

if TYPE_CHECKING:
    from LNGenLib.image.grid import Box

SLICES, THREADS = 16, 2  # smoothed at a time; more threads gain little
BEYOND = 16  # voxels round what is looked at that are found with it
HALO = 6  # voxels round a part that its smoothing sees


class Fat:
    """Fat in `hu` (z, y, x; `spacing` in mm), smoothed by about 1 mm in-plane so that noise makes
    no holes: `fat[box]` is a mask (bool) that is found when first looked at."""

    def __init__(self, hu: np.ndarray, spacing: np.ndarray) -> None:
        self.shape = hu.shape
        self._hu, self._sigma = hu, (0, *np.minimum(1 / spacing[1:], 1.5))
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

    def _find(self, z: slice, y: slice, x: slice) -> None:
        seen = [slice(max(part.start - HALO, 0), part.stop + HALO) for part in (y, x)]
        own = [slice(a.start - b.start, a.stop - b.start) for a, b in zip((y, x), seen)]

        def find(start: int) -> None:
            part = slice(start, min(start + SLICES, z.stop))
            hu = self._hu[(part, *seen)].astype(np.float32)
            smooth = ndimage.gaussian_filter(hu, self._sigma)[(slice(None), *own)]
            self._mask[part, y, x] = (smooth > FAT[0]) & (smooth < FAT[1])

        with ThreadPoolExecutor(THREADS) as threads:  # scipy lets others run meanwhile
            list(threads.map(find, range(z.start, z.stop, SLICES)))
        self._known[z, y, x] = True
