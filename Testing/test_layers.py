"""Arrows between the packages point one way, and importing the library stays cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1] / "LNGenLib"
LAYERS = [
    {"errors", "randomness", "__init__"},
    {"files", "plain", "ranges", "progress"},
    {"image", "latent", "models", "phantom"},
    {"structure"},
    {"texture", "placement"},
    {"synthesis"},
    {"datasets", "evaluation", "dicom"},
    {"segmentation"},
    {"training", "benchmark"},
    {"service", "mrml"},
    {"cli"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def imports(path: Path) -> set[str]:
    """Packages of LNGenLib that a file imports anywhere."""
    found = set()
    for part in ast.walk(ast.parse(path.read_text())):
        if isinstance(part, ast.ImportFrom) and (part.module or "").startswith("LNGenLib"):
            names = part.module.split(".")[1:] or [a.name for a in part.names]
            found.add(names[0])
    return found


def test_imports_point_from_upper_layers_to_lower_ones():
    for path in LIBRARY.rglob("*.py"):
        own = path.relative_to(LIBRARY).parts[0].removesuffix(".py")
        for other in imports(path) - {own, "__version__"}:
            assert RANK[other] < RANK[own], f"{path} imports {other}"


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
    from LNGenLib.placement.scan import Scan
    from LNGenLib.synthesis import engine

    assert (LNGenLib.Scan, LNGenLib.plan, LNGenLib.paint) == (Scan, engine.plan, engine.paint)
    assert all(callable(getattr(LNGenLib, name)) for name in LNGenLib.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = LNGenLib.nothing
