"""Tests of the procedural pelvic CT phantom."""

import hashlib
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from real_stool import BOXES, real_stool
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    distance_transform_edt,
    gaussian_filter,
    label,
)

from LNGenLib.image.io import read_image
from LNGenLib.phantom import FIRST_SEED, Phantom, pelvic_phantom, varied_pelvis
from LNGenLib.phantom.content import stool_block
from LNGenLib.phantom.patient import CONTENTS, Patient

COARSE = (3.0, 3.0, 3.0)  # mm
BLADDER, COLON, SACRUM, AORTA, VENA_CAVA = 21, 20, 25, 52, 63
ILIAC_ARTERIES, ILIAC_VEINS, HIPS, GLUTEI_MAXIMI = (65, 66), (67, 68), (77, 78), (80, 81)
LABELS = {18, 20, 21, 22, 25, 26, 27, 28, 52, 63, *range(65, 69), *range(75, 79), *range(80, 90)}


def arrays(phantom: Phantom) -> tuple[np.ndarray, np.ndarray]:
    """CT (HU) and labels as arrays (z, y, x)."""
    return sitk.GetArrayFromImage(phantom.ct), sitk.GetArrayFromImage(phantom.labels)


def lesser_pelvis(phantom: Phantom) -> np.ndarray:
    """Mask of a box between the acetabula, from mid-sacrum to the pelvic floor."""
    nz, ny, nx = sitk.GetArrayViewFromImage(phantom.labels).shape
    x, y, z = (
        (np.arange(n) * s + o)
        for n, s, o in zip(
            (nx, ny, nz), phantom.ct.GetSpacing(), phantom.ct.GetOrigin(), strict=True
        )
    )
    return (np.abs(x) < 45) & (np.abs(y) < 65)[:, None] & ((z > -75) & (z < 30))[:, None, None]


@pytest.fixture(scope="module", params=[0, 1, 2])
def phantom(request: pytest.FixtureRequest) -> Phantom:
    return pelvic_phantom(request.param, COARSE)


def test_same_seed_is_identical_and_other_seed_differs() -> None:
    first, again, other = (arrays(pelvic_phantom(seed, COARSE)) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert np.mean(first[1] != other[1]) > 0.02


def test_images_share_a_centered_lps_grid(phantom: Phantom) -> None:
    ct, labels = phantom.ct, phantom.labels
    assert ct.GetPixelID() == sitk.sitkInt16
    assert labels.GetPixelID() == sitk.sitkUInt8
    assert ct.GetSize() == labels.GetSize()
    assert ct.GetSpacing() == labels.GetSpacing() == COARSE
    assert ct.GetOrigin() == labels.GetOrigin()
    assert ct.GetDirection() == labels.GetDirection() == tuple(np.eye(3).ravel())
    middle = ct.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in ct.GetSize()])
    assert middle == pytest.approx((0, 0, 0), abs=1e-6)


def test_left_organs_lie_at_positive_x(phantom: Phantom) -> None:
    _, labels = arrays(phantom)
    center = (labels.shape[2] - 1) / 2
    for left in (65, 67, 75, 77, 80, 82, 84, 86, 88):
        assert np.nonzero(labels == left)[2].mean() > center
        assert np.nonzero(labels == left + 1)[2].mean() < center


def test_labels_follow_totalsegmentator(phantom: Phantom) -> None:
    assert set(np.unique(arrays(phantom)[1])) == LABELS | {0}


@pytest.mark.parametrize(
    ("organs", "low", "high"),
    [
        (GLUTEI_MAXIMI, 30, 80),
        ((82, 83), 30, 80),
        ((88, 89), 30, 80),
        ((86, 87), 30, 80),
        ((BLADDER,), -10, 25),
        ((SACRUM,), 100, 600),
        (HIPS, 100, 600),
        ((AORTA,), 90, 200),
        ((VENA_CAVA,), 90, 200),
        (ILIAC_ARTERIES, 90, 200),
        (ILIAC_VEINS, 90, 200),
    ],
)
def test_organs_have_plausible_hu(phantom: Phantom, organs: tuple, low: float, high: float) -> None:
    ct, labels = arrays(phantom)
    assert low < ct[np.isin(labels, organs)].mean() < high


