"""Write constraints.txt: the versions of all that the tests ran with (make lock).

A pin whose package does not support the oldest Python of pyproject.toml holds from the first one
that it supports; older Pythons take what pip finds for them.
"""

from __future__ import annotations

from importlib.metadata import distribution, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
# as in the Makefile
EXTRAS = ("train", "evaluate", "serve", "cluster", "dicom", "slicer", "docs", "test")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
HEAD = "# What `make` installs: what the tests ran with (make lock).\n"


def needed(name: str = "lngen", extras: tuple[str, ...] = EXTRAS) -> set[str]:
    """The names of all packages that one needs here, by the metadata of what is installed."""
    found: set[str] = set()
    waiting = [(name, extras)]
    while waiting:
        name, extras = waiting.pop()
        for text in requires(name) or ():
            wanted = Requirement(text)
            marker = wanted.marker
            here = not marker or any(marker.evaluate({"extra": e}) for e in extras or ("",))
            other = canonicalize_name(wanted.name)
            if here and other not in found:
                found.add(other)
                waiting.append((other, tuple(wanted.extras)))
    return found


def pin(name: str) -> str:
    """A line of constraints.txt."""
    installed = distribution(name)
    line = f"{name}=={installed.version.split('+')[0]}"
    supported = SpecifierSet(installed.metadata.get("Requires-Python") or "")
    first = next(python for python in PYTHONS if supported.contains(f"{python}.99"))
    return line if first == PYTHONS[0] else f'{line}; python_version >= "{first}"'


def lock() -> str:
    """The content of constraints.txt."""
    return HEAD + "".join(f"{pin(name)}\n" for name in sorted(needed() - {"setuptools"}))


if __name__ == "__main__":
    CONSTRAINTS.write_text(lock())
