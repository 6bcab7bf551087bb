"""A study's key and its readers' answers, as their files tell them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from LNGenLib.errors import InputError
from LNGenLib.files import json_field, read_json
from LNGenLib.validation import from_json

KEY = "key.json"
# readers that are none of the people, by name: one that sees all, one that does not see the nodes
MACHINE, SURROUNDINGS = "machine", "surroundings"
REAL, UNSURE, SYNTHETIC = 1.0, 3.0, 5.0  # ratings: certainly real, cannot tell, certainly synthetic


@dataclass(frozen=True)
class Case:
    """What the key tells of a case that scoring needs: whether its node is painted, the pair of a
    painted and a real one to which it belongs, and the record of a painted one."""

    synthetic: bool
    scan: str
    pair: int
    long_axis_mm: float
    appearance: str | None = None
    record: dict[str, Any] | None = None


@dataclass(frozen=True)
class Study:
    """A study's name, and its cases by theirs."""

    id: str
    cases: dict[str, Case]


@dataclass(frozen=True)
class Answer:
    """What a reader said of a case: the rating from 1, certainly real, to 5, certainly
    synthetic; the seconds it took."""

    case: str
    rating: float
    comment: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Reader:
    """A person, or a machine; the answers by case."""

    name: str
    answers: dict[str, Answer]
    experience_years: float | None = None

    @property
    def machine(self) -> bool:
        """Whether it is none of the people."""
        return self.name in (MACHINE, SURROUNDINGS)

    def rating(self, case: str) -> float:
        """The rating of a case, NaN where it was not answered."""
        return self.answers[case].rating if case in self.answers else float("nan")


def read_study(folder: Path) -> Study:
    """The study that `lngen study make` wrote into a folder; InputError where there is none."""
    file = folder / KEY
    if not file.is_file():
        raise InputError(f"{folder} has no {KEY}: give the folder that `lngen study make` wrote")
    field = partial(json_field, read_json(file), file=file, make="make the study anew")
    cases: dict[str, dict[str, Any]] = field("cases")
    if not isinstance(cases, dict) or not cases:
        raise InputError(f"{file} has no cases: make the study anew")
    return Study(field("study"), {id: _made(Case, values, file) for id, values in cases.items()})


def read_readers(files: Sequence[Path], study: Study) -> list[Reader]:
    """The readers of a study by their names, machines last.

    Raises InputError for a file that is no reader's of this study, and where two have one name.
    """
    readers = [_read_reader(file, study) for file in files]
    named: dict[str, Path] = {}
    for file, reader in zip(files, readers):
        if reader.name in named:
            raise InputError(
                f"{named[reader.name]} and {file} are both of the reader {reader.name!r}: give one "
                "of them, or rename the reader in one where they are two people"
            )
        named[reader.name] = file
    return sorted(readers, key=lambda reader: (reader.machine, reader.name))


def _read_reader(file: Path, study: Study) -> Reader:
    content = read_json(file)
    field = partial(json_field, content, file=file, make="give a file that the study's page saved")
    if (other := field("study")) != study.id:
        raise InputError(
            f"{file} answers the study {other!r}, not {study.id!r}: give that study's folder"
        )
    given = field("answers")
    if not isinstance(given, list) or not given:
        raise InputError(f"{file} holds no answers: have the reader rate cases, or leave it out")
    answers = [_made(Answer, values, file) for values in given]
    if unknown := sorted({answer.case for answer in answers} - study.cases.keys()):
        raise InputError(
            f"{file} answers cases that the study does not have, {', '.join(unknown)}: give the "
            "folder of the study that was read"
        )
    for case, times in Counter(answer.case for answer in answers).items():
        if times > 1:
            raise InputError(f"{file} answers the case {case} {times} times: keep one answer")
    for answer in answers:
        if not REAL <= answer.rating <= SYNTHETIC:
            raise InputError(
                f"{file} rates the case {answer.case} {answer.rating:g}: ratings go from 1 to 5, "
                "correct it"
            )
    whole = {
        "name": field("reader"),
        "experience_years": content.get("experience_years"),
        "answers": {answer.case: answer for answer in answers},
    }
    reader: Reader = _made(Reader, whole, file)
    if not reader.name.strip():
        raise InputError(f"{file} has no name for its reader: write one into its field reader")
    return dataclasses.replace(reader, name=reader.name.strip())


def _made(kind: type, values: Any, file: Path) -> Any:
    """The dataclass `kind` of a JSON object that may tell more, and null for what it leaves out;
    InputError names the file."""
    names = [field.name for field in dataclasses.fields(kind)]
    if isinstance(values, dict):
        values = {name: values[name] for name in names if values.get(name) is not None}
    try:
        return from_json(kind, values)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
