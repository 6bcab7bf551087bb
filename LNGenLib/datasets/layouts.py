"""Layouts of data sets that are read; each reader answers None where a path is of another layout.

Sources: nnU-Net raw and MSD: nnU-Net's documentation/dataset_format.md; MEPLYv2: the README and
loader of https://huggingface.co/datasets/gwd200/MEPLYv2 and its code; LNQ2023:
https://lnq2023.grand-challenge.org; ULS23: https://github.com/DIAGNijmegen/ULS23.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

from LNGenLib.datasets.case import ENDINGS, Case
from LNGenLib.errors import InputError

CHANNEL = "_0000"  # nnU-Net's first, here the CT
RECORDS = "records"  # folder of our own nnU-Net data sets, a JSON file a case
LESION = re.compile(r"_lesion_\d+$")
DEEP_LESION = re.compile(r"(\d{6})_\d\d_\d\d_")  # patient, study, series


def nnunet(path: Path) -> list[Case] | None:
    """nnU-Net raw: dataset.json, imagesTr/ID_0000.nii.gz, labelsTr/ID.nii.gz; imagesTs as test."""
    description = _description(path)
    if description is None or "channel_names" not in description:
        return None
    if len(description["channel_names"]) != 1:
        raise InputError(f"{path} has several channels: give a data set of one, the CT")
    cases, own = [], (path / RECORDS).is_dir()
    for suffix, part in (("Tr", "train"), ("Ts", "test")):
        for image in _images(path / f"images{suffix}"):
            id, ending = _split(image)
            id = id.removesuffix(CHANNEL)
            record = path / RECORDS / f"{id}.json"
            if own and not record.exists():
                continue  # the record is written last: a case in the making
            label = path / f"labels{suffix}" / (id + ending)
            if not label.exists():
                if part == "train":
                    raise InputError(f"{label} is missing: add it, or take {image} away")
                label = None
            patient, synthetic = _origin(record, id) if record.exists() else (id, False)
            cases.append(Case(id, image, label, patient, part, synthetic))
    return cases


def msd(path: Path) -> list[Case] | None:
    """Medical Segmentation Decathlon: dataset.json lists images and labels."""
    description = _description(path)
    if description is None or not isinstance(description.get("training"), list):
        return None
    pairs = [(row["image"], row["label"], "train") for row in description["training"]]
    tests = [row if isinstance(row, str) else row["image"] for row in description.get("test", [])]
    cases = []
    for image, label, part in pairs + [(image, None, "test") for image in tests]:
        file = _existing(path / image, path / "dataset.json")
        label = label and _existing(path / label, path / "dataset.json")
        id = _split(file)[0]
        cases.append(Case(id, file, label, id, part))
    return cases


def table(path: Path) -> list[Case] | None:
    """A CSV with the columns image and label, and id, patient and part if wanted; paths are those
    from its folder on."""
    if path.suffix != ".csv" or not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or "image" not in rows[0]:
        raise InputError(f"{path} has no column image, or no rows: see docs/datasets.md")
    cases = []
    for number, row in enumerate(rows, 2):
        if not row["image"]:
            raise InputError(f"{path}, line {number}: give the file of an image")
        image = _existing(path.parent / row["image"], path)
        label = _existing(path.parent / row["label"], path) if row.get("label") else None
        id = row.get("id") or _split(image)[0]
        cases.append(Case(id, image, label, row.get("patient") or id, row.get("part") or None))
    return cases


def meply(path: Path) -> list[Case] | None:
    """MEPLYv2: an .npz a scan; the CSV of boxes names the scans, which must all be there."""
    scans = _visible(path, "*.npz")
    if not scans:
        return None
    for listing in _visible(path, "*.csv"):
        with listing.open(newline="", encoding="utf-8-sig") as file:
            listed = {row.get("pid", "").strip() for row in csv.DictReader(file)} - {""}
        missing = sorted(pid for pid in listed if not (path / f"{pid}.npz").exists())
        if missing:
            raise InputError(f"{path / missing[0]}.npz is missing, {listing.name} lists it: add it")
    return [Case(scan.stem, scan, scan, scan.stem) for scan in scans]


def lnq(path: Path) -> list[Case] | None:
    """LNQ2023: lnq2023-train-0001-ct.nrrd and -seg.nrrd side by side."""
    images = _visible(path, "*-ct.nrrd")
    cases = []
    for image in images:
        id = image.name.removesuffix("-ct.nrrd")
        label = path / f"{id}-seg.nrrd"
        part = {"train": "train", "val": "validation", "test": "test"}
        told = part.get(id.split("-")[1] if "-" in id else "")
        cases.append(Case(id, image, label if label.exists() else None, id, told))
    return cases or None


def uls(path: Path) -> list[Case] | None:
    """ULS23, the NIH lymph nodes in it among them: images/NAME.nii.gz and labels/NAME.nii.gz, a
    volume of interest a lesion, several of one patient."""
    if not (path / "images").is_dir() or not (path / "labels").is_dir():
        return None
    cases = []
    for image in _images(path / "images"):
        id = _split(image)[0]
        deep = DEEP_LESION.match(id)
        patient = deep[1] if deep else LESION.sub("", id)
        cases.append(Case(id, image, _existing(path / "labels" / image.name, image), patient))
    return cases


def results(path: Path) -> list[Case] | None:
    """Folders that `lngen dataset --layout plain` or `lngen synthesize` wrote."""
    cases = []
    for record in _visible(path, "*/nodes.json"):
        folder = record.parent
        label = folder / "label.nii.gz"  # real and synthetic ones, where there is one
        label = label if label.exists() else folder / "nodes.nii.gz"
        patient, _ = _origin(record, folder.name)
        image = _existing(folder / "ct.nii.gz", record)
        cases.append(Case(folder.name, image, _existing(label, record), patient, synthetic=True))
    return cases or None


def images_alone(path: Path) -> list[Case] | None:
    """A folder of CTs without labels."""
    named = [(image, _split(image)[0]) for image in _images(path)]
    return [Case(id, image, None, id) for image, id in named] or None


READERS = (nnunet, msd, table, meply, lnq, uls, results, images_alone)


def _description(path: Path) -> dict[str, Any] | None:
    file = path / "dataset.json"
    return _object(file) if file.is_file() else None


def _origin(record: Path, id: str) -> tuple[str, bool]:
    """Patient and synthetic mark in a record of ours."""
    content = _object(record)
    return str(content.get("patient", id)), bool(content.get("synthetic"))


def _object(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except ValueError as error:
        raise InputError(f"{file} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} holds no JSON object: restore it")
    return content


def _visible(path: Path, pattern: str) -> list[Path]:
    """Files without those that macOS leaves (._NAME) and unfinished ones."""
    found = path.glob(pattern) if path.is_dir() else ()
    return sorted(f for f in found if not any(p[0] == "." for p in f.relative_to(path).parts))


def _images(path: Path) -> list[Path]:
    return [file for file in _visible(path, "*") if file.name.endswith(ENDINGS)]


def _split(file: Path) -> tuple[str, str]:
    """Name and ending of an image file."""
    ending = next((e for e in ENDINGS if file.name.endswith(e)), "")
    return file.name.removesuffix(ending), ending


def _existing(file: Path, listed_by: Path) -> Path:
    if not file.exists():
        raise InputError(f"{file} is missing, {listed_by} asks for it: add it, or correct that")
    return file
