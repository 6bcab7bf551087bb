"""Arrows between the packages point one way, and importing the library stays cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from layers import LAYERS, PICTURE, ROOMS, ROOT, drawing

LIBRARY = ROOT / "LNGenLib"
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def imports(path: Path) -> set[str]:
    """Modules of LNGenLib that a file imports anywhere, as `image.io`; names of a package too."""
    found = set()
    for part in ast.walk(ast.parse(path.read_text())):
        if isinstance(part, ast.ImportFrom) and (part.module or "").startswith("LNGenLib"):
            own = part.module.removeprefix("LNGenLib").removeprefix(".")
            for name in part.names:
                inner = ".".join(filter(None, (own, name.name)))
                found.add(inner if module_file(inner) else own)
    return found - {""}


def module_file(name: str) -> Path | None:
    """The file of a module of LNGenLib, None where there is none."""
    path = LIBRARY.joinpath(*name.split("."))
    files = path.with_suffix(".py"), path / "__init__.py"
    return next((file for file in files if file.exists()), None)


def modules() -> dict[str, Path]:
    """The files of LNGenLib by their modules' names."""
    names = {path: path.relative_to(LIBRARY).with_suffix("") for path in LIBRARY.rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for path, name in names.items()}


def test_imports_point_from_upper_layers_to_lower_ones():
    for name, path in modules().items():
        own = name.split(".")[0]
        for other in {each.split(".")[0] for each in imports(path)} - {own}:
            assert RANK[other] < RANK[own], f"{path} imports {other}"


@pytest.mark.parametrize("room", ROOMS)
def test_parts_of_a_room_use_only_what_they_may(room):
    for part, others in ROOMS[room].items():
        for path in (LIBRARY / room / part).rglob("*.py"):
            used = {each.split(".")[1] for each in imports(path) if each.startswith(f"{room}.")}
            assert used <= {part} | others, f"{path} imports {used - others}"


def test_no_file_imports_itself_by_way_of_others():
    """Not even within functions or for type checkers alone."""
    waiting = {name: imports(path) - {name} for name, path in modules().items()}
    while waiting:
        free = {name for name, needs in waiting.items() if not needs & waiting.keys()}
        assert free, f"a circle among {sorted(waiting)}"
        for name in free:
            del waiting[name]


def test_the_picture_shows_the_layers():
    assert PICTURE.read_text() == drawing(), "make lists"


def test_only_mrml_imports_slicer_and_nothing_imports_qt():
    for path in LIBRARY.rglob("*.py"):
        modules = set()
        for part in ast.walk(ast.parse(path.read_text())):
            if isinstance(part, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in part.names}
            elif isinstance(part, ast.ImportFrom):
                modules.add((part.module or "").split(".")[0])
        assert "slicer" not in modules or path.parent.name == "mrml", path
        assert not modules & {"qt", "ctk", "PySide6"}, path


def test_only_lower_layers_are_needed_to_train():
    """Training from prepared arrays runs where these are missing."""
    code = (
        "import sys\n"
        "for name in ('SimpleITK', 'vtk', 'typer', 'slicer'): sys.modules[name] = None\n"
        "import LNGenLib.structure.training, LNGenLib.texture.training, LNGenLib.training"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_library_loads_nothing_heavy():
    code = (
        "import sys, LNGenLib, LNGenLib.cli.main, LNGenLib.segmentation\n"
        "heavy = {'torch', 'monai', 'vtk', 'SimpleITK', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_public_face_is_what_its_modules_have():
    import LNGenLib
    from LNGenLib.scan import Scan
    from LNGenLib.synthesis import engine

    assert (LNGenLib.Scan, LNGenLib.plan, LNGenLib.paint) == (Scan, engine.plan, engine.paint)
    assert all(callable(getattr(LNGenLib, name)) for name in LNGenLib.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = LNGenLib.nothing


MOST_LINES, LONGEST = 400, 60  # of a file, and of a function


def test_files_and_functions_stay_short():
    """What is longer is two things."""
    long = []
    for path in (ROOT / "LNGenLib").rglob("*.py"):
        text = path.read_text()
        if text.count("\n") > MOST_LINES:
            long.append(path.name)
        for part in ast.walk(ast.parse(text)):
            if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if part.end_lineno - part.lineno + 1 > LONGEST:
                    long.append(f"{path.name}: {part.name}")
    assert long == []
