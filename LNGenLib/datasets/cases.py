"""The cases of a data set, whatever its layout."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from LNGenLib.datasets.case import Case
from LNGenLib.datasets.label_values import read_meaning
from LNGenLib.datasets.layouts import READERS
from LNGenLib.errors import InputError
from LNGenLib.files import read_json

USABLE_ID = re.compile(r"[\w][\w.+-]*")  # a file's name, too


def read_cases(path: str | Path, classes: Sequence[str] = ()) -> list[Case]:
    """The cases of a data set, sorted by id; voxels are not read yet.

    Its layout is found out (docs/datasets.md): nnU-Net raw, MSD, a CSV of pairs, MEPLYv2, LNQ2023,
    ULS23, TotalSegmentator's, folders that `lngen dataset` or `lngen synthesize` wrote, or images
    alone. `classes` names those of lymph nodes, where its dataset.json names several. Raises
    InputError where there is none of the layouts, or one that misses files.
    """
    path = Path(path).absolute()  # other processes may work elsewhere
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path")
    found = next(filter(None, (reader(path) for reader in READERS)), None)
    if found is None and path.is_file():
        raise InputError(
            f"{path} is one file: give the folder of your CTs, or a CSV with the columns image and "
            "label"
        )
    if found is None:
        raise InputError(
            f"{path} holds no cases: give an nnU-Net, MSD, MEPLYv2, LNQ2023, ULS23 or "
            "TotalSegmentator folder, one that lngen dataset wrote, one of images, or a CSV with "
            "the columns image and label"
        )
    for id, count in Counter(case.id for case in found).items():
        if count > 1:
            raise InputError(f"{path} has {count} cases {id}: give each an id of its own")
        if not USABLE_ID.fullmatch(id):
            raise InputError(f"{path}: {id!r} can't name a file: use letters, digits, - _ . and +")
    return sorted(_meant(found, path, classes), key=lambda case: case.id)


def _meant(cases: list[Case], path: Path, classes: Sequence[str]) -> list[Case]:
    """The cases with the meaning of their labels that a dataset.json tells."""
    description = path / "dataset.json"
    if not description.is_file():
        if classes:
            raise InputError(f"{path} has no dataset.json that names classes: leave out --class")
        return cases
    meaning = read_meaning(read_json(description).get("labels"), classes, description)
    return [replace(case, meaning=meaning) for case in cases]


def by_patient(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """The cases of each patient, for splits."""
    groups = defaultdict(list)
    for case in cases:
        groups[case.patient].append(case)
    return dict(groups)
