"""Ranges on the command line: one value where its two bounds are equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def with_both_bounds(arguments: Sequence[str], command: Any) -> list[str]:
    """The arguments of a click command (or group), its options of two numbers always with two: of
    one that is given alone, lower and upper bound are equal (`--long-axis 6` is 6 to 6 mm)."""
    left, both = list(arguments), []
    while left and left[0] != "--":
        both.append(left.pop(0))
        command = getattr(command, "commands", {}).get(both[-1], command)
        name, assigned, value = both[-1].partition("=")
        if not any(option.nargs == 2 and name in option.opts for option in command.params):
            continue
        if assigned:
            both[-1:] = [name, value]
        elif left:
            both.append(left.pop(0))
        if _is_number(both[-1]) and not (left and _is_number(left[0])):
            both.append(both[-1])
    return both + left


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
