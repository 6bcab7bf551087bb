"""Cases on one spacing, as arrays on disk from which patches are read without loading scans."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import SimpleITK as sitk

from LNGenLib.datasets.case import Case
from LNGenLib.datasets.label_values import NODE, label_map
from LNGenLib.errors import InputError, OutputError
from LNGenLib.files import write_npy
from LNGenLib.image.components import components
from LNGenLib.image.geometry import array_axes, array_spacing, index_to_ras
from LNGenLib.image.io import like, to_array
from LNGenLib.progress import Progress

SAME = 0.02  # relative difference of spacings that are taken as equal
MOST_VOXELS = 1000  # of a lymph node at which a patch may be centered

Made = TypeVar("Made")


@dataclass(frozen=True)
class Prepared:
    """A case as memory-mapped arrays (z, y, x): `hu` int16, `mask` uint8, 1 in lymph nodes and 2 in
    what is ignored; `affine` (4, 4) leads from their indices to RAS mm."""

    id: str
    path: Path

    @property
    def hu(self) -> np.ndarray:
        """HU (z, y, x) int16."""
        return np.load(f"{self.path}.hu.npy", mmap_mode="r")

    @property
    def mask(self) -> np.ndarray:
        """1 in lymph nodes, 2 in what is ignored (z, y, x) uint8."""
        return np.load(f"{self.path}.mask.npy", mmap_mode="r")

    @cached_property
    def affine(self) -> np.ndarray:
        """From indices (z, y, x) to RAS mm (4, 4)."""
        return np.load(f"{self.path}.affine.npy")

    @cached_property
    def nodes(self) -> list[np.ndarray]:
        """Voxels (n, 3) of each lymph node (26-connected), evenly thinned to a bounded number."""
        labels, sizes = components(np.asarray(self.mask) == NODE)
        voxels = np.argwhere(labels).astype(np.int32)
        voxels = voxels[np.argsort(labels[tuple(voxels.T)], kind="stable")]
        nodes = np.split(voxels, np.cumsum(sizes[1:-1]))
        return [node[:: -(-len(node) // MOST_VOXELS)] for node in nodes if len(node)]


def prepare(
    cases: Sequence[Case], spacing: tuple[float, float, float], folder: Path, progress: Progress
) -> tuple[list[Prepared], dict[str, str]]:
    """Write the arrays of `cases` on `spacing` (z, y, x; mm) to `folder`, where they are not yet.

    Returns them, and why each case that can't be used is left out. Raises InputError where none
    can.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return usable(cases, lambda case: _prepare(case, spacing, folder), progress)


def usable(
    cases: Sequence[Case], use: Callable[[Case], Made], progress: Progress
) -> tuple[list[Made], dict[str, str]]:
    """What `use` makes of each case, and why each that it raises InputError for is left out.

    Raises InputError where all are, and what `use` raises where it can't write.
    """
    made, left_out = [], {}
    for number, case in enumerate(cases):
        progress.advance("preparing", number, len(cases))
        try:
            made.append(use(case))
        except OutputError:
            raise
        except InputError as error:
            left_out[case.id] = str(error)
    if not made:
        raise InputError(f"no case can be used; {next(iter(left_out.values()), 'none is given')}")
    return made, left_out


def _prepare(case: Case, spacing: tuple[float, float, float], folder: Path) -> Prepared:
    path = folder / f"{case.id}-{_fingerprint(case, spacing)}"
    mask_file = Path(f"{path}.mask.npy")
    if not mask_file.exists():  # written last
        loaded = case.load_labeled()
        fine = resampled(loaded.ct, spacing, -1024)
        nodes = _resampled_mask(loaded.nodes, spacing)
        ignored = None if loaded.ignored is None else _resampled_mask(loaded.ignored, spacing)
        # runs side by side may prepare the same case: the last one's file stays
        write_npy(to_array(fine), Path(f"{path}.hu.npy"))
        write_npy(_affine(fine), Path(f"{path}.affine.npy"))
        write_npy(label_map(nodes, ignored), mask_file)
    return Prepared(case.id, path)


def _affine(image: sitk.Image) -> np.ndarray:
    """From indices (z, y, x) to RAS mm (4, 4)."""
    affine = np.eye(4)
    affine[:3, :3] = array_axes(image) * array_spacing(image)
    affine[:3, 3] = index_to_ras(image, np.zeros(3))
    return affine


def _resampled_mask(mask: sitk.Image, spacing: tuple[float, float, float]) -> np.ndarray:
    """What is not 0, as a mask (z, y, x, bool) on `spacing` (z, y, x; mm)."""
    share = like((to_array(mask) > 0).astype(np.float32), mask)
    return to_array(resampled(share, spacing, 0)) >= 0.5


def _fingerprint(case: Case, spacing: tuple[float, float, float]) -> str:
    """Of the files as they are, so that a changed case is prepared again."""
    files = [file for file in (case.image, case.label) if file is not None]
    try:
        stats = [(str(file), (s := file.stat()).st_size, s.st_mtime_ns) for file in files]
    except OSError as error:
        raise InputError(f"{error.filename} can't be read: {error.strerror}") from error
    return hashlib.sha256(repr((stats, spacing, case.meaning)).encode()).hexdigest()[:12]


def resampled(image: sitk.Image, spacing: tuple[float, float, float], outside: float) -> sitk.Image:
    """The image on `spacing` (z, y, x; mm), linearly; itself where that is its spacing already."""
    own = array_spacing(image)
    if np.allclose(own, spacing, rtol=SAME):
        return image
    size = np.maximum(np.round(np.array(image.GetSize()[::-1]) * own / spacing), 1).astype(int)
    grid = sitk.Image(size[::-1].tolist(), image.GetPixelID())
    grid.SetSpacing(spacing[::-1])
    grid.SetDirection(image.GetDirection())
    shift = (np.array(spacing) / own - 1)[::-1] / 2  # the two grids share their outer edge
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(shift.tolist()))
    return sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, outside)
