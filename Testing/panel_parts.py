"""Loads a file of the panel alone: no Qt, and of Slicer only what a test hands in."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LNGEN = str(Path(__file__).parents[1] / "LNGen")
OURS = {"LNGenPanel", "slicer", "PyTorchUtils", "TotalSegmentator"}  # and what is in them


def module(name: str, **content: object) -> types.ModuleType:
    """A module to be imported by this name."""
    made = types.ModuleType(name)
    vars(made).update(content)
    return made


def _ours() -> dict[str, types.ModuleType]:
    return {name: each for name, each in sys.modules.items() if name.split(".")[0] in OURS}


@contextmanager
def loaded(name: str, slicer: types.ModuleType, *others: types.ModuleType) -> Iterator:
    """`LNGenPanel.NAME`, anew, as long as the block; with it `slicer` and `others` can be imported.

    Texts are not translated.
    """
    before = _ours()
    for each in before:
        del sys.modules[each]
    for each in (slicer, module("slicer.i18n", tr=lambda text: text), *others):
        sys.modules[each.__name__] = each
    sys.path.insert(0, LNGEN)
    try:
        yield importlib.import_module(f"LNGenPanel.{name}")
    finally:
        sys.path.remove(LNGEN)
        for each in _ours():
            del sys.modules[each]
        sys.modules.update(before)
