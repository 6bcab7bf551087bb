"""Layouts of data sets that are read; each reader answers None where a path is of another layout.

Sources: nnU-Net raw and MSD: nnU-Net's documentation/dataset_format.md; MEPLYv2: the README and
loader of https://huggingface.co/datasets/gwd200/MEPLYv2 and its code; LNQ2023:
https://lnq2023.grand-challenge.org; ULS23: https://github.com/DIAGNijmegen/ULS23;
TotalSegmentator: https://github.com/wasserth/TotalSegmentator.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from LNGenLib.datasets.case import Case
from LNGenLib.datasets.identity import CHANNEL, CT, case_of, images_in, split_ending, visible
from LNGenLib.datasets.label_values import Meaning, read_meaning
from LNGenLib.errors import InputError
from LNGenLib.files import read_json, read_table

RECORDS = "records"  # folder of our own nnU-Net data sets, a JSON file a case
LESION = re.compile(r"_lesion_\d+$")
PARTS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
DEEP_LESION = re.compile(r"(\d{6})_\d\d_\d\d_")  # patient, study, series


def nnunet(path: Path) -> list[Case] | None:
    """nnU-Net raw: dataset.json, imagesTr/ID_0000.nii.gz, labelsTr/ID.nii.gz; imagesTs as test."""
    description = _description(path) or {}
    listed = isinstance(description.get("training"), list)  # by version 1
    channels = description.get("channel_names", None if listed else description.get("modality"))
    if channels is None:
        return None
    _check_channels(path, channels)
    cases, own = [], (path / RECORDS).is_dir()
    for suffix, part in (("Tr", "train"), ("Ts", "test")):
        for image in images_in(path / f"images{suffix}"):
            id = case_of(image)
            record = path / RECORDS / f"{id}.json"
            if own and not record.exists():
                continue  # the record is written last: a case in the making
            name, ending = split_ending(image.name)
            label = path / f"labels{suffix}" / (name.removesuffix(CHANNEL) + ending)
            if part == "train" and not label.exists():
                raise InputError(f"{label} is missing: add it, or take {image} away")
            patient, synthetic = _origin(record, id) if record.exists() else (id, False)
            own_label = label if label.exists() else None
            cases.append(Case(id, image, own_label, patient, part, synthetic))
    return cases


def msd(path: Path) -> list[Case] | None:
    """Medical Segmentation Decathlon, and nnU-Net's version 1: dataset.json lists images and
    labels; nnU-Net's images have the channel in their name, which is not listed."""
    description = _description(path)
    if description is None or not isinstance(description.get("training"), list):
        return None
    listed_by = path / "dataset.json"
    _check_channels(path, description.get("modality", {}))
    rows = [(row, "train") for row in description["training"]]
    rows += [(row, "test") for row in description.get("test") or []]
    cases = []
    for row, part in rows:
        row = row if isinstance(row, dict) else {"image": row}
        image, label = row.get("image"), row.get("label")
        if not isinstance(image, str) or (part == "train" and not isinstance(label, str)):
            raise InputError(f"{listed_by}: {row} names no image, or no label: correct it")
        name, ending = split_ending(image)
        channel = path / (name + CHANNEL + ending)
        file = channel if channel.exists() else _existing(path / image, listed_by)
        label = label and _existing(path / label, listed_by)
        cases.append(Case(case_of(file), file, label, case_of(file), part))
    return cases


def table(path: Path) -> list[Case] | None:
    """A CSV with the columns image and label, and id, patient and part if wanted; paths are those
    from its folder on."""
    if path.suffix != ".csv" or not path.is_file():
        return None
    rows = read_table(path)
    if not rows or "image" not in rows[0]:
        raise InputError(f"{path} has no column image, or no rows: see docs/datasets.md")
    cases = []
    for number, row in enumerate(rows, 2):
        if not row["image"]:
            raise InputError(f"{path}, line {number}: give the file of an image")
        image = _existing(path.parent / row["image"], path)
        label = _existing(path.parent / row["label"], path) if row.get("label") else None
        id = row.get("id") or case_of(image)
        part = row.get("part") and _part(row["part"], f"{path}, line {number}")
        cases.append(Case(id, image, label, row.get("patient") or id, part or None))
    return cases


