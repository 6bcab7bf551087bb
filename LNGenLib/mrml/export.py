"""Results on disk: a folder as `lngen synthesize` leaves it, or a case to train on."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

from LNGenLib.errors import InputError
from LNGenLib.files import output_folder
from LNGenLib.image.io import write_images
from LNGenLib.synthesis.result import SynthesisResult

SPLITS = "splits.csv"


def file_name(name: str) -> str:
    """A node's name as that of a file."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "case"


def write_result(result: SynthesisResult, folder: Path, name: str) -> Path:
    """Write images and records into a new folder of `folder`, all or nothing; that folder."""
    target = folder / file_name(name)
    if target.exists():
        raise InputError(f"{target} exists already: choose another folder, or rename the volume")
    with output_folder(target) as temporary:
        result.write(temporary)
    return target


def write_training_case(result: SynthesisResult, data: Path, name: str) -> Path:
    """Add a result to a data set as docs/training.md has it: the CT, beside it the mask of its
    lymph nodes, and a row in `splits.csv` that puts it into `train`; the CT's file.

    Raises InputError where the data set has a case of that name.
    """
    ct = data / f"{file_name(name)}.nii.gz"
    mask, table = data / f"{file_name(name)}_mask.nii.gz", data / SPLITS
    if ct.exists() or mask.exists():
        raise InputError(f"{data} has a case {ct.name} already: rename the volume")
    rows = _rows(table)
    with output_folder(data) as temporary:
        write_images({temporary / ct.name: result.ct, temporary / mask.name: result.nodes})
        with open(temporary / SPLITS, "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else ["file", "split"])
            writer.writeheader()
            writer.writerows([*rows, {"file": ct.name, "split": "train"}])
            file.flush()
            os.fsync(file.fileno())
    return ct


def _rows(table: Path) -> list[dict[str, str]]:
    if not table.exists():
        return []
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    if any(not {"file", "split"} <= set(row) for row in rows):
        raise InputError(f"{table} has no columns file and split: choose another folder")
    return rows
