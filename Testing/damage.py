"""Small images in every format that is read, and ways to damage their files."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk
from dicom_slices import write_slices
from scipy.spatial.transform import Rotation

KINDS = (np.uint8, np.int8, np.int16, np.uint16, np.int32, np.float32, np.float64)
SHAPE = (3, 4, 5)  # z, y, x
ENDINGS = (".nii", ".nii.gz", ".NII.GZ", ".hdr", ".img", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")


@dataclass(frozen=True)
class Format:
    """A way to store an image: its name, the files that it is made of (the first is given to
    LNGen), and in which of them from which mark on a checksum guards each byte."""

    name: str
    files: tuple[str, ...]
    guarded: tuple[str, bytes] | None = None


FORMATS = (
    Format("NIfTI-1", ("ct.nii",)),
    Format("NIfTI-1 gzip", ("ct.nii.gz",), ("ct.nii.gz", b"")),
    Format("NIfTI-1 pair", ("ct.hdr", "ct.img")),
    Format("NIfTI-1 pair gzip", ("ct.hdr.gz", "ct.img.gz"), ("ct.img.gz", b"")),
    Format("NIfTI-2", ("ct.nii",)),
    Format("NIfTI-2 gzip", ("ct.nii.gz",), ("ct.nii.gz", b"")),
    Format("NRRD", ("ct.nrrd",)),
    Format("NRRD gzip", ("ct.nrrd",), ("ct.nrrd", b"\n\n")),
    Format("NRRD detached", ("ct.nhdr", "ct.raw")),
    Format("NRRD detached gzip", ("ct.nhdr", "ct.raw.gz"), ("ct.raw.gz", b"")),
    Format("MetaImage", ("ct.mha",)),
    Format("MetaImage zlib", ("ct.mha",), ("ct.mha", b"LOCAL\n")),
    Format("MetaImage detached", ("ct.mhd", "ct.raw")),
    Format("MetaImage detached zlib", ("ct.mhd", "ct.zraw"), ("ct.zraw", b"")),
    Format("DICOM", ("dicom",)),
)


def sample(rng: np.random.Generator, kind: type) -> sitk.Image:
    """An image of random values, turned at random, or along the axes."""
    values = rng.uniform(0, 100, SHAPE)
    image = sitk.GetImageFromArray(values.astype(kind))
    turn = Rotation.random(random_state=rng) if rng.random() < 0.5 else Rotation.identity()
    direction = turn.as_matrix() @ np.diag(rng.choice([-1.0, 1.0], 3))[:, rng.permutation(3)]
    image.SetDirection(direction.ravel().tolist())
    image.SetSpacing(rng.uniform(0.5, 5, 3).tolist())
    image.SetOrigin(rng.uniform(-500, 500, 3).tolist())
    return image


def write(image: sitk.Image, format: Format, folder: Path) -> None:
    """Store an image in an empty folder; DICOM keeps HU as int16, and its own place."""
    path, packed = folder / format.files[0], format.guarded is not None
    if format.name == "DICOM":
        write_slices(path, sitk.GetArrayFromImage(image).astype(np.int16))
    elif format.name.startswith("NIfTI-2"):
        made = folder / "made.nii.gz"
        sitk.WriteImage(image, str(made))
        other = nibabel.load(made)
        nibabel.save(nibabel.Nifti2Image(np.asanyarray(other.dataobj), other.affine), path)
        made.unlink()
    elif format.name == "NIfTI-1 pair gzip":
        sitk.WriteImage(image, str(folder / "ct.hdr"))
        for file in (folder / "ct.hdr", folder / "ct.img"):
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    else:
        sitk.WriteImage(image, str(path), useCompression=packed)


def files_of(format: Format, folder: Path) -> list[Path]:
    """The files of an image, those of DICOM sorted."""
    if format.name == "DICOM":
        return sorted((folder / "dicom").iterdir())
    return [folder / name for name in format.files]


def is_guarded(format: Format, file: Path, position: int) -> bool:
    """Whether a checksum covers the byte at a position of a whole file."""
    if format.guarded is None or file.name != format.guarded[0]:
        return False
    mark = format.guarded[1]
    return position >= file.read_bytes().index(mark) + len(mark)
