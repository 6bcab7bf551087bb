"""Anatomy as files hold it: empty, named, with leftovers, in other numbers, damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.io import as_ct, like, read_image, read_labels, to_array
from LNGenLib.scan import Scan
from LNGenLib.scan import labels as anatomy
from LNGenLib.scan.totalsegmentator import NUMBERS, WHOLES, number_of

CASES = Path(__file__).parents[2] / "shared" / "cases"
# TotalSegmentator's own header, cut to what matters
TABLE = """<?xml version="1.0" encoding="UTF-8"?> <CaretExtension>  <VolumeInformation Index="0">
<LabelTable>{}
  </LabelTable>
  <VolumeType><![CDATA[Label]]></VolumeType>   </VolumeInformation></CaretExtension>"""
LABEL = '<Label Key="{}" Red="0.0" Green="1.0" Blue="0.0" Alpha="1"><![CDATA[{}]]></Label>\n'
NAMES = ("colon", "urinary_bladder", "sacrum", "hip_left", "hip_right", "femur_left")


def read_anatomy(path, ct):
    """As it is read, and checked where it comes in."""
    return Scan(ct, anatomy.read_anatomy(path, ct), names={"anatomy": str(path)}).anatomy


@pytest.fixture(scope="session")
def cases() -> Path:
    if not CASES.is_dir():
        pytest.skip(f"no cases at {CASES}")
    return CASES


@pytest.fixture(scope="module")
def labels(phantom) -> np.ndarray:
    return to_array(phantom.labels)


def write_masks(folder: Path, phantom, names=NAMES) -> None:
    """One mask a class, as TotalSegmentator writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    array = to_array(phantom.labels)
    for name in names:
        mask = (array == NUMBERS[name]).astype(np.uint8)
        sitk.WriteImage(like(mask, phantom.ct), str(folder / f"{name}.nii.gz"))


def write_named(path: Path, image: sitk.Image, names: dict[int, str], order: str = "<") -> None:
    """A NIfTI file whose header names its labels, as TotalSegmentator 2 writes them."""
    plain = path.with_name("plain.nii")
    sitk.WriteImage(image, str(plain))
    content = plain.read_bytes()
    xml = TABLE.format("".join(LABEL.format(*item) for item in names.items())).encode()
    size = -(-(len(xml) + 8) // 16) * 16
    extension = b"\1\0\0\0" + np.array([size, 0], "<i4").tobytes() + xml.ljust(size - 8, b"\0")
    header = bytearray(content[:348])
    header[108:112] = np.array(348 + len(extension), "<f4").tobytes()
    path.write_bytes(gzip.compress(bytes(header) + extension + content[352:], 1))


def test_an_empty_label_map_is_refused(phantom, tmp_path):
    path = tmp_path / "labels.nii.gz"
    sitk.WriteImage(phantom.labels * 0, str(path))
    with pytest.raises(InputError, match="labels.nii.gz shows nothing in this CT"):
        read_anatomy(path, phantom.ct)


def write_segments(path: Path, image: sitk.Image, fields: dict[str, str]) -> Path:
    for key, value in fields.items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def sacrum(phantom, labels) -> sitk.Image:
    return like((labels == NUMBERS["sacrum"]).astype(np.uint8), phantom.ct)


def test_a_segmentation_beside_the_ct_is_refused(phantom, sacrum, tmp_path):
    sacrum.SetOrigin(np.add(sacrum.GetOrigin(), (0, 0, 900)).tolist())
    fields = {"Segment0_Name": "sacrum", "Segment0_LabelValue": "1"}
    path = write_segments(tmp_path / "a.seg.nrrd", sacrum, fields)
    with pytest.raises(InputError, match="a.seg.nrrd shows nothing in this CT"):
        read_anatomy(path, phantom.ct)


DAMAGED = {
    "no such layer": {"Segment0_LabelValue": "1", "Segment0_Layer": "3"},
    "layer is no number": {"Segment0_LabelValue": "1", "Segment0_Layer": "first"},
    "negative layer": {"Segment0_LabelValue": "1", "Segment0_Layer": "-1"},
    "label is no number": {"Segment0_LabelValue": "1.5"},
    "label is empty": {"Segment0_LabelValue": ""},
    "no segments": {},
}


@pytest.mark.parametrize("fields", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_segmentation_is_refused_by_name(phantom, sacrum, tmp_path, fields):
    path = write_segments(tmp_path / "a.seg.nrrd", sacrum, fields)
    with pytest.raises(InputError, match="a.seg.nrrd (tells|holds no structure)"):
        read_anatomy(path, phantom.ct)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.6])
