"""Candidate regions: by stations, or a region or points that the user gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.body import inner_part, outside_of
from LNGenLib.image.geometry import array_spacing, ras_bounds, ras_to_index
from LNGenLib.image.grid import (
    Box,
    coarse_steps,
    corner,
    distance_to,
    finer,
    refined,
    refined_at,
    shifted,
    surroundings,
    thinned,
    voxels_of,
)
from LNGenLib.image.hu import FAT, OUTSIDE
from LNGenLib.image.io import to_array
from LNGenLib.placement.estimates import estimate_pelvis, estimate_rectum
from LNGenLib.placement.fat import Fat
from LNGenLib.placement.landmarks import TUMOR, Landmarks, finish, label_landmarks
from LNGenLib.placement.stations import PELVIC, STATIONS, StationMap, canonical_names, map_stations
from LNGenLib.placement.unlabeled import known_fat, pelvic_fat, pelvic_part
from LNGenLib.scan import Scan
from LNGenLib.scan.totalsegmentator import shows_bowel

MARGIN = 36.0  # mm round the candidate centers: the largest node and its surroundings fit in
WHERE_ASKED = 0.02  # weight of a station that has none by default
GAP = 2.0  # mm between nodes, real or painted


class NoPlace(InputError):
    """No station that is wanted, or no room for lymph nodes."""


@dataclass(frozen=True, eq=False)
class Subregion:
    """A part of a region in which centers may lie, and the share of nodes that lie here.

    `find` gives its voxels (n, 3) of the region's box, and how likely each is (n,); it is called
    when they are first asked for. `station` is its name, where it is one.
    """

    find: Callable[[], tuple[np.ndarray, np.ndarray]]
    weight: float = 1.0
    station: str | None = None

    @cached_property
    def candidates(self) -> tuple[np.ndarray, np.ndarray]:
        """Voxels (n, 3) in which a center may lie, and how likely each is (n,)."""
        return self.find()


@dataclass(frozen=True, eq=False)
class CandidateRegion:
    """The part `box` of a CT in which nodes may lie; arrays (z, y, x) are of that part.

    `forbidden` (bool) voxels hold a label or lie outside the body; `fat` is what a node should
    replace. Of the `subregions` each node takes one by weight, or, where `one_each`, node k the
    k-th. `wall` (float32) is the distance in mm to the landmark of each voxel's station, or at
    points to what is no fat, on a grid thinned out by `steps`. `tumor` (3,) is the voxel of a tumor
    that was told; the largest node lies near it.
    """

    box: Box
    forbidden: np.ndarray
    fat: Fat
    subregions: tuple[Subregion, ...]
    one_each: bool = False
    wall: np.ndarray | None = None
    steps: np.ndarray | None = None
    tumor: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Anatomy:
    """What a scan shows: landmarks and stations on the grid thinned out by `steps`; fat and what is
    forbidden (z, y, x, bool) in the part `box` of the CT's grid."""

    landmarks: Landmarks
    stations: StationMap
    steps: np.ndarray
    box: Box
    forbidden: np.ndarray
    fat: Fat


def find_region(
    ct: sitk.Image,
    anatomy: sitk.Image | None,
    region: np.ndarray | None = None,
    stations: Sequence[str] = (),
    tumor: Sequence[float] | None = None,
) -> CandidateRegion:
    """Where lymph nodes may lie.

    With `region` (z, y, x, bool) in the fat inside it; else at the `stations` named, or at all that
    are available. `anatomy` holds TotalSegmentator's labels (0 is background): nodes keep off all
    of them. Round a `tumor` of the rectum (RAS mm) they lie as is usual there. Raises InputError
    where nothing tells the place, with the reasons.
    """
    if region is None:
        return at_stations(ct, read_stations(ct, anatomy, tumor), stations, tumor)
    if not region.any():
        raise InputError(
            f"the region holds no voxel of the CT, {_ras_range(ct)}: check the mask or the box"
        )
    check_no_tumor(tumor)
    spacing = array_spacing(ct)
    box = surroundings(region, MARGIN, spacing)
    steps = coarse_steps(spacing)
    outside = outside_of(to_array(thinned(ct, steps)))
    forbidden, fat = tissue(ct, anatomy, outside, steps, box)
    if not shows_bowel(anatomy):
        hu = sitk.GetArrayViewFromImage(ct)[box]
        forbidden |= ~known_fat(hu, spacing, refined(outside, steps, box))
    own = surroundings(region[box], 0, spacing)
    voxels = free_voxels(region[box][own], own, fat, forbidden)
    return CandidateRegion(box, forbidden, fat, (even(voxels),))


