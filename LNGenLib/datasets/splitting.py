"""Cases to train on and cases to hold out, apart by patient."""

from __future__ import annotations

import random
from collections.abc import Sequence

from LNGenLib.datasets.case import Case
from LNGenLib.errors import InputError
from LNGenLib.validation import whole

HELD_OUT = 0.2  # of the patients, where the data set names none for validation


def split(cases: Sequence[Case], seed: int) -> tuple[list[Case], list[Case]]:
    """Training and validation cases: as the data set says, else a fifth of the patients is held
    out. Raises InputError where either is empty."""
    usable = [case for case in cases if not (case.part or "").startswith("test")]
    validation = [case for case in usable if case.part == "validation"]
    if validation:
        held_out = {case.patient for case in validation}
        training = [case for case in usable if case.patient not in held_out]
    else:
        training, validation = hold_out(usable, seed)
    if not training or not validation:
        raise InputError("training takes scans of two patients at least: one is for validation")
    return training, validation


def hold_out(cases: Sequence[Case], seed: int) -> tuple[list[Case], list[Case]]:
    """The cases but those of a fifth of the patients, one at least, and those of that fifth; which
    patients depends on their ids and the seed alone."""
    patients = sorted({case.patient for case in cases})
    random.Random(whole(seed, "seed")).shuffle(patients)
    chosen = set(patients[: max(1, round(HELD_OUT * len(patients)))])
    kept = [case for case in cases if case.patient not in chosen]
    return kept, [case for case in cases if case.patient in chosen]
