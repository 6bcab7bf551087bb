"""What is fat where no labels show bowel: known answers, phantoms, and real CT."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.image.io import as_ct, read_image, to_array
from LNGenLib.phantom import Patient, pelvic_phantom
from LNGenLib.placement.candidate_region import NoPlace, find_region, read_stations
from LNGenLib.placement.heuristic import place_nodes
from LNGenLib.placement.unlabeled import known_fat, parted
from LNGenLib.randomness import node_rng
from LNGenLib.scan import Scan
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.ovoids import ovoid
from LNGenLib.structure.shape import Structure
from LNGenLib.synthesis.engine import plan
from LNGenLib.synthesis.request import SynthesisRequest

SPACING = np.array([2.0, 0.8, 0.8])  # mm
SHAPE = (24, 96, 96)
INSIDE, OUTSIDE = (12, 48, 48), (12, 48, 8)  # voxels: in the middle of a tube, and far from it
FAT = -105.0
MOST_OFF = 0.05  # of a node's volume, by its partial volume


def tube(content: np.ndarray | float, noise: float, wall: float = 40.0) -> np.ndarray:
    """HU (z, y, x) of fat with a bowel in it along z: 12 mm in radius, its wall 3 mm thick."""
    rng = np.random.default_rng(3)
    axes = np.meshgrid(*((np.arange(n) - n / 2) * s for n, s in zip(SHAPE, SPACING)), indexing="ij")
    radius = np.hypot(*axes[1:])
    hu = np.where(radius < 12, content, np.where(radius < 15, wall, FAT))
    grain = ndimage.gaussian_filter(rng.standard_normal(SHAPE), (0, 0.7, 0.7))
    return hu + noise * grain / grain.std()


def stool(gas: float) -> np.ndarray:
    """Mottled HU (z, y, x) as dense as fat in the mean, with so large a share of `gas`."""
    rng = np.random.default_rng(4)
    field = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 3 / SPACING)
    grain = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 1.2 / SPACING)
    hu = -90 + 60 * field / field.std()
    return np.where(grain > np.quantile(grain, 1 - gas), -700.0, hu)


def fat_of(hu: np.ndarray) -> np.ndarray:
    return known_fat(hu, SPACING, np.zeros(SHAPE, bool))


@pytest.mark.parametrize("noise", [5.0, 15.0, 35.0])
@pytest.mark.parametrize("content", ["stool", "gas", "fluid", "even"])
def test_no_content_of_bowel_is_fat_and_fat_beside_it_is(content, noise):
    fillings = {"stool": stool(0.05), "gas": -950.0, "fluid": 10.0, "even": FAT}
    fat = fat_of(tube(fillings[content], noise))
    radius = np.hypot(*(np.indices(SHAPE)[1:] - 48)) * 0.8
    assert not fat[radius < 14].any()
    assert fat[radius > 20].mean() > 0.85


def test_even_fat_is_fat_at_any_noise_and_spacing():
    rng = np.random.default_rng(0)
    for spacing, noise in itertools.product(((1.0, 0.6, 0.6), (5.0, 0.98, 0.98)), (0.0, 8.0, 35.0)):
        shape = tuple((np.array((60, 60, 60)) / spacing).astype(int))
        hu = FAT + noise * rng.standard_normal(shape)
        assert known_fat(hu, np.array(spacing), np.zeros(shape, bool)).mean() > 0.93


@pytest.mark.parametrize("shape", [(1, 80, 80), (2, 80, 80), (40, 3, 80)])
def test_a_scan_thinner_than_a_block_is_looked_at(shape):
    hu, spacing = np.full(shape, FAT), np.array((0.5, 0.3, 0.8))
    for outside in (np.zeros(shape, bool), np.ones(shape, bool)):
        fat = known_fat(hu, spacing, outside)
        assert fat.shape == shape and not fat.any()  # too little to be sure


def test_gas_is_kept_off_where_no_wall_lies_between():
    """A pocket of gas in fat: what lies within 8 mm of it, by ways through fat, is no fat."""
    hu = np.full(SHAPE, FAT)
    hu[11:13, 45:51, 45:51] = -900.0
    off = np.linalg.norm((np.indices(SHAPE).T - (11.5, 47.5, 47.5)) * SPACING, axis=-1).T
    fat = fat_of(hu)
    assert not fat[off < 6].any() and fat[off > 16].all()
    hu[:, :, 53:57] = 40.0  # a wall
    behind = np.zeros(SHAPE, bool)
    behind[:, :, 60:] = True
    assert fat_of(hu)[behind].mean() > 0.97


def test_fat_in_which_nothing_is_even_is_not_offered():
    """Mottled from end to end, with no plateau and no gas."""
    field = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal(SHAPE), 1.5 / SPACING)
    mottled = -60 + 70 * field / field.std()
    hu = np.full((24, 96, 192), FAT)
    hu[:, :, 100:] = 40.0
    hu[:, 8:88, 104:184] = mottled[:, 8:88, 8:88]
    fat = known_fat(hu, SPACING, np.zeros(hu.shape, bool))
    assert not fat[:, :, 104:184].any() and fat[:, :, :90].mean() > 0.95


def test_sheets_and_vessels_are_no_fat_of_a_node():
    hu = np.full(SHAPE, FAT)
    hu[:, :, 30:32] = -30.0  # a fascia
    hu[:, 60:63, 60:63] = 100.0  # a vessel
    fat = fat_of(hu)
    assert not fat[:, 10:-10, 30:32].any() and not fat[:, 60:63, 60:63].any()
    assert fat[:, :50, 40:].all()


@pytest.mark.parametrize(("door", "joined"), [(5, False), (41, True)])
def test_rooms_part_at_a_narrow_door(door, joined):
    """Two rooms of 60 mm: what is joined by a wide door belongs to the one that is marked; where
    another lies beyond it, they part in the door."""
    spacing, fat = np.ones(3), np.zeros((41, 60, 125), bool)
    fat[:, :, :60] = fat[:, :, 65:] = True
    middle = slice(30 - door // 2, 31 + door // 2)
    fat[20 - door // 2 : 21 + door // 2, middle, 60:65] = True
    inside, outside = np.zeros((2, *fat.shape), bool)
    inside[20, 30, 20] = True
    own = parted(fat, inside, outside, spacing)
    assert own[20, 30, 20] and own[20, 30, 100] == joined
    outside[20, 30, 100] = True
    own = parted(fat, inside, outside, spacing) & fat
    assert own[:, :, :55].mean() > 0.99 and not own[:, :, 70:].any()


def placed_in(ct: sitk.Image, sizes: list[float], seed: int) -> list[LymphNode]:
    rng, region = np.random.default_rng(seed), find_region(ct, None)
    shapes = [Structure(ovoid(size, rng)) for size in sizes]
    rngs = [node_rng(seed, k, "place") for k in range(len(sizes))]
    found = place_nodes(shapes, sizes, region, np.array(ct.GetSpacing()[::-1]), rngs)
    assert None not in found
    return [one.node for one in found if one is not None]


@pytest.mark.parametrize("content", ["stool", "gas", "collapsed", "fluid"])
def test_nodes_lie_in_fat_of_the_pelvis_whatever_the_bowel_holds(content):
    patient = Patient(rectum=content, sigmoid=content, redundant_sigmoid=True, noise=20.0)
    phantom = pelvic_phantom(11, (1.25, 1.25, 4.0), (320, 240, 52), patient)
    fat, lumen = (to_array(image) > 0 for image in (phantom.fat, phantom.lumen))
    for node in placed_in(phantom.ct, [12.0, 9.0, 7.0, 5.0, 5.0], 2):
        box = node.box(0)
        occupancy = node.occupancy(box)
        assert not (occupancy[lumen[box]] > 0).any()
        assert occupancy[~fat[box]].sum() <= MOST_OFF * occupancy.sum()


def test_the_real_pelvis_without_its_labels(shared):
    ct = as_ct(read_image(shared / "ct/totalsegmentator_pelvis.nii.gz"))
    labels = to_array(read_image(shared / "ct/totalsegmentator_pelvis_seg.nii.gz"))
    for node in placed_in(ct, np.linspace(12, 5, 10).tolist(), 1):
        assert not labels[node.box(0)][node.occupancy(node.box(0)) >= 0.5].any()


def test_stool_of_a_real_colon_is_no_fat(shared):
    """Within a box round all of the abdomen none of the colon's label counts, but at its rim."""
    ct = as_ct(read_image(shared / "ct/totalsegmentator_pelvis.nii.gz"))
    colon = to_array(read_image(shared / "ct/totalsegmentator_pelvis_seg.nii.gz")) == 20
    region = find_region(ct, None, np.ones(colon.shape, bool))
    offered = ~region.forbidden & region.fat.whole()
    assert offered.mean() > 0.1
    assert offered[ndimage.binary_erosion(colon, iterations=2)[region.box]].mean() < 0.005


