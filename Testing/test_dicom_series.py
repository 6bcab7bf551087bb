"""Tests of which series of a DICOM folder is read, and which series are no volume, and why."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_slices import write_slices
from test_io import hu_array, message_of

from LNGenLib.errors import InputError
from LNGenLib.image.io import as_ct, read_ct, read_image, to_array

CASES = Path(__file__).parents[2] / "shared" / "cases"


def stack(heights, shift: float = 0) -> list[tuple[float, float, float]]:
    """Positions at heights in mm, shifted along y by a share of the height."""
    return [(-10, -20 + shift * height, height) for height in heights]


def change(file: Path, **values) -> None:
    """Set attributes in a DICOM file."""
    dataset = pydicom.dcmread(file)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(file)


def test_a_real_dicom_folder_is_read_as_one_ct(shared):
    image = read_ct(shared / "dicom" / "liver_slab")
    assert image.GetSize() == (512, 512, 20)
    assert np.allclose(image.GetSpacing(), (0.9765625, 0.9765625, 2.0))
    values = to_array(as_ct(image))
    assert values.min() == -1024
    assert 0.2 < ((values > 0) & (values < 200)).mean() < 0.8  # a slab of the abdomen


def test_slices_are_ordered_by_position(tmp_path):
    write_slices(tmp_path, hu_array((12, 5, 6)))
    image = read_ct(tmp_path)
    assert np.array_equal(to_array(image), hu_array((12, 5, 6)))
    assert np.allclose(image.GetSpacing(), (0.8, 0.8, 3.0))
    assert np.allclose(image.GetOrigin(), (-10, -20, 0))


def test_leftovers_and_texts_in_the_folder_are_left_out(tmp_path):
    files = write_slices(tmp_path, hu_array())
    (tmp_path / "notes.txt").write_text("no image")
    shutil.copy(files[0], tmp_path / "._1.2.3.0.dcm")
    assert np.array_equal(to_array(read_ct(tmp_path)), hu_array())


@pytest.mark.parametrize(
    "heights, cause",
    [
        ((0, 3, 9, 12), "misses slices: 1 between 1.2.3.1.dcm and 1.2.3.2.dcm"),
        ((0, 3, 6, 15), "misses slices: 2 between 1.2.3.2.dcm and 1.2.3.3.dcm"),
        ((0, 3, 6, 6), "holds 1.2.3.2.dcm and 1.2.3.3.dcm at one place: take one out"),
        ((0, 0, 3, 3), "holds 2 slices at each of 2 places"),
        ((6, 6, 3, 3, 0, 0), "holds 2 slices at each of 3 places"),
        ((0, 3, 6, 7), "holds uneven slices, 1 to 3 mm apart"),
    ],
)
def test_each_fault_of_a_series_has_its_own_message(tmp_path, heights, cause, capfd):
    write_slices(tmp_path, hu_array((len(heights), 5, 6)), positions=stack(heights))
    assert f"{tmp_path} {cause}" in message_of(read_ct, tmp_path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("heights", [(0, 3, 6, 9), (0.0, 0.63, 1.25, 1.88), (9, 6, 3, 0)])
def test_even_slices_are_read(tmp_path, heights):
    write_slices(tmp_path, hu_array(), positions=stack(heights))
    order = np.argsort(heights)
    assert np.array_equal(to_array(read_ct(tmp_path)), hu_array()[order])


@pytest.mark.parametrize(
    "values, cause",
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "is a scout (localizer)"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, "is no slice along the others"),
        ({"PixelSpacing": [0.5, 0.5]}, "has another size or spacing than the others"),
        ({"ImagePositionPatient": None}, "does not say where it lies"),
    ],
)
def test_a_slice_of_another_kind_is_named(tmp_path, values, cause):
    files = write_slices(tmp_path, hu_array())
    change(files[1], **values)
    message = message_of(read_ct, tmp_path)
    assert message.startswith(f"{files[1]} {cause}")
    assert "take it out of the folder" in message


def test_a_tilted_gantry_is_refused_with_its_angle(tmp_path):
    write_slices(tmp_path, hu_array(), positions=stack((0, 3, 6, 9), np.tan(np.radians(20))))
    message = message_of(read_ct, tmp_path)
    assert message.startswith(f"{tmp_path} was scanned with a tilted gantry")
    assert "20 degrees" in message and "dcm2niix" in message


def test_a_tilt_below_a_millimeter_in_all_is_read(tmp_path):
    write_slices(tmp_path, hu_array(), positions=stack((0, 3, 6, 9), 0.1))
    assert np.array_equal(to_array(read_ct(tmp_path)), hu_array())


def test_the_tilted_case_is_refused():
    if not CASES.is_dir():
        pytest.skip(f"no cases at {CASES}")
    assert "tilted gantry" in message_of(read_ct, CASES / "06_gantry_tilt_dicom" / "series")


def test_the_ct_is_chosen_by_modality(tmp_path):
    write_slices(tmp_path, hu_array())
    write_slices(tmp_path, hu_array(seed=1), "1.2.4", tags={"0008|0060": "PT"})
    scout = {"0008|0008": "ORIGINAL\\PRIMARY\\LOCALIZER"}
    write_slices(tmp_path, hu_array((1, 9, 9)), "1.2.5", tags=scout)
    assert np.array_equal(to_array(read_ct(tmp_path)), hu_array())


def test_of_several_ct_series_one_is_named(tmp_path):
    write_slices(tmp_path, hu_array(), tags={"0008|103e": "Body 3.0"})
    write_slices(tmp_path, hu_array(seed=1), "1.2.4")
    message = message_of(read_ct, tmp_path)
    assert f"{tmp_path} holds 2 DICOM series" in message and "series UID" in message
    assert "1.2.3 (CT, Body 3.0; 4 files), 1.2.4 (CT; 4 files)" in message
    for seed, series in enumerate(("1.2.3", "1.2.4")):
        assert np.array_equal(to_array(read_ct(tmp_path, series)), hu_array(seed=seed))
    message = message_of(read_ct, tmp_path, "1.2.5")
    assert f"{tmp_path} holds no series 1.2.5" in message and "1.2.4 (CT; 4 files)" in message


def test_a_series_of_a_file_is_refused(tmp_path):
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(hu_array()), str(path))
    assert f"{path} is no DICOM folder" in message_of(read_ct, path, "1.2.3")


def test_one_file_of_a_series_points_to_its_folder(tmp_path):
    file = write_slices(tmp_path, hu_array())[0]
    message = message_of(read_ct, file)
    assert message.startswith(f"{file} is one file of a DICOM series")
    assert f"give its folder, {tmp_path}" in message


def test_a_folder_without_dicom_is_refused_without_noise(tmp_path, capfd):
    (tmp_path / "notes.txt").write_text("no image")
    assert f"{tmp_path} holds no DICOM series" in message_of(read_image, tmp_path)
    assert capfd.readouterr().err == ""
    assert sitk.ProcessObject.GetGlobalWarningDisplay()


def test_a_cut_last_slice_does_not_shorten_the_series(tmp_path):
    file = write_slices(tmp_path, hu_array())[-1]
    content = file.read_bytes()
    for length in (0, 100, 130, 200, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        assert message_of(read_ct, tmp_path).startswith(f"{file} is DICOM that is cut"), length


def enhanced(folder: Path, array: np.ndarray, heights: tuple[float, ...]) -> None:
    """An enhanced CT: one file of several frames, at heights in mm."""
    file = write_slices(folder, array[:1])[0]
    made = pydicom.dcmread(file)
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    shared = pydicom.Dataset()
    for sequence, keyword, value in (
        ("PixelMeasuresSequence", "PixelSpacing", [0.8, 0.8]),
        ("PlaneOrientationSequence", "ImageOrientationPatient", [1, 0, 0, 0, 1, 0]),
    ):
        setattr(shared, sequence, [pydicom.Dataset()])
        setattr(getattr(shared, sequence)[0], keyword, value)
    shared.PixelMeasuresSequence[0].SliceThickness = 3
    values = pydicom.Dataset()
    values.RescaleIntercept, values.RescaleSlope, values.RescaleType = 0, 1, "HU"
    shared.PixelValueTransformationSequence = [values]
    made.SharedFunctionalGroupsSequence = [shared]
    made.PerFrameFunctionalGroupsSequence = []
    for height in heights:
        frame, place = pydicom.Dataset(), pydicom.Dataset()
        place.ImagePositionPatient = [-10, -20, height]
        frame.PlanePositionSequence = [place]
        made.PerFrameFunctionalGroupsSequence.append(frame)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(made, keyword)
    made.NumberOfFrames, made.PixelData = len(array), array.tobytes()
    made.save_as(file)


def test_an_enhanced_ct_is_read(tmp_path):
    enhanced(tmp_path, hu_array(), (0, 3, 6, 9))
    image = read_ct(tmp_path)
    assert np.array_equal(to_array(image), hu_array())
    assert np.allclose(image.GetSpacing(), (0.8, 0.8, 3.0))
    assert np.allclose(image.GetOrigin(), (-10, -20, 0))


@pytest.mark.parametrize("heights", [(0, 6, 3, 9), (0, 3, 9, 12)])
def test_an_enhanced_ct_of_unordered_or_missing_frames_is_refused(tmp_path, heights):
    enhanced(tmp_path, hu_array(), heights)
    with pytest.raises(InputError, match=f"{tmp_path} (holds slices up to|misses slices)"):
        read_ct(tmp_path)
