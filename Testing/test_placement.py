"""Tests of placement in the phantom's pelvis: in fat, off labels, off each other, reproducible."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_spacing, box_mask, index_to_ras
from LNGenLib.image.io import like, to_array
from LNGenLib.placement import anatomy
from LNGenLib.placement.anatomy import CandidateRegion
from LNGenLib.placement.sampling import place
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.tsdf import tsdf_from_mask

COLON, SACRUM, ILIAC_VESSELS = 20, 25, (65, 66, 67, 68)
SIZES = [14.0, 4.0, 9.0, 6.5, 2.5]
CENTRAL_BOX = (-60, 60, -70, 70, -60, 60)  # RAS mm


def structure(*radii: float) -> Structure:
    axis = np.arange(-11, 11.01, 0.5) + 0.13
    grid = np.meshgrid(axis, axis, axis, indexing="ij")
    return Structure(
        tsdf_from_mask(sum((g / r) ** 2 for g, r in zip(grid, radii)) <= 1, (0.5,) * 3)[0]
    )


SHAPES = [structure(10, 10, 10), structure(6, 7, 10), structure(10, 5, 7)]
STRUCTURES = [SHAPES[k % 3] for k in range(len(SIZES))]


@pytest.fixture(scope="module")
def region(phantom):
    return find_region(phantom.ct, phantom.labels, None)


def find_region(ct, *where) -> CandidateRegion:
    """The candidate region on the whole grid of the CT, forbidden where it does not reach."""
    found, shape = anatomy.find_region(ct, *where), ct.GetSize()[::-1]
    arrays = np.zeros((3, *shape), bool)
    arrays[1] = True
    arrays[(slice(None), *found.box)] = found.centers, found.forbidden, found.fat
    return CandidateRegion(tuple(slice(0, n) for n in shape), *arrays)


def rngs(seed: int, count: int = len(SIZES)) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, k]) for k in range(count)]


def placed(phantom, region, seed: int = 0):
    return place(STRUCTURES, SIZES, region, array_spacing(phantom.ct), rngs(seed))


def on_grid(node, shape) -> np.ndarray:
    """The node's occupancy on the whole grid; fails where it leaves the grid."""
    box = node.box(0)
    assert all(b.start >= 0 and b.stop <= n for b, n in zip(box, shape, strict=True))
    whole = np.zeros(shape, np.float32)
    whole[box] = node.occupancy(box)
    return whole


def test_candidate_region_is_fat_off_the_labels(phantom, region):
    hu, labels = to_array(phantom.ct), to_array(phantom.labels)
    assert region.centers.sum() > 500
    assert not labels[region.centers].any()
    values = hu[region.centers]
    assert -120 < np.median(values) < -80
    assert ((values > -160) & (values < -20)).mean() > 0.97


def test_candidate_region_lies_near_rectum_or_iliac_vessels(phantom, region):
    labels = to_array(phantom.labels)
    targets = np.isin(labels, (COLON, *ILIAC_VESSELS))
    apart = ndimage.distance_transform_edt(~targets, sampling=array_spacing(phantom.ct))
    assert apart[region.centers].max() < 35
    # both sides, and in the height of the sacrum
    ras = index_to_ras(phantom.ct, np.argwhere(region.centers))
    assert ras[:, 0].min() < -20 and ras[:, 0].max() > 20


def test_what_is_forbidden_are_labels_and_air(phantom, region):
    hu, labels = to_array(phantom.ct), to_array(phantom.labels)
    assert region.forbidden[labels > 0].all()
    assert region.forbidden[0, 0, 0] and region.forbidden[hu < -500].all()
    assert not (region.forbidden & region.centers).any()
    inside = anatomy.find_region(phantom.ct, phantom.labels, None).box
    free = ((labels == 0) & (hu > -250))[inside]
    assert not region.forbidden[inside][free].mean() > 0.02


def test_candidate_region_keeps_off_the_skin(phantom, region):
    hu = to_array(phantom.ct)
    body = ndimage.binary_opening(hu > -250)
    body = np.stack([ndimage.binary_fill_holes(part) for part in body])
    depth = np.stack([ndimage.distance_transform_edt(part, sampling=3.0) for part in body])
    assert depth[region.centers].min() > 15


def test_placed_nodes_keep_off_labels_and_inside_the_grid(phantom, region):
    labels = to_array(phantom.labels) > 0
    for seed in range(3):
        for node in placed(phantom, region, seed):
            occupancy = on_grid(node, labels.shape)
            assert not (labels & (occupancy >= 0.5)).any()
            assert occupancy[labels].sum() <= 0.02 * occupancy.sum()


def test_placed_nodes_replace_fat(phantom, region):
    hu = to_array(phantom.ct)
    for node in placed(phantom, region):
        occupancy = on_grid(node, hu.shape)
        assert -125 < np.average(hu, weights=occupancy) < -60


def test_placed_nodes_do_not_overlap(phantom, region):
    shape = region.centers.shape
    for seed in range(3):
        nodes = [on_grid(node, shape) for node in placed(phantom, region, seed)]
        for k, first in enumerate(nodes):
            for second in nodes[:k]:
                shared = np.minimum(first, second).sum()
                assert shared <= 0.02 * min(first.sum(), second.sum())
                assert not ((first > 0) & (second >= 0.5)).any()


def test_nodes_in_a_crowd_do_not_overlap_either(phantom):
    """Many nodes in a small region, where they must be packed."""
    mask = box_mask(phantom.ct, CENTRAL_BOX)
    region = find_region(phantom.ct, phantom.labels, mask)
    sizes = [5.0] * 25
    shapes = [SHAPES[k % 3] for k in range(25)]
    nodes = place(shapes, sizes, region, array_spacing(phantom.ct), rngs(0, 25))
    total = sum(on_grid(node, mask.shape) for node in nodes)
    assert total.max() <= 1.02