def meply(path: Path) -> list[Case] | None:
    """MEPLYv2: an .npz a scan; the CSV of boxes names the scans, which must all be there."""
    scans = visible(path, "*.npz")
    if not scans:
        return None
    for listing in visible(path, "*.csv"):
        listed = {(row.get("pid") or "").strip() for row in read_table(listing)} - {""}
        missing = sorted(pid for pid in listed if not (path / f"{pid}.npz").exists())
        if missing:
            raise InputError(f"{path / missing[0]}.npz is missing, {listing.name} lists it: add it")
    return [Case(scan.stem, scan, scan, scan.stem) for scan in scans]


def lnq(path: Path) -> list[Case] | None:
    """LNQ2023: lnq2023-train-0001-ct.nrrd and -seg.nrrd side by side."""
    images = visible(path, f"*{CT}.nrrd")
    cases = []
    for image in images:
        id = case_of(image)
        label = path / f"{id}-seg.nrrd"
        part = PARTS.get(id.split("-")[1] if "-" in id else "")
        cases.append(Case(id, image, label if label.exists() else None, id, part))
    return cases or None


def uls(path: Path) -> list[Case] | None:
    """ULS23, the NIH lymph nodes in it among them: images/NAME.nii.gz and labels/NAME.nii.gz, a
    volume of interest a lesion, several of one patient."""
    if not (path / "images").is_dir() or not (path / "labels").is_dir():
        return None
    cases = []
    for image in images_in(path / "images"):
        id = case_of(image)
        deep = DEEP_LESION.match(id)
        patient = deep[1] if deep else LESION.sub("", id)
        cases.append(Case(id, image, _existing(path / "labels" / image.name, image), patient))
    return cases


def totalsegmentator(path: Path) -> list[Case] | None:
    """TotalSegmentator's data set: s0011/ct.nii.gz and s0011/segmentations/, masks that show the
    anatomy, no lymph nodes; meta.csv tells the part of a split."""
    folders = [folder.parent for folder in visible(path, "*/segmentations") if folder.is_dir()]
    parts = _split_of(path / "meta.csv")
    cases = []
    for folder in folders:
        image, anatomy = folder / "ct.nii.gz", folder / "segmentations"
        id = case_of(image)
        cases.append(Case(id, image, None, id, parts.get(id), anatomy=anatomy))
    return cases or None


def _split_of(table: Path) -> dict[str, str]:
    """The part of each scan that a meta.csv of TotalSegmentator names."""
    if not table.is_file():
        return {}
    rows = read_table(table, ("image_id", "split"), "restore it, or remove it")
    return {row["image_id"]: _part(row["split"], str(table)) for row in rows}


def _part(name: str, where: str) -> str:
    """The part of a split that a table names: there may be several for test, "test small", say."""
    if name not in PARTS and not name.startswith("test"):
        raise InputError(f"{where}: no part {name!r}: give train, validation or test")
    return PARTS.get(name, name)


def results(path: Path) -> list[Case] | None:
    """Folders that `lngen dataset --layout plain` or `lngen synthesize` wrote."""
    cases = []
    for record in visible(path, "*/nodes.json"):
        folder, labels = record.parent, read_json(record).get("labels")
        label = folder / "label.nii.gz"  # real and synthetic ones, where there is one
        label = label if label.exists() else folder / "nodes.nii.gz"
        patient, _ = _origin(record, folder.name)
        image = _existing(folder / "ct.nii.gz", record)
        meaning = Meaning() if labels is None else read_meaning(labels, (), record)
        label = _existing(label, record)
        cases.append(Case(case_of(image), image, label, patient, synthetic=True, meaning=meaning))
    return cases or None


def images_alone(path: Path) -> list[Case] | None:
    """A folder of CTs without labels."""
    named = [(image, case_of(image)) for image in images_in(path)]
    return [Case(id, image, None, id) for image, id in named] or None


READERS = (nnunet, msd, table, meply, lnq, uls, totalsegmentator, results, images_alone)


def _description(path: Path) -> dict[str, Any] | None:
    file = path / "dataset.json"
    return read_json(file) if file.is_file() else None


def _check_channels(path: Path, channels: Any) -> None:
    if len(channels) > 1:
        raise InputError(f"{path} has several channels: give a data set of one, the CT")


def _origin(record: Path, id: str) -> tuple[str, bool]:
    """Patient and synthetic mark in a record of ours."""
    content = read_json(record)
    return str(content.get("patient", id)), bool(content.get("synthetic"))


def _existing(file: Path, listed_by: Path) -> Path:
    if not file.exists():
        raise InputError(f"{file} is missing, {listed_by} asks for it: add it, or correct that")
    return file