def test_bone_has_a_cortex_over_marrow() -> None:
    ct, labels = arrays(pelvic_phantom(0, (1.5, 1.5, 2.5)))
    bone = np.isin(labels, HIPS)
    assert 600 < np.percentile(ct[bone], 95) < 1100
    assert 120 < np.median(ct[binary_erosion(bone, iterations=4)]) < 320


def test_rectum_lies_in_fat(phantom: Phantom) -> None:
    ct, labels = arrays(phantom)
    rectum = (labels == COLON) & lesser_pelvis(phantom)
    near, far = (binary_dilation(rectum, iterations=n) for n in (1, 3))
    around = ct[far & ~near & (labels == 0) & lesser_pelvis(phantom)]
    assert -120 < np.median(around) < -80
    assert np.mean(around < -50) > 0.8


def test_noise_in_muscle(phantom: Phantom) -> None:
    ct, labels = arrays(phantom)
    assert 5 < ct[binary_erosion(labels == GLUTEI_MAXIMI[0], iterations=2)].std() < 25


def test_pelvic_fat_has_room_for_lymph_nodes(phantom: Phantom) -> None:
    ct, labels = arrays(phantom)
    hu = gaussian_filter(ct.astype(np.float32), 0.5)
    fat = (labels == 0) & (hu > -150) & (hu < -60) & lesser_pelvis(phantom)
    depth = distance_transform_edt(fat, sampling=COARSE[::-1])
    assert -120 < ct[fat].mean() < -80
    assert depth.max() >= 10  # a node 20 mm in diameter
    ball = 4 / 3 * np.pi * 6**3
    assert (depth >= 6).sum() * np.prod(COARSE) > 20 * ball  # many nodes 12 mm in diameter


@pytest.mark.parametrize("spacing", [(1.2, 1.2, 5.0), (2.0, 2.0, 1.25)])
def test_anatomy_does_not_depend_on_spacing(spacing: tuple) -> None:
    def volumes(phantom: Phantom) -> np.ndarray:
        counts = np.bincount(arrays(phantom)[1].ravel(), minlength=256)
        return counts[list(organs)] * np.prod(phantom.ct.GetSpacing())

    organs = (BLADDER, COLON, SACRUM, *ILIAC_ARTERIES, *ILIAC_VEINS, *HIPS, *GLUTEI_MAXIMI)
    assert volumes(pelvic_phantom(0, spacing)) == pytest.approx(
        volumes(pelvic_phantom(0, COARSE)), rel=0.1
    )


def test_size_is_honored() -> None:
    phantom = pelvic_phantom(0, (4.0, 4.0, 4.0), size=(60, 50, 20))
    assert phantom.ct.GetSize() == phantom.labels.GetSize() == (60, 50, 20)


# The first 16 digits of SHA-256 of CT and labels
PLAIN = {
    (COARSE, 0): ("7291f32ea0b3531a", "823df99ae2bff386"),
    (COARSE, 1): ("be1bf111ad06a0d4", "3cde8464ce83ac9c"),
    (COARSE, 2): ("1a87c1cae8a092fc", "5938fa3ab4bdfe72"),
    ((2.0, 2.0, 5.0), 0): ("f56f7f3a62923abb", "fd37a9d0786ae11b"),
}


@pytest.mark.parametrize(("spacing", "seed"), PLAIN)
def test_the_plain_pelvis_stays_what_it_is(spacing: tuple, seed: int) -> None:
    images = arrays(pelvic_phantom(seed, spacing))
    sums = tuple(hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in images)
    assert sums == PLAIN[spacing, seed]


@cache
def roomy(seed: int, patient: Patient) -> Phantom:
    """A pelvis on a coarse grid with room for a table and arms."""
    return pelvic_phantom(seed, (2.5, 2.5, 3.0), (200, 130, 72), patient)


def varied(seed: int = 0, **traits: Any) -> Phantom:
    return roomy(seed, Patient(noise=8.0, **traits))


def straight(image: sitk.Image) -> np.ndarray:
    """An image as an array (z, y, x) along LPS, however its rows run."""
    return sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LPS"))


