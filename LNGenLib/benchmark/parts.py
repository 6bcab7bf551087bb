"""The parts of a data set: to train on, to choose checkpoints by, and to test on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from LNGenLib.datasets.case import Case
from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.splitting import hold_out
from LNGenLib.errors import InputError

SEED = 0  # of what is held out: one split of a data set, everywhere


def parts_of(data: Path, classes: Sequence[str] = ()) -> dict[str, list[Case]]:
    """Labeled real cases by part: train, validation, then test, or several whose names begin so.

    `data` and `classes` are those of `read_cases`; of a folder with a `cases.csv` that is read.
    Cases of which the data set names no part are of train. Where validation or test is missing, or
    has no labels, a fifth of the patients of train, one at least, is held out for it; which ones
    depends on the patients' ids alone. Raises InputError where a patient is in two parts, and where
    there are too few patients.
    """
    table = data / "cases.csv"
    parts: dict[str, list[Case]] = {"train": []}
    for case in read_cases(table if table.exists() else data, classes):
        labeled = case.label is not None or case.image.suffix == ".npz"
        if labeled and not case.synthetic:
            parts.setdefault(case.part or "train", []).append(case)
    _check_apart(parts, data)
    missing = [k for k in ("test", "validation") if not any(part.startswith(k) for part in parts)]
    patients, needed = len({case.patient for case in parts["train"]}), 1 + len(missing)
    if patients < needed:
        rest = f", and to hold out for {' and '.join(missing)}" if missing else ""
        raise InputError(
            f"{data} has labeled real scans of {patients} patients to train on{rest}: give those "
            f"of {needed} at least"
        )
    for part in missing:
        parts["train"], parts[part] = hold_out(parts["train"], SEED)
    tests = sorted(part for part in parts if part.startswith("test"))
    return {part: parts[part] for part in ("train", "validation", *tests)}


def _check_apart(parts: dict[str, list[Case]], data: Path) -> None:
    """Raise InputError where a patient is in two parts."""
    of: dict[str, str] = {}
    for part, cases in parts.items():
        for case in cases:
            other = of.setdefault(case.patient, part)
            if other != part:
                raise InputError(
                    f"{data}: patient {case.patient} is in {other} and in {part}: give all scans "
                    "of a patient one part"
                )
