"""A case: a CT and, where there is one, the label map of its lymph nodes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.io import as_ct, read_ct, read_labels
from LNGenLib.placement.labels import read_anatomy

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")


@dataclass(frozen=True)
class Case:
    """One scan: files, and what its data set tells of it.

    `image` is a CT in HU (a DICOM folder, too) or an .npz of MEPLYv2, which holds the labels as
    well; `label` is a map in which whatever is not 0 is a lymph node. Scans of one `patient` belong
    into one part of a split; `part` is train, validation or test where the data set says so.
    """

    id: str
    image: Path
    label: Path | None
    patient: str
    part: str | None = None
    synthetic: bool = False

    def load(self) -> tuple[sitk.Image, sitk.Image | None]:
        """The CT (int16 HU) and its labels (uint16) on the same grid; InputError, which names the
        file, where they can't be used."""
        if self.image.suffix == ".npz":
            return read_npz(self.image)
        ct = as_ct(read_ct(self.image), str(self.image))
        return ct, None if self.label is None else read_labels(self.label, ct)


def read_npz(path: Path) -> tuple[sitk.Image, sitk.Image]:
    """CT and labels of a scan of MEPLYv2: `img`, `lbl` and `spacing` (mm).

    Its loader takes arrays and spacing as (z, y, x), its README calls them (H, W, D): of a volume
    with square slices the third axis is z where the first two are equal. Origin and direction are
    not told.
    """
    try:
        with np.load(path) as content:
            hu, labels, spacing = (content[name] for name in ("img", "lbl", "spacing"))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} is no scan of MEPLYv2 (img, lbl, spacing) that can be read: {error}"
        ) from error
    if hu.ndim != 3 or labels.shape != hu.shape or spacing.shape != (3,) or not (spacing > 0).all():
        raise InputError(
            f"{path} holds img {hu.shape}, lbl {labels.shape} and spacing {spacing}: give two "
            "volumes of one shape, and three lengths in mm"
        )
    if hu.shape[0] == hu.shape[1] != hu.shape[2]:
        hu, labels = (np.ascontiguousarray(np.moveaxis(array, 2, 0)) for array in (hu, labels))
        spacing = spacing[[2, 0, 1]]
    images = [sitk.GetImageFromArray(hu), sitk.GetImageFromArray(labels.astype(np.uint16))]
    for image in images:
        image.SetSpacing(spacing[::-1].astype(float).tolist())
    return as_ct(images[0], str(path)), images[1]


def anatomy_of(case: Case, folder: Path, ct: sitk.Image) -> sitk.Image:
    """TotalSegmentator's labels of a case in a folder: ID.nii.gz or the like, ID.seg.nrrd, or a
    folder ID; InputError where there are none."""
    names = [case.id + ending for ending in ("", ".seg.nrrd", *ENDINGS)]
    found = next((folder / name for name in names if (folder / name).exists()), None)
    if found is None:
        raise InputError(f"{folder} holds no labels {case.id}.nii.gz: add them")
    return read_anatomy(found, ct)
