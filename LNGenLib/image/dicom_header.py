"""What the header of a DICOM file says of its slices, and whether the file is whole."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from LNGenLib.errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

PREAMBLE = 128  # bytes before DICM
GROUPS = (b"\x08\x00", b"\x02\x00")  # how files without a preamble start
OF_IMAGES = re.compile(r"(?<!Non-)Image Storage")  # in names of SOP classes; no segmentation


@dataclass(frozen=True)
class Header:
    """Of a file with pixels; `file` may hold several slices (frames).

    `positions` (frames, 3) and `orientation` (row and column, 6 cosines) in LPS mm are empty where
    the file does not say them; `grid` is rows, columns, bits a pixel and spacings in mm.
    """

    file: Path
    series: str
    modality: str
    description: str
    localizer: bool
    grid: tuple[float, ...]
    orientation: tuple[float, ...]
    positions: np.ndarray

    @property
    def placed(self) -> bool:
        """Whether the file says where its slices lie."""
        return len(self.positions) > 0 and len(self.orientation) > 0

    @property
    def is_ct(self) -> bool:
        """Whether these may be slices of a CT."""
        return self.modality == "CT" and self.placed and not self.localizer


def is_dicom(head: bytes) -> bool:
    """Whether a file that starts with `head` (132 bytes or more) is DICOM."""
    return head[PREAMBLE : PREAMBLE + 4] == b"DICM" or head.startswith(GROUPS)


def read_header(file: Path) -> Header | None:
    """The header of a DICOM image; None for other files, and for DICOM of other things.

    Raises InputError where the file is cut or damaged.
    """
    import pydicom

    with open(file, "rb") as opened:
        head = opened.read(PREAMBLE + 4)
    damaged = f"{file} is DICOM that is cut or damaged: copy it again, or take it out of the folder"
    if not is_dicom(head):
        if head[:PREAMBLE].strip(b"\0"):
            return None
        raise InputError(damaged)  # an empty preamble, or nothing
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _header(file, pydicom.dcmread(file, force=True))
    except Exception as error:  # pydicom raises whatever a damaged header leads to
        raise InputError(damaged) from error


def _header(file: Path, dataset: Dataset) -> Header | None:
    kind = dataset.file_meta.get("MediaStorageSOPClassUID") or dataset.get("SOPClassUID")
    if kind and kind.name != kind and not OF_IMAGES.search(kind.name):
        return None
    _check_pixels(dataset)
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [dataset])[0]
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or [dataset]
    common = [frames[0], shared, dataset]
    spacing = _said(common, "PixelMeasuresSequence", "PixelSpacing")
    orientation = _said(common, "PlaneOrientationSequence", "ImageOrientationPatient")
    places = [_said([f], "PlanePositionSequence", "ImagePositionPatient") for f in frames]
    return Header(
        file,
        str(dataset.SeriesInstanceUID),
        str(dataset.get("Modality", "")),
        str(dataset.get("SeriesDescription", "")),
        "LOCALIZER" in (dataset.get("ImageType") or ()),
        (dataset.Rows, dataset.Columns, dataset.BitsAllocated, *map(float, spacing or ())),
        () if orientation is None else tuple(np.reshape(orientation, 6).astype(float)),
        np.empty((0, 3)) if None in places else np.reshape(places, (-1, 3)).astype(float),
    )


def _check_pixels(dataset: Dataset) -> None:
    """Raise EOFError or AttributeError where there are fewer pixels than the header says."""
    pixels = dataset["PixelData"]
    bits = dataset.Rows * dataset.Columns * dataset.BitsAllocated
    bits *= int(dataset.get("NumberOfFrames") or 1)
    if not pixels.is_undefined_length and len(pixels.value) < bits // 8:
        raise EOFError


def _said(datasets: Sequence[Dataset], group: str, keyword: str) -> Any:
    """The first value of an attribute, plain or in a functional group of enhanced DICOM."""
    for dataset in datasets:
        for holder in (dataset, *(dataset.get(group) or ())[:1]):
            if holder.get(keyword):
                return holder.get(keyword)
    return None
