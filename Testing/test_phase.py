"""The contrast phase: of labeled arteries, of the brightest tubes, given, or unenhanced."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from LNGenLib.image.io import as_ct, read_image, to_array
from LNGenLib.scan.totalsegmentator import NUMBERS
from LNGenLib.synthesis.phase import BLOOD, measure_phase

SPACING = np.array([2.5, 0.8, 0.8])
SHAPE = (32, 150, 150)
Z, Y, X = np.moveaxis(np.indices(SHAPE).T * SPACING, -1, 0).transpose(0, 3, 2, 1)
AORTA, MUSCLE = 52, 60


def disk(y, x, radius):
    """Voxels (z, y, x, bool) within `radius` mm of a line that runs along z, at (y, x) mm."""
    return (Y - y) ** 2 + (X - x) ** 2 < radius**2


def trunk(artery, noise=10.0, bowel=None):
    """A trunk with a spine, a vein, muscle, excreting ureters and an aorta, and the aorta's mask.

    With `bowel` (HU) there are loops of contrast in it.
    """
    hu = np.full(SHAPE, -100.0)
    hu[disk(90, 60, 25)] = MUSCLE
    hu[disk(75, 60, 17)] = 600  # cortex, and marrow in it
    hu[disk(75, 60, 14)] = 180
    hu[disk(51, 50, 8)] = 0.6 * artery + 0.4 * MUSCLE  # vein
    aorta = disk(49, 68, 8)
    hu[aorta] = artery
    for x in (30, 90):
        hu[disk(55, x, 2)] = 900  # ureters
    if bowel is not None:
        loop = disk(20 + 10 * np.sin(Z / 6), 60 + 25 * np.cos(Z / 9), 9)
        hu[loop] = (bowel + 60 * np.sin(Z / 4 + X / 5))[loop]
    hu = ndimage.gaussian_filter(hu, 0.7 / SPACING * (0, 1, 1))
    hu += noise * np.random.default_rng(0).standard_normal(SHAPE)
    return hu.round().astype(np.int16), aorta


@pytest.mark.parametrize("bowel", [None, 300])
@pytest.mark.parametrize("noise", [5, 22])
@pytest.mark.parametrize("artery", [95, 140, 200, 350])
def test_the_brightest_tube_tells_the_arteries_hu(artery, noise, bowel):
    phase = measure_phase(trunk(artery, noise, bowel)[0], SPACING)
    assert phase.source == "tubes"
    assert phase.artery_hu == pytest.approx(artery, rel=0.03)
    assert phase.muscle_hu == pytest.approx(MUSCLE, abs=6)


@pytest.mark.parametrize("bowel", [None, 300])
@pytest.mark.parametrize("noise", [5, 22])
@pytest.mark.parametrize("artery", [30, 42, 60])
def test_bone_bowel_and_ureters_are_no_arteries(artery, noise, bowel):
    phase = measure_phase(trunk(artery, noise, bowel)[0], SPACING)
    assert (phase.source, phase.artery_hu) == ("none", BLOOD)


@pytest.mark.parametrize("name", ["aorta", "iliac_artery_left", "iliac_artery_right"])
def test_labeled_arteries_tell_theirs_whatever_the_tubes(name):
    hu, aorta = trunk(140)
    hu[disk(20, 60, 8)] = 250  # a brighter tube
    phase = measure_phase(hu, SPACING, aorta * NUMBERS[name])
    assert phase.source == "labels"
    assert phase.artery_hu == pytest.approx(140, abs=2)


def test_labels_that_show_no_artery_leave_it_to_the_tubes():
    hu, aorta = trunk(140)
    few = aorta & (Z < 1) & (np.hypot(Y - 49, X - 68) < 2)
    for labels in (aorta * NUMBERS["inferior_vena_cava"], few * AORTA):
        assert measure_phase(hu, SPACING, labels).source == "tubes"


def test_what_is_given_counts_before_labels_and_tubes():
    hu, aorta = trunk(140)
    phase = measure_phase(hu, SPACING, aorta * AORTA, 95)
    assert (phase.source, phase.artery_hu) == ("given", 95)
    assert phase.muscle_hu == pytest.approx(MUSCLE, abs=3)


def test_a_short_tube_is_no_artery():
    hu, _ = trunk(140)
    assert measure_phase(hu[:10], SPACING).source == "none"


def test_scans_too_small_for_anything_are_unenhanced():
    for shape in ((1, 1, 1), (2, 3, 4), (30, 5, 5)):
        hu = np.full(shape, 140, np.int16)
        assert measure_phase(hu, SPACING, np.zeros(shape, np.uint8)).source == "none"


def test_the_phantoms_arteries_are_found_and_those_without_contrast_are_not():
    from LNGenLib.phantom import pelvic_phantom

    phantom = pelvic_phantom(seed=3, spacing=(1.5, 1.5, 3.0))
    hu, labels, spacing = to_array(phantom.ct), to_array(phantom.labels), np.array([3.0, 1.5, 1.5])
    labeled, tubes = measure_phase(hu, spacing, labels), measure_phase(hu, spacing)
    assert (labeled.source, tubes.source) == ("labels", "tubes")
    assert tubes.artery_hu == pytest.approx(labeled.artery_hu, abs=6)
    soft = ndimage.gaussian_filter(hu.astype(float), (0, 1, 1))
    bone = ndimage.binary_dilation(hu > 300, iterations=5)
    plain = np.where(bone, hu, hu - np.maximum(soft - 46, 0)).round().astype(np.int16)
    assert measure_phase(plain, spacing).source == "none"


@pytest.mark.parametrize(
    "name, artery",  # HU in a square within the aorta
    [("crlm1004", 150), ("radiogenomics_r01_lower", 189), ("totalsegmentator_pelvis", None)],
)
def test_real_scans_tell_their_phase(shared, name, artery):
    ct = as_ct(read_image(shared / f"ct/{name}.nii.gz"))
    phase = measure_phase(to_array(ct), np.array(ct.GetSpacing()[::-1]))
    if artery is None:
        assert phase.source == "none"
    else:
        assert phase.source == "tubes"
        assert phase.artery_hu == pytest.approx(artery, rel=0.06)


def test_a_real_scans_labels_tell_that_it_is_unenhanced(shared):
    ct, labels = (
        read_image(shared / f"ct/totalsegmentator_pelvis{part}.nii.gz") for part in ("", "_seg")
    )
    phase = measure_phase(to_array(ct), np.array(ct.GetSpacing()[::-1]), to_array(labels))
    assert phase.source == "labels"
    assert phase.artery_hu == pytest.approx(BLOOD, abs=4)