def rectal_lumen(phantom: Phantom) -> np.ndarray:
    """Mask of what the rectum holds below the sigmoid, without partial volume."""
    mask = binary_erosion(straight(phantom.lumen)) & (straight(phantom.labels) == COLON)
    z, y = np.ogrid[: mask.shape[0], : mask.shape[1]]
    low = (z - 35.5) * 3 < -5
    return mask & (low & ((y - 64.5) * 2.5 > 5))[..., None]


@pytest.mark.parametrize("content", ["gas", "fluid", "stool", "collapsed"])
def test_the_rectum_holds_what_the_patient_has(content: str) -> None:
    phantom = varied(rectum=content, sigmoid="fluid")
    hu = straight(phantom.ct)[rectal_lumen(phantom)]
    if content == "collapsed":
        assert hu.size == 0
        return
    assert hu.size > 500
    if content == "gas":
        assert np.mean(hu < -850) > 0.3
    elif content == "fluid":
        assert 0 < hu.mean() < 25
        assert hu.std() < 15
    else:
        assert 0.15 < np.mean((hu > -130) & (hu < -50)) < 0.9  # looks like fat
        assert 0.01 < np.mean(hu < -180)  # bubbles
        assert hu.std() > 30


def test_stool_is_mottled_fat_dense_and_full_of_bubbles() -> None:
    for seed in range(5):
        hu = sitk.GetArrayFromImage(stool_block(np.random.default_rng(seed)))
        solid, gas = hu[hu > -120], hu < -200
        assert solid.max() <= 60
        assert solid.std() > 20
        assert 0.005 < gas.mean() < 0.25
        assert hu.min() > -905
        bubbles, count = label(gas)
        diameters = np.cbrt(np.bincount(bubbles.ravel())[1:] * 6 / np.pi) * 0.6  # mm
        assert count > 100
        assert np.median(diameters) < 3


def test_stool_is_what_the_caller_hands_in() -> None:
    block = sitk.GetImageFromArray(np.full((4, 5, 6), -77, np.int16))
    block.SetSpacing((3.0, 1.0, 2.0))
    phantom = pelvic_phantom(0, COARSE, patient=Patient(noise=1.0), stool=block)
    hu = arrays(phantom)[0][binary_erosion(sitk.GetArrayFromImage(phantom.lumen), iterations=2)]
    assert np.mean(np.abs(hu + 77) < 8) > 0.5


@pytest.mark.parametrize("noise", [8.0, 35.0])
def test_noise_is_what_was_asked_for(noise: float) -> None:
    quiet, noisy = (pelvic_phantom(0, COARSE, patient=Patient(noise=n)) for n in (0.01, noise))
    difference = (arrays(noisy)[0] - arrays(quiet)[0].astype(float))[lesser_pelvis(noisy)]
    assert noise * 0.9 < difference.std() < noise * 1.3


@pytest.mark.parametrize(("side", "femur"), [("left", 75), ("right", 76)])
def test_a_prosthesis_is_metal_with_streaks(side: str, femur: int) -> None:
    bare, metal = varied(), varied(prosthesis=side)
    change = straight(metal.ct) - straight(bare.ct).astype(float)
    labels, fat = straight(metal.labels), straight(metal.fat) > 0
    implant = straight(metal.ct) > 2500
    assert straight(metal.ct).max() == 3071
    assert 10_000 < implant.sum() * 2.5 * 2.5 * 3 < 150_000  # mm3
    assert np.isin(labels[implant], (femur, femur + 2, 0)).mean() > 0.98
    slices = implant.any((1, 2))
    assert 15 < change[slices][fat[slices]].std() < 120
    assert np.all(change[~slices & ~binary_dilation(slices)] == 0)
    body = ~implant & (straight(bare.ct) > -200)
    assert change[body].min() < -300
    assert change[body].max() > 200


def test_a_prone_patient_is_the_same_in_lps_with_gas_behind() -> None:
    back, belly = (varied(3, rectum="gas", sigmoid="gas", prone=prone) for prone in (False, True))
    assert belly.ct.GetDirection() == (-1, 0, 0, 0, -1, 0, 0, 0, 1)
    for organ in (SACRUM, 75, 76):
        masks = [straight(phantom.labels) == organ for phantom in (back, belly)]
        assert np.mean(masks[0] ^ masks[1]) < 0.02 * masks[0].mean()
    behind = []
    for phantom in (back, belly):
        lumen, hu = rectal_lumen(phantom), straight(phantom.ct)
        gas, rest = (np.nonzero(lumen & part)[1].mean() for part in (hu < -800, hu > -100))
        behind.append(gas > rest)
    assert behind == [False, True]


