"""Tests of reading and writing images, and of what counts as a CT or a label map."""

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.errors import InputError, OutputError
from LNGenLib.image.io import (
    as_ct,
    as_labels,
    check_same_geometry,
    isotropic_image,
    like,
    read_image,
    read_labels,
    to_array,
    write_image,
)

NIFTI_1 = "<i4,V36,8<i2,3<f4,4<i2,8<f4,3<f4,<i2,2V1,4<f4,2<i4,V104,2<i2,18<f4,V20"  # the header


def hu_array(shape=(4, 5, 6), seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-900, 900, shape).astype(np.int16)


def oblique(array: np.ndarray) -> sitk.Image:
    """An anisotropic, turned and shifted image of `array` (z, y, x)."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.75, 0.75, 5.0))
    image.SetOrigin((-120.5, 33.25, -871.0))
    c, s = np.cos(0.3), np.sin(0.3)
    image.SetDirection((c, -s, 0, s, c, 0, 0, 0, 1))
    return image


def assert_same_grid(image: sitk.Image, other: sitk.Image) -> None:
    assert image.GetSize() == other.GetSize()
    assert np.allclose(image.GetSpacing(), other.GetSpacing(), atol=1e-5)
    assert np.allclose(image.GetOrigin(), other.GetOrigin(), atol=1e-3)
    assert np.allclose(image.GetDirection(), other.GetDirection(), atol=1e-5)


def message_of(call, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nii", "ct.nrrd", "ct.mha"])
@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.uint8, np.float32])
def test_values_type_and_geometry_survive_writing_and_reading(tmp_path, name, kind):
    image = oblique(np.abs(hu_array()).astype(kind))
    write_image(image, tmp_path / name)
    again = read_image(tmp_path / name)
    assert again.GetPixelID() == image.GetPixelID()
    assert np.array_equal(to_array(again), to_array(image))
    assert_same_grid(again, image)


def test_a_dotted_name_is_written_under_that_name(tmp_path):
    write_image(oblique(hu_array()), tmp_path / "case.1.2.nii.gz")
    assert [p.name for p in tmp_path.iterdir()] == ["case.1.2.nii.gz"]
    assert read_image(str(tmp_path / "case.1.2.nii.gz")).GetSize() == (6, 5, 4)


def test_a_written_image_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    write_image(oblique(hu_array()), tmp_path / "ct.nii.gz")
    assert (tmp_path / "ct.nii.gz").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("failure", [RuntimeError("ITK ERROR"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path, monkeypatch, failure):
    path = tmp_path / "ct.nii.gz"
    write_image(oblique(hu_array()), path)
    old = path.read_bytes()

    def half_written(image, name, **options):
        with open(name, "wb") as file:
            file.write(old[: len(old) // 2])
        raise failure

    monkeypatch.setattr(sitk, "WriteImage", half_written)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        write_image(oblique(hu_array(seed=1)), path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_second_write_replaces_the_first(tmp_path):
    for seed in (0, 1):
        write_image(oblique(hu_array(seed=seed)), tmp_path / "ct.nrrd")
    assert np.array_equal(to_array(read_image(tmp_path / "ct.nrrd")), hu_array(seed=1))


def written(tmp_path, name, image):
    sitk.WriteImage(image, str(tmp_path / name))
    return tmp_path / name


@pytest.mark.parametrize(
    "name, image, problem",
    [
        ("flat.nii.gz", sitk.Image(6, 5, sitk.sitkInt16), "6 x 5: give one 3D volume"),
        ("slice.mha", sitk.Image(6, 5, 1, sitk.sitkInt16), "6 x 5 x 1: give one 3D volume"),
        ("series.nii.gz", sitk.Image([6, 5, 4, 2], sitk.sitkInt16), "6 x 5 x 4 x 2: give one 3D"),
        ("color.nii.gz", sitk.Image([6, 5, 4], sitk.sitkVectorUInt8, 3), "several values a voxel"),
        ("photo.png", sitk.Image([6, 5], sitk.sitkVectorUInt8, 3), "give NIfTI, NRRD, MHA or a"),
        ("color.nrrd", sitk.Image([6, 5, 4], sitk.sitkVectorUInt8, 3), "several values a voxel"),
        ("k.nii.gz", sitk.Image([6, 5, 4], sitk.sitkComplexFloat32), "several values a voxel"),
    ],
)
def test_what_is_no_scalar_volume_is_refused_by_name(tmp_path, name, image, problem):
    path = written(tmp_path, name, image)
    message = message_of(read_image, path)
    assert str(path) in message
    assert problem in message


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd", "ct.mha", "ct.txt"])
@pytest.mark.parametrize("content", ["", "this is no image\n"])
def test_a_file_that_is_no_image_is_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    message = message_of(read_image, tmp_path / name)
    assert f"{tmp_path / name} is not an image" in message
    assert "NIfTI" in message


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nii", "ct.nrrd", "ct.mha"])
def test_a_truncated_file_is_refused_by_name(tmp_path, name):
    path = tmp_path / name
    write_image(oblique(hu_array((20, 20, 20))), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert f"{path} is cut" in message_of(read_image, path)


def test_a_compressed_file_with_a_damaged_byte_is_refused_by_name(tmp_path):
    path = tmp_path / "ct.nii.gz"
    write_image(oblique(hu_array((20, 20, 20))), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert f"{path} is damaged" in message_of(read_image, path)


def test_a_missing_file_is_refused_by_name(tmp_path):
    path = tmp_path / "nowhere.nii.gz"
    assert f"{path} does not exist" in message_of(read_image, path)


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd"])
def test_a_4d_image_of_one_volume_is_read_as_3d(tmp_path, name):
    volume = sitk.GetImageFromArray(hu_array())
    volume.SetSpacing((0.75, 0.75, 5.0))
    image = read_image(written(tmp_path, name, sitk.JoinSeries([volume])))
    assert np.array_equal(to_array(image), hu_array())
    assert_same_grid(image, volume)


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.float32, np.float64])
def test_hu_of_any_type_become_int16_on_the_same_grid(kind):
    image = oblique(hu_array().astype(kind))
    ct = as_ct(image)
    assert ct.GetPixelID() == sitk.sitkInt16
    assert np.array_equal(to_array(ct), hu_array())
    assert_same_grid(ct, image)


def test_fractions_of_hu_are_rounded_not_cut():
    ct = as_ct(sitk.GetImageFromArray(np.array([[[-99.9999, -3.2, 39.9999]]], np.float32)))
    assert to_array(ct).ravel().tolist() == [-100, -3, 40]


def test_as_ct_leaves_its_input_as_it_was():
    image = oblique(hu_array().astype(np.float32) + 0.25)
    as_ct(image)
    assert image.GetPixelID() == sitk.sitkFloat32
    assert np.array_equal(to_array(image), hu_array() + np.float32(0.25))


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nii", "ct.nrrd", "ct.mha"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_nan_in_a_file_is_refused_by_name_and_not_read_as_zero(tmp_path, name, kind, value):
    array = hu_array().astype(kind)
    array[-1, -1, -1] = value
    path = written(tmp_path, name, oblique(array))
    message = message_of(lambda: as_ct(read_image(path), str(path)))
    assert f"{path} has NaN" in message


def test_a_big_endian_float_nifti_is_read(tmp_path):
    path = written(tmp_path, "ct.nii", oblique(hu_array().astype(np.float32)))
    little = path.read_bytes()
    header = np.frombuffer(little[:348], NIFTI_1).byteswap().tobytes()
    values = np.frombuffer(little, "<f4", offset=352).byteswap().tobytes()
    path.write_bytes(header + little[348:352] + values)
    assert np.array_equal(to_array(read_image(path)), hu_array())


def filled(kind, *values) -> sitk.Image:
    array = np.full((3, 4, 5), values[0], kind)
    array.flat[: len(values)] = values
    return sitk.GetImageFromArray(array)


@pytest.mark.parametrize(
    "image, problem",
    [
        (filled(np.float32, -50, np.nan), "NaN or infinite"),
        (filled(np.float32, -50, np.inf), "NaN or infinite"),
        (filled(np.float32, -50, -np.inf), "NaN or infinite"),
        (filled(np.int16, 0, 1064, 2000), "not in HU (values 0 to 2000)"),
        (filled(np.uint8, 0, 255), "not in HU (values 0 to 255)"),
        (filled(np.float32, 0.0, 0.5, 1.0), "not in HU (values 0 to 1)"),
        (filled(np.float32, -1.0, 0.25, 1.0), "not in HU (values -1 to 1)"),
        (filled(np.int32, -1000, 40000), "-1000 to 40000, beyond any CT's"),
        (filled(np.float32, -40000, 100), "-40000 to 100, beyond any CT's"),
    ],
)
def test_values_that_are_plainly_not_hu_are_refused_by_name(image, problem):
    message = message_of(as_ct, image, "liver.nii.gz")
    assert message.startswith("liver.nii.gz ")
    assert problem in message


@pytest.mark.parametrize(
    "image",
    [filled(np.int16, -1, 0, 2), filled(np.int32, -32768, 32767), filled(np.float32, -1.5, 0.5)],
)
def test_values_that_may_be_hu_are_accepted(image):
    assert as_ct(image).GetPixelID() == sitk.sitkInt16


def moved(image: sitk.Image, what: str) -> sitk.Image:
    other = sitk.Image(image)
    if what == "origin":
        other.SetOrigin(np.add(image.GetOrigin(), (0, 0, 0.5)).tolist())
    elif what == "spacing":
        other.SetSpacing(np.multiply(image.GetSpacing(), (1, 1, 1.01)).tolist())
    elif what == "direction":
        other.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    else:
        other = other[:, :, :-1]
    return other


@pytest.mark.parametrize("what", ["origin", "spacing", "direction", "size"])
def test_another_geometry_is_refused_by_name(tmp_path, what):
    ct = oblique(hu_array())
    labels = moved(like(np.ones((4, 5, 6), np.uint8), ct), what)
    assert "the mask has another geometry" in message_of(
        check_same_geometry, ct, labels, "the mask"
    )
    path = written(tmp_path, "labels.nii.gz", labels)
    message = message_of(read_labels, path, ct)
    assert f"{path} has another geometry than the CT ({what} " in message
    assert "resample" in message


def test_rounding_of_a_header_is_no_other_geometry():
    ct = oblique(hu_array())
    other = sitk.Image(ct)
    other.SetOrigin(np.add(ct.GetOrigin(), 0.004).tolist())
    other.SetSpacing(np.add(ct.GetSpacing(), 2e-5).tolist())
    check_same_geometry(ct, other, "the mask")


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.float32])
def test_labels_of_any_type_become_uint16(tmp_path, kind):
    ct = oblique(hu_array())
    values = np.arange(120).reshape(4, 5, 6)
    path = written(tmp_path, "labels.nrrd", like(values.astype(kind), ct))
    labels = read_labels(path, ct)
    assert labels.GetPixelID() == sitk.sitkUInt16
    assert np.array_equal(to_array(labels), values)
    assert_same_grid(labels, ct)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_labels_that_a_float_moved_a_little_are_rounded(tmp_path, kind):
    ct = oblique(hu_array())
    values = np.arange(120).reshape(4, 5, 6)
    off = np.random.default_rng(0).uniform(-0.01, 0.01, values.shape)
    path = written(tmp_path, "labels.nrrd", like((values + off).astype(kind), ct))
    assert np.array_equal(to_array(read_labels(path, ct)), values)


@pytest.mark.parametrize("kind", [np.int32, np.uint32, np.float32])
def test_labels_beyond_what_is_kept_are_refused(tmp_path, kind):
    """65536 would become 0, the background."""
    ct = oblique(hu_array())
    values = np.zeros((4, 5, 6), kind)
    values[1, 2, 3] = 65535
    path = written(tmp_path, "labels.nrrd", like(values, ct))
    assert to_array(read_labels(path, ct)).max() == 65535
    values[1, 2, 3] = 65536
    path = written(tmp_path, "labels.nrrd", like(values, ct))
    message = message_of(read_labels, path, ct)
    assert f"{path} has labels up to 65536" in message and "give smaller numbers" in message


@pytest.mark.parametrize("axes", ["LPS", "RAS", "PIR", "SAL", "ILP"])
def test_labels_along_other_axes_of_the_same_grid_are_turned(tmp_path, axes):
    ct = oblique(hu_array())
    values = np.arange(120).reshape(4, 5, 6).astype(np.uint8)
    turned = sitk.DICOMOrient(like(values, ct), axes)
    labels = read_labels(written(tmp_path, "labels.nrrd", turned), ct)
    assert np.array_equal(to_array(labels), values)
    assert_same_grid(labels, ct)
    shifted = sitk.Image(turned)
    shifted.SetOrigin(np.add(turned.GetOrigin(), (0, 0, 0.5)).tolist())
    path = written(tmp_path, "labels.nrrd", shifted)
    assert "another geometry than the CT" in message_of(read_labels, path, ct)


def test_images_that_are_no_label_maps_are_refused():
    ct = oblique(hu_array())
    real = like(np.zeros((4, 5, 6), np.float32), ct)
    for image in (sitk.Compose([real, real]), sitk.RealAndImaginaryToComplex(real, real)):
        assert "the mask is not a label map" in message_of(as_labels, image, ct, "the mask")
    assert "another geometry" in message_of(as_labels, real[:, :, 0], ct, "the mask")


@pytest.mark.parametrize("value", [0.5, 0.02, -1.0])
def test_what_is_no_label_map_is_refused_by_name(tmp_path, value):
    ct = oblique(hu_array())
    values = np.zeros((4, 5, 6), np.float32)
    values[1, 2, 3] = value
    path = written(tmp_path, "labels.nrrd", like(values, ct))
    message = message_of(read_labels, path, ct)
    assert f"{path} is not a label map" in message
    assert "whole numbers" in message


def test_an_isotropic_image_is_centered_at_the_origin():
    image = isotropic_image(np.zeros((3, 4, 5), np.float32), 2.0)
    middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    assert image.GetSpacing() == (2.0, 2.0, 2.0)
    assert middle == pytest.approx((0, 0, 0), abs=1e-9)
