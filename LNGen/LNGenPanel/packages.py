"""What Slicer's Python lacks for the worker on this computer, and its installation on consent."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

from slicer.i18n import tr as _

from LNGenLib.errors import InputError

TORCH = ">=2.4"
KEPT = ("torch", "torchvision", "numpy", "SimpleITK", "vtk")  # never replaced by an installation


def missing(requirements: Path) -> list[str]:
    """What the worker on this computer needs and this Python lacks; torch first."""
    try:
        from slicer.packaging import load_requirements, pip_check
    except ImportError:  # before Slicer 5.12
        lacking = []
    else:
        lacking = [str(each) for each in load_requirements(requirements) if not pip_check(each)]
    return ([] if _is_there("torch") else ["torch"]) + lacking


def install(requirements: Path) -> None:
    """Install what is missing, each after the user's consent; InputError where that can't be."""
    try:
        from slicer.packaging import load_requirements, pip_ensure
    except ImportError as error:
        raise InputError(
            _("this Slicer can't install packages for LNGen: use Slicer 5.12 or later, or a server")
        ) from error
    if not _is_there("torch"):
        _install_torch()
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in _kept()))
        try:
            pip_ensure(load_requirements(requirements), constraints=constraints, requester="LNGen")
        except RuntimeError as error:
            raise InputError(_("nothing was installed: {error}").format(error=error)) from error


def _install_torch() -> None:
    try:
        import PyTorchUtils
    except ImportError as error:
        raise InputError(
            _(
                "PyTorch is missing: install the extension PyTorch in the Extensions Manager, "
                "restart Slicer and set up again. A server needs none of this."
            )
        ) from error
    torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
        askConfirmation=True, torchVersionRequirement=TORCH
    )
    if torch is None:
        raise InputError(_("PyTorch was not installed"))


def _kept() -> list[tuple[str, str]]:
    versions = []
    for name in KEPT:
        try:
            versions.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue  # Slicer has some of them without metadata; pip does not know those
    return versions


def _is_there(module: str) -> bool:
    importlib.invalidate_caches()
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def python() -> str:
    """The Python that runs the worker: in Slicer, PythonSlicer, which finds Slicer's libraries."""
    return shutil.which("PythonSlicer") or sys.executable
