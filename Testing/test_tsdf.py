"""Tests of the TSDF frame, of the measures of a structure and of its repair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import tsdf_from_mask

from LNGenLib.structure.shape import Structure
from LNGenLib.structure.surface import node_surface
from LNGenLib.structure.tsdf import (
    diameter,
    mesh_volume,
    surface,
    tsdf_from_distance,
)

SPACINGS = [(0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (2.0, 0.8, 0.8)]
RADII = [(10.0, 10.0, 10.0), (6.0, 7.0, 10.0), (12.0, 5.0, 7.0)]
FRAME = 1.2 * (2 * np.arange(32) - 31) / 32  # the 32 samples of a cube 2.4 half long axes wide
COORDINATES = np.stack(np.meshgrid(FRAME, FRAME, FRAME, indexing="ij"), -1)


def ellipsoid(radii, spacing, offset=(0.17, -0.11, 0.23)) -> np.ndarray:
    """Mask (z, y, x) of an ellipsoid with radii in mm, off the grid by `offset` voxels."""
    counts = [int(np.ceil(r / s)) + 2 for r, s in zip(radii, spacing)]
    axes = [(np.arange(-n, n + 1) - o) * s for n, s, o in zip(counts, spacing, offset)]
    scaled = [a / r for a, r in zip(np.meshgrid(*axes, indexing="ij"), radii)]
    return sum(a**2 for a in scaled) <= 1


@pytest.mark.parametrize("spacing", SPACINGS)
def test_sphere_gives_the_distance_from_the_unit_sphere_clamped(spacing):
    tsdf, long_axis = tsdf_from_mask(ellipsoid((15, 15, 15), spacing), spacing)
    wanted = np.clip(np.linalg.norm(COORDINATES, axis=-1) - 1, -0.2, 0.2)
    assert tsdf.shape == (32, 32, 32) and tsdf.dtype == np.float32
    assert tsdf.max() == np.float32(0.2) and tsdf.min() == np.float32(-0.2)
    assert np.abs(tsdf - wanted).mean() < 0.02
    radius = np.linalg.norm(Structure(tsdf).vertices(30), axis=1)
    assert radius.mean() == pytest.approx(15, abs=0.4 * max(spacing))
    assert np.percentile(np.abs(radius - 15), 95) < max(spacing)
    assert long_axis == pytest.approx(30, abs=max(spacing))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("radii", RADII)
def test_ellipsoid_is_negative_inside_and_positive_outside(radii, spacing):
    tsdf, _ = tsdf_from_mask(ellipsoid(radii, spacing), spacing)
    level = np.linalg.norm(COORDINATES * max(radii) / radii, axis=-1)
    assert (tsdf[level < 0.8] < 0).all()
    assert (tsdf[level > 1.3] > 0).all()


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("radii", RADII)
def test_long_axis_is_within_a_voxel(radii, spacing):
    _, long_axis = tsdf_from_mask(ellipsoid(radii, spacing), spacing)
    along = spacing[int(np.argmax(radii))]
    assert long_axis == pytest.approx(2 * max(radii), abs=along)


@pytest.mark.parametrize("radii", RADII)
def test_volume_and_short_axis_are_those_of_the_ellipsoid(radii):
    tsdf, _ = tsdf_from_mask(ellipsoid(radii, (0.25,) * 3), (0.25,) * 3)
    structure, long_axis = Structure(tsdf), 2 * max(radii)
    assert structure.volume(long_axis) == pytest.approx(4 / 3 * np.pi * np.prod(radii), rel=0.1)
    assert structure.short_axis(long_axis) == pytest.approx(2 * sorted(radii)[1], rel=0.05)


def test_sizes_scale_with_the_long_axis():
    structure = Structure(tsdf_from_mask(ellipsoid(RADII[1], (0.5,) * 3), (0.5,) * 3)[0])
    assert structure.volume(20) == pytest.approx(8 * structure.volume(10))
    assert structure.short_axis(20) == pytest.approx(2 * structure.short_axis(10))
    for length in (1.7, 30):
        ends = structure.axis_points(length)
        assert np.linalg.norm(ends[0] - ends[1]) == pytest.approx(length)


@pytest.mark.parametrize("axis", range(3))
def test_long_axis_points_along_the_longest_array_axis(axis):
    radii = np.full(3, 5.0)
    radii[axis] = 10
    structure = Structure(tsdf_from_mask(ellipsoid(radii, (0.5,) * 3), (0.5,) * 3)[0])
    ends = structure.axis_points(20)
    assert np.abs(ends[1] - ends[0])[axis] > 19.5


@settings(max_examples=10, deadline=None)
@given(st.tuples(*[st.integers(0, 9)] * 3))
def test_place_in_the_volume_does_not_matter(shift):
    mask = ellipsoid((5, 6, 8), (1.0,) * 3)
    moved = np.pad(mask, [(s, 9 - s) for s in shift])
    first, second = (node_surface(m, (1.0,) * 3) for m in (mask, moved))
    assert first.long_axis == pytest.approx(second.long_axis, abs=1e-4)  # mm; single precision
    assert np.abs(first.tsdf - second.tsdf).max() < 1e-3


def test_mask_touching_the_border_of_its_array_is_whole():
    mask = ellipsoid((8, 7, 6), (1.0,) * 3)
    cropped = mask[tuple(slice(a.min(), a.max() + 1) for a in np.nonzero(mask))]
    whole, edge = (node_surface(m, (1.0,) * 3).tsdf for m in (mask, cropped))
    assert np.abs(whole - edge).max() < 1e-3


def test_bounding_box_is_centered():
    mask = ellipsoid((10, 8, 8), (0.5,) * 3)
    mask[:, mask.shape[1] // 2 :] = False  # a half ellipsoid
    structure = Structure(tsdf_from_mask(mask, (0.5,) * 3)[0])
    vertices = structure.vertices(20)
    assert np.abs(vertices.min(0) + vertices.max(0)).max() < 0.8  # mm, twice the middle


def test_islands_are_ignored():
    mask = np.pad(ellipsoid((6, 6, 6), (1.0,) * 3), 8)
    dirty = mask.copy()
    dirty[1:3, 1:3, 1:3] = True
    (clean, a), (other, b) = (tsdf_from_mask(m, (1.0,) * 3) for m in (mask, dirty))
    assert a == b and np.array_equal(clean, other)


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_a_distance_without_a_surface_is_an_error(value):
    with pytest.raises(ValueError, match="no inside or no outside"):
        tsdf_from_distance(np.full((5, 5, 5), value), (1, 1, 1))


def test_only_the_zero_level_set_counts():
    """Of any field that is negative in the same body the true distance is made."""
    radius = np.linalg.norm(np.indices((41,) * 3) - 20, axis=0) * 0.5
    (near, a), (far, b) = (
        tsdf_from_distance(field, (0.5,) * 3) for field in (radius - 7, (radius**3 - 7**3) / 30)
    )
    assert a == pytest.approx(14, abs=0.1) and b == pytest.approx(14, abs=0.1)
    assert near == pytest.approx(far, abs=0.01)


def test_volume_of_a_mesh_is_known():
    radius = np.linalg.norm(np.indices((31,) * 3) - 15, axis=0)
    mesh = surface(radius - 10, (0.5, 0.5, 0.5))
    assert mesh_volume(*mesh) == pytest.approx(4 / 3 * np.pi * 5**3, rel=0.01)
    shifted = mesh[0] + (3.0, -40.0, 7.0)
    assert mesh_volume(shifted, mesh[1]) == pytest.approx(mesh_volume(*mesh), rel=1e-3)


def test_single_voxel_has_a_finite_structure():
    tsdf, long_axis = tsdf_from_mask(np.ones((1, 1, 1), bool), (1, 1, 1))
    assert 0.8 <= long_axis <= np.sqrt(3)
    assert np.isfinite(tsdf).all() and tsdf.min() < 0 < tsdf.max()


def test_full_distance_of_a_sphere_goes_on_beyond_the_clamp():
    structure = Structure(tsdf_from_mask(ellipsoid((15,) * 3, (0.4,) * 3), (0.4,) * 3)[0])
    distance = structure.full_distance(20)
    points = (np.arange(32) - 15.5) * structure.sample_mm(20)
    radius = np.linalg.norm(np.stack(np.meshgrid(points, points, points, indexing="ij")), axis=0)
    assert distance.shape == (32, 32, 32) and distance.dtype == np.float32
    assert distance == pytest.approx(radius - 10, abs=0.5)
    assert distance.min() < -9 and distance.max() > 9


def test_image_of_a_structure_is_centered_and_to_scale():
    structure = Structure(tsdf_from_mask(ellipsoid((8,) * 3, (0.4,) * 3), (0.4,) * 3)[0])
    image = structure.as_image(12)
    center = [(n - 1) / 2 for n in image.GetSize()]
    assert image.TransformContinuousIndexToPhysicalPoint(center) == pytest.approx((0, 0, 0))
    assert 32 * image.GetSpacing()[0] == pytest.approx(1.2 * 12, rel=0.03)


def test_diameter_known_answers():
    cube = np.stack(np.meshgrid([0, 2], [0, 2], [0, 2], indexing="ij"), -1).reshape(-1, 3)
    length, ends = diameter(cube.astype(float))
    assert length == pytest.approx(2 * np.sqrt(3))
    assert np.abs(ends[1] - ends[0]) == pytest.approx([2, 2, 2])
    length, ends = diameter(np.array([[0.0, 0], [3, 4], [1, 0], [0, 1], [1, 1]]))
    assert length == pytest.approx(5)
    assert sorted(map(tuple, ends)) == [(0, 0), (3, 4)]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 60))
def test_diameter_is_that_of_all_pairs(seed, count):
    points = np.random.default_rng(seed).normal(size=(count, 3))
    length, ends = diameter(points)
    assert length == pytest.approx(max(np.linalg.norm(points - p, axis=1).max() for p in points))
    assert np.linalg.norm(ends[0] - ends[1]) == pytest.approx(length)


@pytest.fixture(scope="module")
def sphere() -> np.ndarray:
    return np.clip(np.linalg.norm(COORDINATES, axis=-1) - 0.8, -0.2, 0.2).astype(np.float32)


@pytest.fixture(scope="module")
def repair():
    from LNGenLib.structure.repair import repair

    return repair


def test_repair_leaves_a_valid_shape_alone(repair, sphere):
    given = sphere.copy()
    repaired, changed = repair(given)
    assert changed is False
    assert np.array_equal(repaired, sphere) and np.array_equal(given, sphere)


def test_repair_removes_islands(repair, sphere):
    dirty = sphere.copy()
    dirty[2:4, 2:4, 2:4] = -0.1
    repaired, changed = repair(dirty)
    assert changed is True
    assert np.array_equal(repaired < 0, sphere < 0)
    assert dirty[2, 2, 2] == np.float32(-0.1)  # the input is not touched


def test_repair_fills_holes(repair, sphere):
    hollow = sphere.copy()
    hollow[14:18, 14:18, 14:18] = 0.1
    repaired, changed = repair(hollow)
    assert changed is True
    assert np.array_equal(repaired < 0, sphere < 0)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("face", [0, -1])
def test_repair_closes_a_shape_cut_by_the_border(repair, sphere, axis, face):
    cut = np.roll(sphere, 9 if face else -9, axis)
    for k in range(9):  # what came in on the other side
        np.moveaxis(cut, axis, 0)[-1 - k if face == 0 else k] = 0.2
    assert (np.moveaxis(cut, axis, 0)[face] < 0).any()
    repaired, changed = repair(cut)
    assert changed is True
    for k in range(3):
        assert (np.moveaxis(repaired, k, 0)[[0, -1]] > 0).all()
    inner = (slice(1, -1),) * 3
    assert np.array_equal(repaired[inner] < 0, cut[inner] < 0)
    assert np.isfinite(Structure(repaired).volume(10))
