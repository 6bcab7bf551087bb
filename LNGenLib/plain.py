"""Plain Python numbers, whatever numbers are given."""

from __future__ import annotations

import dataclasses
import operator
from typing import Any

from LNGenLib.errors import InputError


def whole(value: Any, name: str) -> int:
    """`value` as an int, numpy's integers too; InputError for anything else, and below 0."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise InputError(f"{name} {value!r}: give a whole number") from error
    if number < 0:
        raise InputError(f"{name} {number}: give a whole number from 0 up")
    return number


def as_python(values: Any) -> None:
    """Turn numpy's numbers and arrays, and lists, in the fields of a frozen dataclass into Python's
    numbers and tuples: JSON takes no others."""
    for part in dataclasses.fields(values):
        object.__setattr__(values, part.name, _plain(getattr(values, part.name)))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value
