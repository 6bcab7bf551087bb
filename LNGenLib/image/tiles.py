"""An array that is found where it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from LNGenLib.image.grid import Box, corner

THREADS = 2  # more gain little


class Tiled:
    """An array (z, y, x, uint8) in tiles of so many voxels; `find` gives the part in a tile, when
    it is first looked at. What it calls should let other threads run, as scipy does."""

    def __init__(
        self, shape: tuple[int, ...], tile: Sequence[int], find: Callable[[Box], np.ndarray]
    ) -> None:
        self._tile, self._find = tuple(tile), find
        self._values = np.zeros(shape, np.uint8)
        self._known = np.zeros([-(-size // step) for size, step in zip(shape, tile)], bool)

    def __getitem__(self, box: Box) -> np.ndarray:
        covered = tuple(
            slice(part.start // step, -(-part.stop // step)) for part, step in zip(box, self._tile)
        )
        if not self._known[covered].all():
            missing = np.argwhere(~self._known[covered]) + corner(covered)
            with ThreadPoolExecutor(THREADS) as threads:
                list(threads.map(self._add, missing.tolist()))
        return self._values[box]

    def _add(self, tile: list[int]) -> None:
        box = tuple(
            slice(k * step, min((k + 1) * step, size))
            for k, step, size in zip(tile, self._tile, self._values.shape)
        )
        self._values[box] = self._find(box)
        self._known[tuple(tile)] = True
