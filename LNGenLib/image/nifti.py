"""NIfTI: where its voxels are, and which of its forms says where they lie."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.affine import RAS_TO_LPS, set_forms
from LNGenLib.image.stored import (
    Stored,
    as_volume,
    check_finite,
    image_of,
    read_head,
    read_information,
    read_values,
)

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

HEADERS = {348: b"1\0", 540: b"2\0"}  # bytes: the version in the magic; Analyze 7.5 has 348, too
PAIR = re.compile(r"\.(img|hdr)(\.gz)?$", re.IGNORECASE)  # endings of an image in two files
MILLIMETERS = (0, 2)  # NIfTI's codes: unknown, mm
SCALED = 1 << 20  # values that are scaled in one go, in float64


def is_nifti(head: bytes) -> bool:
    """Whether a file starts as NIfTI, or as Analyze 7.5, of which it comes."""
    return _header_size(head) > 0


def header_of(path: Path) -> Path:
    """The header of a NIfTI image in two files, given either; other paths as they are."""
    return _beside(path, ".hdr") if PAIR.search(path.name) else path


def _beside(path: Path, kind: str) -> Path:
    """The file of a pair, .hdr or .img, that is there beside the other one, or should be."""
    stem = PAIR.sub("", path.name)
    endings = (kind, kind + ".gz", kind.upper(), kind.upper() + ".GZ")
    files = [path.with_name(stem + ending) for ending in endings]
    return next((file for file in files if file.exists()), files[0])


def read_nifti(path: Path, head: bytes, packed: bool) -> tuple[sitk.Image, bool]:
    """The volume of a NIfTI file that starts with `head` (unpacked if `packed`), and whether it
    says how the patient lies in it.

    Slicer's geometry (ITK's) is kept where it is that of the header's forms (qform, sform). Where
    it is not, or ITK does not read the file (NIfTI-2, a small shear), the sform is followed.
    Raises InputError where the file is damaged or cut, its forms differ, or it is sheared.
    """
    header, stored = _parsed(path, head, packed)
    image = as_volume(_read(header, stored), path)
    set_forms(image, _forms(header, path), str(path))
    return image, stored.oriented


def before_voxels(path: Path, most: int) -> bytes:
    """What a NIfTI file holds before its voxels (unpacked), up to `most` bytes; none of others."""
    head, packed = read_head(path)
    if not is_nifti(head):
        return b""
    _, stored = _parsed(path, head, packed)
    return read_head(path, min(stored.offset + stored.start, most))[0]


def _header_size(head: bytes) -> int:
    sizes = {int.from_bytes(head[:4], order) for order in ("little", "big")}
    return max(sizes & set(HEADERS), default=0)


def _parsed(path: Path, head: bytes, packed: bool) -> tuple[Nifti1Header, Stored]:
    from nibabel.nifti1 import Nifti1PairHeader
    from nibabel.nifti2 import Nifti2PairHeader
    from nibabel.spatialimages import HeaderDataError

    size = _header_size(head)
    little = int.from_bytes(head[:4], "little") == size
    damaged = f"{path} has a NIfTI header that is damaged or cut: copy it again"
    if len(head) < size:
        raise InputError(damaged)
    kind = Nifti1PairHeader if size == 348 else Nifti2PairHeader
    header = kind(head[:size], "<" if little else ">", check=False)
    magic = bytes(header["magic"]) + b"\0"
    if not magic.startswith((b"n+" + HEADERS[size], b"ni" + HEADERS[size])):
        raise InputError(f"{path} is Analyze 7.5 or damaged: give NIfTI, NRRD, MHA or DICOM")
    try:
        dtype, shape = header.get_data_dtype(), header.get_data_shape()
        start, _ = int(header["vox_offset"]), header.get_slope_inter()
    except (HeaderDataError, KeyError, ValueError, OverflowError) as error:
        raise InputError(damaged) from error
    if dtype.kind not in "iuf":
        raise InputError(f"{path} has several values a voxel (RGB?): give a scalar image")
    single = magic.startswith(b"n+")
    if (
        dtype.itemsize * 8 != header["bitpix"]
        or not 1 <= header["dim"][0] <= 7
        or min(shape) < 1
        or start < (size + 4 if single else 0)
    ):
        raise InputError(damaged)
    ending = (".nii" if single else ".hdr") + ".gz" * packed
    if not path.name.lower().endswith(ending):  # by which ITK tells what it is
        raise InputError(f"{path} is NIfTI by its content: let its name end with {ending}")
    file = path if single else _beside(path, ".img")
    packed = file.name.lower().endswith(".gz")
    oriented = bool(header["qform_code"] > 0 or header["sform_code"] > 0)
    offset, start = (0, start) if packed else (start, 0)
    count = math.prod(shape)
    stored = Stored("NiftiImageIO", path, file, dtype, count, offset, oriented, packed, start)
    return header, stored


def _read(header: Nifti1Header, stored: Stored) -> sitk.Image:
    """The image, where ITK reads its header with the place that ITK finds."""
    try:
        if header["sizeof_hdr"] != 348:
            raise RuntimeError  # ITK reads no NIfTI-2, and says so on stderr
        reader = read_information(stored)
    except RuntimeError:
        reader = None
    values = _scaled(read_values(stored), header, str(stored.header))
    if reader is not None:
        return image_of(values, reader)
    image = sitk.GetImageFromArray(values.reshape(header.get_data_shape()[::-1]), isVector=False)
    image.SetSpacing([float(spacing) for spacing in header.get_zooms()])
    return image


def _scaled(values: np.ndarray, header: Nifti1Header, name: str) -> np.ndarray:
    """The values (n,) as the header's slope and intercept turn them: float32 like ITK's, of float64
    float64."""
    slope, intercept = header.get_slope_inter()
    if slope is None or (slope, intercept) == (1, 0):
        return values
    scaled = np.empty(values.shape, np.float64 if values.dtype.itemsize == 8 else np.float32)
    for start in range(0, len(values), SCALED):
        part = slice(start, start + SCALED)
        scaled[part] = values[part] * np.float64(slope) + np.float64(intercept)
    check_finite(scaled, name)
    return scaled


def _forms(header: Nifti1Header, path: Path) -> list[np.ndarray]:
    """The forms that the header vouches for, in LPS mm, the sform first."""
    from nibabel.spatialimages import HeaderDataError

    if header["xyzt_units"] % 8 not in MILLIMETERS:
        raise InputError(f"{path} gives lengths in another unit than mm: convert it")
    header = header.copy()
    header["pixdim"][0] = -1 if header["pixdim"][0] < 0 else 1  # as the standard has it
    try:
        forms = [header.get_sform()] if header["sform_code"] > 0 else []
        forms += [header.get_qform()] if header["qform_code"] > 0 else []
    except (HeaderDataError, ValueError) as error:
        raise InputError(f"{path} has a damaged qform: mend its header") from error
    return [RAS_TO_LPS @ form for form in forms]
