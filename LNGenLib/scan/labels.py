"""Reading anatomy: TotalSegmentator's labels by number or by name, from a file or a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.io import like, read_labels, read_layers, to_array
from LNGenLib.image.nifti import before_voxels
from LNGenLib.scan.totalsegmentator import OTHER, is_known, number_of

MASKS = (".nii", ".nii.gz", ".nrrd", ".mha")  # endings of files that may be masks
LABEL = re.compile(  # with its name, in the header of a NIfTI file
    rb'<Label\s[^>]*?Key="(\d{1,9})"[^>]*>\s*(?:<!\[CDATA\[)?([^<\]]*?)(?:\]\]>)?\s*</Label>'
)
LONGEST_HEADER = 1 << 24  # bytes that are looked at
SEGMENT = re.compile(r"(Segment\d+)_LabelValue")  # a field of Slicer's header of a segmentation


def read_anatomy(path: Path, ct: sitk.Image) -> sitk.Image:
    """TotalSegmentator's numbers (uint16) on the grid of `ct`.

    `path` is a label map, as TotalSegmentator's `--ml` writes it, whose header names its labels or
    whose numbers are those of version 2; a Slicer segmentation (.seg.nrrd) whose segments bear the
    names; or a folder with one mask a class (`colon.nii.gz`, ...), or of a subject of
    TotalSegmentator's data set. Where names tell what is what, structures that LNGen has no use for
    become 255: nodes keep off them; the whole body, its fat and the like are left out.
    Raises InputError for anything else; whether they are of this CT is a `Scan`'s to check.
    """
    masks = _mask_files(path) if path.is_dir() else []
    if masks:
        return join_masks(_folder_masks(masks, ct), ct, path)
    if path.is_dir():
        raise InputError(
            f"{path} holds no masks: give the folder of TotalSegmentator's (colon.nii.gz, ...)"
        )
    if _holds_segments(path):
        return join_masks(_segments(path, ct), ct, path)
    labels = read_labels(path, ct)
    names = label_names(path) if path.is_file() else {}
    return _by_names(labels, names, path) if any(map(is_known, names.values())) else labels


def label_names(path: Path) -> dict[int, str]:
    """The names in a NIfTI file's header by label, as TotalSegmentator 2 writes them; none where it
    tells none.

    They stand in the table of labels of an extension in XML, as Connectome Workbench defines it.
    https://github.com/wasserth/TotalSegmentator/blob/master/totalsegmentator/nifti_ext_header.py
    """
    found = LABEL.findall(before_voxels(path, LONGEST_HEADER))
    return {int(key): name.decode(errors="replace").strip() for key, name in found}


def _by_names(labels: sitk.Image, names: dict[int, str], path: Path) -> sitk.Image:
    """TotalSegmentator's numbers of labels that have names."""
    array = to_array(labels)
    table = np.full(array.max() + 1, OTHER, np.uint16)
    table[0] = 0
    for label, name in names.items():
        if 0 < label < len(table):
            table[label] = number_of(name)
    numbers = table[array]
    _check_found(table[1:].tolist(), path)
    return like(numbers, labels)


def join_masks(
    masks: Iterable[tuple[str, np.ndarray]], ct: sitk.Image, source: Path | str
) -> sitk.Image:
    """TotalSegmentator's numbers (uint16) of masks (z, y, x, bool) by their names, later ones on
    top; InputError that names the source where there is none."""
    labels, found = np.zeros(ct.GetSize()[::-1], np.uint16), []
    for name, mask in masks:
        found.append(number_of(name))
        if found[-1]:
            labels[mask] = found[-1]
    _check_found(found, source)
    return like(labels, ct)


def _check_found(numbers: list[int], source: Path | str) -> None:
    if not any(numbers):
        but = " but the whole body or its fat" if numbers else ""
        raise InputError(f"{source} holds no structure{but}: give TotalSegmentator's output")


def _mask_files(folder: Path) -> list[Path]:
    """The masks in a folder, without what systems leave in it, hidden."""
    inner = folder / "segmentations"  # beside the CT, in TotalSegmentator's data set
    files = (inner if inner.is_dir() else folder).iterdir()
    return sorted(
        file
        for file in files
        if file.is_file() and file.name.lower().endswith(MASKS) and not file.name.startswith(".")
    )


def _folder_masks(files: list[Path], ct: sitk.Image) -> Iterator[tuple[str, np.ndarray]]:
    for file in files:
        if _holds_segments(file):
            yield from _segments(file, ct)
            continue
        mask = to_array(read_labels(file, ct))
        if len(files) == 1 and len(np.unique(mask[mask > 0])) > 1:
            raise InputError(f"{file} holds several labels, a mask has one: give the file itself")
        yield file.name.split(".")[0], mask > 0


def _holds_segments(path: Path) -> bool:
    """Whether a file is a segmentation of Slicer, whose labels number its segments, by name or, for
    it may be renamed, by what its header says."""
    name = path.name.lower()
    if name.endswith(".seg.nrrd") or not name.endswith(".nrrd"):
        return name.endswith(".seg.nrrd")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return False  # whoever reads it tells why
    return any(map(SEGMENT.fullmatch, reader.GetMetaDataKeys()))


def _segments(path: Path, ct: sitk.Image) -> Iterator[tuple[str, np.ndarray]]:
    """Name and mask of each segment; overlapping ones lie in layers, a component each.

    Slicer crops what it stores, hence the resampling (nearest neighbor) onto the grid of `ct`.
    https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html
    """
    image = read_layers(path)
    keys = map(SEGMENT.fullmatch, image.GetMetaDataKeys())
    segments = sorted({key[1] for key in keys if key})
    layers = _on_grid(image, ct, path)

    def field(segment: str, key: str, default: str) -> str:
        name = f"{segment}_{key}"
        return image.GetMetaData(name) if image.HasMetaDataKey(name) else default

    for segment in segments:
        layer, label = field(segment, "Layer", "0"), field(segment, "LabelValue", "1")
        if not (layer.isdecimal() and int(layer) < layers.shape[-1] and label.isdecimal()):
            raise InputError(
                f"{path} tells layer {layer} and label {label} of its {segment}, which has none "
                "such: save it in Slicer again"
            )
        yield field(segment, "Name", ""), layers[..., int(layer)] == int(label)


def _on_grid(image: sitk.Image, ct: sitk.Image, path: Path) -> np.ndarray:
    """The layers (z, y, x, layers) of a segmentation on the grid of `ct`."""
    if image.GetDimension() != 3:
        raise InputError(f"{path} has {image.GetDimension()} dimensions: give a segmentation in 3D")
    layers = to_array(sitk.Resample(image, ct, sitk.Transform(), sitk.sitkNearestNeighbor))
    return layers.reshape(*ct.GetSize()[::-1], -1)
