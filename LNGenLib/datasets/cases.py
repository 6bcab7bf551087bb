"""The cases of a data set, whatever its layout."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from LNGenLib.datasets.case import Case
from LNGenLib.datasets.layouts import READERS
from LNGenLib.errors import InputError

__all__ = ["Case", "by_patient", "read_cases"]

USABLE_ID = re.compile(r"[\w][\w.+-]*")  # a file's name, too


def read_cases(path: str | Path) -> list[Case]:
    """The cases of a data set, sorted by id; voxels are not read yet.

    Its layout is found out (docs/datasets.md): nnU-Net raw, MSD, a CSV of pairs, MEPLYv2, LNQ2023,
    ULS23, folders that `lngen dataset` or `lngen synthesize` wrote, or images alone. Raises
    InputError where there is none of them, or one that misses files.
    """
    path = Path(path).absolute()  # other processes may work elsewhere
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path")
    found = next(filter(None, (reader(path) for reader in READERS)), None)
    if found is None:
        raise InputError(
            f"{path} holds no cases: give an nnU-Net, MSD, MEPLYv2, LNQ2023 or ULS23 folder, one "
            "that lngen dataset wrote, one of images, or a CSV with the columns image and label"
        )
    for id, count in Counter(case.id for case in found).items():
        if count > 1:
            raise InputError(f"{path} has {count} cases {id}: give each an id of its own")
        if not USABLE_ID.fullmatch(id):
            raise InputError(f"{path}: {id!r} can't name a file: use letters, digits, - _ . and +")
    return sorted(found, key=lambda case: case.id)


def by_patient(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """The cases of each patient, for splits."""
    groups = defaultdict(list)
    for case in cases:
        groups[case.patient].append(case)
    return dict(groups)
