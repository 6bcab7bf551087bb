"""Plain Python numbers in dataclasses, whatever numbers they are given."""

from __future__ import annotations

import dataclasses
from typing import Any


def as_python(values: Any) -> None:
    """Turn numpy's numbers and arrays, and lists, in the fields of a frozen dataclass into Python's
    numbers and tuples: JSON takes no others."""
    for part in dataclasses.fields(values):
        object.__setattr__(values, part.name, _plain(getattr(values, part.name)))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value
