"""Checks of what is given and read: whole numbers, and fields of JSON files."""

from __future__ import annotations

import operator
from pathlib import Path
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


def field(content: dict[str, Any], *names: str, file: Path, make: str) -> Any:
    """The value that `names` lead to in the JSON object of a file.

    InputError where it is missing, as in a file of another version; `make` says what makes it anew.
    """
    value: Any = content
    for name in names:
        if not isinstance(value, dict) or name not in value:
            raise InputError(
                f"{file} lacks {'.'.join(names)} (another version of LNGen wrote it?): {make}"
            )
        value = value[name]
    return value
