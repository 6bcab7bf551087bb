"""The table of docs/paper.md leads from the paper to files, names and equations that are there."""

from __future__ import annotations

import re
from functools import reduce
from importlib import import_module
from inspect import getdoc
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "paper.md").read_text()
PARTS = PAGE.split("## Part by part")[1].splitlines()
CELLS = [line.strip("| ").split(" | ") for line in PARTS if line.startswith("| ")]
ROWS = {cells[0]: (cells[2].strip("`"), cells[3].strip("`")) for cells in CELLS[1:]}


def equations(text: str) -> set[int]:
    """Numbers of the equations that a text names, as in "eq. 1"."""
    return {int(number) for number in re.findall(r"\beq\. (\d)", text)}


@pytest.mark.parametrize("part", ROWS)
def test_each_part_of_the_paper_is_where_the_page_says(part):
    file, name = ROWS[part]
    module = import_module(file.removesuffix(".py").replace("/", "."))
    found = reduce(getattr, name.split("."), module)
    assert found.__module__ == module.__name__  # made there, not only imported
    assert equations(part) <= equations(getdoc(found))


def test_every_equation_and_table_of_the_paper_is_there():
    assert set.union(*map(equations, ROWS)) == {1, 2, 3, 4, 5, 6}
    assert {"Table I", "Table II", "VAE", "latent DDPM", "adapter A_morph"} <= set(ROWS)
    assert {"signed distance function", "placement heuristic"} <= set(ROWS)


def test_every_file_that_the_page_names_is_there():
    files = re.findall(r"`(LNGenLib/[^`]+)`", PAGE)
    assert len(files) > len(ROWS)
    assert not [file for file in files if not (ROOT / file).exists()]
