"""Tests of placement in the phantom's pelvis: in fat, off labels, off each other, reproducible."""

import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage, stats
from shapes import tsdf_from_mask

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_spacing, box_mask, index_to_ras
from LNGenLib.image.io import like, to_array
from LNGenLib.placement import candidate_region as anatomy
from LNGenLib.placement.candidate_region import CandidateRegion, even, without
from LNGenLib.placement.fat import Fat
from LNGenLib.placement.heuristic import PLACES, draw_subregions, most_room, place_nodes
from LNGenLib.placement.nearby import NEAR, place_near
from LNGenLib.placement.stations import STATIONS
from LNGenLib.scan import Scan
from LNGenLib.structure.shape import Structure
from LNGenLib.synthesis.region import region_at, region_of
from LNGenLib.synthesis.request import SynthesisRequest

SACRUM = 25
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
    return anatomy.find_region(phantom.ct, phantom.labels)


@pytest.fixture(scope="module")
def central(phantom):
    """The region of a box in the middle of the pelvis."""
    return anatomy.find_region(phantom.ct, phantom.labels, box_mask(phantom.ct, CENTRAL_BOX))


def on_the_ct(region, ct, what: np.ndarray) -> np.ndarray:
    """A mask of the region's box on the CT's grid."""
    whole = np.zeros(ct.GetSize()[::-1], bool)
    whole[region.box] = what
    return whole


def centers(region: CandidateRegion, ct) -> np.ndarray:
    """Where centers may lie, on the CT's grid."""
    where = np.zeros(region.fat.shape, bool)
    for spot in region.subregions:
        where[tuple(spot.candidates[0].T)] = True
    return on_the_ct(region, ct, where)


def rngs(seed: int, count: int = len(SIZES)) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, k]) for k in range(count)]


def placed(phantom, region, seed: int = 0):
    found = place_nodes(STRUCTURES, SIZES, region, array_spacing(phantom.ct), rngs(seed))
    return [one.node for one in found]


def on_grid(node, shape) -> np.ndarray:
    """The node's occupancy on the whole grid; fails where it leaves the grid."""
    box = node.box(0)
    assert all(b.start >= 0 and b.stop <= n for b, n in zip(box, shape, strict=True))
    whole = np.zeros(shape, np.float32)
    whole[box] = node.occupancy(box)
    return whole


def test_candidate_region_is_fat_off_the_labels(phantom, region):
    hu, labels, where = to_array(phantom.ct), to_array(phantom.labels), centers(region, phantom.ct)
    assert where.sum() > 500
    assert not labels[where].any()
    values = hu[where]
    assert -120 < np.median(values) < -80
    assert ((values > -160) & (values < -20)).mean() > 0.97


def test_what_is_forbidden_are_labels_and_air(phantom, region):
    hu, labels = to_array(phantom.ct)[region.box], to_array(phantom.labels)[region.box]
    assert region.forbidden[labels > 0].all()
    assert region.forbidden[hu < -500].all()
    assert not region.forbidden[(labels == 0) & (hu > -250)].mean() > 0.02


def test_fat_is_the_same_in_whatever_parts_it_is_looked_at(phantom):
    hu, spacing = to_array(phantom.ct), np.array([3.0, 0.7, 0.9])
    whole = Fat(hu, spacing).whole()
    parts = Fat(hu, spacing)
    rng = np.random.default_rng(0)
    for low, size in zip(rng.integers(0, hu.shape, (40, 3)), rng.integers(1, 40, (40, 3))):
        box = tuple(slice(int(a), int(min(a + n, m))) for a, n, m in zip(low, size, hu.shape))
        assert np.array_equal(parts[box], whole[box])


def test_candidate_region_keeps_off_the_skin(phantom, region):
    hu = to_array(phantom.ct)
    body = ndimage.binary_opening(hu > -250)
    body = np.stack([ndimage.binary_fill_holes(part) for part in body])
    depth = np.stack([ndimage.distance_transform_edt(part, sampling=3.0) for part in body])
    assert depth[centers(region, phantom.ct)].min() >= 15


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
    shape = phantom.ct.GetSize()[::-1]
    for seed in range(3):
        nodes = [on_grid(node, shape) for node in placed(phantom, region, seed)]
        for k, first in enumerate(nodes):
            for second in nodes[:k]:
                shared = np.minimum(first, second).sum()
                assert shared <= 0.02 * min(first.sum(), second.sum())
                assert not ((first > 0) & (second >= 0.5)).any()