def test_the_table_is_under_the_body() -> None:
    for prone in (False, True):
        phantom = varied(prone=prone)
        hu = straight(phantom.ct)[36, :, 100]
        foam = np.flatnonzero((hu > -960) & (hu < -900))
        assert foam.size
        assert (foam.mean() < 65) == prone


def test_girth_adds_fat_under_the_skin() -> None:
    areas = [np.sum(straight(varied(girth=girth).ct)[30] > -300) for girth in (-6.0, 0.0, 30.0)]
    assert areas[0] < areas[1] < 0.8 * areas[2]


def test_a_thin_pelvis_has_less_fat() -> None:
    thin, plain = (straight(varied(girth=girth).fat).sum() for girth in (-6.0, 0.0))
    assert thin < 0.95 * plain


def test_arms_lie_beside_the_body() -> None:
    bare, arms = (straight(varied(arms=arms).ct)[40] for arms in (False, True))
    added = (arms > 300) & (bare < -500)
    assert added[:, :20].any()
    assert added[:, -20:].any()


def test_a_woman_has_a_uterus_and_no_prostate() -> None:
    man, woman = varied(), varied(sex="female")
    assert 22 in straight(man.labels)
    assert 22 not in straight(woman.labels)
    middle = straight(woman.ct)[24:30, 55:62, 97:102]  # between bladder and rectum
    assert middle.mean() > 40
    assert not straight(woman.fat)[24:30, 57:62, 98:101].any()


def test_a_redundant_sigmoid_hangs_before_the_rectum() -> None:
    def colon(phantom: Phantom) -> np.ndarray:
        before = lesser_pelvis(phantom)
        before[:, 66:] = False  # y over 4 mm
        return np.sum((straight(phantom.labels) == COLON) & before)

    assert colon(varied(redundant_sigmoid=True)) > 2 * colon(varied())


def test_oral_contrast_is_bright() -> None:
    phantom = varied(oral_contrast=300.0, rectum="fluid", sigmoid="fluid")
    lumen = binary_erosion(straight(phantom.lumen))
    assert abs(np.median(straight(phantom.ct)[lumen]) - 300) < 15


def test_a_field_of_view_cuts_the_hips() -> None:
    phantom = varied(view=300.0)
    ct, labels = straight(phantom.ct), straight(phantom.labels)
    x, y = (np.arange(200) - 99.5) * 2.5, (np.arange(130) - 64.5) * 2.5
    outside = np.hypot(x, y[:, None]) > 150
    assert np.all(ct[:, outside] == -1024)
    assert not labels[:, outside].any()
    assert np.mean(ct[30, 64, ~outside[64]] > -300) > 0.95


