"""Labels against their CT: in air, in another order than a body's, in other numbers."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.io import as_ct, like, read_image, read_labels, to_array
from LNGenLib.scan.checks import check_anatomy, check_body_order, check_nodes_shown, check_shows
from LNGenLib.scan.totalsegmentator import NUMBERS

VERSION_1 = {  # of what the phantom and the real pelvis show, by the number in version 2
    **{29: 20, 28: 19, 27: 18, 30: 21, 31: 22, 32: 23, 33: 24},
    **{20: 57, 18: 55, 21: 104, 25: 92, 52: 7, 63: 8},
    **{65: 51, 66: 52, 67: 53, 68: 54, 75: 88, 76: 89, 77: 90, 78: 91},
    **{number: number + 14 for number in range(80, 90)},
}


@pytest.fixture(scope="module")
def pelvis(shared) -> tuple[sitk.Image, sitk.Image]:
    """A real CT and its labels, as numbers."""
    ct = as_ct(read_image(shared / "ct/totalsegmentator_pelvis.nii.gz"))
    return ct, read_labels(shared / "ct/totalsegmentator_pelvis_seg.nii.gz", ct)


def flipped(image: sitk.Image, *axes: int) -> sitk.Image:
    """The image with a header that says the opposite of these axes (x, y, z)."""
    turn = np.eye(3)
    turn[axes, axes] = -1
    other = sitk.Image(image)
    other.SetDirection((turn @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    return other


def parts(image: sitk.Image, count: int) -> list[tuple[slice, ...]]:
    """Boxes of all sizes and places, half of them of whole slices."""
    rng, size, found = np.random.default_rng(0), image.GetSize(), []
    for k in range(count):
        ends = [sorted(rng.choice(n + 1, 2, replace=False)) for n in size]
        ends = [(a, max(b, a + 5)) for a, b in ends]
        whole = [(0, size[0]), (0, size[1])] if k % 2 else ends[:2]
        found.append(tuple(slice(int(a), int(b)) for a, b in (*whole, ends[2])))
    return found


FLIPS = {
    (0,): "the left femur lies right of the right femur",
    (1,): "the sacrum lies before the urinary bladder",
    (2,): "the prostate lies above the urinary bladder",
    (0, 1): "the left femur lies right of the right femur",
}


@pytest.mark.parametrize("axes, fault", FLIPS.items())
def test_a_header_that_flips_the_body_is_refused(phantom, axes, fault):
    ct, labels = (flipped(image, *axes) for image in (phantom.ct, phantom.labels))
    with pytest.raises(InputError, match=rf"labels of a.nii {fault}.*flipped.*correct it"):
        check_body_order(ct, labels, "a.nii")


@pytest.mark.parametrize("axes, fault", FLIPS.items())
def test_a_flip_of_a_real_pelvis_is_refused_in_any_orientation(pelvis, axes, fault):
    for orientation in ("LPS", "PIR"):
        ct, labels = (sitk.DICOMOrient(flipped(image, *axes), orientation) for image in pelvis)
        with pytest.raises(InputError, match=fault):
            check_body_order(ct, labels)


def test_a_flip_that_went_wrong_is_refused(shared):
    folder = shared.parent / "cases" / "04b_header_flips_y"
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}")
    ct = as_ct(read_image(folder / "yflip_ct.nii.gz"))
    with pytest.raises(InputError, match="the sacrum lies before the urinary bladder"):
        check_body_order(ct, read_labels(folder / "yflip_seg.nii.gz", ct))


@pytest.mark.parametrize("name", ["phantom", "pelvis"])
def test_parts_of_a_body_in_order_are_in_order(request, phantom, name):
    ct, labels = (phantom.ct, phantom.labels)
    if name == "pelvis":
        ct, labels = request.getfixturevalue("pelvis")
    for part in parts(ct, 60):
        check_body_order(ct[part], labels[part])


def test_single_structures_that_are_mislabeled_are_no_flip(phantom):
    """Networks swap sides now and then."""
    labels = to_array(phantom.labels)
    left, right = (labels == NUMBERS[f"iliac_artery_{side}"] for side in ("left", "right"))
    labels[left], labels[right] = 66, 65
    check_body_order(phantom.ct, like(labels, phantom.ct))
    only = np.where(left | right, labels, 0).astype(np.uint16)
    with pytest.raises(InputError, match="left iliac artery lies right of the right"):
        check_body_order(phantom.ct, like(only, phantom.ct))


def test_a_label_that_shows_nothing_tells_no_order(phantom):
    check_body_order(phantom.ct, phantom.labels * 0)


@pytest.mark.parametrize("name", ["phantom", "pelvis"])
def test_numbers_of_version_1_are_told(request, phantom, name):
    ct, labels = (phantom.ct, phantom.labels)
    if name == "pelvis":
        ct, labels = request.getfixturevalue("pelvis")
    check_anatomy(ct, labels)
    table = np.zeros(256, np.uint16)
    table[list(VERSION_1)] = list(VERSION_1.values())
    with pytest.raises(InputError, match="b.nii has the numbers of TotalSegmentator 1"):
        check_anatomy(ct, like(table[to_array(labels)], ct), "b.nii")


def test_an_aorta_far_right_of_the_midline_is_none(phantom):
    """Number 52 is the right iliac artery of version 1; here without any bone."""
    labels = to_array(phantom.labels)
    alone = np.where(labels == NUMBERS["iliac_artery_right"], NUMBERS["aorta"], 0)
    with pytest.raises(InputError, match="aorta lies right of the midline.*TotalSegmentator 2's"):
        check_anatomy(phantom.ct, like(alone.astype(np.uint16), phantom.ct))


def test_labels_in_air_are_told(phantom):
    labels = np.zeros(phantom.ct.GetSize()[::-1], np.uint16)
    labels[:, :3] = NUMBERS["sacrum"]
    image = like(labels, phantom.ct)
    for check in (check_shows, check_nodes_shown):
        with pytest.raises(InputError, match="the label of a lies in air: is it of this CT"):
            check(phantom.ct, image, "the label of a")
    labels[20:30, 30:40, 30:40] = 1  # as much in the body
    check_shows(phantom.ct, like(labels * (labels == 1), phantom.ct), "the label of a")


def test_nodes_of_a_case_that_went_wrong_are_told(shared):
    folder = shared.parent / "cases" / "25_label_in_air_message" / "cases"
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}")
    ct = as_ct(read_image(folder / "images/a.nii.gz"))
    labels = read_labels(folder / "labels/a.nii.gz", ct)
    with pytest.raises(InputError, match="the label of a lies in air"):
        check_nodes_shown(ct, labels, "the label of a")


def test_lungs_are_air_within_the_body(phantom):
    """What is labeled may be air as long as it is not round the body."""
    hu = to_array(phantom.ct)
    hu[:, 25:45, 25:60] = np.where(hu[:, 25:45, 25:60] > -200, -850, hu[:, 25:45, 25:60])
    ct = like(hu, phantom.ct)
    lungs = like((hu == -850).astype(np.uint16), phantom.ct)
    check_shows(ct, lungs, "the anatomy")
    with pytest.raises(InputError, match="lies in air"):
        check_nodes_shown(ct, lungs, "the label of a")


def test_a_case_without_nodes_shows_no_wrong_ones(phantom):
    check_nodes_shown(phantom.ct, phantom.labels * 0, "the label of a")
