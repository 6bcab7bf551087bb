"""Candidate regions: by stations, or a region or points that the user gives."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_spacing, ras_to_index
from LNGenLib.image.hu import FAT
from LNGenLib.image.io import to_array
from LNGenLib.placement.estimates import estimate_pelvis
from LNGenLib.placement.grid import (
    coarse_steps,
    distance_to,
    refined,
    refined_at,
    surroundings,
    thinned,
    voxels_of,
)
from LNGenLib.placement.landmarks import Landmarks, finish, label_landmarks
from LNGenLib.placement.stations import NAMES, PELVIC, STATIONS, StationMap, map_stations, named
from LNGenLib.structure.lymph_node import Box

OUTSIDE = -300.0  # HU
BELOW_SKIN = 15.0  # mm: no nodes in subcutaneous fat
MARGIN = 36.0  # mm round the candidate centers: the largest node and its surroundings fit in
SLICES, THREADS = 16, 2  # smoothed at a time; more threads gain little
GAP = 2.0  # mm between nodes, real or painted
LEAST_TISSUE = 100.0  # mm3 of compact tissue that nodes keep off where no labels show organs


class NoPlace(InputError):
    """No station that is wanted, or no room for lymph nodes."""


@dataclass(frozen=True, eq=False)
class Place:
    """A part of a region in which centers may lie: voxels (n, 3) of the region's box, how likely
    each is (n,), and the share of nodes that lie here. `station` names it, where it is one."""

    voxels: np.ndarray
    density: np.ndarray
    weight: float = 1.0
    station: str | None = None


@dataclass(frozen=True, eq=False)
class CandidateRegion:
    """The part `box` of a CT in which nodes may lie; arrays (z, y, x) are of that part.

    `forbidden` (bool) voxels hold a label or lie outside the body; `fat` (bool) is what a node
    should replace. Of the `places` each node takes one by weight, or, where `one_each`, node k the
    place k. `wall` (float32) is the distance in mm to the landmark of each voxel's station, if
    there are stations, on a grid thinned out by `steps`.
    """

    box: Box
    forbidden: np.ndarray
    fat: np.ndarray
    places: tuple[Place, ...]
    one_each: bool = False
    wall: np.ndarray | None = None
    steps: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Anatomy:
    """What a scan shows: landmarks and stations on the grid thinned out by `steps`; fat and what is
    forbidden (bool) in the part `box` of the CT's grid."""

    landmarks: Landmarks
    stations: StationMap
    steps: np.ndarray
    box: Box
    forbidden: np.ndarray
    fat: np.ndarray


def find_region(
    ct: sitk.Image,
    anatomy: sitk.Image | None,
    region: np.ndarray | None = None,
    stations: Sequence[str] = (),
    points: Sequence[Sequence[float]] = (),
    tolerance: float = 5.0,
) -> CandidateRegion:
    """Where lymph nodes may lie.

    With `region` (z, y, x, bool) in the fat inside it; with `points` (RAS mm) one node each within
    `tolerance` mm; else at the `stations` named, or at all that are available. `anatomy` holds
    TotalSegmentator's labels (0 is background): nodes keep off all of them. Raises InputError where
    nothing tells the place, with the reasons.
    """
    if region is not None and not region.any():
        raise InputError("the region holds no voxel of the CT: check the mask or the box (RAS mm)")
    spacing = array_spacing(ct)
    if points:
        tolerance = max(tolerance, float(np.linalg.norm(spacing)) / 2)  # the nearest voxel's center
        region = _near(ct, points, tolerance)
    if region is None:
        return _wanted_stations(read_stations(ct, anatomy), stations)
    box = surroundings(region, MARGIN, spacing)
    steps = coarse_steps(spacing)
    forbidden, fat = _tissue(ct, anatomy, outside_of(to_array(thinned(ct, steps))), steps, box)
    centers = region[box] & fat & ~forbidden
    if not points:
        return CandidateRegion(box, forbidden, fat, (_even(voxels_of(centers)),))
    start, voxels = np.array([part.start for part in box]), voxels_of(centers)
    places = []
    for point in points:
        off = (voxels + start - ras_to_index(ct, np.array(point))) * spacing
        places.append(_even(voxels[np.linalg.norm(off, axis=1) <= tolerance]))
    return CandidateRegion(box, forbidden, fat, tuple(places), one_each=True)


