"""Deformed shapes: valid, in the frame, moved as far as said, and each by its own seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import tsdf_from_mask

from LNGenLib.structure.deformation import SPREAD, _deformed, deform
from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION
from LNGenLib.structure.repair import repair
from LNGenLib.structure.shape import Structure


def ellipsoid(z: float, y: float, x: float) -> Structure:
    """An ellipsoid of these radii in samples, 13 the longest."""
    grid = np.indices((GRID,) * 3) - (GRID - 1) / 2
    mask = sum((axis / r) ** 2 for axis, r in zip(grid, (z, y, x))) < 1
    return Structure(tsdf_from_mask(mask, (1.0, 1.0, 1.0))[0])


@settings(max_examples=20, deadline=None)
@given(
    st.tuples(*[st.floats(5, 13)] * 2, st.just(13.0)).flatmap(st.permutations),
    st.integers(0, 2**31),
)
def test_a_deformed_shape_is_valid_and_in_the_frame(radii, seed):
    tsdf = deform(ellipsoid(*radii), np.random.default_rng(seed))
    assert tsdf.shape == (GRID,) * 3 and tsdf.dtype == np.float32
    assert not repair(tsdf)[1]
    assert Structure(tsdf).sample_mm(2.0) == pytest.approx(SAMPLE, rel=0.03)
    assert tsdf[0, 0, 0] == np.float32(TRUNCATION)  # of longer shapes, too


def test_no_shape_is_cut_by_the_cube():
    """Seed 80 first pushes this one across the cube's border: cut, its frame is off by 6 %."""
    shape = ellipsoid(13.0, 11.2, 13.0)
    tsdf = deform(shape, np.random.default_rng(80))
    assert Structure(tsdf).sample_mm(2.0) == pytest.approx(SAMPLE, rel=0.03)


def test_a_seed_gives_one_deformation():
    shape = ellipsoid(9, 11, 13)
    first, same, other = (deform(shape, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert np.abs(first - other).max() > SAMPLE / 2


def test_the_surface_moves_by_the_spread():
    """The face of a slab, before the shape is scaled again."""
    plane = np.broadcast_to(np.arange(GRID, dtype=float)[:, None, None] - 15.5, (GRID,) * 3)
    slab = np.clip(np.abs(plane) - 8, -3, 3) * SAMPLE
    columns = [_deformed(slab, np.random.default_rng(seed))[16:, 16, 16] for seed in range(200)]
    moved = [np.interp(0, column, np.arange(16.0)) - 7.5 for column in columns]
    assert np.mean(moved) == pytest.approx(0, abs=0.2)
    assert np.std(moved) == pytest.approx(SPREAD, rel=0.15)


def test_fine_roughness_stays():
    """Ripples of four samples keep their height, of which linear interpolation takes a sixth."""
    ripples = np.sin(np.pi / 2 * np.indices((GRID,) * 3)[1])
    inner = (slice(4, -4),) * 3
    for seed in range(5):
        rippled = _deformed(ripples, np.random.default_rng(seed))
        assert rippled[inner].std() == pytest.approx(ripples[inner].std(), rel=0.06)
