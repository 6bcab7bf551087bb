"""Tests of lymph nodes on CT grids: volume, axes and box survive any grid and turn."""

import csv
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from shapes import tsdf_from_mask

from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape import Structure

GRIDS = [(1, 0.6, 0.6), (5, 1, 1), (5, 0.8, 0.8), (1.25, 0.7, 0.7), (3, 3, 3)]
CENTER = np.array([30.0, 40, 50])


def structure(*radii: float) -> Structure:
    """An ellipsoid, out of a fine mask off the grid's symmetry."""
    axis = np.arange(-max(radii) - 1, max(radii) + 1.01, 0.25) + 0.06
    grid = np.meshgrid(axis, axis, axis, indexing="ij")
    mask = sum((g / r) ** 2 for g, r in zip(grid, radii)) <= 1
    return Structure(tsdf_from_mask(mask, (0.25,) * 3)[0])


SPHERE = structure(10, 10, 10)
SHAPES = [SPHERE, structure(6, 7, 10), structure(10, 4, 6)]


@st.composite
def nodes(draw) -> LymphNode:
    """Ellipsoid nodes of all sizes, turns, sub-voxel places and grids."""
    turn = Rotation.random(rng=np.random.default_rng(draw(st.integers(0, 10_000)))).as_matrix()
    center = CENTER + [draw(st.floats(-0.5, 0.5)) for _ in range(3)]
    return LymphNode(
        draw(st.sampled_from(SHAPES)),
        draw(st.floats(1.7, 30)),
        turn,
        center,
        np.array(draw(st.sampled_from(GRIDS)), float),
    )


