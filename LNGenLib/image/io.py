"""Reading and writing of images with SimpleITK, and what counts as a usable CT.

An image is a `SimpleITK.Image` (LPS, x y z); arrays are numpy (z, y, x).
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.verify import CHUNKS, check_written, silent
from LNGenLib.output import SOFTWARE, whole_file

if TYPE_CHECKING:
    import PIL.Image

IMAGE_POSITION = "0020|0032"  # DICOM tag
NOTE = "ITK_FileNotes"  # in NIfTI: descrip
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
    same = (
        image.GetSize() == other.GetSize()
        and np.allclose(image.GetSpacing(), other.GetSpacing(), atol=1e-3)
        and np.allclose(image.GetOrigin(), other.GetOrigin(), atol=1e-2)
        and np.allclose(image.GetDirection(), other.GetDirection(), atol=1e-4)
    )
    if not same:
        raise InputError(f"{name} has another geometry than the CT: resample it to the CT's grid")


def read_labels(path: str | Path, ct: sitk.Image) -> sitk.Image:
    """Read an integer label map on the grid of `ct`; raises InputError otherwise."""
    labels = read_image(path)
    check_same_geometry(ct, labels, str(path))
    values = to_array(labels)
    if not np.isfinite(values).all() or (values != np.round(values)).any() or values.min() < 0:
        raise InputError(f"{path} is not a label map: give whole numbers from 0 up")
    return sitk.Cast(labels, sitk.sitkUInt16)


def like(array: np.ndarray, reference: sitk.Image) -> sitk.Image:
    """An image of `array` (z, y, x) with the geometry of `reference`."""
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(reference)
    return image


def marked_synthetic(image: sitk.Image) -> sitk.Image:
    """The image with a note in its header (NIfTI: descrip) that it holds synthetic lymph nodes."""
    image.SetMetaData(NOTE, SYNTHETIC)
    return image


def marked_own(image: sitk.Image) -> sitk.Image:
    """The image with a note in its header that LNGen made it."""
    image.SetMetaData(NOTE, f"made by {SOFTWARE}")
    return image


def isotropic_image(array: np.ndarray, spacing: float) -> sitk.Image:
    """An image of `array` (z, y, x) with isotropic `spacing` in mm, centered at the origin."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([spacing] * 3)
    image.SetOrigin([-(n - 1) / 2 * spacing for n in image.GetSize()])
    return image


def write_image(image: sitk.Image, path: str | Path) -> None:
    """Write NIfTI, NRRD or MHA, compressed, whole or not at all: what was written is compared with
    the image before it takes its name. Raises OutputError where that fails.
    """
    path = Path(path)
    if not path.name.endswith(tuple(CHUNKS)):
        raise InputError(f"{path} is no image file: give {', '.join(CHUNKS)}")
    with whole_file(path) as temporary:
        with silent():
            sitk.WriteImage(image, str(temporary), useCompression=True)
        check_written(temporary, image)


def write_picture(picture: PIL.Image.Image, path: Path) -> None:
    """Write PNG or JPEG whole or not at all, with a note in its header that LNGen made it."""
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_text("Software", SOFTWARE)
    with whole_file(path) as temporary:
        picture.save(temporary, pnginfo=about, comment=SOFTWARE)
