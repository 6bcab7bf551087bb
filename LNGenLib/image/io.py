"""Reading and writing of images with SimpleITK, and what counts as a usable CT.

An image is a `SimpleITK.Image` (LPS, x y z); arrays are numpy (z, y, x).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.files import SOFTWARE, whole_file
from LNGenLib.image.affine import affine_of, set_forms
from LNGenLib.image.dicom_header import is_dicom
from LNGenLib.image.metaimage import METAIMAGE, metaimage_stored
from LNGenLib.image.nifti import header_of, is_nifti, read_nifti
from LNGenLib.image.nrrd import NRRD, nrrd_stored
from LNGenLib.image.stored import (
    as_volume,
    check_finite,
    image_of,
    read_head,
    read_information,
    read_values,
)
from LNGenLib.image.verify import CHUNKS, check_written
from LNGenLib.image.writing import write

if TYPE_CHECKING:
    import PIL.Image

AT_ONCE = 2  # images that are written, of a result the CT and one of its label maps
LABEL_ERROR = 0.01  # from a whole number
MOST_LABEL = 65535  # of uint16
NOTE = "ITK_FileNotes"  # in NIfTI: descrip
SYNTHETIC = "SYNTHETIC lymph nodes painted by LNGen"

to_array = sitk.GetArrayFromImage


def read_image(path: str | Path) -> sitk.Image:
    """Read a 3D scalar image: NIfTI, NRRD, MetaImage (.mha, .mhd), or a DICOM folder.

    Raises InputError where there is no such image, and where it is damaged, cut or sheared, has NaN
    or infinite values, or lies in two places by its header.
    """
    return scalar(_read(Path(path))[0], path)


def read_ct(path: str | Path, series: str | None = None) -> sitk.Image:
    """Read a CT as `read_image` does, whose header must say how the patient lies in it.

    `series` is the UID of the one to take of several series in a DICOM folder.

        >>> from pathlib import Path
        >>> from LNGenLib import read_ct
        >>> from LNGenLib.image.io import write_image
        >>> from LNGenLib.phantom import pelvic_phantom
        >>> phantom = pelvic_phantom(spacing=(4.0, 4.0, 4.0))
        >>> write_image(phantom.ct, Path("ct.nii.gz"))
        >>> read_ct("ct.nii.gz").GetSpacing()
        (4.0, 4.0, 4.0)
    """
    image, oriented = _read(Path(path), series)
    if not oriented:
        raise InputError(
            f"{path} does not say how the patient lies in it (NIfTI: qform_code and sform_code are "
            "0): convert it from DICOM again, or set the orientation once you know it (nibabel: "
            "image.set_sform(affine, 1))"
        )
    return scalar(image, path)


def read_layers(path: str | Path) -> sitk.Image:
    """Read an image as `read_image` does, also one with several values a voxel (.seg.nrrd)."""
    return _read(Path(path))[0]


def scalar(image: sitk.Image, name: str | Path) -> sitk.Image:
    """The image; InputError, which bears the `name`, where it has several values a voxel."""
    if image.GetNumberOfComponentsPerPixel() > 1 or "complex" in image.GetPixelIDTypeAsString():
        raise InputError(f"{name} has several values a voxel (RGB?): give a scalar image")
    return image


def _read(path: Path, series: str | None = None) -> tuple[sitk.Image, bool]:
    """The image with axes at right angles, and whether it says how the patient lies in it."""
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path")
    if series is not None and not path.is_dir():
        raise InputError(f"{path} is no DICOM folder, of which a series is asked for: give one")
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.GlobalWarningDisplayOff()  # InputErrors say what ITK only warns of
    try:
        with np.errstate(all="ignore"):  # a damaged header leads to infinities, which are refused
            image, oriented = _read_any(path, series)
            set_forms(image, [affine_of(image)], str(path))
            return image, oriented
    except (RuntimeError, OSError, MemoryError) as error:
        cause = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise InputError(
            f"{path} is not an image that can be read ({cause}): give NIfTI, NRRD, MHA or a DICOM "
            "folder"
        ) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def _read_any(path: Path, series: str | None) -> tuple[sitk.Image, bool]:
    """The volume in a folder, or in a file whose format its content shows."""
    if path.is_dir():
        from LNGenLib.image.dicom_series import read_series

        return read_series(path, series), True
    path = header_of(path)
    head, packed = read_head(path)
    if is_nifti(head):
        return read_nifti(path, head, packed)
    if head.startswith(NRRD) and not packed:
        stored = nrrd_stored(path)
    elif METAIMAGE.match(head) and not packed:
        stored = metaimage_stored(path)
    elif is_dicom(head):
        raise InputError(f"{path} is one file of a DICOM series: give its folder, {path.parent}")
    else:
        raise InputError(
            f"{path} is not an image that can be read: give NIfTI, NRRD, MHA or a DICOM folder"
        )
    reader = read_information(stored)
    return as_volume(image_of(read_values(stored), reader), path), stored.oriented


def as_ct(image: sitk.Image, name: str = "the CT") -> sitk.Image:
    """The image as int16 HU, rounded; raises InputError where the values are plainly not HU."""
    values = sitk.GetArrayViewFromImage(image)
    check_finite(values, name)
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
    if labels.GetPixelID() == sitk.sitkUInt16:
        return labels
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


def check_image_name(path: Path) -> None:
    """Raise InputError where `write_image` writes no file of such a name."""
    if not path.name.endswith(tuple(CHUNKS)):
        raise InputError(f"{path} is no image file: give {', '.join(CHUNKS)}")


def write_image(image: sitk.Image, path: str | Path) -> None:
    """Write NIfTI, NRRD or MHA, compressed, whole or not at all: what was written is compared with
    the image before it takes its name. Raises OutputError where that fails.
    """
    path = Path(path)
    check_image_name(path)
    with whole_file(path) as temporary:
        write(image, temporary)
        check_written(temporary, image)


def write_images(images: Mapping[Path, sitk.Image]) -> None:
    """As `write_image`, several at once, each of which is written where others fail."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(write_image, image, path) for path, image in images.items()]:
            done.result()


def write_picture(picture: PIL.Image.Image, path: Path) -> None:
    """Write PNG or JPEG whole or not at all, with a note in its header that LNGen made it."""
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_text("Software", SOFTWARE)
    with whole_file(path) as temporary:
        picture.save(temporary, pnginfo=about, comment=SOFTWARE)