def check_no_tumor(tumor: Sequence[float] | None) -> None:
    """Raise InputError where a tumor is told for nodes that lie at no stations."""
    if tumor is not None:
        raise InputError("a tumor tells where at stations nodes lie: give no other place")


def at_stations(
    ct: sitk.Image,
    known: Anatomy,
    stations: Sequence[str] = (),
    tumor: Sequence[float] | None = None,
) -> CandidateRegion:
    """`find_region` at stations of a scan that `read_stations` has read, with the same `tumor`."""
    found = _wanted_stations(known, stations)
    if tumor is None:
        return found
    return replace(found, tumor=ras_to_index(ct, np.array(tumor)) - corner(found.box))


def without(region: CandidateRegion, mask: np.ndarray, spacing: np.ndarray) -> CandidateRegion:
    """The region without a mask (z, y, x; not 0) of the CT's grid and the gap round it.

    `spacing` is in mm (z, y, x).
    """
    near = distance_to(mask[region.box] != 0, GAP, spacing) <= GAP
    return replace(region, forbidden=region.forbidden | near)


def deep(ct: sitk.Image) -> np.ndarray:
    """The body without what lies beneath the skin (z, y, x, bool): a region for `find_region` where
    a scan shows no stations."""
    steps = coarse_steps(array_spacing(ct))
    coarse = thinned(ct, steps)
    inner = inner_part(outside_of(to_array(coarse)), array_spacing(coarse))
    return refined(inner, steps, tuple(slice(0, size) for size in ct.GetSize()[::-1]))


def read_stations(
    ct: sitk.Image, anatomy: sitk.Image | None, tumor: Sequence[float] | None = None
) -> Anatomy:
    """Landmarks and stations of a scan, from labels where there are some, else from HU; with a
    `tumor` (RAS mm) if it is known."""
    if tumor is not None:
        inside_ct(ct, tumor)
    steps = coarse_steps(array_spacing(ct))
    coarse = thinned(ct, steps)
    hu = to_array(coarse)
    outside = outside_of(hu)
    labels = np.zeros(hu.shape, np.uint16) if anatomy is None else to_array(thinned(anatomy, steps))
    marks = label_landmarks(coarse, labels)
    estimate_pelvis(marks, hu, ~outside)
    inner, room, pelvic = inner_part(outside, marks.spacing), None, None
    fat = inner & (labels == 0) & (hu < 0)
    if shows_bowel(anatomy):
        estimate_rectum(marks, (hu > OUTSIDE) & (hu < FAT[1]))
        pelvic = pelvic_part(marks, (hu > OUTSIDE) & (hu < FAT[1]) & (labels == 0), inner)
    else:
        room = pelvic_fat(marks, ct, outside, inner, steps)
        z, y, x = steps.tolist()
        fat &= room[::z, ::y, ::x]
    finish(marks)
    if tumor is not None:
        marks.heights[TUMOR] = tumor[2]
    near = map_stations(marks, fat, pelvic)
    small = surroundings(near.station > 0, MARGIN, marks.spacing)
    box = finer(small, steps, ct.GetSize()[::-1])
    forbidden, found = tissue(ct, anatomy, outside, steps, box)
    if room is not None:
        forbidden |= ~room[box]
    return Anatomy(marks, near, steps, box, forbidden, found)


def stations_of(scan: Scan, tumor: Sequence[float] | None = None) -> Anatomy:
    """`read_stations` of a scan, once."""
    return scan.once("stations", tumor, lambda: read_stations(scan.hu, scan.anatomy, tumor))