@pytest.mark.parametrize(
    "traits",
    [
        {},
        {"rectum": "gas", "sigmoid": "gas", "redundant_sigmoid": True, "girth": 30.0},
        {"sex": "female", "rectum": "collapsed", "prone": True, "girth": -6.0},
        {"prosthesis": "left", "view": 300.0, "oral_contrast": 200.0},
    ],
)
def test_true_fat_is_fat_of_the_pelvis_alone(traits: dict) -> None:
    calm = roomy(1, Patient(noise=0.01, **traits))
    fat, lumen = straight(calm.fat) > 0, straight(calm.lumen) > 0
    labels, hu = straight(calm.labels), straight(calm.ct)
    assert np.prod(calm.ct.GetSpacing()) * fat.sum() > 1e6  # mm3
    assert not (fat & (labels > 0)).any()
    assert not (fat & lumen).any()
    assert set(np.unique(labels[lumen])) == {18, COLON}
    if "prosthesis" not in traits:
        inside = hu[binary_erosion(fat)]
        assert np.mean((inside > -130) & (inside < -50)) > 0.97
    walls = binary_dilation(np.isin(labels, (*HIPS, *GLUTEI_MAXIMI, SACRUM)), iterations=1)
    x = np.abs(np.arange(200) - 99.5) * 2.5
    assert not fat[: 72 // 2 - 10][..., x > 70].any()  # below the roof of the hip joint
    assert not (fat & (straight(calm.labels) == 0) & walls)[:, 110:].any()


def test_patients_are_drawn_with_all_that_varies() -> None:
    for part, first in FIRST_SEED.items():
        patients = [Patient.drawn(first + number) for number in range(60)]
        assert {(p.rectum, p.sigmoid) for p in patients} == set(product(CONTENTS, CONTENTS))
        for trait in ("sex", "prosthesis"):
            assert len({getattr(p, trait) for p in patients}) == {"sex": 2, "prosthesis": 3}[trait]
        for trait in ("redundant_sigmoid", "oral_contrast", "prone", "arms", "view"):
            assert 5 <= sum(bool(getattr(p, trait)) for p in patients) <= 40, (part, trait)
        assert min(p.girth for p in patients) < -2
        assert max(p.girth for p in patients) > 25
        assert min(p.noise or 0 for p in patients) < 10
        assert max(p.noise or 0 for p in patients) > 28


def test_the_sets_are_disjoint_and_drawn_again_alike() -> None:
    seeds = [{first + number for number in range(60)} for first in FIRST_SEED.values()]
    assert not seeds[0] & seeds[1]
    drawn = [{Patient.drawn(seed) for seed in part} for part in seeds]
    assert len(drawn[0] | drawn[1]) == 120


def test_a_varied_pelvis_is_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    grids = []

    def coarse(seed: int, spacing: tuple, size: tuple, *rest: Any) -> Phantom:
        grids.append((spacing, size))
        return pelvic_phantom(seed, (5.0, 5.0, 5.0), (90, 60, 40), *rest)

    monkeypatch.setattr("LNGenLib.phantom.pelvic_phantom", coarse)
    first, again, other, test = (
        varied_pelvis(number, part)
        for number, part in (
            (7, "development"),
            (7, "development"),
            (8, "development"),
            (7, "test"),
        )
    )
    assert sitk.Hash(first.ct) == sitk.Hash(again.ct)
    assert len({sitk.Hash(p.ct) for p in (first, other, test)}) == 3
    for part in ("development", "test"):
        for number in range(60):
            monkeypatch.setattr("LNGenLib.phantom.pelvic_phantom", lambda *a: grids.append(a[1:3]))
            varied_pelvis(number, part)
    pixels = [spacing[0] for spacing, _ in grids]
    slices = [spacing[2] for spacing, _ in grids]
    lengths = [spacing[2] * size[2] for spacing, size in grids]
    assert 0.7 <= min(pixels) < max(pixels) <= 0.98
    assert (min(slices), max(slices)) == (1.0, 5.0)
    assert min(lengths) > 180
    assert max(lengths) < 260
    assert max(max(size) for _, size in grids) <= 512


def test_blocks_of_real_stool_are_stool(shared: Path) -> None:
    labels = read_image(shared / "ct/totalsegmentator_pelvis_seg.nii.gz")
    *pelvis, crlm = real_stool(shared)
    for block, (first, size) in zip(pelvis, BOXES["totalsegmentator_pelvis.nii.gz"], strict=True):
        hu = sitk.GetArrayFromImage(block)
        assert np.all(sitk.GetArrayFromImage(sitk.RegionOfInterest(labels, size, first)) == COLON)
        assert 0.2 < np.mean((hu > -150) & (hu < -50))  # looks like fat
        assert hu.std() > 40
    assert np.median(sitk.GetArrayFromImage(crlm)) > 300  # contrast


def test_real_stool_fills_a_bowel(shared: Path) -> None:
    for block in real_stool(shared)[::5]:
        phantom = pelvic_phantom(0, (2.5, 2.5, 3.0), (200, 130, 72), Patient(noise=1.0), block)
        lumen = binary_erosion(straight(phantom.lumen)) & (straight(phantom.labels) == COLON)
        painted, cut = straight(phantom.ct)[lumen], sitk.GetArrayFromImage(block)
        painted, cut = painted[painted > -700], cut[cut > -700]  # there may be gas over it
        assert np.median(painted) == pytest.approx(np.median(cut), abs=0.25 * cut.std())
        assert 0.6 * cut.std() < painted.std() < 1.5 * cut.std()