def test_nodes_in_a_crowd_do_not_overlap_either(phantom, central):
    """Many nodes in a small region, where they must be packed."""
    shapes = [SHAPES[k % 3] for k in range(25)]
    found = place_nodes(shapes, [5.0] * 25, central, array_spacing(phantom.ct), rngs(0, 25))
    total = sum(on_grid(one.node, phantom.ct.GetSize()[::-1]) for one in found)
    assert total.max() <= 1.02


def test_nodes_keep_their_order_size_and_structure(phantom, region):
    nodes = placed(phantom, region)
    assert [node.long_axis for node in nodes] == SIZES
    assert all(node.structure is shape for node, shape in zip(nodes, STRUCTURES))
    for node in nodes:
        assert node.rotation @ node.rotation.T == pytest.approx(np.eye(3), abs=1e-9)
        assert np.linalg.det(node.rotation) == pytest.approx(1)


def test_centers_are_candidates(phantom, region):
    near = ndimage.binary_dilation(centers(region, phantom.ct), np.ones((3, 3, 3)))
    for node in placed(phantom, region, seed=5):
        assert near[tuple(np.round(node.center).astype(int))]


def test_same_rng_seeds_give_the_same_places_and_others_others(phantom, region):
    first, again, other = (placed(phantom, region, seed) for seed in (7, 7, 8))
    for a, b in zip(first, again):
        assert np.array_equal(a.center, b.center) and np.array_equal(a.rotation, b.rotation)
    assert all(np.abs(a.center - b.center).max() > 0.5 for a, b in zip(first, other))


def test_no_nodes_need_no_room(phantom, region):
    assert place_nodes([], [], region, array_spacing(phantom.ct), []) == []


def test_nodes_without_room_are_left_out_and_others_are_not(phantom, central):
    shapes, sizes = [SHAPES[0]] * 3, [5.0, 150.0, 6.0]
    found = place_nodes(shapes, sizes, central, array_spacing(phantom.ct), rngs(0, 3))
    assert [one is None for one in found] == [False, True, False]


def test_a_full_region_takes_no_more(phantom, central):
    found = place_nodes([SHAPES[0]] * 8, [30.0] * 8, central, array_spacing(phantom.ct), rngs(0, 8))
    assert 0 < sum(one is not None for one in found) < 8


def test_nodes_find_room_where_nothing_is_forbidden(phantom):
    shape = (30, 30, 30)
    spacing = array_spacing(phantom.ct)
    free = CandidateRegion(
        tuple(slice(0, n) for n in shape),
        np.zeros(shape, bool),
        Fat(np.full(shape, -100, np.int16), spacing),
        (even(np.argwhere(np.ones(shape, bool))),),
    )
    assert without(free, np.zeros(shape, bool), spacing).forbidden.sum() == 0
    assert None not in place_nodes(STRUCTURES, SIZES, free, spacing, rngs(0))


def in_fat(phantom, hu: np.ndarray, where: np.ndarray) -> CandidateRegion:
    """A region of HU (z, y, x) with centers `where` (bool), nothing of it labeled."""
    box = tuple(slice(0, n) for n in hu.shape)
    fat = Fat(hu, array_spacing(phantom.ct))
    return CandidateRegion(box, np.zeros(hu.shape, bool), fat, (even(np.argwhere(where)),))


@pytest.mark.parametrize("width, fits", [(3, False), (5, True)])
def test_a_node_is_not_squeezed_into_fat_that_is_narrower(phantom, width, fits):
    """A ball of 12 mm in a sheet of fat of 9 or 15 mm between muscles that no label shows."""
    hu = np.full((30, 30, 30), 50, np.int16)
    hu[:, 12 : 12 + width] = -100
    region, spacing = in_fat(phantom, hu, hu < 0), array_spacing(phantom.ct)
    found = place_nodes([SHAPES[0]] * 3, [12.0] * 3, region, spacing, rngs(0, 3))
    assert [one is not None for one in found] == [fits] * 3
    for one in found if fits else []:
        assert (hu[on_grid(one.node, hu.shape) >= 0.5] < 0).all()


