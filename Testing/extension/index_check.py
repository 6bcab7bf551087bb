"""What the Extensions Index asks of an extension, as far as it needs no network.

    python Testing/extension/index_check.py [--index CHECKOUT of github.com/Slicer/ExtensionsIndex]

Its own checks (scripts/check_description_files.py) and its reviewers' list for new extensions
(.github/PULL_REQUEST_TEMPLATE.md). With --index the checks of that checkout run as well, files of
this repository standing for what they would download; they need Python 3.12 and jsonschema.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from metadata import (
    MODULES,
    ROOT,
    catalog_entry,
    cmake_metadata,
    description,
    listed_files,
    module_files,
    raw,
    read_catalog_entry,
    read_description,
)
from PIL import Image

NAME = "LNGen"
MOST_MEGABYTES = 100
INSTALLERS = re.compile(r"\b(pip_install|pip_ensure|pip_uninstall|load_requirements|ensurepip)\b")


def problems(root: Path = ROOT) -> list[str]:
    """What the Index or its reviewers would refuse, a line each; none: empty."""
    checks = (entry, addresses, pictures, files, readme, size, line_endings, installs)
    return [f"{check.__name__}: {problem}" for check in checks for problem in check(root)]


def entry(root: Path) -> Iterator[str]:
    """LNGen.json and LNGen.s4ext follow CMakeLists.txt, and keep to the Index's rules."""
    cmake = cmake_metadata(root)
    if read_catalog_entry(root / f"{NAME}.json") != catalog_entry(cmake):
        yield f"{NAME}.json does not follow CMakeLists.txt: make lists"
    if read_description(root / f"{NAME}.s4ext") != description(cmake):
        yield f"{NAME}.s4ext does not follow CMakeLists.txt: make lists"
    if f"project({NAME})" not in (root / "CMakeLists.txt").read_text():
        yield f"CMakeLists.txt has no project({NAME})"
    if NAME.startswith("Slicer"):
        yield "the extension's name starts with Slicer"
    if not 1 <= int(cmake["TIER"]) <= 5:
        yield f"tier {cmake['TIER']}"


def addresses(root: Path) -> Iterator[str]:
    """Every address is below the one base, whose repository's name starts with Slicer."""
    cmake = cmake_metadata(root)
    base = cmake["HOMEPAGE"]
    if not base.startswith("https://") or not urlsplit(base).path.split("/")[-1].startswith(
        "Slicer"
    ):
        yield f"{base} is no https address of a repository Slicer..."
    for url in (cmake["ICONURL"], *cmake["SCREENSHOTURLS"].split()):
        if not url.startswith(f"{raw(base)}/"):
            yield f"{url} is not below {raw(base)}"
    for name in ("pyproject.toml", "CITATION.cff"):
        if f'"{base}"' not in (root / name).read_text():
            yield f"{name} does not name {base}"


def pictures(root: Path) -> Iterator[str]:
    """The icon is a PNG of 128 x 128, every screenshot is there, and there is one."""
    cmake = cmake_metadata(root)
    icon, *screenshots = (
        root / url.removeprefix(f"{raw(cmake['HOMEPAGE'])}/")
        for url in (cmake["ICONURL"], *cmake["SCREENSHOTURLS"].split())
    )
    if not screenshots:
        yield "no screenshot"
    for path in (icon, *screenshots):
        if not path.is_file():
            yield f"{path} is missing"
        elif Image.open(path).format != "PNG":
            yield f"{path} is no PNG"
    if icon.is_file() and Image.open(icon).size != (128, 128):
        yield f"{icon} is not 128 x 128"


def files(root: Path) -> Iterator[str]:
    """Each module's list of files is its folder's content; the licence is in the root."""
    for module in MODULES:
        if listed_files(root / module) != module_files(root / module):
            yield f"{module}/CMakeLists.txt does not list what is there: make lists"
    if "Apache License" not in (root / "LICENSE").read_text():
        yield "LICENSE is not Apache's"