@pytest.fixture(scope="module")
def real_structures(shared) -> list[Structure]:
    """Three real lymph nodes: a small, a middling and a large one."""
    from LNGenLib.image.io import read_image, to_array

    with open(shared / "nodes" / "nodes.csv", newline="") as table:
        rows = sorted(csv.DictReader(table), key=lambda row: float(row["max_diameter_mm"]))
    picked = [rows[len(rows) * k // 10] for k in (1, 5, 9)]
    images = [read_image(shared / "nodes" / row["file"]) for row in picked]
    return [Structure(tsdf_from_mask(to_array(i) > 0, i.GetSpacing()[::-1])[0]) for i in images]


def painted_volume(node: LymphNode) -> float:
    return float(node.occupancy(node.box(0)).sum() * np.prod(node.spacing))


def ends_apart(node: LymphNode) -> float:
    ends = node.long_axis_ends()
    return float(np.linalg.norm((ends[1] - ends[0]) * node.spacing))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_surface_is_where_the_interpolated_distance_is_zero(shape):
    vertices = shape.vertices(10.0)
    assert np.abs(shape.distance(vertices, 10.0)).max() < 1e-4
    assert (np.ptp(vertices, 0).max() <= 10.0) and len(vertices) > 1000


@settings(max_examples=40, deadline=None)
@given(nodes())
def test_volume_on_the_grid_is_that_of_the_structure(node):
    volume = node.structure.volume(node.long_axis)
    assert painted_volume(node) == pytest.approx(volume, rel=0.05)


def test_sphere_on_the_grid_has_a_spheres_volume():
    node = LymphNode(SPHERE, 12, np.eye(3), CENTER + 0.3, np.array([5, 0.8, 0.8]))
    assert painted_volume(node) == pytest.approx(np.pi * 12**3 / 6, rel=0.05)


@settings(max_examples=12, deadline=None)
@given(nodes())
def test_measured_long_axis_is_the_wanted_one(node):
    assert node.measured_long_axis() == pytest.approx(node.long_axis, rel=0.02)


@settings(max_examples=25, deadline=None)
@given(nodes())
def test_long_axis_ends_are_a_long_axis_apart_and_within_the_box(node):
    assert ends_apart(node) == pytest.approx(node.long_axis, rel=1e-6)
    box = node.box(0)
    ends = node.long_axis_ends()
    assert all((ends[:, k] >= box[k].start).all() for k in range(3))
    assert all((ends[:, k] <= box[k].stop - 1).all() for k in range(3))


@settings(max_examples=25, deadline=None)
@given(nodes())
def test_recist_axes_are_positive_and_no_longer_than_the_long_axis(node):
    long, short = node.recist_axes()
    assert 0 < short <= long <= 1.02 * node.long_axis


@settings(max_examples=20, deadline=None)
@given(nodes())
def test_box_covers_the_whole_node(node):
    whole = tuple(slice(b.start - 3, b.stop + 3) for b in node.box(0))
    around = node.occupancy(whole)
    inner = around[3:-3, 3:-3, 3:-3]
    assert np.count_nonzero(around) == np.count_nonzero(inner) > 0
    assert 0 <= around.min() and around.max() <= 1
    assert np.allclose(inner, node.occupancy(node.box(0)), atol=1e-4)


@pytest.mark.parametrize("margin, voxels", [(10, [2, 10, 20]), (np.array([5, 3, 2]), [1, 3, 4])])
def test_box_grows_by_the_margin_in_mm(margin, voxels):
    node = LymphNode(SPHERE, 10, np.eye(3), CENTER, np.array([5.0, 1, 0.5]))
    tight, wide = node.box(0), node.box(margin)
    assert [a.start - b.start for a, b in zip(tight, wide)] == voxels
    assert [b.stop - a.stop for a, b in zip(tight, wide)] == voxels


@settings(max_examples=20, deadline=None)
@given(nodes())
def test_samples_far_from_the_node_are_rightly_left_out(node):
    """All samples of all voxels, also of those away from the node, give the same occupancy."""
    box = node.box(2)
    counts = np.maximum(np.ceil(30 * node.spacing / node.long_axis), 2).astype(int)
    axes = [
        np.arange(part.start, part.stop, 1 / count)[: (part.stop - part.start) * count]
        + 0.5 / count
        - 0.5
        for part, count in zip(box, counts)
    ]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    distance = node.distance((points - node.center) * node.spacing)
    inside = np.clip(0.5 - distance / (node.spacing / counts).max(), 0, 1)
    shape = [n for axis, count in zip(axes, counts) for n in (len(axis) // count, count)]
    assert np.allclose(node.occupancy(box), inside.reshape(shape).mean((1, 3, 5)), atol=1e-5)


@pytest.mark.parametrize("thick", range(3))
def test_thick_slices_cost_a_small_node_no_more_than_its_own_box(thick):
    """Whole voxels of 10 mm would be sampled 175 times along each of them."""
    spacing = np.full(3, 0.8)
    spacing[thick] = 10
    node = LymphNode(SPHERE, 1.7, np.eye(3), CENTER + 0.3, spacing)
    tracemalloc.start()
    occupancy = node.occupancy(node.box(10))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6
    assert occupancy.sum() * spacing.prod() == pytest.approx(np.pi * 1.7**3 / 6, rel=0.05)


def test_occupancy_is_full_deep_inside_and_zero_outside():
    node = LymphNode(SPHERE, 20, np.eye(3), CENTER, np.ones(3))
    box = node.box(2)
    points = np.stack(np.meshgrid(*[np.arange(b.start, b.stop) for b in box], indexing="ij"), -1)
    radius = np.linalg.norm(points - CENTER, axis=-1)
    occupancy = node.occupancy(box)
    assert occupancy.dtype == np.float32
    assert (occupancy[radius < 8.5] == 1).all() and (occupancy[radius > 11.5] == 0).all()


@settings(max_examples=15, deadline=None)
@given(nodes(), st.tuples(*[st.integers(-20, 20)] * 3))
def test_moved_by_whole_voxels_a_node_looks_the_same(node, shift):
    moved = node.at(node.center + np.array(shift))
    box = node.box(0)
    there = tuple(slice(b.start + s, b.stop + s) for b, s in zip(box, shift))
    assert np.allclose(moved.occupancy(there), node.occupancy(box), atol=1e-4)


def test_rotation_turns_the_long_axis_of_the_structure():
    elongated = SHAPES[2]  # along z
    quarter = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # z -> -x, x -> z
    for rotation, axis in ((np.eye(3), 0), (quarter, 2)):
        node = LymphNode(elongated, 20, rotation, CENTER, np.ones(3))
        occupancy = node.occupancy(node.box(0))
        spread = [
            np.average((g - g.mean()) ** 2, weights=occupancy) for g in np.indices(occupancy.shape)
        ]
        assert int(np.argmax(spread)) == axis
        ends = node.long_axis_ends()
        assert int(np.argmax(np.abs(ends[1] - ends[0]))) == axis


@pytest.mark.parametrize("offset", [0.0, 0.2, 0.5])
def test_recist_axis_of_a_sphere_is_that_of_its_widest_slice(offset):
    node = LymphNode(SPHERE, 20, np.eye(3), CENTER + [offset, 0, 0], np.array([5.0, 0.8, 0.8]))
    assert node.recist_axes()[0] == pytest.approx(2 * np.sqrt(10**2 - (5 * offset) ** 2), rel=0.02)


def test_recist_axis_ignores_the_extent_through_the_slices():
    node = LymphNode(SHAPES[2], 20, np.eye(3), CENTER, np.ones(3))  # 20 x 8 x 12 mm, 20 along z
    assert node.recist_axes()[0] == pytest.approx(12, rel=0.06)


def test_node_between_two_slices_is_cut_at_its_own_center():
    between = LymphNode(SPHERE, 3, np.eye(3), CENTER + [0.5, 0, 0], np.array([5, 0.8, 0.8]))
    assert between.recist_axes()[0] == pytest.approx(3, rel=0.03)


@pytest.mark.parametrize("turned", [0, 33, 90])
@pytest.mark.parametrize("tilt", [0, 20, 60, 90])
def test_recist_short_axis_of_an_ellipsoid(tilt, turned):
    """Of 20 x 8 x 12 mm (z, y, x), tilted about x, then turned in-plane: its middle slice is an
    ellipse of known axes."""
    radius, angles = (10, 4, 6), np.radians([tilt, turned])
    (c, s), (cos, sin) = ((np.cos(angle), np.sin(angle)) for angle in angles)
    in_plane = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    rotation = in_plane @ [[c, -s, 0], [s, c, 0], [0, 0, 1]]
    node = LymphNode(SHAPES[2], 20, rotation, CENTER, np.array([1, 0.7, 0.7]))
    across = 2 / np.hypot(s / radius[0], c / radius[1])
    assert node.recist_axes() == pytest.approx(sorted((across, 12), reverse=True), rel=0.04)


def test_recist_short_axis_of_a_bent_node_is_its_width_on_one_line():
    """A tube of 6 mm along 120 degrees of a circle of 10 mm: its long axis goes from tip to tip.
    The extent perpendicular to that, 11 mm, is more than it is wide anywhere."""
    middle, radius, end = 10.0, 3.0, np.radians(60)
    axis = np.arange(-14, 14.01, 0.25) + 0.06
    z, y, x = np.meshgrid(axis / 2, axis + 8, axis, indexing="ij")
    angle = np.clip(np.arctan2(x, y), -end, end)
    off = np.sqrt(z**2 + (y - middle * np.cos(angle)) ** 2 + (x - middle * np.sin(angle)) ** 2)
    tsdf, long_axis = tsdf_from_mask(off <= radius, (0.125, 0.25, 0.25))
    wanted = 2 * (middle * np.sin(end) + radius)
    assert long_axis == pytest.approx(wanted, rel=0.03)
    node = LymphNode(Structure(tsdf), wanted, np.eye(3), CENTER, np.array([1, 0.7, 0.7]))
    line = middle * np.sin(end) + np.linspace(-radius * np.sin(end), radius, 999)  # through a tip
    low = middle * np.cos(end) - np.sqrt(radius**2 - (line - middle * np.sin(end)) ** 2)
    width = (np.sqrt((middle + radius) ** 2 - line**2) - low).max()
    assert width < 9
    assert node.recist_axes() == pytest.approx((wanted, width), rel=0.05)


@pytest.mark.parametrize("long_axis", [1.7, 6.0, 22.0])
@pytest.mark.parametrize("grid", [(5, 0.8, 0.8), (1, 0.6, 0.6)])
def test_real_nodes_keep_their_volume_and_axes(real_structures, long_axis, grid):
    rng = np.random.default_rng(3)
    for shape in real_structures:
        turn, center = Rotation.random(rng=rng).as_matrix(), CENTER + rng.uniform(-0.5, 0.5, 3)
        node = LymphNode(shape, long_axis, turn, center, np.array(grid, float))
        assert painted_volume(node) == pytest.approx(shape.volume(long_axis), rel=0.05)
        assert node.measured_long_axis() == pytest.approx(long_axis, rel=0.02)
        long, short = node.recist_axes()
        assert 0 < short <= long <= 1.02 * long_axis
        assert 0 < shape.short_axis(long_axis) <= long_axis