def test_nodes_keep_their_order_size_and_structure(phantom, region):
    nodes = placed(phantom, region)
    assert [node.long_axis for node in nodes] == SIZES
    assert all(node.structure is shape for node, shape in zip(nodes, STRUCTURES))
    for node in nodes:
        assert node.rotation @ node.rotation.T == pytest.approx(np.eye(3), abs=1e-9)
        assert np.linalg.det(node.rotation) == pytest.approx(1)


def test_centers_are_candidates(phantom, region):
    near = ndimage.binary_dilation(region.centers, np.ones((3, 3, 3)))
    for node in placed(phantom, region, seed=5):
        assert near[tuple(np.round(node.center).astype(int))]


def test_same_rng_seeds_give_the_same_places_and_others_others(phantom, region):
    first, again, other = (placed(phantom, region, seed) for seed in (7, 7, 8))
    for a, b in zip(first, again):
        assert np.array_equal(a.center, b.center) and np.array_equal(a.rotation, b.rotation)
    assert all(np.abs(a.center - b.center).max() > 0.5 for a, b in zip(first, other))


def test_no_nodes_need_no_room(phantom, region):
    assert place([], [], region, array_spacing(phantom.ct), []) == []


def test_too_large_nodes_are_refused_naming_the_size(phantom, region):
    with pytest.raises(InputError, match=r"only 0 of 1 .* 150\.0 mm"):
        place([SHAPES[0]], [150.0], region, array_spacing(phantom.ct), rngs(0, 1))


def test_too_many_nodes_are_refused_naming_how_many_fit(phantom):
    mask = box_mask(phantom.ct, CENTRAL_BOX)
    region = find_region(phantom.ct, phantom.labels, mask)
    with pytest.raises(InputError, match=r"only [1-9][0-9]{0,2} of 150 lymph nodes fit"):
        place([SHAPES[0]] * 150, [20.0] * 150, region, array_spacing(phantom.ct), rngs(0, 150))


def test_placing_does_not_modify_the_region(phantom, region):
    before = [part.copy() for part in (region.centers, region.forbidden, region.fat)]
    placed(phantom, region)
    after = (region.centers, region.forbidden, region.fat)
    assert all(np.array_equal(a, b) for a, b in zip(before, after))


def test_region_restricts_the_centers(phantom):
    mask = box_mask(phantom.ct, (0, 80, -70, 70, -40, 60))  # the patient's right is R > 0
    region = find_region(phantom.ct, phantom.labels, mask)
    assert region.centers.any() and not (region.centers & ~mask).any()
    for node in placed(phantom, region):
        ras = index_to_ras(phantom.ct, node.center)
        assert -3 <= ras[0] <= 83 and -43 <= ras[2] <= 63


def test_region_without_anatomy_is_enough(phantom):
    mask = box_mask(phantom.ct, CENTRAL_BOX)
    region = find_region(phantom.ct, None, mask)
    assert region.centers.any() and not (region.centers & ~mask).any()
    values = to_array(phantom.ct)[region.centers]
    assert -120 < np.median(values) < -80
    assert len(placed(phantom, region)) == len(SIZES)


def test_neither_anatomy_nor_region_is_an_error(phantom):
    with pytest.raises(InputError, match="--anatomy"):
        find_region(phantom.ct, None, None)


@pytest.mark.parametrize("with_anatomy", [True, False])
def test_region_outside_of_the_ct_is_an_error(phantom, with_anatomy):
    mask = box_mask(phantom.ct, (1000, 1100, 0, 50, 0, 50))
    with pytest.raises(InputError, match="region"):
        find_region(phantom.ct, phantom.labels if with_anatomy else None, mask)


def test_region_without_fat_finds_no_room(phantom):
    bone = to_array(phantom.labels) == SACRUM
    region = find_region(phantom.ct, phantom.labels, bone)
    assert not region.centers.any()
    with pytest.raises(InputError, match="only 0 of 5"):
        placed(phantom, region)


def test_anatomy_without_pelvic_labels_is_an_error(phantom):
    labels = to_array(phantom.labels)
    upper = np.where(np.isin(labels, (COLON, SACRUM, *ILIAC_VESSELS)), 0, labels)
    with pytest.raises(InputError, match="iliac"):
        find_region(phantom.ct, like(upper, phantom.ct), None)


@pytest.mark.parametrize("kept", [(COLON, SACRUM), ILIAC_VESSELS])
def test_rectum_or_vessels_alone_are_enough(phantom, kept):
    labels = to_array(phantom.labels)
    some = like(np.where(np.isin(labels, kept), labels, 0), phantom.ct)
    region = find_region(phantom.ct, some, None)
    apart = ndimage.distance_transform_edt(
        ~np.isin(labels, [k for k in kept if k != SACRUM]), sampling=array_spacing(phantom.ct)
    )
    assert region.centers.any() and apart[region.centers].max() < 35


def test_image_without_a_body_is_an_error(phantom):
    air = like(np.full(region_shape(phantom), -1000, np.int16), phantom.ct)
    with pytest.raises(InputError, match="no body"):
        find_region(air, phantom.labels, None)


def region_shape(phantom) -> tuple[int, ...]:
    return phantom.ct.GetSize()[::-1]


def test_input_images_are_not_modified(phantom):
    before = [sitk.Hash(image) for image in (phantom.ct, phantom.labels)]
    find_region(phantom.ct, phantom.labels, None)
    assert [sitk.Hash(image) for image in (phantom.ct, phantom.labels)] == before
