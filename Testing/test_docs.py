"""The documentation builds without a warning, and no link inside the repository is dead."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("LNGenLib/models/*.md")])
PAGE = ROOT / "docs/developers.md"
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(path: Path) -> set[str]:
    """The anchors that a forge and MkDocs give the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_that_are_there(page):
    dead = []
    for link in LINK.findall(page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" in link or link.startswith("mailto:"):
            continue
        if target.parent == ROOT / "docs" / "api":  # made when the pages are built
            package = ROOT / "LNGenLib" / target.stem
            if not package.is_dir():
                dead.append(link)
        elif not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert not dead


def test_the_pages_build_without_a_warning(tmp_path):
    pytest.importorskip("mkdocstrings", reason='pip install ".[docs]"')
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    api = (tmp_path / "site" / "api" / "synthesis" / "index.html").read_text()
    assert "LNGenLib.synthesis.engine.synthesize" in api


STEP = re.compile(r"^\| `([\w/.]+\.py)` \| `([\w.`, ]+)` \| ", re.MULTILINE)


def defined(path: Path) -> set[str]:
    """Functions and classes of a file, and methods as `Class.method`."""
    found = set()
    for part in ast.parse(path.read_text()).body:
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inner = part.body if isinstance(part, ast.ClassDef) else []
            found |= {
                part.name,
                *(f"{part.name}.{own.name}" for own in inner if hasattr(own, "name")),
            }
    return found


@pytest.mark.parametrize("walk", re.split(r"^### ", PAGE.read_text(), flags=re.MULTILINE)[1:4])
def test_the_walks_lead_through_what_is_there(walk):
    title, steps = walk.splitlines()[0], STEP.findall(walk)
    assert len(steps) == walk.count(".py` | ") >= 6, title
    assert len({file for file, _ in steps}) == len(steps), f"{title}: each step is one file"
    for file, names in steps:
        roots = ROOT / "LNGenLib", ROOT / "LNGen"
        path = next(root / file for root in roots if (root / file).exists())
        missing = set(names.replace("`", "").split(", ")) - defined(path)
        assert not missing, f"{file} has no {missing}"


MOST_WORDS = 35
READ = [page for page in PAGES if page.name != "CHANGELOG.md"]
FENCED = re.compile(r"^( *)(```).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
END = re.compile(r"(?<=[.!?])[\"*_)]*\s+(?=[\"*_(\[]*[A-Z0-9])")


def sentences(text: str) -> Iterator[str]:
    """The sentences of a page in Markdown; a heading, an item and a cell of a table end one. Code
    in a sentence is a word, a link its text."""
    for part, instead in (
        (FENCED, "\n\n"),
        (re.compile(r"`[^`]*`"), "Code"),
        (re.compile(r"^\[[^\]]+\]: .*$", re.MULTILINE), ""),  # addresses of links
        (re.compile(r"!?\[([^\]]*)\]\([^)]*\)"), r"\1"),
        (re.compile(r"^#+ (.*)$", re.MULTILINE), r"\n\n\1\n\n"),
        (re.compile(r"^ *\|(.*)\|$", re.MULTILINE), r"\n\n\1\n\n"),
        (re.compile(r"^ *([-*+]|\d+\.|>) ", re.MULTILINE), r"\n\n"),
        (re.compile(r" \| "), r"\n\n"),
    ):
        text = part.sub(instead, text)
    for paragraph in re.split(r"\n\s*\n", text):
        yield from (sentence.strip() for sentence in END.split(paragraph))


@pytest.mark.parametrize("page", READ, ids=lambda path: str(path.relative_to(ROOT)))
def test_sentences_are_short(page):
    counted = [(len(sentence.split()), sentence) for sentence in sentences(page.read_text())]
    assert not [(count, sentence) for count, sentence in counted if count > MOST_WORDS]


def test_sentences_are_found():
    text = "# A head\nTwo `of the` words. One\n[here](a b c)!\n\n| a b | c |\n| d | e f |\n- item"
    found = ["A head", "Two Code words.", "One\nhere!", "a b", "c", "d", "e f", "item"]
    assert [sentence for sentence in sentences(text) if sentence] == found


def test_the_front_page_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 100
