"""Every public part of the library says what it does, and in which shapes, units and frames."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1] / "LNGenLib"
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
ARRAY = re.compile(r"ndarray|Tensor")
SHAPE = re.compile(r"\((\.\.\.|[a-z0-9*^ ]+),[^)]*\)|shape|scalar")
LENGTH = re.compile(
    r"^(spacing|center|centers|point|points|origin|radius|radii|box|margin|height)$"
)
UNIT = re.compile(r"\bmm\b|HU|\bvoxels?\b|\bindex|\(z, y, x|unit|RAS|LPS")


def public(path: Path) -> Iterator[tuple[str, ast.AST, str]]:
    """Name, definition and docstring (with its class's) of each public part of a file."""

    def visit(node: ast.AST, name: str, around: str) -> Iterator[tuple[str, ast.AST, str]]:
        for child in node.body:
            if isinstance(child, DEFINITIONS) and not child.name.startswith("_"):
                own = ast.get_docstring(child) or ""
                yield f"{name}{child.name}", child, own and own + around
                if isinstance(child, ast.ClassDef):
                    yield from visit(child, f"{child.name}.", own)

    yield from visit(ast.parse(path.read_text()), "", "")


FILES = {str(p.relative_to(LIBRARY)): p for p in sorted(LIBRARY.rglob("*.py"))}


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_docstrings(path):
    problems = []
    if not ast.get_docstring(ast.parse(path.read_text())):
        problems.append("the module has no docstring")
    for name, part, text in public(path):
        if not text:
            problems.append(f"{name} has no docstring")
        elif not isinstance(part, ast.ClassDef):
            returned = ast.unparse(part.returns) if part.returns else ""
            arguments = [a for a in (*part.args.args, *part.args.kwonlyargs) if a.annotation]
            if ARRAY.search(returned + " ".join(ast.unparse(a.annotation) for a in arguments)):
                if not SHAPE.search(text):
                    problems.append(f"{name} takes or gives arrays; its docstring has no shape")
            lengths = [a for a in arguments if LENGTH.match(a.arg) and "Path" not in ast.dump(a)]
            if lengths and not UNIT.search(text):
                problems.append(f"{name} takes lengths or places; its docstring has no unit")
    assert not problems