def readme(root: Path) -> Iterator[str]:
    """The homepage has what reviewers look for."""
    text = (root / "README.md").read_text()
    wanted = {
        "name": f"# {NAME}",
        "picture": r"!\[[^]]+\]\([^)]+\)",
        "publication": r"https://arxiv\.org/abs/2408\.14977",
        "license": r"Apache-2\.0",
        "tutorial": r"^## Tutorial",
        "sentence for each module": rf"(?s){NAME}\b.*LNGenLib",
        "what it is not for": "[Nn]ot a medical device",
    }
    for what, pattern in wanted.items():
        if not re.search(pattern, text, re.MULTILINE):
            yield f"README.md has no {what}"


def size(root: Path) -> Iterator[str]:
    """A clone of depth 1, which the Index makes of an entry without a revision
    (scripts/check_description_files.py), is smaller than it accepts: files, and as much packed."""
    tree = sum((root / name).stat().st_size for name in tracked(root)) / 1024**2
    if 2 * tree > MOST_MEGABYTES:
        yield f"{tree:.0f} MiB of files"


def line_endings(root: Path) -> Iterator[str]:
    """Text files end their lines with LF."""
    for name in tracked(root):
        content = (root / name).read_bytes()
        if b"\0" not in content and b"\r" in content:
            yield f"{name} has CR"


def installs(root: Path) -> Iterator[str]:
    """Nothing is installed where a module is imported or its widget made."""
    for module in MODULES:
        for path in sorted((root / module).rglob("*.py")):
            for line in installs_unasked(path.read_text()):
                yield f"{path.relative_to(root)}:{line} installs packages unasked"


def installs_unasked(source: str) -> list[int]:
    """The lines of installs at file or class scope and in constructors."""
    tree = ast.parse(source)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

    def at_once(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, functions) or getattr(child, "name", "") == "__init__":
                yield child
                yield from at_once(child)

    calls = (node for node in at_once(tree) if isinstance(node, ast.Call))
    return [call.lineno for call in calls if INSTALLERS.search(ast.unparse(call.func))]


def git(root: Path, *arguments: str) -> str:
    """What git prints."""
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def tracked(root: Path) -> list[str]:
    """The files that git tracks and that are there."""
    names = git(root, "ls-files", "-z").split("\0")
    return [name for name in names if name and (root / name).is_file()]


class Served:
    """A reply of `requests.get` with a file's content."""

    def __init__(self, path: Path):
        self.path = path
        self.headers = {"Content-Type": "image/png" if path.suffix == ".png" else "text/plain"}

    def raise_for_status(self) -> None:
        """Raise where the file is missing."""
        self.path.stat()

    def json(self):
        """The file's JSON."""
        return json.loads(self.path.read_text())


def run_index(index: Path) -> bool:
    """Run the Index's own checks of a checkout on this repository; whether all pass."""
    import requests

    path = index / "scripts" / "check_description_files.py"
    spec = importlib.util.spec_from_file_location("check_description_files", path)
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    base = raw(cmake_metadata()["HOMEPAGE"])

    def local(url: str, **_) -> Served:
        if url.startswith(base):
            return Served(ROOT / url.removeprefix(f"{base}/"))
        return Served(index / "schemas" / Path(urlsplit(url).path).name)

    requests.get = local
    entry = read_catalog_entry(ROOT / f"{NAME}.json")
    passed = True
    for name, arguments in {
        "check_json_schema": (),
        "check_json_file_format": (ROOT / f"{NAME}.json",),
        "check_extension_name": (),
        "check_category": (),
        "check_git_repository_name": (),
        "check_scm_url_syntax": (),
        "check_cmakelists_content": (ROOT,),
        "check_license_file": (ROOT,),
    }.items():
        try:
            getattr(theirs, name)(NAME, entry, *arguments)
            print("ok   ", name)
        except theirs.ExtensionCheckError as error:
            print("FAIL ", name, error)
            passed = False
    return passed


def main() -> None:
    """See the module's first lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--index", type=Path, help="checkout of the Extensions Index")
    index = parser.parse_args().index
    found = problems()
    print("\n".join(found) or "nothing to object to")
    refused = index is not None and not run_index(index)
    sys.exit(bool(found) or refused)


if __name__ == "__main__":
    main()