def test_others_are_moved_before_a_node_is_refused(phantom):
    """Two chambers of fat: a rod fits into both, a ball, which comes later, into the wide one."""
    hu = np.full((30, 30, 30), 50, np.int16)
    hu[7:14, 8:15, 8:15] = hu[20:24, 20:24, 5:25] = -100
    region, spacing = in_fat(phantom, hu, hu < 0), array_spacing(phantom.ct)
    first = set()
    for seed in range(8):
        shapes, sizes = [structure(4, 4, 10), SHAPES[0]], [13.0, 12.0]
        alone = place_nodes(shapes[:1], sizes[:1], region, spacing, rngs(seed, 1))[0]
        first.add(alone.node.center[0] < 17)
        rod, ball = place_nodes(shapes, sizes, region, spacing, rngs(seed, 2))
        assert rod.node.center[0] > 17 > ball.node.center[0]
    assert first == {True, False}  # alone the rod takes either


def test_the_largest_ball_of_free_fat_is_told(phantom):
    hu = np.full((30, 30, 30), 50, np.int16)
    hu[8:18, 8:18, 8:18] = -100
    ((station, room),) = most_room(in_fat(phantom, hu, hu < 0), phantom.ct)
    assert station is None and room == pytest.approx(30, abs=6)


def test_the_largest_node_lies_near_a_tumor(phantom):
    tumor = (0.0, -30.0, -45.0)
    region = anatomy.find_region(phantom.ct, phantom.labels, tumor=tumor)
    for seed in range(4):
        found = place_nodes(STRUCTURES, SIZES, region, array_spacing(phantom.ct), rngs(seed))
        largest = found[int(np.argmax(SIZES))].node
        off = np.linalg.norm(index_to_ras(phantom.ct, largest.center) - tumor)
        assert off <= 40 + 3 * 3**0.5


def test_a_tumor_goes_with_stations_only_and_lies_in_the_ct(phantom):
    with pytest.raises(InputError, match="give no other place"):
        request = SynthesisRequest(1, points=((0, 0, 0),), tumor_mm=(0, 0, 0))
        region_of(Scan(phantom.ct, phantom.labels), request)
    with pytest.raises(InputError, match="outside of the CT"):
        anatomy.find_region(phantom.ct, phantom.labels, tumor=(0, 0, 900))


def test_stations_without_a_weight_are_drawn_where_they_are_asked_for(phantom):
    asked = ("mesorectal", "para-aortic")
    region = anatomy.find_region(phantom.ct, phantom.labels, stations=asked)
    drawn = [next(draw_subregions(region, k, rng)).station for k, rng in enumerate(rngs(0, 500))]
    assert set(drawn) == set(asked)


def test_strata_of_a_station_are_tried_before_the_next_station(region):
    for number, rng in enumerate(rngs(0, 50)):
        stations = [part.station for part in draw_subregions(region, number, rng)]
        changes = sum(a != b for a, b in zip(stations, stations[1:]))
        assert changes == len(set(stations)) - 1


