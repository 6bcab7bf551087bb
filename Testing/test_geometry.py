"""Tests of coordinates, boxes and isotropic patches."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from LNGenLib.image.geometry import (
    array_axes,
    array_spacing,
    box_mask,
    extract_patch,
    index_to_ras,
    ras_bounds,
    ras_to_index,
)


def image(
    size=(8, 8, 8), spacing=(1, 1, 1), origin=(0, 0, 0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)
):
    """An empty image; everything in SimpleITK's order (x, y, z), LPS."""
    made = sitk.Image([int(n) for n in size], sitk.sitkInt16)
    made.SetSpacing([float(s) for s in spacing])
    made.SetOrigin([float(o) for o in origin])
    made.SetDirection([float(d) for d in np.ravel(direction)])
    return made


@st.composite
def images(draw) -> sitk.Image:
    """Images of any spacing, origin and direction, left-handed ones included."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    flips = np.diag([draw(st.sampled_from([-1, 1])) for _ in range(3)])
    spacing = [draw(st.floats(0.3, 6)) for _ in range(3)]
    origin = [draw(st.floats(-800, 800)) for _ in range(3)]
    direction = Rotation.random(rng=rng).as_matrix() @ flips
    return image((5, 6, 7), spacing, origin, direction)


def test_array_spacing_is_in_array_order():
    assert array_spacing(image(spacing=(0.5, 2, 3))).tolist() == [3, 2, 0.5]


def test_ras_negates_x_and_y_of_an_identity_image():
    assert index_to_ras(image(), np.array([3, 2, 1])) == pytest.approx([-1, -2, 3])


def test_ras_includes_spacing_and_origin():
    moved = image(spacing=(0.5, 2, 3), origin=(10, 20, 30))
    assert index_to_ras(moved, np.array([1, 1, 1])) == pytest.approx([-10.5, -22, 33])
    assert ras_to_index(moved, np.array([-10, -20, 36])) == pytest.approx([2, 0, 0])


def test_ras_of_flipped_axes():
    flipped = image(spacing=(1, 1, 2), direction=np.diag([-1, -1, 1]))
    assert index_to_ras(flipped, np.array([3, 2, 1])) == pytest.approx([1, 2, 6])
    upside_down = image(origin=(0, 0, 100), spacing=(1, 1, 5), direction=np.diag([1, -1, -1]))
    assert index_to_ras(upside_down, np.array([2, 1, 0])) == pytest.approx([0, 1, 90])


def test_ras_of_an_oblique_direction():
    oblique = image(
        spacing=(2, 1, 1), direction=Rotation.from_euler("z", 30, degrees=True).as_matrix()
    )
    assert index_to_ras(oblique, np.array([0, 0, 1])) == pytest.approx([-np.sqrt(3), -1, 0])


def test_bounds_are_those_of_all_corners():
    upside_down = image((3, 4, 5), (1, 1, 2), (0, 0, 100), np.diag([1, -1, -1]))
    assert ras_bounds(upside_down) == pytest.approx(np.array([[-2, 0], [0, 3], [92, 100]]))
    turned = Rotation.from_euler("z", 45, degrees=True).as_matrix()
    half = np.sqrt(0.5)
    bounds = np.array([[-half, half], [-2 * half, 0], [0, 0]])
    assert ras_bounds(image((2, 2, 1), direction=turned)) == pytest.approx(bounds)


def test_permuted_axes_are_not_confused_with_their_transpose():
    cyclic = image(direction=[[0, 0, 1], [1, 0, 0], [0, 1, 0]])  # x -> y, y -> z, z -> x
    assert index_to_ras(cyclic, np.array([0, 0, 1])) == pytest.approx([0, -1, 0])
    assert index_to_ras(cyclic, np.array([1, 0, 0])) == pytest.approx([-1, 0, 0])


@settings(max_examples=40, deadline=None)
@given(images(), st.integers(0, 10_000))
def test_index_to_ras_agrees_with_simpleitk_and_goes_back(picture, seed):
    index = np.random.default_rng(seed).uniform(-20, 60, (4, 5, 3))
    ras = index_to_ras(picture, index)
    assert ras_to_index(picture, ras) == pytest.approx(index, abs=1e-6)
    lps = picture.TransformContinuousIndexToPhysicalPoint([float(v) for v in index[1, 2, ::-1]])
    assert ras[1, 2] == pytest.approx([-lps[0], -lps[1], lps[2]], abs=1e-6)


def test_the_last_bits_of_a_geometry_do_not_matter():
    """Programs that read the same file differ in them; ties between voxels must not fall apart."""
    image = sitk.Image(8, 9, 10, sitk.sitkInt16)
    image.SetSpacing((0.7000000001, 0.8, 2.5))
    image.SetOrigin((-101.37, 33.21, 1234.567))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, 0.1, -0.4).GetMatrix())
    other = sitk.Image(image)
    for name in ("Spacing", "Origin", "Direction"):
        values = np.nextafter(getattr(image, f"Get{name}")(), 1e9)
        getattr(other, f"Set{name}")(values.tolist())
        assert getattr(other, f"Get{name}")() != getattr(image, f"Get{name}")()
    index = np.array([1.5, 2.0, 7.25])
    for one, two in (
        (array_spacing(image), array_spacing(other)),
        (array_axes(image), array_axes(other)),
        (index_to_ras(image, index), index_to_ras(other, index)),
        (ras_to_index(image, index), ras_to_index(other, index)),
    ):
        assert np.array_equal(one, two)


def test_box_mask_holds_the_voxels_whose_centers_lie_inside_bounds_included():
    mask = box_mask(image((9, 10, 11)), (-3, -1, -5.5, -2, 4, 6.9))
    wanted = np.zeros((11, 10, 9), bool)
    wanted[4:7, 2:6, 1:4] = True
    assert np.array_equal(mask, wanted)


def test_box_mask_does_not_mind_reversed_bounds():
    box, reversed_box = (-3, -1, -5, -2, 4, 6), (-1, -3, -2, -5, 6, 4)
    assert box_mask(image(), box).sum() == 3 * 4 * 3
    assert np.array_equal(box_mask(image(), box), box_mask(image(), reversed_box))


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("shift", [-1000, 1000])
def test_box_mask_is_empty_for_a_box_beside_the_image(axis, shift):
    box = np.array([[-5, -2], [-5, -2], [2, 5]], float)
    assert box_mask(image(), box.ravel()).any()
    box[axis] += shift
    mask = box_mask(image(), box.ravel())
    assert mask.shape == (8, 8, 8) and not mask.any()


def test_box_mask_is_cut_at_the_border_of_the_image():
    assert box_mask(image(), (-1000, 1000, -1000, 1000, -1000, 1000)).all()
    assert box_mask(image(), (-1, 500, -1000, 1000, 6, 1000)).sum() == 2 * 8 * 2


@settings(max_examples=25, deadline=None)
@given(images(), st.integers(0, 10_000))
def test_box_mask_of_any_direction_holds_exactly_the_centers_inside(picture, seed):
    rng = np.random.default_rng(seed)
    places = np.stack(np.indices(picture.GetSize()[::-1]), -1).reshape(-1, 3)
    points = np.array(
        [picture.TransformIndexToPhysicalPoint([int(v) for v in p[::-1]]) for p in places]
    ) * [-1, -1, 1]
    low, high = np.sort(points[rng.integers(len(points), size=2)] + rng.uniform(-1, 1, (2, 3)), 0)
    inside = ((points >= low) & (points <= high)).all(1)
    mask = box_mask(picture, np.stack([low, high], 1).ravel())
    assert np.array_equal(mask.ravel(), inside)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (5, 0.8, 0.8), (1.25, 0.7, 0.6)])
@pytest.mark.parametrize("step", [0.4, 1.0])
def test_patch_of_a_linear_ramp_is_the_ramp(spacing, step):
    spacing, slopes = np.array(spacing), np.array([3.0, -7.0, 2.0])  # HU a mm
    shape = np.ceil(60 / spacing).astype(int)
    ramp = np.tensordot(slopes * spacing, np.indices(shape), 1)
    center = (shape - 1) / 2 + [0.3, -0.2, 0.45]
    patch = extract_patch(ramp, spacing, center, step, 16)
    offsets = (np.arange(16) - 7.5) * step
    wanted = slopes @ (center * spacing) + sum(
        s * o for s, o in zip(slopes, np.meshgrid(*[offsets] * 3, indexing="ij"))
    )
    assert patch.shape == (16, 16, 16) and patch.dtype == np.float32
    assert patch == pytest.approx(wanted, abs=1e-2)


def test_patch_on_the_voxels_is_a_copy_of_them():
    array = np.random.default_rng(0).integers(-1000, 1000, (20, 20, 20)).astype(np.int16)
    patch = extract_patch(array, np.ones(3), np.array([8.5, 9.5, 10.5]), 1.0, 8)
    assert np.array_equal(patch, array[5:13, 6:14, 7:15])


def test_patch_repeats_the_border_beyond_the_image():
    array = np.random.default_rng(0).normal(size=(6, 6, 6))
    patch = extract_patch(array, np.array([2.0, 1, 1]), np.array([0, 2.5, 2.5]), 1.0, 12)
    assert patch[0] == pytest.approx(patch[5], abs=1e-6)  # all above the first slice
    assert patch[0, 3:9, 3:9] == pytest.approx(array[0], abs=1e-6)
    assert patch[0, :3, 3:9] == pytest.approx(np.repeat(array[0, :1], 3, 0), abs=1e-6)


@pytest.mark.parametrize("corner", [0, -1])
def test_patch_wholly_outside_repeats_the_nearest_voxel(corner):
    array = np.random.default_rng(0).normal(size=(5, 5, 5))
    center = np.full(3, -40.0 if corner == 0 else 45.0)
    patch = extract_patch(array, np.ones(3), center, 1.0, 4)
    assert patch == pytest.approx(array[corner, corner, corner], abs=1e-6)
