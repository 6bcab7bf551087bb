"""The stations of lymph nodes, as docs/placement.md defines and cites them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_axes
from LNGenLib.image.grid import surroundings
from LNGenLib.placement.landmarks import COCCYX, Landmarks
from LNGenLib.placement.mesorectum import density as wall_density
from LNGenLib.placement.mesorectum import held, strata

LEAST_FAT = 500.0  # mm3 of a station, below which it is unavailable
LEAST_DENSITY = 0.1  # at a station's reach; 1 beside its landmark
FACING = 0.5  # least cosine of the way from the landmark to the side that it must face

Height = tuple[str, float]  # one of `Landmarks.heights`, and mm above it


@dataclass(frozen=True)
class Station:
    """Fat within `reach` mm of `landmark`, from height `low` to `high`; a height that is not known
    is no limit. `facing` is the side of the landmark: front, or inside (medial); `half_width` in mm
    from the midline. `weight` is the share of lymph nodes that lie here by default, 0 where only
    those that ask for the station get it; `color` RGB.
    """

    name: str
    landmark: str
    reach: float
    weight: float
    color: tuple[int, int, int]
    low: Height | None = None
    high: Height | None = None
    facing: str | None = None
    half_width: float = np.inf


FORK, TOPS = "aortic bifurcation", "femoral tops"
RECTUM_TOP = "rectum top"
# fmt: off
STATIONS = (  # name, landmark, reach, weight, color
    Station("mesorectal", "rectum", 25, 0.58, (244, 214, 49),
            low=(COCCYX, 0), high=(RECTUM_TOP, 0)),
    Station("superior rectal", "superior rectal artery", 15, 0.17, (230, 138, 38),
            low=(RECTUM_TOP, 0), high=(FORK, 45)),
    Station("internal iliac", "internal iliac vessels", 15, 0.09, (216, 101, 79),
            low=(TOPS, 15), half_width=65),
    Station("obturator", "hips", 25, 0.07, (128, 174, 128),
            low=(TOPS, -15), high=(TOPS, 40), facing="inside", half_width=65),
    Station("presacral", "sacrum", 12, 0.03, (111, 184, 210),
            low=(COCCYX, 0), high=("promontory", 0), facing="front", half_width=40),
    Station("external iliac", "external iliac vessels", 12, 0.04, (0, 151, 206), low=(TOPS, 0)),
    Station("common iliac", "common iliac vessels", 12, 0.02, (144, 124, 202), high=(FORK, 0)),
    Station("para-aortic", "great vessels", 20, 0.0, (200, 84, 156),
            low=(FORK, 0), high=(FORK, 100)),
    Station("inguinal", "femoral vessels", 20, 0.0, (133, 160, 90), high=(TOPS, 0)),
)
# fmt: on
STATION_NAMES = tuple(station.name for station in STATIONS)
PELVIC = STATION_NAMES[:5]  # of which automatic placement wants one at least
MESORECTAL = 1  # its number
LEAVE = ("common iliac vessels", "superior rectal artery", "great vessels", "femoral vessels")
WITHIN = [k for k, one in enumerate(STATIONS, 1) if one.landmark not in LEAVE]  # the pelvis alone


def canonical_names(names: Sequence[str]) -> tuple[str, ...]:
    """Stations' names as `STATIONS` has them; hyphens, spaces and case do not matter.

    Raises InputError for a name that is none.
    """
    known = {_key(name): name for name in STATION_NAMES}
    unknown = [name for name in names if _key(name) not in known]
    if unknown:
        raise InputError(f"no station {', '.join(unknown)}: there are {', '.join(STATION_NAMES)}")
    return tuple(dict.fromkeys(known[_key(name)] for name in names))


def _key(name: str) -> str:
    """How a station's name is compared."""
    return name.lower().replace("-", " ").replace("_", " ")


NO_ILIAC = "no iliac vessels (labels 65-68) with a bifurcation are known"
MISSING = {
    "rectum": "no rectum is known: it takes the colon (label 20) before the sacrum (label 25)",
    "superior rectal artery": "no rectum is known that it could lead to",
    "internal iliac vessels": NO_ILIAC,
    "external iliac vessels": NO_ILIAC,
    "common iliac vessels": NO_ILIAC,
    "hips": "no hip bones (labels 77, 78) are known",
    "sacrum": "no sacrum (label 25) is known",
    "great vessels": "neither aorta (label 52) nor vena cava (label 63) is known",
    "femoral vessels": "no iliac vessels (labels 65-68) below the femoral heads are known",
}


