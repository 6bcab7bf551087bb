"""What the extension's files say of it: CMakeLists.txt, and what is made from it.

Formats: https://slicer.readthedocs.io/en/latest/developer_guide/extensions.html.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/"
    "slicer-extension-catalog-entry-schema-v1.0.2.json#"
)
BRANCH = "main"
MODULES = ("LNGen", "LNGenLib")  # folders with a list of their files
S4EXT_KEYS = (  # in the order of Slicer's template
    *("scm", "scmurl", "scmrevision", "depends", "recommends", "build_subdirectory", "homepage"),
    *("contributors", "category", "iconurl", "status", "tier", "description", "screenshoturls"),
    *("enabled", "dicom_support_rule", "keywords"),
)


def cmake_metadata(root: Path = ROOT) -> dict[str, str]:
    """The EXTENSION_* values of CMakeLists.txt, by name without that prefix."""
    text = (root / "CMakeLists.txt").read_text()
    return dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"]*)"\)$', text, re.MULTILINE))


def raw(base: str) -> str:
    """Where a forge serves the files of the branch at `base`, without a redirect on GitHub."""
    if urlsplit(base).netloc == "github.com":
        return f"https://raw.githubusercontent.com{urlsplit(base).path}/{BRANCH}"
    return f"{base}/raw/{BRANCH}"


def catalog_entry(cmake: dict[str, str]) -> dict:
    """The Extensions Index's entry, LNGen.json, that belongs to the CMake metadata."""
    return {
        "$schema": SCHEMA,
        "build_dependencies": cmake["DEPENDS"].split(),
        "build_subdirectory": cmake["BUILD_SUBDIRECTORY"],
        "category": cmake["CATEGORY"],
        "enabled": cmake["ENABLED"] == "1",
        "scm_type": "git",
        "scm_url": cmake["HOMEPAGE"],
        "tier": int(cmake["TIER"]),
    }


def description(cmake: dict[str, str]) -> dict[str, str]:
    """The keys and values of LNGen.s4ext that belong to the CMake metadata."""
    scm = {"scm": "git", "scmurl": cmake["HOMEPAGE"], "scmrevision": BRANCH}
    return {key: scm.get(key, cmake.get(key.upper(), "")) for key in S4EXT_KEYS}


def read_description(path: Path) -> dict[str, str]:
    """The keys and values of a .s4ext file."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {key: value.strip() for key, _, value in (line.partition(" ") for line in lines)}


def read_catalog_entry(path: Path) -> dict:
    """The content of a catalog entry."""
    return json.loads(path.read_text())


def module_files(folder: Path) -> tuple[list[str], list[str]]:
    """The scripts and the resources that a module's folder must ship, relative to it, sorted."""
    paths = [
        path.relative_to(folder)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "CMakeLists.txt" and "__pycache__" not in path.parts
    ]
    visible = [p.as_posix() for p in paths if not any(part.startswith(".") for part in p.parts)]
    scripts = [p for p in visible if p.endswith(".py")]
    return scripts, [p for p in visible if p not in scripts]


def listed_files(folder: Path) -> tuple[list[str], list[str]]:
    """The scripts and resources that a module's CMakeLists.txt lists."""
    text = (folder / "CMakeLists.txt").read_text()
    lists = (re.search(rf"set\(MODULE_PYTHON_{kind}\n(.*?)  \)", text, re.S) for kind in KINDS)
    return tuple(found[1].split() for found in lists)


KINDS = ("SCRIPTS", "RESOURCES")
