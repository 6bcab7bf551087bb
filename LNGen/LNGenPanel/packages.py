"""What Slicer's Python lacks for the worker on this computer, and its installation on consent."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import io
import logging
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from subprocess import CalledProcessError

import slicer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from slicer.i18n import tr as _

from LNGenLib.errors import Canceled, InputError

TORCH, TORCHVISION = "2.4.1", "0.19.1"  # the oldest that monai goes with; of one release


def unsupported() -> str:
    """Why the worker can't run on this computer, or ''."""
    if sys.platform == "darwin" and platform.machine() == "x86_64":  # by Rosetta, too
        return _(
            "This computer can't paint: on macOS, Slicer's Python is made for Intel processors, "
            "for which PyTorch ends at version 2.2. Use a server."
        )
    return ""


def missing(requirements: Path) -> list[str]:
    """What the worker on this computer needs and this Python lacks, in words; PyTorch first."""
    from slicer.packaging import load_requirements

    importlib.invalidate_caches()
    return _torch_missing() + [str(r) for r in load_requirements(requirements) if not _has(r)]


def install(requirements: Path) -> str:
    """Install what is missing, with the user's consent; what to tell the user then, or ''.

    Raises `Canceled` without consent, and InputError where something can't be installed.
    """
    if reason := unsupported():
        raise InputError(reason)
    lacking, held = missing(requirements), _torch_version() if "torch" in sys.modules else ""
    if not lacking:
        return ""
    torch = _torch_logic() if _torch_missing() else None  # without it, nothing is asked
    question = _(
        "To paint on this computer, LNGen needs Python packages that Slicer lacks: {count}. They "
        "will be downloaded into Slicer's Python, which may take some minutes. Install them?"
    )
    if not slicer.util.confirmOkCancelDisplay(
        question.format(count=len(lacking)),
        _("LNGen: install Python packages"),
        detailedText="\n".join(lacking),
    ):
        raise Canceled
    if torch is not None:
        _install_torch(torch)
    _install_others(requirements)
    if left := missing(requirements):
        raise InputError(_("Still missing: {names}. See the log.").format(names=", ".join(left)))
    if torch is None or not held:
        return ""
    return _(
        "Restart Slicer before you use other modules that need PyTorch: {version}, which they "
        "have loaded, was replaced."
    ).format(version=held)


def _install_torch(logic) -> None:
    """By the extension PyTorch, which finds the build for the computer's GPU."""
    with _installing("PyTorch"):
        logic.installTorch(
            askConfirmation=False,
            torchVersionRequirement=f">={TORCH}",
            torchvisionVersionRequirement=f">={TORCHVISION}",
        )
    importlib.invalidate_caches()
    if lacking := _torch_missing():  # monai is not installed against an older one
        raise InputError(
            _("{torch} could not be installed. Restart Slicer and set up again.").format(
                torch=lacking[0]
            )
        )


def _install_others(requirements: Path) -> None:
    from slicer.packaging import load_requirements, pip_ensure

    needed = load_requirements(requirements)
    names = ", ".join(each.name for each in needed if not _has(each))
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("".join(f"{line}\n" for line in _kept(needed)))
        with _installing(names):
            # the user was asked already; pip_ensure's refusal is a RuntimeError as others are
            pip_ensure(needed, constraints=constraints, prompt_install=False, requester="LNGen")


def _torch_logic():
    try:
        import PyTorchUtils
    except ImportError as error:
        raise InputError(
            _(
                "PyTorch is missing: install the extension PyTorch in the Extensions Manager, "
                "restart Slicer and set up again. A server needs none of this."
            )
        ) from error
    return PyTorchUtils.PyTorchUtilsLogic()


def _torch_version() -> str:
    """Of the PyTorch that is installed, which is not imported for this; '' without."""
    try:
        there = sys.modules.get("torch") or importlib.util.find_spec("torch")
        return (importlib.metadata.version("torch") or "") if there else ""
    except ImportError:  # that of a distribution that is not found, too
        return ""


def _torch_missing() -> list[str]:
    """PyTorch in words where there is none, or one that is too old."""
    version = _torch_version()
    with contextlib.suppress(InvalidVersion):
        if Version(version) >= Version(TORCH):
            return []
    words = _("PyTorch {least} or later").format(least=TORCH)
    if version:
        words += _(" ({version} is installed)").format(version=version)
    return [words]


def _has(requirement: Requirement) -> bool:
    from slicer.packaging import pip_check

    try:
        return pip_check(requirement)
    except (TypeError, InvalidVersion):  # installed in part, so that it has no version
        return False


def _kept(needed: Iterable[Requirement]) -> list[str]:
    """Lines for pip: what this Python has stays as it is, unless LNGen itself needs a newer one."""
    wanted = {canonicalize_name(each.name): each.specifier for each in needed}
    kept: dict[str, str] = {}
    for each in importlib.metadata.distributions():  # the first of a name is that which is used
        name, version = each.metadata["Name"], each.metadata["Version"]
        try:
            line = str(Requirement(f"{name}=={version}"))
        except ValueError:  # installed in part, or of a version that pip does not know
            continue
        kept.setdefault(canonicalize_name(name), line)
    return [
        line
        for name, line in kept.items()
        if name not in wanted or wanted[name].contains(line.partition("==")[2], prereleases=True)
    ]


class _Heard(io.TextIOBase):
    """Passes on what is printed, and keeps it."""

    def __init__(self, out):
        self.out, self.text = out, ""

    def write(self, text: str) -> int:
        self.text += text
        self.out.write(text)
        return len(text)

    def flush(self) -> None:
        self.out.flush()


@contextlib.contextmanager
def _installing(names: str) -> Iterator[None]:
    """What goes wrong while `names` are installed is an InputError; its details are logged."""
    heard = _Heard(sys.stdout)
    try:
        with contextlib.redirect_stdout(heard):  # where Slicer prints what pip says
            yield
    except Exception as error:
        logging.exception("LNGen: %s can't be installed", names)
        raise InputError(
            _("{names} could not be installed: {why} The Python console has the details.").format(
                names=names, why=_why(error, heard.text)
            )
        ) from error


def _why(error: Exception, said: str) -> str:
    """A sentence for what pip said and raised."""
    reasons = {
        "conflicting dependencies|ResolutionImpossible": _(
            "what they need does not go with packages that Slicer has. Use a server."
        ),
        "No space left|Errno 28": _("the disk is full. Make room, and set up again."),
        r"Permission denied|Access is denied|WinError (5|32)\b": _(
            "files are in use or protected. Restart Slicer, and set up again at once."
        ),
        "NewConnectionError|ConnectTimeout|NameResolution|ProxyError|SSLError|Max retries": _(
            "the packages can't be downloaded. Check the connection to the internet."
        ),
        "Could not find a version": _("there is none for this Slicer. Use a server."),
    }
    text = f"{said}\n{error}"
    for pattern, reason in reasons.items():
        if re.search(pattern, text):
            return reason
    if isinstance(error, CalledProcessError):
        return _("the installation ended with code {code}.").format(code=error.returncode)
    return f"{str(error) or type(error).__name__}."


def python() -> str:
    """The Python that runs the worker: in Slicer, PythonSlicer, which finds Slicer's libraries."""
    return shutil.which("PythonSlicer") or sys.executable
