"""From masks to smooth closed surfaces, on bodies whose surface is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from shapes import tsdf_from_mask

from LNGenLib.evaluation.shape.descriptors import measure_shapes
from LNGenLib.structure.repair import is_valid
from LNGenLib.structure.surface import LEAST_SOLIDITY, node_surface

SPACINGS = [(1.0, 0.8, 0.8), (5.0, 0.8, 0.8)]
RADII = [(10.0, 10.0, 10.0), (8.0, 9.0, 12.0), (14.0, 7.0, 9.0)]


def ellipsoid(radii, spacing, jitter: float = 0.0, seed: int = 0) -> np.ndarray:
    """Mask (z, y, x) of an ellipsoid of these radii in mm, off the grid; each slice is moved in its
    plane by so many mm (standard deviation)."""
    counts = [int(np.ceil(r / s)) + 4 for r, s in zip(radii, spacing)]
    offset = (0.17, -0.11, 0.23)
    axes = [(np.arange(-n, n + 1) - o) * s for n, s, o in zip(counts, spacing, offset)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    moved = jitter * np.random.default_rng(seed).standard_normal((2, len(axes[0]), 1, 1))
    return sum((a / r) ** 2 for a, r in zip((z, y + moved[0], x + moved[1]), radii)) <= 1


def sphericity(tsdf: np.ndarray) -> float:
    return float(measure_shapes(tsdf[None])["sphericity"][0])


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("radii", RADII)
def test_an_ellipsoid_keeps_volume_form_and_mask(radii, spacing):
    found = node_surface(ellipsoid(radii, spacing), spacing)
    assert found.volume_ratio == pytest.approx(1, abs=0.02)
    assert found.dice >= 0.9
    assert found.solidity >= 0.98
    assert found.single
    assert found.long_axis == pytest.approx(2 * max(radii), abs=max(spacing))
    assert found.tsdf.shape == (32, 32, 32) and is_valid(found.tsdf)


@settings(max_examples=10, deadline=None)
@given(
    st.tuples(st.floats(0.8, 5.0), st.floats(0.6, 1.0)).map(lambda s: (s[0], s[1], s[1])),
    st.tuples(*[st.floats(6, 10)] * 3),
)
def test_volume_stays_at_any_spacing(spacing, radii):
    mask = ellipsoid(radii, spacing)
    found = node_surface(mask, spacing)
    assert found.volume_ratio == pytest.approx(1, abs=0.02)
    assert found.single and is_valid(found.tsdf)
    volume = mask.sum() * np.prod(spacing)
    inside = (found.tsdf < 0).sum() * (1.2 * found.long_axis / 32) ** 3
    assert inside == pytest.approx(volume, rel=0.03)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_outlines_that_jitter_by_a_voxel_come_off(spacing):
    """Two thirds and more of what a mask as it is lacks to the clean surface's sphericity."""
    radii = (10.0, 8.0, 12.0)
    clean = sphericity(node_surface(ellipsoid(radii, spacing), spacing).tsdf)
    for seed in range(3):
        mask = ellipsoid(radii, spacing, 0.8, seed)
        rough, found = sphericity(tsdf_from_mask(mask, spacing)[0]), node_surface(mask, spacing)
        assert rough < clean - 0.03
        assert sphericity(found.tsdf) == pytest.approx(clean, abs=0.02)
        assert clean - sphericity(found.tsdf) < (clean - rough) / 3
        assert found.dice >= 0.9


def test_flat_end_caps_become_round():
    """A stack of ten slices, cut flat at both ends: nowhere is its end as wide as its middle."""
    spacing = (1.0, 0.8, 0.8)
    y, x = np.ogrid[-12:13, -12:13]
    stack = np.zeros((18, 25, 25), bool)
    stack[4:14] = y**2 + x**2 <= 64
    found = node_surface(stack, spacing)
    areas = np.flatnonzero((found.tsdf < 0).any((1, 2)))
    ends = [(found.tsdf[k] < 0).sum() for k in (areas[0], areas[-1])]
    assert max(ends) < 0.75 * (found.tsdf < 0).sum((1, 2)).max()
    assert found.dice >= 0.9


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 0.8, 0.8), (5.0, 0.8, 0.8)])
def test_smallest_masks_survive(spacing):
    voxel, two = np.zeros((2, 9, 11, 11), bool)
    voxel[4, 5, 5] = two[4:6, 3:8, 3:8] = True
    for mask in (voxel, two):
        found = node_surface(mask, spacing)
        assert found.volume_ratio == pytest.approx(1, abs=0.02)
        assert found.single and is_valid(found.tsdf)
        assert found.long_axis <= np.linalg.norm(np.ptp(np.argwhere(mask), 0) + 2) * max(spacing)


def test_islands_are_dropped_and_cavities_filled():
    spacing = (1.0, 0.8, 0.8)
    mask = np.pad(ellipsoid((8, 8, 8), spacing), 6)
    clean = node_surface(mask, spacing)
    dirty = mask.copy()
    dirty[2:5, 2:5, 2:5] = True
    middle = tuple(n // 2 for n in mask.shape)
    dirty[tuple(slice(m - 2, m + 3) for m in middle)] = False
    found = node_surface(dirty, spacing)
    assert np.array_equal(found.tsdf, clean.tsdf)
    assert found.long_axis == clean.long_axis and found.single


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("end", [0, -1])
def test_a_mask_cut_by_the_border_is_no_single_node(axis, end):
    spacing = (1.0, 0.8, 0.8)
    mask = ellipsoid((8, 8, 8), spacing)
    middle = mask.shape[axis] // 2
    half = mask.take(range(middle, mask.shape[axis]) if end == 0 else range(middle), axis)
    found = node_surface(half, spacing)
    assert found.cut_off and not found.single
    assert found.solidity >= LEAST_SOLIDITY


def test_an_island_at_the_border_cuts_nothing_off():
    mask = ellipsoid((8, 8, 8), (1.0, 0.8, 0.8))
    mask[0, 0, 0] = True
    assert node_surface(mask, (1.0, 0.8, 0.8)).single


def test_bodies_that_are_far_from_convex_are_no_single_node():
    dumbbell, angle = np.zeros((2, 40, 60, 60), bool)
    z, y, x = np.ogrid[:40, :60, :60]
    for center in (15, 44):
        dumbbell |= (z - 20) ** 2 + (y - 30) ** 2 + (x - center) ** 2 <= 100
    dumbbell[18:23, 28:33, 15:44] = True
    angle[14:26, 10:50, 10:20] = angle[14:26, 40:50, 10:50] = True
    for mask in (dumbbell, angle):
        found = node_surface(mask, (1.0, 1.0, 1.0))
        assert found.solidity < LEAST_SOLIDITY
        assert not found.single and not found.cut_off
        assert found.volume_ratio == pytest.approx(1, abs=0.02)


def test_the_outline_of_a_rough_mask_is_smooth():
    """Random bumps of half a voxel on a ball."""
    spacing = (1.0, 1.0, 1.0)
    bumps = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((33,) * 3), 0.7)
    grid = np.indices((33,) * 3) - 16
    rough = np.linalg.norm(grid, axis=0) + bumps / bumps.std() / 2 < 10
    assert sphericity(tsdf_from_mask(rough, spacing)[0]) < 0.85
    assert sphericity(node_surface(rough, spacing).tsdf) > 0.98


def test_an_empty_mask_is_an_error():
    with pytest.raises(ValueError, match="empty"):
        node_surface(np.zeros((5, 5, 5), bool), (1.0, 1.0, 1.0))
