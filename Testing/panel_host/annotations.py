"""What a parameter's type may be annotated with: its default, its limits, how widgets show it."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass


def split(kind: type) -> tuple[type, list[object]]:
    """A type that may be annotated, as the type and its annotations."""
    if typing.get_origin(kind) is typing.Annotated:
        return kind.__origin__, list(kind.__metadata__)
    return kind, []


def check(kind: type, value: object) -> None:
    """Raise ValueError for a value outside its limits."""
    for each in split(kind)[1]:
        if hasattr(each, "allows") and not each.allows(value):
            raise ValueError(f"{value!r} is not allowed: {each}")


def find(kind: type, annotation: type) -> object | None:
    return next((each for each in split(kind)[1] if isinstance(each, annotation)), None)


@dataclass
class Default:
    _value: object = None
    generator: Callable[[], object] | None = None

    @property
    def value(self) -> object:
        return self.generator() if self.generator else self._value


@dataclass
class WithinRange:
    minimum: float
    maximum: float

    def allows(self, value: float) -> bool:
        return self.minimum <= value <= self.maximum


@dataclass
class Minimum:
    minimum: float

    def allows(self, value: float) -> bool:
        return value >= self.minimum


@dataclass
class Maximum:
    maximum: float

    def allows(self, value: float) -> bool:
        return value <= self.maximum


@dataclass
class Choice:
    choices: list

    def allows(self, value: object) -> bool:
        return value in self.choices


@dataclass
class RangeBounds:
    minimum: float
    maximum: float

    def allows(self, value: object) -> bool:
        return self.minimum <= value.minimum and value.maximum <= self.maximum


@dataclass
class Decimals:
    value: int


@dataclass
class SingleStep:
    value: float
