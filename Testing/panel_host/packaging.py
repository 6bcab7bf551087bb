"""Stand-in of `slicer.packaging` that installs nothing: the test says what is missing."""

from __future__ import annotations

from pathlib import Path

import slicer
from packaging.requirements import Requirement

missing: set[str] = set()  # names of distributions
installed: list[str] = []  # what was asked for, and agreed to


def load_requirements(path: str | Path) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in Path(path).read_text().splitlines())
    return [Requirement(line) for line in lines if line]


def _requirements(given: object) -> list[Requirement]:
    each = given if isinstance(given, list) else [given]
    return [one if isinstance(one, Requirement) else Requirement(one) for one in each]


def pip_check(req: object) -> bool:
    return not any(each.name in missing for each in _requirements(req))


def pip_ensure(
    requirements: object,
    constraints: str | Path | None = None,
    skip_packages: list[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> None:
    needed = [str(each) for each in _requirements(requirements) if not pip_check(each)]
    if needed and prompt_install:
        question = f"{requester}: {len(needed)} Python package(s) need to be installed. Continue?"
        if not slicer.util.confirmOkCancelDisplay(question, detailedText="\n".join(needed)):
            raise RuntimeError("User declined package installation")
    pip_install(needed)


def pip_install(requirements: str | list[str], **_: object) -> None:
    names = [requirements] if isinstance(requirements, str) else requirements
    installed.extend(names)
    missing.difference_update(Requirement(each).name for each in names)