def test_a_cut_segmentation_is_refused_by_name(phantom, sacrum, tmp_path, share):
    noise = np.random.default_rng(0).integers(0, 2, sacrum.GetSize()[::-1]).astype(np.uint8)
    fields = {"Segment0_LabelValue": "1"}
    path = write_segments(tmp_path / "a.seg.nrrd", like(noise, sacrum), fields)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="a.seg.nrrd "):
        read_anatomy(path, phantom.ct)


def test_a_flat_segmentation_is_refused(phantom, sacrum, tmp_path):
    path = write_segments(tmp_path / "a.seg.nrrd", sacrum[:, :, 10], DAMAGED["no such layer"])
    with pytest.raises(InputError, match="a.seg.nrrd has "):
        read_anatomy(path, phantom.ct)


def test_segments_are_told_whatever_their_numbers(phantom, sacrum, tmp_path):
    """Where some were taken away by other tools, and without a name."""
    fields = {"Segment4_Name": "Sacrum", "Segment4_LabelValue": "1", "Segment7_LabelValue": "2"}
    path = write_segments(tmp_path / "a.seg.nrrd", sacrum, fields)
    found = to_array(read_anatomy(path, phantom.ct))
    assert np.array_equal(found == NUMBERS["sacrum"], to_array(sacrum) > 0)


def test_a_renamed_segmentation_is_told_by_its_header(phantom, sacrum, tmp_path):
    """Its labels are no numbers of TotalSegmentator: 1 would be the spleen."""
    fields = {"Segment0_Name": "sacrum", "Segment0_LabelValue": "1"}
    path = write_segments(tmp_path / "folder.nrrd", sacrum, fields)
    (tmp_path / "folder").mkdir()
    inside = write_segments(tmp_path / "folder" / "a.nrrd", sacrum, fields)
    for given in (path, inside.parent):
        found = to_array(read_anatomy(given, phantom.ct))
        assert np.array_equal(found == NUMBERS["sacrum"], to_array(sacrum) > 0)


@pytest.mark.parametrize("inner", ["", "segmentations"])
def test_what_systems_leave_in_a_folder_of_masks_is_left_out(phantom, labels, tmp_path, inner):
    """With a subject's folder of TotalSegmentator's data set, too: its CT is no mask."""
    write_masks(tmp_path / inner, phantom)
    for name in ("._colon.nii.gz", ".DS_Store", "statistics.json", "._.nrrd"):
        (tmp_path / inner / name).write_bytes(b"\0\5\26\7Mac OS X")
    if inner:
        sitk.WriteImage(phantom.ct, str(tmp_path / "ct.nii.gz"))
    found = to_array(read_anatomy(tmp_path, phantom.ct))
    expected = np.where(np.isin(labels, [NUMBERS[name] for name in NAMES]), labels, 0)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("whole", ["body", "body_trunc", "skin", "torso_fat", "Subcutaneous fat"])
def test_the_whole_body_in_a_folder_of_masks_is_left_out(phantom, labels, tmp_path, whole):
    write_masks(tmp_path, phantom)
    body = like((to_array(phantom.ct) > -500).astype(np.uint8), phantom.ct)
    sitk.WriteImage(body, str(tmp_path / f"{whole}.nii.gz"))
    found = to_array(read_anatomy(tmp_path, phantom.ct))
    assert set(np.unique(found)) == {0, *(NUMBERS[name] for name in NAMES)}
    for name in NAMES:
        (tmp_path / f"{name}.nii.gz").unlink()
    with pytest.raises(InputError, match="no structure but the whole body or its fat"):
        read_anatomy(tmp_path, phantom.ct)


def test_a_whole_body_under_another_name_is_refused_with_the_cause(phantom, tmp_path):
    write_masks(tmp_path, phantom)
    body = like((to_array(phantom.ct) > -500).astype(np.uint8), phantom.ct)
    sitk.WriteImage(body, str(tmp_path / "contour_7.nii.gz"))
    with pytest.raises(InputError, match="100% of the fat, .* leave out the whole body"):
        read_anatomy(tmp_path, phantom.ct)