def station_region(anatomy: Anatomy, wanted: Sequence[str] = ()) -> CandidateRegion:
    """The region of the stations `wanted`, or of all that are known and have a weight; some may
    hold no free fat. Each stratum of a station is a subregion of its own."""
    known = anatomy.stations
    subregions = tuple(
        Subregion(
            partial(_station_voxels, anatomy, number, stratum),
            (station.weight or WHERE_ASKED) * share,
            station.name,
        )
        for number, station in enumerate(STATIONS, 1)
        if station.name not in known.unavailable
        and (station.name in wanted if wanted else station.weight)
        for stratum, share in known.strata(number)
    )
    small = tuple(
        slice(part.start // step, -(-part.stop // step))
        for part, step in zip(anatomy.box, anatomy.steps.tolist())
    )
    wall = known.distance[small]
    return CandidateRegion(
        anatomy.box, anatomy.forbidden, anatomy.fat, subregions, wall=wall, steps=anatomy.steps
    )


def why_unavailable(anatomy: Anatomy, region: CandidateRegion) -> dict[str, str]:
    """Why stations hold no room in the anatomy's `region`, by name."""
    offered = dict.fromkeys(one.station for one in region.subregions if one.station)
    free = {one.station for one in region.subregions if len(one.candidates[0])}
    empty = (name for name in offered if name not in free)
    return anatomy.stations.unavailable | dict.fromkeys(empty, "holds no free fat in this scan")


def _station_voxels(anatomy: Anatomy, number: int, stratum: int) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (n, 3) of free fat in a stratum of a station in the anatomy's box, and how likely each
    is (n,)."""
    known, steps, box = anatomy.stations, anatomy.steps, anatomy.box
    own, spacing = known.station == number, anatomy.landmarks.spacing
    own &= known.stratum == stratum
    part = finer(surroundings(own, spacing.min(), spacing), steps, [one.stop for one in box])
    local = shifted(part, -corner(box))
    voxels = free_voxels(refined(own, steps, part), local, anatomy.fat, anatomy.forbidden)
    return voxels, refined_at(known.density, steps, box, voxels)


def free_voxels(mask: np.ndarray, part: Box, fat: Fat, forbidden: np.ndarray) -> np.ndarray:
    """Voxels (n, 3) of free fat in a mask (z, y, x, bool) of the region's `part`."""
    return voxels_of(mask & fat[part] & ~forbidden[part]) + corner(part)


def _wanted_stations(anatomy: Anatomy, wanted: Sequence[str]) -> CandidateRegion:
    """The region of the stations `wanted`, or of all; NoPlace where one of them is unavailable,
    or all of the pelvis."""
    wanted = canonical_names(wanted)
    region = station_region(anatomy, wanted)
    found = (one.station for one in region.subregions if len(one.candidates[0]))
    missing = set(wanted or PELVIC)
    if wanted:
        missing.difference_update(found)
    elif not missing.isdisjoint(found):  # it ends at the first that is found
        missing.clear()
    if missing:
        kind = "these" if wanted else "the pelvic"
        reasons = why_unavailable(anatomy, region)
        names = (station.name for station in STATIONS if station.name in missing)
        why = "; ".join(f"{name}: {reasons[name]}" for name in names)
        raise NoPlace(
            f"no place for lymph nodes at {kind} stations ({why}): if the CT shows them, give the "
            "anatomy (`lngen anatomy` makes it); if not, other stations, or a box (RAS mm), a mask "
            "or points"
        )
    return region


def even(voxels: np.ndarray) -> Subregion:
    """A subregion whose voxels (n, 3) are equally likely."""
    return Subregion(lambda: (voxels, np.ones(len(voxels), np.float32)))


def inside_ct(ct: sitk.Image, point: Sequence[float]) -> np.ndarray:
    """A RAS point's index (3,); InputError where it lies outside of the CT."""
    index = ras_to_index(ct, np.array(point, float))
    if (index < -0.5).any() or (index > np.array(ct.GetSize()[::-1]) - 0.5).any():
        raise InputError(
            f"point {tuple(point)} lies outside of the CT, {_ras_range(ct)}: is it in LPS, or of "
            "another CT?"
        )
    return index


def _ras_range(ct: sitk.Image) -> str:
    """Where the CT lies, for messages."""
    sides = zip("RAS", ras_bounds(ct))
    return ", ".join(f"{side} {low:.0f} to {high:.0f}" for side, (low, high) in sides) + " mm"


def tissue(
    ct: sitk.Image, anatomy: sitk.Image | None, outside: np.ndarray, steps: np.ndarray, box: Box
) -> tuple[np.ndarray, Fat]:
    """What is forbidden (z, y, x, bool), and fat, in the part `box` of the CT.

    `anatomy` holds TotalSegmentator's labels (0 is background); `outside` (z, y, x, bool) is what
    lies outside the body, on the grid thinned out by `steps`.
    """
    hu = sitk.GetArrayViewFromImage(ct)[box].copy()  # the image may be gone when fat is looked at
    forbidden = refined(outside, steps, box)
    forbidden |= hu < OUTSIDE
    if anatomy is not None:
        forbidden |= sitk.GetArrayViewFromImage(anatomy)[box] > 0
    return forbidden, Fat(hu, array_spacing(ct))