def without(region: CandidateRegion, mask: np.ndarray, spacing: np.ndarray) -> CandidateRegion:
    """The region without a mask (z, y, x, bool) of the CT's grid and the gap round it.

    `spacing` is in mm (z, y, x).
    """
    near = distance_to(mask[region.box], GAP, spacing) <= GAP
    return replace(region, forbidden=region.forbidden | near)


def deep(ct: sitk.Image) -> np.ndarray:
    """The body without what lies beneath the skin (z, y, x, bool): a region for `find_region` where
    a scan shows no stations."""
    steps = coarse_steps(array_spacing(ct))
    coarse = thinned(ct, steps)
    inner = inner_part(outside_of(to_array(coarse)), array_spacing(coarse))
    return refined(inner, steps, tuple(slice(0, size) for size in ct.GetSize()[::-1]))


def read_stations(ct: sitk.Image, anatomy: sitk.Image | None) -> Anatomy:
    """Landmarks and stations of a scan, from labels where there are some, else from HU."""
    steps = coarse_steps(array_spacing(ct))
    coarse = thinned(ct, steps)
    hu = to_array(coarse)
    outside = outside_of(hu)
    labels = np.zeros(hu.shape, np.uint16) if anatomy is None else to_array(thinned(anatomy, steps))
    with ThreadPoolExecutor(1) as beside:
        inner = beside.submit(inner_part, outside, array_spacing(coarse))
        marks = label_landmarks(coarse, labels)
        estimate_pelvis(marks, hu, ~outside)
        finish(marks)
    spacing = marks.spacing
    near = map_stations(marks, inner.result() & (labels == 0) & (hu < 0))
    small = surroundings(near.station > 0, MARGIN, spacing)
    box = tuple(
        slice(part.start * step, min(part.stop * step, size))
        for part, step, size in zip(small, steps.tolist(), ct.GetSize()[::-1])
    )
    forbidden, fat = _tissue(ct, anatomy, outside, steps, box)
    if anatomy is None:
        forbidden |= _compact(fat, array_spacing(ct))
    return Anatomy(marks, near, steps, box, forbidden, fat)