def test_the_wholes_are_no_structures_and_others_are():
    assert {number_of(name) for name in WHOLES} == {0}
    assert number_of("skeletal_muscle") == number_of("small_bowel") == 255


def test_a_label_map_alone_in_a_folder_is_no_mask(phantom, tmp_path):
    """All its structures would be one."""
    sitk.WriteImage(phantom.labels, str(tmp_path / "segmentation.nii.gz"))
    with pytest.raises(InputError, match="holds several labels, a mask has one: give the file"):
        read_anatomy(tmp_path, phantom.ct)


def test_labels_are_known_by_the_names_in_their_header(phantom, labels, tmp_path):
    """Whatever the numbers: here TotalSegmentator 1's, and one without a name."""
    version_1 = {20: 57, 21: 104, 25: 92, 77: 90, 78: 91, 75: 88, 65: 51}
    table = np.zeros(256, np.uint8)
    table[list(version_1)] = list(version_1.values())
    names = {version_1[NUMBERS[name]]: name for name in NAMES}
    path = tmp_path / "labels.nii.gz"
    write_named(path, like(table[labels], phantom.ct), names | {7: "aorta"})
    assert anatomy.label_names(path) == names | {7: "aorta"}
    found = to_array(read_anatomy(path, phantom.ct))
    for name in NAMES:
        assert np.array_equal(found == NUMBERS[name], labels == NUMBERS[name])
    assert np.array_equal(found == 255, labels == 65)


def test_names_that_say_nothing_leave_the_numbers(phantom, labels, tmp_path):
    path = tmp_path / "labels.nii.gz"
    write_named(path, phantom.labels, {20: "L20", 25: "L25"})
    assert np.array_equal(to_array(read_anatomy(path, phantom.ct)), labels)


def test_a_header_that_names_nothing_or_is_none_names_nothing(phantom, tmp_path):
    path = tmp_path / "labels.nii.gz"
    sitk.WriteImage(phantom.labels, str(path))
    assert anatomy.label_names(path) == {}
    for content in (b"", b"\0" * 400):
        path.write_bytes(content)
        assert anatomy.label_names(path) == {}


def test_the_names_that_totalsegmentator_wrote_are_read(shared):
    names = anatomy.label_names(shared / "ct/totalsegmentator_pelvis_seg.nii.gz")
    assert len(names) == 117
    assert {name: number for number, name in names.items() if name in NUMBERS} == NUMBERS


REFUSED = {
    "10_anatomy_that_shows_nothing/empty.nii.gz": "shows nothing in this CT",
    "10_anatomy_that_shows_nothing/elsewhere.seg.nrrd": "shows nothing in this CT",
    "24_totalsegmentator_v1_numbers/seg.nii.gz": "numbers of TotalSegmentator 1.*with version 2",
}


@pytest.mark.parametrize("name, problem", REFUSED.items(), ids=REFUSED)
def test_anatomy_that_went_wrong_is_refused(cases, name, problem):
    with pytest.raises(InputError, match=problem) as error:
        read_anatomy(cases / name, as_ct(read_image(cases / "pelvis6.nii.gz")))
    assert name in str(error.value)


@pytest.mark.parametrize(
    "name", ["11_label_map_off_by_1e-8/seg.nii.gz", "15_mac_leftovers_in_anatomy_folder/masks"]
)
def test_anatomy_that_was_refused_is_read(cases, name):
    ct = as_ct(read_image(cases / "pelvis6.nii.gz"))
    expected = to_array(read_labels(cases / "pelvis6_seg.nii.gz", ct))
    found = to_array(read_anatomy(cases / name, ct))
    assert np.array_equal(found[found > 0], expected[found > 0])
    assert {20, 25} <= set(np.unique(found))


def test_the_command_refuses_them_in_one_line(phantom, tmp_path, run_lngen):
    for name, image in (("ct", phantom.ct), ("empty", phantom.labels * 0)):
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    paths = str(tmp_path / "ct.nii.gz"), str(tmp_path / "empty.nii.gz"), str(tmp_path / "out")
    code, _, error = run_lngen(["placement", paths[0], "--anatomy", paths[1], "-o", paths[2]])
    assert code == 2 and error.count("\n") == 1
    assert error.startswith(f"lngen: {paths[1]} shows nothing in this CT")
    assert not (tmp_path / "out").exists()
