"""Stand-in of `slicer.packaging` that installs nothing: the test says what is missing and fails."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from subprocess import CalledProcessError

import slicer
from packaging.requirements import Requirement

OPTIONS = {"skip_packages", "prompt_restart", "requester", "skip_in_testing", "show_progress"}
missing: set[str] = set()  # names of distributions
failing: set[str] = set()  # those whose installation fails
installed: list[str] = []  # what was asked for, and agreed to
constraints: list[str] = []  # the lines that the last installation was given


def load_requirements(path: str | Path) -> list[Requirement]:
    lines = (line.strip() for line in Path(path).read_text().splitlines())
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def _requirements(given: object) -> list[Requirement]:
    return [Requirement(str(one)) for one in (given if isinstance(given, list) else [given])]


def pip_check(req: object) -> bool:
    try:
        return all(
            each.name not in missing and importlib.metadata.version(each.name) in each.specifier
            for each in _requirements(req)
        )
    except importlib.metadata.PackageNotFoundError:
        return False


def pip_ensure(
    requirements: object,
    constraints: str | Path | None = None,
    prompt_install: bool = True,
    **options: object,
) -> None:
    if unknown := set(options) - OPTIONS:
        raise TypeError(f"pip_ensure has no {unknown}")
    needed = [str(each) for each in _requirements(requirements) if not pip_check(each)]
    if needed and prompt_install:
        question = f"{len(needed)} Python packages need to be installed. Continue?"
        if not slicer.util.confirmOkCancelDisplay(question, detailedText="\n".join(needed)):
            raise RuntimeError("User declined package installation")
    if needed:
        pip_install(needed, constraints)


def pip_install(
    requirements: str | list[str], constraints: Path | None = None, **_: object
) -> None:
    names = [requirements] if isinstance(requirements, str) else requirements
    globals()["constraints"][:] = Path(constraints).read_text().splitlines() if constraints else []
    if failing & {Requirement(each).name for each in names}:
        slicer.util.errorDisplay("Package installation failed.", detailedText="the log of pip")
        raise CalledProcessError(1, "pip install")
    installed.extend(names)
    missing.difference_update(Requirement(each).name for each in names)