def station_region(
    anatomy: Anatomy, wanted: Sequence[str] = ()
) -> tuple[CandidateRegion, dict[str, str]]:
    """The region of the stations `wanted`, or of all that are available, and why others are not."""
    known, box = anatomy.stations, anatomy.box
    number = refined(known.station, anatomy.steps, box)
    free = voxels_of((number > 0) & anatomy.fat & ~anatomy.forbidden)
    numbers = number[tuple(free.T)]
    density = refined_at(known.density, anatomy.steps, box, free)
    places, reasons = [], dict(known.unavailable)
    for k, station in enumerate(STATIONS, 1):
        own = numbers == k
        if not own.any():
            reasons.setdefault(station.name, "holds no free fat in this scan")
        elif not wanted or station.name in wanted:
            places.append(Place(free[own], density[own], station.weight, station.name))
    small = tuple(
        slice(part.start // step, -(-part.stop // step))
        for part, step in zip(box, anatomy.steps.tolist())
    )
    region = CandidateRegion(
        *(box, anatomy.forbidden, anatomy.fat, tuple(places)),
        wall=known.distance[small],
        steps=anatomy.steps,
    )
    return region, reasons


def _wanted_stations(anatomy: Anatomy, wanted: Sequence[str]) -> CandidateRegion:
    """The region of the stations `wanted`, or of all; NoPlace where one of them is unavailable,
    or all of the pelvis."""
    wanted = named(wanted)
    region, reasons = station_region(anatomy, wanted)
    found = {place.station for place in region.places}
    if wanted:
        missing, kind = set(wanted) - found, "these"
    else:
        missing, kind = set() if found & set(PELVIC) else set(PELVIC), "the pelvic"
    if missing:
        why = "; ".join(f"{name}: {reasons[name]}" for name in NAMES if name in missing)
        raise NoPlace(
            f"no place for lymph nodes at {kind} stations ({why}): give the anatomy, "
            "other stations, or a box, a mask or points"
        )
    return region


def _even(voxels: np.ndarray) -> Place:
    return Place(voxels, np.ones(len(voxels), np.float32))


def _near(ct: sitk.Image, points: Sequence[Sequence[float]], tolerance: float) -> np.ndarray:
    """Boxes (z, y, x, bool) that hold all voxels within `tolerance` mm of RAS points."""
    shape, spacing = ct.GetSize()[::-1], array_spacing(ct)
    region = np.zeros(shape, bool)
    for point in points:
        index = ras_to_index(ct, np.array(point, float))
        if (index < -0.5).any() or (index > np.array(shape) - 0.5).any():
            raise InputError(f"point {tuple(point)} (RAS mm) lies outside of the CT")
        pad = tolerance / spacing
        low = np.floor(index - pad).astype(int).clip(0)
        high = np.minimum(np.ceil(index + pad).astype(int) + 1, shape)
        region[tuple(slice(a, b) for a, b in zip(low, high))] = True
    return region


def _tissue(
    ct: sitk.Image, anatomy: sitk.Image | None, outside: np.ndarray, steps: np.ndarray, box: Box
) -> tuple[np.ndarray, np.ndarray]:
    """What is forbidden, and fat, in the part `box` of the CT."""
    hu = sitk.GetArrayViewFromImage(ct)[box]
    forbidden = refined(outside, steps, box) | (hu < OUTSIDE)
    if anatomy is not None:
        forbidden |= sitk.GetArrayViewFromImage(anatomy)[box] > 0
    return forbidden, fat_in(hu, array_spacing(ct))


def fat_in(hu: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Fat in `hu` (z, y, x), smoothed by about 1 mm in-plane so that noise makes no holes."""
    sigma = (0, *np.minimum(1 / spacing[1:], 1.5))
    fat = np.empty(hu.shape, bool)

    def find(part: slice) -> None:
        smooth = ndimage.gaussian_filter(hu[part].astype(np.float32), sigma)
        fat[part] = (smooth > FAT[0]) & (smooth < FAT[1])

    parts = [slice(k, k + SLICES) for k in range(0, len(hu), SLICES)]
    with ThreadPoolExecutor(THREADS) as threads:  # scipy lets others run meanwhile
        list(threads.map(find, parts))
    return fat


def _compact(fat: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Tissue other than fat in pieces of some size: what labels would show."""
    parts, count = ndimage.label(~fat)
    sizes = np.bincount(parts.ravel(), minlength=count + 1) * spacing.prod()
    sizes[0] = 0
    return (sizes >= LEAST_TISSUE)[parts]


def inner_part(outside: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """What lies deeper than the skin, of what is not `outside` (z, y, x); `spacing` is in mm."""
    return distance_to(outside, BELOW_SKIN, spacing) > BELOW_SKIN


def outside_of(hu: np.ndarray) -> np.ndarray:
    """Air and everything not connected to the body (table, clothes)."""
    body = ndimage.binary_opening(hu > -250, iterations=1)
    labels, count = ndimage.label(body)
    if not count:
        raise InputError("the CT holds no body (no voxels above -250 HU): check its HU")
    body = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return ~np.stack([ndimage.binary_fill_holes(part) for part in body])
