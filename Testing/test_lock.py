"""constraints.txt pins everything that `make` installs, as it is installed here."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from lock import CONSTRAINTS, EXTRAS, needed

UNPINNED = re.compile(r"setuptools|triton|(nvidia|cuda)-.*")  # of venv, and of torch's CUDA builds


def test_the_lock_is_complete():
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the lock was made with Python 3.11")
    pins = dict(re.findall(r"^([\w.-]+)==([^;\s]+)", CONSTRAINTS.read_text(), re.MULTILINE))
    if version("numpy") != pins["numpy"]:
        pytest.skip("not installed with constraints.txt")
    assert {name for name in needed() if not UNPINNED.fullmatch(name)} <= set(pins)


def test_it_covers_what_make_installs():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    assert tuple(re.search(r'-e "\.\[([\w,]+)\]"', makefile)[1].split(",")) == EXTRAS