def test_real_nodes_are_avoided(phantom, central):
    real = np.zeros(phantom.ct.GetSize()[::-1], bool)
    middle = tuple(part.start + (part.stop - part.start) // 2 for part in central.box)
    real[tuple(slice(k - 8, k + 8) for k in middle)] = True
    spacing = array_spacing(phantom.ct)
    shapes = [SHAPES[k % 3] for k in range(15)]
    found = place_nodes(shapes, [8.0] * 15, without(central, real, spacing), spacing, rngs(0, 15))
    apart = ndimage.distance_transform_edt(~real, sampling=spacing)
    for one in found:
        assert apart[on_grid(one.node, real.shape) >= 0.5].min() > 2.0


def test_the_long_axis_lies_along_vessels(phantom):
    """The external iliac vessels of the phantom run 28 mm outward, 74 forward and 106 down."""
    region = anatomy.find_region(phantom.ct, phantom.labels, stations=["external iliac"])
    found = place_nodes(
        [SHAPES[1]] * 60, [5.0] * 60, region, array_spacing(phantom.ct), rngs(3, 60)
    )
    cosines = []
    for node in (one.node for one in found):
        first, last = index_to_ras(phantom.ct, node.long_axis_ends())
        side = np.sign(index_to_ras(phantom.ct, node.center)[0])
        vessel = np.array([side * 28, 74, -106]) / np.linalg.norm([28, 74, 106])
        cosines.append(abs((last - first) @ vessel) / np.linalg.norm(last - first))
    assert np.mean(cosines) > 0.62  # at random 0.5, with a standard error of 0.04


def test_placing_does_not_modify_the_region(phantom, region):
    before = [part.copy() for part in (region.forbidden, region.fat.whole(), region.wall)]
    placed(phantom, region)
    after = (region.forbidden, region.fat.whole(), region.wall)
    assert all(np.array_equal(a, b) for a, b in zip(before, after))


def test_region_restricts_the_centers(phantom):
    mask = box_mask(phantom.ct, (0, 80, -70, 70, -40, 60))  # the patient's right is R > 0
    region = anatomy.find_region(phantom.ct, phantom.labels, mask)
    where = centers(region, phantom.ct)
    assert where.any() and not (where & ~mask).any()
    for node in placed(phantom, region):
        ras = index_to_ras(phantom.ct, node.center)
        assert -3 <= ras[0] <= 83 and -43 <= ras[2] <= 63


def test_region_without_anatomy_is_enough(phantom):
    mask = box_mask(phantom.ct, CENTRAL_BOX)
    region = anatomy.find_region(phantom.ct, None, mask)
    where = centers(region, phantom.ct)
    assert where.any() and not (where & ~mask).any()
    assert -120 < np.median(to_array(phantom.ct)[where]) < -80
    assert len(placed(phantom, region)) == len(SIZES)


def test_each_point_gets_its_node(phantom):
    fat = np.argwhere(centers(anatomy.find_region(phantom.ct, phantom.labels), phantom.ct))
    points = index_to_ras(phantom.ct, fat[[1000, 4000, 7000]])
    region = region_at(Scan(phantom.ct, phantom.labels), points.tolist(), 6.0)
    found = place_nodes(STRUCTURES[:3], [2.5] * 3, region, array_spacing(phantom.ct), rngs(0, 3))
    for one, point in zip(found, points):
        off = np.linalg.norm(index_to_ras(phantom.ct, one.node.center) - point)
        assert off <= 6.0 + 3 * 3**0.5 / 2  # centers are jittered within a voxel


def test_a_point_outside_of_the_ct_is_an_error(phantom):
    with pytest.raises(InputError, match="outside of the CT"):
        region_at(Scan(phantom.ct, phantom.labels), [(0, 0, 900)], 5.0)


def test_stations_are_drawn_by_weight(region):
    first = [next(draw_subregions(region, k, rng)).station for k, rng in enumerate(rngs(0, 2000))]
    weights = {station.name: station.weight for station in STATIONS if station.weight}
    counts = [first.count(name) for name in weights]
    expected = 2000 * np.array(list(weights.values()))
    assert sum(weights.values()) == pytest.approx(1) and set(first) <= set(weights)
    assert stats.chisquare(counts, expected).pvalue > 0.001


def test_nodes_lie_at_the_station_that_is_asked_for(phantom):
    for name in ("mesorectal", "external iliac"):
        region = anatomy.find_region(phantom.ct, phantom.labels, stations=[name])
        found = place_nodes(STRUCTURES, SIZES, region, array_spacing(phantom.ct), rngs(0))
        assert {one.station for one in found} == {name}


@pytest.mark.parametrize("with_anatomy", [True, False])
def test_region_outside_of_the_ct_is_an_error(phantom, with_anatomy):
    mask = box_mask(phantom.ct, (1000, 1100, 0, 50, 0, 50))
    with pytest.raises(InputError, match="region"):
        anatomy.find_region(phantom.ct, phantom.labels if with_anatomy else None, mask)


def test_region_without_fat_finds_no_room(phantom):
    bone = to_array(phantom.labels) == SACRUM
    region = anatomy.find_region(phantom.ct, phantom.labels, bone)
    assert not centers(region, phantom.ct).any()
    found = place_nodes(STRUCTURES, SIZES, region, array_spacing(phantom.ct), rngs(0))
    assert found == [None] * len(SIZES)


def test_image_without_a_body_is_an_error(phantom):
    air = like(np.full(region_shape(phantom), -1000, np.int16), phantom.ct)
    with pytest.raises(InputError, match="no body"):
        anatomy.find_region(air, phantom.labels)


def region_shape(phantom) -> tuple[int, ...]:
    return phantom.ct.GetSize()[::-1]


def test_input_images_are_not_modified(phantom):
    before = [sitk.Hash(image) for image in (phantom.ct, phantom.labels)]
    anatomy.find_region(phantom.ct, phantom.labels)
    assert [sitk.Hash(image) for image in (phantom.ct, phantom.labels)] == before


@pytest.mark.parametrize("long_axis, spacing", [(4.0, 1.0), (16.0, 1.0), (12.0, 6.0)])
def test_a_place_near_a_spot_depends_on_its_surroundings_alone(long_axis, spacing):
    """Its node fits into fat there, however far the scan reaches and whatever else it shows."""
    shape, spacing = (64, 100, 100), np.array([spacing, 1.0, 1.0])
    spot = np.array([[32, 50, 50]])
    off = (np.argwhere(np.ones(shape, bool)) - spot) * spacing
    far = (np.abs(off).max(1) > 30).reshape(shape)
    taken, cluttered = np.zeros((2, *shape), bool)
    taken[:, 53:], cluttered[:, 53:], cluttered[far] = True, True, True
    fat = np.full(shape, -100, np.int16)
    nodes = [
        place_near(SHAPES[1], long_axis, spot, hu, [mask], spacing, np.random.default_rng(3))
        for hu, mask in ((fat, taken), (np.where(far, 400, fat), cluttered))
    ]
    assert np.array_equal(nodes[0].center, nodes[1].center)
    assert np.array_equal(nodes[0].rotation, nodes[1].rotation)
    assert np.linalg.norm((nodes[0].center - spot) * spacing) <= NEAR + spacing.max()
    box = nodes[0].box(0)
    assert not (taken[box] & (nodes[0].occupancy(box) > 0)).any()


def test_room_for_a_small_node_in_thick_slices_is_found_in_little_memory():
    spacing, shape = np.array([10.0, 0.8, 0.8]), (5, 60, 60)
    box, fat = tuple(slice(0, n) for n in shape), Fat(np.full(shape, -100, np.int16), spacing)
    middle = even(np.argwhere(np.pad(np.ones((1, 20, 20), bool), ((2, 2), (20, 20), (20, 20)))))
    region = CandidateRegion(box, np.zeros(shape, bool), fat, (middle,))
    tracemalloc.start()
    found = place_nodes([SHAPES[0]], [1.7], region, spacing, rngs(0, 1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[0] is not None and peak < 30e6


def test_some_places_are_tried_for_a_node_that_has_to_suit_its_place(phantom, region):
    asked = []

    def fourth(number, node):
        asked.append((number, tuple(node.center)))
        return number or len(asked) == PLACES

    spacing = array_spacing(phantom.ct)
    first, second = place_nodes(STRUCTURES[:2], [9.0, 6.0], region, spacing, rngs(0, 2), fourth)
    assert [number for number, _ in asked] == [0] * PLACES + [1]
    assert len(set(asked)) == len(asked)
    assert first.suits and second.suits


def test_a_node_that_suits_no_place_leaves_room_to_others(phantom, region):
    spacing = array_spacing(phantom.ct)
    alone = place_nodes(STRUCTURES[1:2], [6.0], region, spacing, rngs(0, 2)[1:])[0]
    first, second = place_nodes(
        STRUCTURES[:2], [9.0, 6.0], region, spacing, rngs(0, 2), lambda number, node: number == 1
    )
    assert not first.suits and second.suits
    assert tuple(second.node.center) == tuple(alone.node.center)
