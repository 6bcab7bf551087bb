"""Tests of where the voxels of an image lie by its header, and of what is no whole file."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from damage import FORMATS, write
from dicom_slices import write_slices
from scipy.spatial.transform import Rotation
from test_io import assert_same_grid, hu_array, message_of, oblique, written

from LNGenLib.datasets.case import Case
from LNGenLib.errors import InputError
from LNGenLib.image.geometry import index_to_ras
from LNGenLib.image.io import read_ct, read_image, read_layers, to_array
from LNGenLib.scan.labels import read_anatomy
from LNGenLib.texture.dataset import read_scan

CUT = "it ends before its last voxel: copy it again"
CASES = Path(__file__).parents[2] / "shared" / "cases"
TURNED = np.eye(4)
TURNED[:3, :3] = Rotation.from_euler("xyz", (5, -3, 10), degrees=True).as_matrix() * (0.7, 0.7, 5)
TURNED[:3, 3] = (-120, 60, -800)


def case(name: str) -> Path:
    if not CASES.is_dir():
        pytest.skip(f"no cases at {CASES}")
    return CASES / name


def nifti(path: Path, sform=None, qform=None, kind=nibabel.Nifti1Image, shape=(6, 5, 4)) -> Path:
    """An image of HU (x, y, z) with the forms in RAS mm that are given."""
    values = hu_array(shape[::-1]).T
    image = kind(values, None)
    image.header.set_zooms((2, 2, 3))
    image.set_sform(sform, code=0 if sform is None else 1)
    image.set_qform(qform, code=0 if qform is None else 1)
    nibabel.save(image, path)
    return path


def sheared(degrees: float, axis: int = 1) -> np.ndarray:
    """A form of 2 mm whose z axis leans by an angle."""
    affine = np.diag([2.0, 2, 2, 1])
    affine[axis, 2] = 2 * np.tan(np.radians(degrees))
    return affine


def places(image: sitk.Image) -> np.ndarray:
    """RAS mm of the corners (8, 3)."""
    size = np.array(image.GetSize()[::-1]) - 1
    return index_to_ras(image, np.array(list(np.ndindex(2, 2, 2))) * size)


def told(affine: np.ndarray, shape=(6, 5, 4)) -> np.ndarray:
    """The same by a form in RAS mm."""
    corners = np.array(list(np.ndindex(2, 2, 2)))[:, ::-1] * (np.array(shape) - 1)
    return corners @ affine[:3, :3].T + affine[:3, 3]


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_ct_of_unknown_orientation_is_refused_and_a_mask_is_not(tmp_path, ending, kind):
    path = nifti(tmp_path / f"ct{ending}", kind=kind)
    message = message_of(read_ct, path)
    assert message.startswith(f"{path} does not say how the patient lies in it")
    assert "set_sform" in message
    image = read_image(path)
    assert np.array_equal(to_array(image), hu_array())
    assert image.GetSpacing() == (2, 2, 3)


def test_unknown_orientation_is_refused_in_every_format(tmp_path):
    image = oblique(hu_array())
    nrrd = written(tmp_path, "ct.nrrd", image)
    nrrd.write_bytes(
        nrrd.read_bytes().replace(b"space: left-posterior-superior", b"space dimension: 3")
    )
    mha = written(tmp_path, "ct.mha", image)
    mha.write_bytes(mha.read_bytes().replace(b"TransformMatrix", b"TransformMetrics"))
    for path in (nrrd, mha):
        assert "does not say how the patient lies" in message_of(read_ct, path)
        read_image(path)


@pytest.mark.parametrize(
    "forms", [{"sform": TURNED}, {"qform": TURNED}, {"sform": TURNED, "qform": TURNED}]
)
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_either_form_or_both_that_agree_say_where_the_voxels_lie(tmp_path, forms, kind):
    image = read_ct(nifti(tmp_path / "ct.nii.gz", kind=kind, **forms))
    assert np.abs(places(image) - told(TURNED)).max() < 1e-3
    assert np.array_equal(to_array(image), hu_array())


def test_the_place_is_slicers_to_the_last_digit(tmp_path):
    path = nifti(tmp_path / "ct.nii.gz", sform=TURNED, qform=TURNED)
    image, slicers = read_ct(path), sitk.ReadImage(str(path))
    assert image.GetOrigin() == slicers.GetOrigin()
    assert image.GetSpacing() == slicers.GetSpacing()
    assert image.GetDirection() == slicers.GetDirection()


def test_forms_that_differ_are_refused(tmp_path):
    moved = TURNED.copy()
    moved[:3, 3] += (0, 15, 30)
    path = nifti(tmp_path / "ct.nii.gz", sform=TURNED, qform=moved)
    for read in (read_image, read_ct):
        message = message_of(read, path)
        assert message.startswith(f"{path} tells two places: its qform and sform are up to 33.5 mm")
        assert "set the code of the other one to 0" in message


def test_spacings_beside_the_sform_do_not_count(tmp_path):
    path = nifti(tmp_path / "ct.nii", sform=TURNED)
    image = nibabel.load(path)
    image.header["pixdim"][1:4] = 1
    nibabel.save(image, path)
    assert np.abs(places(read_ct(path)) - told(TURNED)).max() < 1e-3


def test_a_small_shear_is_straightened_about_the_center(tmp_path):
    shape = (60, 60, 60)
    image = read_ct(nifti(tmp_path / "ct.nii.gz", sform=sheared(0.17), shape=shape))
    direction = np.reshape(image.GetDirection(), (3, 3))
    assert np.allclose(direction @ direction.T, np.eye(3), atol=1e-12)
    assert 0.05 < np.abs(places(image) - told(sheared(0.17), shape)).max() < 0.1
    assert np.allclose(places(image).mean(0), told(sheared(0.17), shape).mean(0))
    assert np.array_equal(to_array(image), hu_array(shape))


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd", "ct.mha"])
def test_a_shear_is_refused_in_every_format(tmp_path, name):
    path = nifti(tmp_path / "made.nii", sform=sheared(10), shape=(60, 60, 60))
    if name == "ct.nii.gz":
        path = nifti(tmp_path / name, sform=sheared(10), shape=(60, 60, 60))
    else:
        image = sitk.GetImageFromArray(hu_array((60, 60, 60)))
        image.SetSpacing((2, 2, 2))
        image.SetDirection((1, 0, 0, 0, 1, np.sin(0.17), 0, 0, np.cos(0.17)))
        path = written(tmp_path, name, image)
    message = message_of(read_image, path)
    assert message.startswith(f"{path} is sheared") and "resample" in message


@pytest.mark.parametrize(
    "name, cause",
    [
        ("04_orientation_not_known/nocodes_ct.nii.gz", "does not say how the patient lies"),
        ("05_qform_and_sform_differ/ct.nii.gz", "tells two places"),
        ("17_cut_nifti_by_other_names/CT.NII.GZ", "is cut"),
        ("17_cut_nifti_by_other_names/NAN.NII.GZ", "has NaN"),
    ],
)
def test_the_cases_are_refused_with_their_cause(name, cause):
    path = case(name)
    assert message_of(read_ct, path).startswith(f"{path} {cause}")


@pytest.mark.parametrize("name", ["ct.nii.gz", "nifti2.nii.gz"])
def test_the_sheared_and_the_nifti_2_case_are_read(name):
    path = case(f"23_sheared_nifti_message/{name}")
    other = nibabel.load(path)
    image = read_ct(path)
    assert np.array_equal(to_array(image), np.asarray(other.dataobj).T)
    assert np.abs(places(image) - told(other.affine, other.shape)).max() < 1


def test_names_in_capitals_are_read(tmp_path):
    image = oblique(hu_array())
    written(tmp_path, "ct.nii.gz", image).rename(tmp_path / "CT.NII.GZ")
    assert_same_grid(read_ct(tmp_path / "CT.NII.GZ"), image)


def test_a_wrong_name_is_told(tmp_path):
    path = written(tmp_path, "ct.nii.gz", oblique(hu_array())).rename(tmp_path / "ct.mha")
    message = message_of(read_image, path)
    assert message == f"{path} is NIfTI by its content: let its name end with .nii.gz"


def test_an_image_of_the_same_name_beside_is_not_read_in_its_place(tmp_path):
    written(tmp_path, "ct.nii", oblique(hu_array(seed=1)))
    path = written(tmp_path, "ct.nii.gz", oblique(hu_array()))
    assert np.array_equal(to_array(read_image(path)), hu_array())


@pytest.mark.parametrize("behind, read", [(b"\0" * 9, True), (b"garbage", False)])
def test_the_checksum_counts_with_bytes_behind_it(tmp_path, behind, read):
    path = written(tmp_path, "ct.nii.gz", oblique(hu_array()))
    content = path.read_bytes() + behind
    path.write_bytes(content)
    if read:
        assert np.array_equal(to_array(read_image(path)), hu_array())
        damaged = bytearray(content)
        damaged[-len(behind) - 8] ^= 1  # of the checksum
        path.write_bytes(damaged)
    assert f"{path} is damaged" in message_of(read_image, path)


def test_gzip_of_several_members_is_read(tmp_path):
    path = written(tmp_path, "ct.nii", oblique(hu_array()))
    content, packed = path.read_bytes(), tmp_path / "ct.nii.gz"
    packed.write_bytes(gzip.compress(content[:300]) + gzip.compress(content[300:]))
    assert np.array_equal(to_array(read_image(packed)), hu_array())


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64])
def test_scaled_values_are_those_of_slicer(tmp_path, kind):
    path = written(tmp_path, "ct.nii", oblique(np.abs(hu_array()).astype(kind)))
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([0.37, -1024.5], "<f4").tobytes()  # slope and intercept
    path.write_bytes(content)
    image, slicers = read_image(path), sitk.ReadImage(str(path))
    assert image.GetPixelID() == slicers.GetPixelID()
    assert np.array_equal(to_array(image), to_array(slicers))


def test_layers_of_a_segmentation_are_read(tmp_path):
    layers = np.random.default_rng(0).integers(0, 3, (4, 5, 6, 2)).astype(np.uint8)
    image = sitk.GetImageFromArray(layers, isVector=True)
    image.SetMetaData("Segment0_Name", "Rückenmark")
    path = tmp_path / "anatomy.seg.nrrd"
    sitk.WriteImage(image, str(path), useCompression=True)
    found = read_layers(path)
    assert np.array_equal(to_array(found), layers)
    assert found.GetMetaData("Segment0_Name") == "Rückenmark"
    assert "several values a voxel" in message_of(read_image, path)
    path.write_bytes(path.read_bytes()[:-9])
    assert message_of(read_anatomy, path, found) == f"{path} is cut, {CUT}"


@pytest.mark.parametrize(
    "field, value",
    [
        (b"encoding: raw", b"encoding: ascii"),
        (b"kinds: domain domain domain", b"kinds: domain domain list"),
        (b"encoding: raw", b"encoding: raw\nline skip: 1"),
        (b"endian: little", b"endian: little\ndata file: ct.%03d.raw 1 4 1"),
    ],
)
def test_a_rare_nrrd_is_refused(tmp_path, field, value):
    path = written(tmp_path, "ct.nrrd", oblique(hu_array()))
    assert field in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(field, value))
    assert message_of(read_image, path).startswith(f"{path} is NRRD of a rare kind")


def claim_huge(path: Path) -> None:
    """Let the header of an image of 6 x 5 x 4 voxels claim 6000 x 5000 x 4000."""
    if path.is_dir():
        for file in path.iterdir():
            rows = b"\x28\0\x10\0\2\0\0\0"  # tag and length in implicit little endian
            start = file.read_bytes().index(rows) + len(rows)
            content = bytearray(file.read_bytes())
            content[start : start + 2] = b"\xff\xff"
            file.write_bytes(content)
        return
    packed = path.name.endswith(".gz")
    content = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    head = nibabel.Nifti2Header if content[:4] == b"\x1c\x02\0\0" else nibabel.Nifti1Header
    if path.suffix in (".nii", ".hdr", ".gz"):
        header = head(content[: head.sizeof_hdr], check=False)
        header["dim"][1:4] = (6000, 5000, 4000)
        content = bytes(header.binaryblock) + content[head.sizeof_hdr :]
    for key in (b"sizes: ", b"DimSize = "):
        content = content.replace(key + b"6 5 4", key + b"6000 5000 4000")
    path.write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_a_header_that_claims_a_huge_volume_takes_no_memory(tmp_path, format):
    write(oblique(hu_array()), format, tmp_path)
    path = tmp_path / format.files[0]
    claim_huge(path)
    code = f"""
