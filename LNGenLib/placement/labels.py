"""Reading anatomy: TotalSegmentator's labels by number or by name, from a file or a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.io import like, read_labels, read_layers, to_array

# TotalSegmentator v2, task "total": the classes that are landmarks
# (https://github.com/wasserth/TotalSegmentator#class-details)
NUMBERS = {
    "colon": 20,
    "urinary_bladder": 21,
    "prostate": 22,
    "sacrum": 25,
    "vertebrae_S1": 26,
    "vertebrae_L5": 27,
    "vertebrae_L4": 28,
    "aorta": 52,
    "inferior_vena_cava": 63,
    "iliac_artery_left": 65,
    "iliac_artery_right": 66,
    "iliac_vena_left": 67,
    "iliac_vena_right": 68,
    "femur_left": 75,
    "femur_right": 76,
    "hip_left": 77,
    "hip_right": 78,
}
OTHER = 255  # any other structure: nodes keep off it
SYNONYMS = {"vena": "vein", "vertebrae": "vertebra", "bone": "", "common": "", "rectum": "colon"}
LYMPH_NODE = (  # how Slicer codes a segment that is one
    "Segmentation category and type - DICOM master list~SCT^123037004^Anatomical Structure"
    "~SCT^59441001^Lymph node~^^~Anatomic codes - DICOM master list~^^~^^"
)


def read_anatomy(path: Path, ct: sitk.Image) -> sitk.Image:
    """TotalSegmentator's numbers (uint16) on the grid of `ct`.

    `path` is a label map of these numbers, as TotalSegmentator's `--ml` writes it; a Slicer
    segmentation (.seg.nrrd) whose segments bear its names; or a folder with one mask a class
    (`colon.nii.gz`, ...). Structures that LNGen has no use for become 255: nodes keep off them.
    Raises InputError for anything else.
    """
    masks = sorted(path.glob("*.nii*")) + sorted(path.glob("*.nrrd")) if path.is_dir() else []
    if masks:
        return join_masks(_folder_masks(masks, ct), ct, path)
    if path.name.endswith(".seg.nrrd"):
        return join_masks(_segments(path, ct), ct, path)
    return read_labels(path, ct)


def number_of(name: str) -> int:
    """TotalSegmentator's number of a class, by its name or the words of it in any order."""
    return _BY_WORDS.get(_words(name), OTHER)


def _words(name: str) -> frozenset[str]:
    words = re.split(r"[^a-z0-9]+", name.lower())
    return frozenset(SYNONYMS.get(word, word) for word in words) - {""}


_BY_WORDS = {_words(name): number for name, number in NUMBERS.items()}


def join_masks(
    masks: Iterable[tuple[str, np.ndarray]], ct: sitk.Image, source: Path | str
) -> sitk.Image:
    """TotalSegmentator's numbers (uint16) of masks (z, y, x, bool) by their names, later ones on
    top; InputError that names the source where there is none."""
    labels, found = np.zeros(ct.GetSize()[::-1], np.uint16), 0
    for name, mask in masks:
        labels[mask] = number_of(name)
        found += 1
    if not found:
        raise InputError(f"{source} holds no structure: give TotalSegmentator's output")
    return like(labels, ct)


def _folder_masks(files: list[Path], ct: sitk.Image) -> Iterator[tuple[str, np.ndarray]]:
    for file in files:
        yield file.name.split(".")[0], to_array(read_labels(file, ct)) > 0


def _segments(path: Path, ct: sitk.Image) -> Iterator[tuple[str, np.ndarray]]:
    """Name and mask of each segment; overlapping ones lie in layers, a component each.

    Slicer crops what it stores, hence the resampling (nearest neighbor) onto the grid of `ct`.
    https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html
    """
    image = read_layers(path)
    layers = to_array(sitk.Resample(image, ct, sitk.Transform(), sitk.sitkNearestNeighbor))
    layers = layers.reshape(*ct.GetSize()[::-1], -1)

    def field(k: int, key: str, default: str) -> str:
        name = f"Segment{k}_{key}"
        return image.GetMetaData(name) if image.HasMetaDataKey(name) else default

    for k in range(sum(key.endswith("_LabelValue") for key in image.GetMetaDataKeys())):
        layer = layers[..., int(field(k, "Layer", "0"))]
        yield field(k, "Name", ""), layer == int(field(k, "LabelValue", "1"))
