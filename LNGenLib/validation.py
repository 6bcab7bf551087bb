"""Plain Python values, of their fields' types, whatever numbers are given."""

from __future__ import annotations

import dataclasses
import json
import math
import operator
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

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


def check_types(kind: type, values: dict[str, Any]) -> None:
    """InputError for a value that is not of its field's type in the dataclass `kind`, which takes
    any by itself."""
    for name, wanted in _hints(kind).items():
        if name in values and not _fits(values[name], wanted):
            given = json.dumps(values[name], default=str)[:99]
            called = wanted.__name__ if isinstance(wanted, type) else wanted
            raise InputError(f"{kind.__name__}: {name} {given} is no {called}: correct it")


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Of each field, found once: it takes longer than all else that is checked."""
    return get_type_hints(kind)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value, as it comes out of JSON with tuples for lists, is of a field's type.

    Numbers are finite; true and false are none, though Python has them so.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        parts = parts[:1] * len(value) if parts[-1] is ... else parts
        return len(value) == len(parts) and all(map(_fits, value, parts))
    if kind is float:
        return _fits(value, int) or (isinstance(value, float) and math.isfinite(value))
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return kind is Any or isinstance(value, origin or kind)


def from_json(
    kind: type, values: dict[str, Any], parts: Mapping[str, Callable] = {}, name: str = ""
) -> Any:
    """The dataclass `kind` of `dataclasses.asdict`'s JSON; InputError for fields that do not fit.

    `parts` are the fields that are dataclasses themselves, or what makes them of JSON; `name` is
    that of a configuration which a user writes.
    """
    if not isinstance(values, dict):
        raise InputError(f"{kind.__name__} is a JSON object, not {values!r}")
    known = [field.name for field in dataclasses.fields(kind)]
    if unknown := sorted(set(values) - set(known)):
        owner = f"the {name} configuration has no" if name else f"{kind.__name__} has no field"
        raise InputError(f"{owner} {', '.join(unknown)}: it has {', '.join(known)}")
    try:
        made = {name: _part(part, values[name]) for name, part in parts.items() if name in values}
        given = {name: _plain(value) for name, value in (values | made).items()}
        check_types(kind, given)
        return kind(**given)
    except InputError:
        raise
    except (TypeError, ValueError, OverflowError) as error:  # a field missing or of another type
        raise InputError(f"{kind.__name__} can't be made of {str(values)[:99]}: {error}") from error


def _part(kind: Callable, value: Any) -> Any:
    return from_json(kind, value) if dataclasses.is_dataclass(kind) else kind(value)
