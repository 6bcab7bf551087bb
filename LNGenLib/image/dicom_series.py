"""The one CT series of a DICOM folder, and what a series must be to be read as a volume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.affine import TOLERANCE_MM, affine_of
from LNGenLib.image.dicom_header import Header, read_header
from LNGenLib.image.stored import as_volume

SHOWN = 5  # series that a message lists
EVEN = 0.05  # share of the usual step by which steps may differ


def dicom_files(folder: Path, series: str | None = None) -> tuple[Path, ...]:
    """The files of one series of a DICOM folder, in the order of the image's slices.

    `series` is its UID; without, it is the only CT series, or the only series of images at all.
    Raises InputError where there is no such series, or it is no complete, straight volume.
    """
    return tuple(header.file for header in _slices(folder, series))


def read_series(folder: Path, series: str | None = None) -> sitk.Image:
    """The image of one series, see `dicom_files`; RuntimeError where ITK does not read it."""
    slices = _slices(folder, series)
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileNames([str(header.file) for header in slices])
    image = as_volume(reader.Execute(), folder)
    positions = np.concatenate([header.positions for header in slices])
    _, _, step, origin = affine_of(image)[:3].T
    even = origin + np.arange(len(positions))[:, None] * step
    off = np.linalg.norm(even - positions, axis=1).max()
    if off > TOLERANCE_MM:
        raise InputError(
            f"{folder} holds slices up to {off:.1f} mm off an even grid in their order: give a CT "
            "of one file a slice, of even spacing"
        )
    return image


def _slices(folder: Path, series: str | None) -> list[Header]:
    files = sorted(f for f in folder.iterdir() if f.is_file() and f.name[0] != ".")
    headers = [header for file in files if (header := read_header(file)) is not None]
    slices = _chosen(folder, headers, series)
    _check_alike(slices)
    normal = np.cross(slices[0].orientation[:3], slices[0].orientation[3:])
    slices.sort(key=lambda header: header.positions[0] @ normal)
    positions = np.concatenate([header.positions for header in slices])
    names = [header.file.name for header in slices]
    if len(slices) == 1:  # of several frames
        order = np.argsort(positions @ normal, kind="stable")
        positions, names = positions[order], [f"frame {k + 1}" for k in order]
    _check_steps(folder, names, positions @ normal)
    _check_tilt(folder, positions[-1] - positions[0], normal)
    return slices


def _chosen(folder: Path, headers: list[Header], series: str | None) -> list[Header]:
    by_uid: dict[str, list[Header]] = {}
    for header in headers:
        by_uid.setdefault(header.series, []).append(header)
    if series is not None:
        if series not in by_uid:
            raise InputError(f"{folder} holds no series {series}; it holds {_listed(by_uid)}")
        return by_uid[series]
    cts = {uid: found for uid, found in by_uid.items() if any(h.is_ct for h in found)}
    candidates = cts or by_uid
    if not candidates:
        raise InputError(f"{folder} holds no DICOM series: give the folder of a CT's slices")
    if len(candidates) > 1:
        raise InputError(
            f"{folder} holds {len(candidates)} DICOM series: name one (series UID), or give a "
            f"folder of one; {_listed(candidates)}"
        )
    return next(iter(candidates.values()))


def _listed(by_uid: dict[str, list[Header]]) -> str:
    shown = [
        f"{uid} ({', '.join(filter(None, (found[0].modality, found[0].description)))}; "
        f"{len(found)} files)"
        for uid, found in list(by_uid.items())[:SHOWN]
    ]
    return ", ".join(shown) + ", ..." * (len(by_uid) > SHOWN) or "none"


def _check_alike(slices: list[Header]) -> None:
    """Raise InputError that names a slice of another kind than most."""
    kinds: dict[str, Callable[[Header], tuple[float, ...]]] = {
        "is a scout (localizer)": lambda header: (header.localizer,),
        "does not say where it lies (Image Position and Orientation)": lambda h: (not h.placed,),
        "is no slice along the others (a scout?)": lambda header: header.orientation,
        "has another size or spacing than the others": lambda header: header.grid,
    }
    for what, kind in kinds.items():
        usual = Counter(map(kind, slices)).most_common(1)[0][0]
        if usual == (True,):
            raise InputError(f"{slices[0].file} {what}, as do most of its series: give CT slices")
        for header in slices:
            if len(kind(header)) != len(usual) or not np.allclose(kind(header), usual, atol=1e-3):
                raise InputError(f"{header.file} {what}: take it out of the folder")


def _check_steps(folder: Path, names: Sequence[str], heights: np.ndarray) -> None:
    """Raise InputError for slices that lie twice, are missing, or lie unevenly.

    `heights` (n,) along the normal, mm, ascending; `names` are those of the slices.
    """
    steps = np.diff(heights)
    usual = np.median(steps[steps > 1e-3]) if (steps > 1e-3).any() else 1.0
    double, counts = steps < EVEN * usual, np.round(steps / usual)
    places = len(heights) - double.sum()
    if double.any() and places > 1 and len(heights) % places == 0:
        raise InputError(
            f"{folder} holds {len(heights) // places} slices at each of {places} places (phases or "
            "kernels in one series?): give those of one in a folder of their own"
        )
    if double.any():
        first = int(double.argmax())
        one, other = names[first : first + 2]
        raise InputError(f"{folder} holds {one} and {other} at one place: take one out")
    if np.abs(steps - counts * usual).max(initial=0) > EVEN * usual:
        raise InputError(
            f"{folder} holds uneven slices, {steps.min():.3g} to {steps.max():.3g} mm apart: "
            "resample it to even ones"
        )
    if (counts > 1).any():
        gap = int((counts > 1).argmax())
        raise InputError(
            f"{folder} misses slices: {counts[gap] - 1:.0f} between {names[gap]} and "
            f"{names[gap + 1]}; give the complete series"
        )


def _check_tilt(folder: Path, way: np.ndarray, normal: np.ndarray) -> None:
    """Raise InputError where the way (3,) from the first slice to the last leaves the normal."""
    aside = np.linalg.norm(way - way @ normal * normal)
    if aside > TOLERANCE_MM:
        angle = np.degrees(np.arctan2(aside, way @ normal))
        raise InputError(
            f"{folder} was scanned with a tilted gantry: its slices are shifted, by {angle:.0f} "
            "degrees; straighten it (dcm2niix does, as does Slicer's acquisition geometry "
            "regularization) and give that"
        )