import re
from LNGenLib.datasets.case import Case
from LNGenLib.errors import InputError
from LNGenLib.image.io import read_image
import nibabel, pydicom

def peak():
    return int(re.search(r"VmPeak:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024

before = peak()
try:
    read_image({str(path)!r})
except InputError as error:
    print(peak() - before, error)
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    megabytes, _, message = done.stdout.partition(" ")
    assert int(megabytes) < 100 and ("cut" in message or "damaged" in message), message


def test_a_reader_needs_neither_nibabel_nor_pydicom_to_start():
    code = "import sys; sys.modules.update(nibabel=None, pydicom=None); import LNGenLib.image.io"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_commands_take_a_series(tmp_path, run_lngen):
    for series in ("1.2.3", "1.2.4"):
        write_slices(tmp_path / "two", hu_array(), series)
    arguments = [str(tmp_path / "two"), "-o", str(tmp_path / "out")]
    for command in (["placement"], ["synthesize"], ["segment", "--model", "x"]):
        output = [str(tmp_path / "out.nrrd")] if command[0] == "segment" else arguments[-1:]
        given = [*command, *arguments[:-1], *output]
        code, _, err = run_lngen(given)
        assert code == 2 and "holds 2 DICOM series" in err
        code, _, err = run_lngen([*given, "--series", "1.2.5"])
        assert code == 2 and "holds no series 1.2.5" in err
        code, _, err = run_lngen([*given, "--series", "1.2.4"])
        assert code == 2 and "series" not in err.replace(str(tmp_path), "")


def test_a_ct_of_unknown_orientation_is_refused_wherever_one_is_read(tmp_path, run_lngen):
    path = nifti(tmp_path / "ct.nii.gz")
    for command in ("placement", "synthesize"):
        code, _, err = run_lngen([command, str(path), "-o", str(tmp_path / "out")])
        assert code == 2 and "does not say how the patient lies" in err, err
        assert len(err.splitlines()) == 1
    for read in (Case("ct", path, None, "ct").load, lambda: read_scan(path)):
        assert "does not say how the patient lies" in message_of(read)


def test_input_errors_are_all_that_leaves_the_reader(tmp_path):
    """What a file of random bytes behind each magic does."""
    rng = np.random.default_rng(0)
    starts = [b"NRRD0004\n", b"ObjectType = Image\n", b"\x5c\x01\0\0", b"\0" * 128 + b"DICM", b""]
    for number in range(200):
        path = tmp_path / "ct.nii"
        path.write_bytes(starts[number % 5] + rng.bytes(int(rng.integers(600))))
        with pytest.raises(InputError):
            read_image(path)
