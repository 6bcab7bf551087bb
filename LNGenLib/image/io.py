"""Reading and writing of images with SimpleITK, and what counts as a usable CT.

An image is a `SimpleITK.Image` (LPS, x y z); arrays are numpy (z, y, x).
"""

from __future__ import annotations

import gzip
import os
import tempfile
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError

IMAGE_POSITION = "0020|0032"  # DICOM tag
LABEL_ERROR = 0.01  # from a whole number
MOST_LABEL = 65535  # of uint16
SYNTHETIC = "SYNTHETIC lymph nodes painted by LNGen"

to_array = sitk.GetArrayFromImage


def read_image(path: str | Path) -> sitk.Image:
    """Read a 3D scalar image: NIfTI, NRRD, MHA or any other SimpleITK format, or a DICOM folder.

    A DICOM folder must hold exactly one series. Raises InputError where there is no such image.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path")
    try:
        image = _read_dicom(path) if path.is_dir() else sitk.ReadImage(str(path))
        if path.is_file() and path.name.endswith((".nii", ".nii.gz")):
            _check_nifti(path, image)
    except (RuntimeError, OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path} is not an image that can be read: give NIfTI, NRRD, MHA or a DICOM folder"
        ) from error
    if image.GetNumberOfComponentsPerPixel() > 1 or "complex" in image.GetPixelIDTypeAsString():
        raise InputError(f"{path} has several values a voxel (RGB?): give a scalar image")
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[..., 0]
    if image.GetDimension() != 3 or min(image.GetSize()) < 2:
        raise InputError(
            f"{path} has the size {' x '.join(map(str, image.GetSize()))}: give one 3D volume"
        )
    return image


def _check_nifti(path: Path, image: sitk.Image) -> None:
    """Raise where a NIfTI file is cut, damaged or has NaN: ITK reads zeros there without a word."""
    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if compressed else open(path, "rb") as file:
        content = file.read()
    start, bits = (int(float(image.GetMetaData(key))) for key in ("vox_offset", "bitpix"))
    count = image.GetNumberOfPixels()
    if len(content) < start + count * bits // 8:
        raise EOFError(f"{path} ends early")
    kind = {"16": "f4", "64": "f8"}.get(image.GetMetaData("datatype"))
    if kind is not None:
        little = int.from_bytes(content[:4], "little") in (348, 540)  # size of the header
        values = np.frombuffer(content, ("<" if little else ">") + kind, count, start)
        _check_finite(values, str(path))


def _check_finite(values: np.ndarray, name: str) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"{name} has NaN or infinite values: replace them (in a CT by -1024)")


def dicom_files(folder: Path) -> tuple[str, ...]:
    """The files of the one DICOM series in a folder, in the order of the image's slices.

    Raises InputError where there are none, or several series.
    """
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        raise InputError(
            f"{folder} holds {len(series)} DICOM series: give a folder with exactly one"
        )
    return sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0])


def _read_dicom(folder: Path) -> sitk.Image:
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.GlobalWarningDisplayOff()  # the errors below say what ITK only warns of
    try:
        names = dicom_files(folder)
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(names)
        reader.MetaDataDictionaryArrayUpdateOn()
        image = reader.Execute()
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
    positions = [
        np.array(reader.GetMetaData(k, IMAGE_POSITION).split("\\"), float)
        for k in range(len(names))
        if reader.HasMetaDataKey(k, IMAGE_POSITION)
    ]
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1) if len(positions) > 1 else np.ones(1)
    if np.ptp(steps) > 0.05 * steps.mean():
        raise InputError(
            f"{folder} misses slices or holds uneven ones: give a complete series of even spacing"
        )
    return image


def as_ct(image: sitk.Image, name: str = "the CT") -> sitk.Image:
    """The image as int16 HU, rounded; raises InputError where the values are plainly not HU."""
    values = sitk.GetArrayViewFromImage(image)
    _check_finite(values, name)
    low, high = float(values.min()), float(values.max())
    if low >= 0 or (low >= -1 and high <= 1):
        raise InputError(
            f"{name} is not in HU (values {low:g} to {high:g}): give the CT before any rescaling"
        )
    if low < -32768 or high > 32767:
        raise InputError(f"{name} has values {low:g} to {high:g}, beyond any CT's: check the file")
    if image.GetPixelID() == sitk.sitkInt16:
        return image
    if values.dtype.kind == "f":
        image = sitk.Round(image)
    return sitk.Cast(image, sitk.sitkInt16)


def check_same_geometry(image: sitk.Image, other: sitk.Image, name: str) -> None:
    """Raise InputError unless `other` lies on the grid of `image` (0.01 mm, 1e-4 in direction)."""
    for what, tolerance in (("Size", 0), ("Spacing", 1e-3), ("Origin", 1e-2), ("Direction", 1e-4)):
        wanted, own = (getattr(one, f"Get{what}")() for one in (image, other))
        if len(own) != len(wanted) or not np.allclose(own, wanted, atol=tolerance):
            raise InputError(
                f"{name} has another geometry than the CT ({what.lower()} {_listed(own)}, not "
                f"{_listed(wanted)}): resample it to the CT's grid"
            )


def _listed(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.6g}" for value in values)


def read_labels(path: str | Path, ct: sitk.Image) -> sitk.Image:
    """Read a label map on the grid of `ct` as `as_labels` takes it; raises InputError otherwise."""
    return as_labels(read_image(path), ct, str(path))


def as_labels(image: sitk.Image, ct: sitk.Image, name: str) -> sitk.Image:
    """A label map (uint16) on the grid of `ct`, along the same axes.

    Labels are rounded where they are within 0.01 of a whole number: some tools save them as floats.
    Raises InputError, which bears the `name`, for another grid and for what is no label map.
    """
    no_labels = InputError(f"{name} is not a label map: give whole numbers from 0 up")
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise no_labels
    labels = _along_axes(image, ct)
    check_same_geometry(ct, labels, name)
    values = sitk.GetArrayViewFromImage(labels)
    if values.dtype.kind not in "iuf" or not _are_whole(values):
        raise no_labels
    low, high = float(values.min()), float(values.max())
    if low < -LABEL_ERROR:
        raise no_labels
    if high >= MOST_LABEL + 0.5:
        raise InputError(
            f"{name} has labels up to {high:.0f}, {MOST_LABEL} is the most: give smaller numbers"
        )
    if values.dtype.kind == "f":
        return like(np.round(values).astype(np.uint16), labels)
    return sitk.Cast(labels, sitk.sitkUInt16)


def _are_whole(values: np.ndarray) -> bool:
    if values.dtype.kind != "f":
        return True
    if not np.isfinite(values).all():
        return False
    return all(np.abs(part - np.round(part)).max() <= LABEL_ERROR for part in values)


def _along_axes(image: sitk.Image, ct: sitk.Image) -> sitk.Image:
    """The image with its axes in order and direction of those of `ct`, where they are parallel."""
    if image.GetDimension() != 3:
        return image
    own, wanted = (np.reshape(one.GetDirection(), (3, 3)) for one in (image, ct))
    turn = np.linalg.inv(wanted) @ own
    axes = np.abs(turn).argmax(1).tolist()
    if sorted(axes) != [0, 1, 2] or np.abs(np.abs(turn[range(3), axes]) - 1).max() > 1e-4:
        return image
    if axes != [0, 1, 2]:
        image = sitk.PermuteAxes(image, axes)
    steps = np.sign(turn[range(3), axes]).astype(int).tolist()
    return image if min(steps) > 0 else image[tuple(slice(None, None, step) for step in steps)]


def like(array: np.ndarray, reference: sitk.Image) -> sitk.Image:
    """An image of `array` (z, y, x) with the geometry of `reference`."""
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(reference)
    return image


def marked_synthetic(image: sitk.Image) -> sitk.Image:
    """The image with a note in its header (NIfTI: descrip) that it holds synthetic lymph nodes."""
    image.SetMetaData("ITK_FileNotes", SYNTHETIC)
    return image


def isotropic_image(array: np.ndarray, spacing: float) -> sitk.Image:
    """An image of `array` (z, y, x) with isotropic `spacing` in mm, centered at the origin."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([spacing] * 3)
    image.SetOrigin([-(n - 1) / 2 * spacing for n in image.GetSize()])
    return image


def write_image(image: sitk.Image, path: str | Path) -> None:
    """Write compressed, whole or not at all: in a temporary folder first, then moved."""
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as folder:
        temporary = os.path.join(folder, path.name)
        sitk.WriteImage(image, temporary, useCompression=True)
        os.replace(temporary, path)
