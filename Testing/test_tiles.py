"""Tests of arrays that are found in tiles."""

import numpy as np

from LNGenLib.image.tiles import Tiled


def test_each_tile_is_found_once_and_the_parts_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    whole, found = rng.integers(0, 255, (17, 9, 30), np.uint8), []

    def find(box):
        found.append(tuple(part.start for part in box))
        return whole[box]

    tiled = Tiled(whole.shape, (4, 3, 8), find)
    for _ in range(50):
        low = rng.integers(0, whole.shape)
        box = tuple(slice(int(a), int(rng.integers(a, n + 1))) for a, n in zip(low, whole.shape))
        np.testing.assert_array_equal(tiled[box], whole[box])
    assert len(found) == len(set(found))


def test_only_what_is_looked_at_is_found():
    found = []

    def find(box):
        found.append(box)
        return np.ones([part.stop - part.start for part in box], np.uint8)

    tiled = Tiled((16, 16, 16), (4, 4, 4), find)
    assert tiled[3:5, 8:9, 0:4].all()
    assert len(found) == 2