def test_labels_without_bowel_do_not_say_what_is_bowel(monkeypatch):
    """Bones alone leave the bowel to HU; with the colon nothing is told from HU."""
    phantom = pelvic_phantom(0, (2.0, 2.0, 4.0))
    bones = sitk.Mask(phantom.labels, sitk.Cast(phantom.labels != 20, sitk.sitkUInt8))
    from LNGenLib.placement import candidate_region

    asked = []
    own = candidate_region.pelvic_fat
    monkeypatch.setattr(
        candidate_region, "pelvic_fat", lambda *a: asked.append(len(asked)) or own(*a)
    )
    read_stations(phantom.ct, phantom.labels)
    assert asked == []
    read_stations(phantom.ct, bones)
    assert asked == [0]


def test_a_pelvis_without_fat_is_refused_by_what_would_help():
    phantom = pelvic_phantom(0, (2.0, 2.0, 4.0))
    hu = sitk.GetArrayFromImage(phantom.ct)
    hu[(hu > -160) & (hu < -20)] = 10
    ct = sitk.GetImageFromArray(hu)
    ct.CopyInformation(phantom.ct)
    with pytest.raises(NoPlace, match="lngen anatomy"):
        find_region(ct, None)


def test_a_record_says_what_its_place_is_by(models):
    from LNGenLib import synthesize

    phantom = pelvic_phantom(0, (2.0, 2.0, 4.0))
    request = SynthesisRequest(1, seed=3, texture_steps=1, structure_steps=2)
    for labels, estimated in ((None, True), (phantom.labels, False)):
        scan = Scan(phantom.ct, labels)
        (record,) = synthesize(scan, request, models).records
        assert record.anatomy_estimated == estimated
    point = plan(Scan(phantom.ct), request, models).nodes[0].center_ras_mm
    at = dataclasses.replace(request, points=(point,), tolerance_mm=3.0)
    (record,) = synthesize(Scan(phantom.ct), at, models).records
    assert not record.anatomy_estimated, "the user said where"
