"""The mesorectum of a pelvis whose answers are known: what holds it, and the shares round it."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.placement.landmarks import Landmarks, add_sacrum, finish
from LNGenLib.placement.mesorectum import raked
from LNGenLib.placement.stations import STATION_NAMES, map_stations

RECTUM, TOP = 15.0, 60.0  # mm: its radius, and its top over the coccyx' tip
SACRUM_FRONT, CANAL = -40.0, (-56.0, -50.0)  # A in mm
HIPS = 50.0  # mm from the midline


def synthetic(tumor: float | None = None) -> tuple[Landmarks, np.ndarray]:
    """A rectum straight up between S 0 and 60 mm, before a sacrum with a canal, between hips; and
    the fat, which is all the rest (z, y, x, bool)."""
    grid = sitk.Image(60, 60, 60, sitk.sitkUInt8)
    grid.SetSpacing((3.0, 3.0, 3.0))
    grid.SetOrigin((-88.5, -88.5, -40.0))
    marks = Landmarks(grid)
    r, a, s = (np.broadcast_to(axis, marks.shape) for axis in marks.ras)
    sacrum = (np.abs(r) < 40) & (a < SACRUM_FRONT) & (a > -65) & (s >= 0) & (s < 110)
    add_sacrum(marks, sacrum & ~((a > CANAL[0]) & (a < CANAL[1])))
    marks.put("rectum", (np.hypot(r, a) <= RECTUM) & (s > -25) & (s < TOP))
    marks.put("hips", (np.abs(r) > HIPS) & (s > -20) & (s < 90))
    finish(marks)
    if tumor is not None:
        marks.heights["tumor"] = tumor
    return marks, ~np.any(list(marks.masks.values()), axis=0)


@pytest.fixture(scope="module")
def known():
    marks, fat = synthetic()
    return marks, map_stations(marks, fat)


def places(marks, stations, name: str) -> tuple[np.ndarray, np.ndarray]:
    """RAS mm (n, 3) of a station's voxels, and the chance of each (n,)."""
    number = 1 + STATION_NAMES.index(name)
    own = stations.station == number
    chance = np.zeros(len(stations.density[own]))
    for stratum, share in stations.strata(number):
        part = np.where(stations.stratum[own] == stratum, stations.density[own], 0)
        chance += share * part / part.sum()
    return marks.points(own), chance


def test_the_fascia_holds_the_mesorectum(known):
    r, a, s = places(*known, "mesorectal")[0].T
    off = np.hypot(r, a) - RECTUM
    assert a.min() > SACRUM_FRONT and s.min() >= 0 and s.max() <= TOP
    assert np.abs(r).max() < HIPS - 15
    assert (off <= 4 + s + 3).all()  # the levator's funnel; landmarks are known to a voxel
    assert off[(np.degrees(np.arctan2(np.abs(r), -a)) > 135)].max() <= 15 + 3
    assert off[a < 0].max() > 15


def test_no_station_lies_in_or_behind_the_sacrum(known):
    for name in ("mesorectal", "presacral"):
        assert places(*known, name)[0][:, 1].min() > SACRUM_FRONT


def shares(values: np.ndarray, chance: np.ndarray, *limits: float) -> list[float]:
    return np.bincount(np.digitize(values, limits), chance).tolist()


def test_places_round_the_rectum_follow_the_evidence(known):
    points, chance = places(*known, "mesorectal")
    r, a, s = points.T
    around = np.degrees(np.arctan2(np.abs(r), -a))
    assert chance.sum() == pytest.approx(1)
    assert shares(around, chance, 45, 135) == pytest.approx([0.55, 0.35, 0.10], abs=0.02)
    reflection = known[0].heights["rectum top"] / 2
    assert shares(s, chance, reflection) == pytest.approx([0.3, 0.7], abs=0.01)
    off = np.hypot(r, a) - RECTUM
    assert chance[(off > 4 - 3) & (off < 15 + 3)].sum() > 0.9


def test_a_tumor_tells_the_heights():
    marks, fat = synthetic(tumor=32.0)
    points, chance = places(marks, map_stations(marks, fat), "mesorectal")
    assert shares(points[:, 2], chance, 22, 42) == pytest.approx([0.11, 0.36, 0.53], abs=0.01)


def test_heights_without_fat_leave_their_share_to_the_others():
    """A tumor at the rectum's top: nothing is above it."""
    marks, fat = synthetic(tumor=TOP)
    points, chance = places(marks, map_stations(marks, fat), "mesorectal")
    assert shares(points[:, 2], chance, TOP - 10) == pytest.approx(
        [0.11 / 0.47, 0.36 / 0.47], abs=0.01
    )


def test_fat_that_is_too_thin_for_all_strata_is_still_a_place():
    marks, fat = synthetic()
    r, a, _ = marks.ras
    sheath = fat & (np.hypot(r, a) < RECTUM + 4)
    points, chance = places(marks, map_stations(marks, sheath), "mesorectal")
    assert len(points) > 0 and chance.sum() == pytest.approx(1)


def test_a_table_with_room_everywhere_is_the_product_of_its_shares():
    wanted = ((0.55, 0.35, 0.1), (0.3, 0.7), (0.2, 0.8))
    assert raked(np.ones((3, 2, 2), bool), wanted) == pytest.approx(
        np.einsum("i,j,k->ijk", *map(np.array, wanted))
    )


def test_a_table_with_a_gap_keeps_its_sums_and_one_without_a_row_renormalizes():
    room = np.ones((3, 2), bool)
    room[0, 0] = False
    table = raked(room, ((0.5, 0.3, 0.2), (0.4, 0.6)))
    assert table[0, 0] == 0
    assert table.sum(1) == pytest.approx([0.5, 0.3, 0.2]) and table.sum(0) == pytest.approx(
        [0.4, 0.6]
    )
    room[0] = False
    table = raked(room, ((0.5, 0.3, 0.2), (0.4, 0.6)))
    assert table.sum(1) == pytest.approx([0, 0.6, 0.4]) and table.sum(0) == pytest.approx(
        [0.4, 0.6]
    )
