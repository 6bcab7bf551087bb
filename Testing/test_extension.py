"""The extension's files: lists are the tree, descriptions agree, the Index has no objection.

Building and installing it with Slicer's macros needs their sources: extension/install_check.py.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "Testing" / "extension"))

import index_check  # noqa: E402
import metadata  # noqa: E402

COPIED = ("CMakeLists.txt", "LNGen.json", "LNGen.s4ext", "README.md", "LICENSE", "pyproject.toml")


def test_the_extensions_index_has_no_objection():
    assert index_check.problems() == []


def test_the_index_names_no_revision_and_shows_the_panel_first():
    cmake = metadata.cmake_metadata()
    assert "scm_revision" not in metadata.read_catalog_entry(ROOT / "LNGen.json")
    first, *others = cmake["SCREENSHOTURLS"].split()
    assert first.endswith("/generated.png") and others
    for url in (cmake["ICONURL"], first, *others):
        assert url.startswith(metadata.raw(cmake["HOMEPAGE"]))


def light(source: str, target: str) -> None:
    """Copy a file, of weights only its name."""
    if source.endswith(".safetensors"):
        Path(target).touch()
    else:
        shutil.copy(source, target)


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy of what the checks look at, in a git repository of its own."""
    skipped = shutil.ignore_patterns("__pycache__")
    for name in (*COPIED, "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("Resources", *metadata.MODULES):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skipped, copy_function=light)
    shutil.copytree(ROOT / "Testing" / "extension", tmp_path / "Testing" / "extension")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    author = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    for command in (["add", "."], [*author, "commit", "-qm", "copy"]):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    assert index_check.problems(tmp_path) == []
    return tmp_path


DAMAGES = {
    "a file not listed": ("LNGenLib/forgotten.py", "", "LNGenLib/CMakeLists.txt does not list"),
    "a tier of its own": ("LNGen.json", ('"tier": 1', '"tier": 3'), "LNGen.json does not follow"),
    "another category": ("LNGen.s4ext", ("Image Synthesis", "IGT"), "LNGen.s4ext does not follow"),
    "another base": ("CMakeLists.txt", ("main/Resources/LNGen.png", "x/LNGen.png"), "not below"),
    "a lost screenshot": ("Resources/Screenshots/demo.png", None, "demo.png is missing"),
    "no picture": ("README.md", ("![", "["), "README.md has no picture"),
    "CR": ("LICENSE", ("\n", "\r\n"), "LICENSE has CR"),
    "an install at import": (
        "LNGenLib/errors.py",
        "import slicer\nslicer.util.pip_install('x')\n",
        "unasked",
    ),
}


@pytest.mark.parametrize("name, change, problem", DAMAGES.values(), ids=DAMAGES)
def test_what_the_index_would_refuse_is_found(copy, name, change, problem):
    path = copy / name
    if change is None:
        path.unlink()
    elif isinstance(change, str):
        path.write_text(change)
    else:
        path.write_bytes(path.read_bytes().replace(*(part.encode() for part in change)))
    assert any(problem in found for found in index_check.problems(copy))


def test_an_install_in_a_function_is_no_objection():
    source = "def setup():\n    pip_install('x')\nclass A:\n    def __init__(self):\n        {}\n"
    assert index_check.installs_unasked(source.format("pass")) == []
    assert index_check.installs_unasked(source.format("slicer.util.pip_install('x')")) == [5]


def test_one_command_moves_every_address(copy):
    base = "https://github.com/someone/SlicerLNGen"
    (copy / "LNGenLib" / "added.py").touch()
    subprocess.run(
        [sys.executable, copy / "Testing" / "extension" / "refresh.py", "--base", base], check=True
    )
    assert index_check.problems(copy) == []
    assert json.loads((copy / "LNGen.json").read_text())["scm_url"] == base
    cmake = (copy / "CMakeLists.txt").read_text()
    raw = "https://raw.githubusercontent.com/someone/SlicerLNGen/main/"
    assert f'ICONURL "{raw}Resources/LNGen.png"' in cmake
    assert "example.org" not in cmake + (copy / "pyproject.toml").read_text()


def test_s4ext_has_every_key_of_slicers_template():
    keys = metadata.read_description(ROOT / "LNGen.s4ext")
    assert len(keys) == 17 and set(keys) == set(metadata.S4EXT_KEYS)


def test_the_package_data_of_pip_are_the_resources_of_cmake():
    """Both ways of installing ship the same files."""
    text = (ROOT / "pyproject.toml").read_text()
    _, resources = metadata.module_files(ROOT / "LNGenLib")
    shipped = [
        path.relative_to(ROOT / "LNGenLib").as_posix()
        for package, patterns in re.findall(r'^"(LNGenLib[\w.]*)" = (\[.*\])$', text, re.M)
        for pattern in json.loads(patterns)
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    ]
    assert sorted(shipped) == sorted(resources)


def test_what_ctest_runs_in_slicer_passes_on_slicer_core(scene, monkeypatch):
    import unittest

    import slicer

    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    suite = unittest.TestLoader().loadTestsFromName("LNGenLibInSlicerTest")
    result = unittest.TestResult()
    suite.run(result)
    assert result.testsRun == 1 and not result.skipped
    assert result.wasSuccessful(), result.errors + result.failures
