"""Whose scan a file is: one answer for data sets, pools, transforms, anatomy and findings."""

from __future__ import annotations

import os
from pathlib import Path

from LNGenLib.errors import InputError

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
CHANNEL = "_0000"  # nnU-Net's first, here the CT
CT = "-ct"  # LNQ2023's
UNNAMED = ("ct", "image")  # files so called are known by their folders


def case_of(name: str | Path) -> str:
    """The case that a file, a folder or an id names, without folders, ending and channel.

    `/data/imagesTr/abd_0000.nii.gz`, `abd.seg.nrrd` and `abd` are all of the case abd; so is
    `abd/ct.nii.gz`, whose own name tells nothing.
    """
    path = Path(name)
    stem = split_ending(path.name)[0].removesuffix(".seg").removesuffix(".npz")
    stem = stem.removesuffix(CHANNEL).removesuffix(CT)
    if stem.lower() in UNNAMED and len(path.parts) > 1:
        return Path(os.path.abspath(path)).parent.name or stem
    return stem


def split_ending(name: str) -> tuple[str, str]:
    """The name of an image file without its ending, and the ending; both as they are written."""
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)], name[len(name) - len(ending) :]


def visible(folder: Path, pattern: str = "*") -> list[Path]:
    """What matches in a folder, sorted, without hidden files: those that macOS leaves (._NAME),
    and unfinished ones."""
    found = folder.glob(pattern) if folder.is_dir() else ()
    return sorted(f for f in found if not any(p[0] == "." for p in f.relative_to(folder).parts))


def images_in(folder: Path) -> list[Path]:
    """The image files of a folder, by their endings."""
    return [file for file in visible(folder) if split_ending(file.name)[1]]


def found_of(case: str, folder: Path) -> Path | None:
    """The one file or folder that is of a case in a folder; InputError where there are several."""
    found = [path for path in visible(folder) if case_of(path.name) == case_of(case)]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(f"{folder} holds {names} of the case {case}: leave one of them")
    return found[0] if found else None