@dataclass(frozen=True, eq=False)
class StationMap:
    """Where the stations lie; arrays (z, y, x) on a coarse grid.

    `station` (uint8) is 0 or 1 + the station's place in `STATIONS`; `density` (float32) how likely
    a place is within its stratum, at most 1; `distance` (float32) in mm from the station's
    landmark. `stratum` (uint8) is the part of the mesorectum, and 0 elsewhere; `shares` are those
    of its strata. `unavailable` gives the reason by name.
    """

    station: np.ndarray
    density: np.ndarray
    distance: np.ndarray
    stratum: np.ndarray
    shares: np.ndarray
    unavailable: dict[str, str]

    def strata(self, number: int) -> list[tuple[int, float]]:
        """The strata of a station by its number, and the share of each."""
        if number != MESORECTAL:
            return [(0, 1.0)]
        return [(int(k), float(self.shares[k])) for k in np.flatnonzero(self.shares)]


def map_stations(marks: Landmarks, fat: np.ndarray, pelvic: np.ndarray | None = None) -> StationMap:
    """The stations in `fat` (z, y, x, bool), each voxel to the station whose landmark is nearest in
    units of its reach; those that do not leave the pelvis in its `pelvic` part (bool) alone."""
    best = np.full(marks.shape, np.inf, np.float32)
    owner, distance = np.zeros(marks.shape, np.uint8), np.zeros(marks.shape, np.float32)
    unavailable = {}
    for number, each in enumerate(STATIONS, 1):
        if each.landmark not in marks.masks:
            unavailable[each.name] = MISSING[each.landmark]
            continue
        if each.facing == "inside" and TOPS not in marks.heights:
            unavailable[each.name] = "no femoral heads (labels 75, 76) are known"
            continue
        box, off = _reached(marks, each)
        nearer = off / each.reach < best[box]
        best[box][nearer], distance[box][nearer] = off[nearer] / each.reach, off[nearer]
        owner[box][nearer] = number
    station = np.where(fat, owner, 0)
    if pelvic is not None:
        station[~pelvic & np.isin(owner, WITHIN)] = 0
    for number, each in enumerate(STATIONS, 1):
        volume = (station == number).sum() * marks.spacing.prod()
        if each.name not in unavailable and volume < LEAST_FAT:
            unavailable[each.name] = f"holds {volume / 1000:.1f} ml of fat only in this scan"
            station[station == number] = 0
    density = np.where(station > 0, 1 - (1 - LEAST_DENSITY) * best.clip(0, 1), 0)
    stratum, shares = np.zeros(marks.shape, np.uint8), np.zeros(0)
    own = station == MESORECTAL
    if own.any():
        density[own] = wall_density(distance[own])
        stratum[own], shares = strata(marks, owner == MESORECTAL, own, density[own])
    return StationMap(station, density.astype(np.float32), distance, stratum, shares, unavailable)


def _reached(marks: Landmarks, station: Station) -> tuple[tuple[slice, ...], np.ndarray]:
    """The box round a station's landmark, and the distance to it in mm, infinite outside of the
    station."""
    mask = marks.masks[station.landmark]
    box = surroundings(mask, station.reach, marks.spacing)
    off = ndimage.distance_transform_edt(~mask[box], sampling=marks.spacing)
    lateral, a, s = (np.broadcast_to(axis, marks.shape)[box] for axis in marks.ras)
    lateral = lateral - marks.midline
    inside = (off <= station.reach) & (np.abs(lateral) <= station.half_width)
    if station.low and station.low[0] in marks.heights:
        inside &= s >= marks.heights[station.low[0]] + station.low[1]
    if station.high and station.high[0] in marks.heights:
        inside &= s <= marks.heights[station.high[0]] + station.high[1]
    if station.facing:
        # the way from the landmark is the distance's gradient, here in R, A and S
        away = np.tensordot(array_axes(marks.grid), np.gradient(off, *marks.spacing), 1)
        ways = {"front": away[1], "inside": -np.sign(lateral) * away[0]}
        inside &= ways[station.facing] >= FACING
    if station.landmark == "rectum":
        inside &= held(marks, box, off)
    if station.landmark == "sacrum":
        front = np.broadcast_to(marks.sacral_front, marks.shape)[box]
        inside &= a > front  # no fat of the sacral canal
    return box, np.where(inside, off, np.inf).astype(np.float32)


def station_near(known: StationMap, index: np.ndarray, planned: str | None) -> str | None:
    """The station at an `index` (3,) of the coarse grid, or the `planned` one where that is beside
    it; None where there is none."""
    low = (index - 1).clip(0)
    beside = known.station[tuple(slice(a, b) for a, b in zip(low, index + 2))]
    if planned in STATION_NAMES and (beside == 1 + STATION_NAMES.index(planned)).any():
        return planned
    here = int(beside[tuple(index - low)]) if (index < known.station.shape).all() else 0
    return STATION_NAMES[here - 1] if here else None
