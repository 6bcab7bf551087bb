"""The mesorectum: what its fascia holds, and where round the rectum lymph nodes lie in it.

docs/placement.md has the source of each number, and says which are assumed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from LNGenLib.image.grid import Box, corner, distance_to, inside_grid, shifted, surroundings
from LNGenLib.placement.landmarks import COCCYX, REFLECTION, TUMOR, Landmarks

AHEAD = 15.0  # mm of fat before the rectum, at most
OFF_HIPS = 15.0  # mm: the obturator internus muscle lies between
FUNNEL = 4.0  # mm of fat at the coccyx' tip; the levator rises from there by 45 degrees
FROM_WALL = (4.0, 15.0)  # mm from the rectal wall in which centers usually lie
ELSEWHERE = 0.05  # density beyond
AT_FASCIA = 4.0  # mm from a center to the fascia: 2 mm, and the radius of a usual node

# Shares of lymph nodes, in the order of `strata`
AROUND = (0.55, 0.35, 0.10)  # behind, beside, before
BY_REFLECTION: tuple[float, ...] = (0.30, 0.70)  # below and above the peritoneal reflection
BY_TUMOR = (0.11, 0.36, 0.53)  # below, level with and above a tumor
BY_FASCIA = (0.2, 0.8)  # at it, and off it
LEVEL = 10.0  # mm above or below a tumor that are level with it
LEAST_STRATUM = 200.0  # mm3 of fat, below which no node is sought there


def held(marks: Landmarks, box: Box, off: np.ndarray) -> np.ndarray:
    """What the mesorectal fascia holds (z, y, x, bool) in a box of the grid; `off` (z, y, x) is in
    mm from the rectum: before sacrum and coccyx, above the levator, medial to the obturator
    muscles."""
    before = marks.ras[1] > marks.sacral_front
    before, s = (np.broadcast_to(axis, marks.shape)[box] for axis in (before, marks.ras[2]))
    inside = before & (off <= FUNNEL + s - marks.heights[COCCYX])
    inside &= (off <= AHEAD) | (_angle(marks, box) < 135)
    if "hips" in marks.masks:
        wide = inside_grid(box, marks.shape, np.ceil(OFF_HIPS / marks.spacing).astype(int))
        own = shifted(box, -corner(wide))
        off_hips = distance_to(marks.masks["hips"][wide], OFF_HIPS, marks.spacing)[own]
        inside &= off_hips > OFF_HIPS
    return inside


def density(off: np.ndarray) -> np.ndarray:
    """How likely centers (n,) are that far from the rectal wall in mm, at most 1."""
    return np.where((off >= FROM_WALL[0]) & (off <= FROM_WALL[1]), 1.0, ELSEWHERE)


def strata(
    marks: Landmarks, owned: np.ndarray, fat: np.ndarray, likely: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The strata of the mesorectum `owned` (z, y, x, bool): round the rectum, by height and by the
    fascia; of each voxel (n,) of its `fat` (z, y, x, bool), where `likely` (n,) is the density,
    and the share of lymph nodes (k,) that each gets."""
    limits, by_height = [marks.heights[REFLECTION]], BY_REFLECTION
    if TUMOR in marks.heights:
        limits, by_height = [marks.heights[TUMOR] + side * LEVEL for side in (-1, 1)], BY_TUMOR
    box = surroundings(owned, 2 * AT_FASCIA, marks.spacing)
    own = fat[box]
    closed = owned | marks.masks["rectum"] | marks.above(marks.heights["rectum top"])
    off = ndimage.distance_transform_edt(closed[box], sampling=marks.spacing)[own]
    s = np.broadcast_to(marks.ras[2], marks.shape)[box][own]
    around = np.digitize(_angle(marks, box)[own], (45, 135))
    wanted = (AROUND, by_height, BY_FASCIA)
    sizes = [len(shares) for shares in wanted]
    parts = (around, np.digitize(s, limits), (off >= AT_FASCIA).astype(int))
    stratum = np.ravel_multi_index(parts, sizes)
    room = np.bincount(stratum, likely, np.prod(sizes)) * marks.spacing.prod()
    enough = room >= min(LEAST_STRATUM, room.max())
    return stratum, raked(enough.reshape(sizes), wanted).ravel()


def raked(room: np.ndarray, wanted: Sequence[Sequence[float]]) -> np.ndarray:
    """Shares of the cells of a table, one axis for each of the `wanted` shares, that add up to them
    along it as far as there is `room` (bool, as the table): by iterative proportional fitting."""
    table = room.astype(float)
    for _ in range(100):
        for axis, shares in enumerate(wanted):
            rest = tuple(k for k in range(table.ndim) if k != axis)
            sums = table.sum(rest, keepdims=True)
            column = np.reshape(shares, sums.shape)
            table *= np.divide(column, sums, out=np.zeros_like(sums), where=sums > 0)
    return table / table.sum()


def _angle(marks: Landmarks, box: Box) -> np.ndarray:
    """Degrees from straight behind the rectum's center at each voxel's height, 0 to 180."""
    (r, a, _), points = marks.ras, marks.points("rectum")
    lateral = r - marks.by_height(points, lambda level: level[:, 0].mean())
    ahead = a - marks.by_height(points, lambda level: level[:, 1].mean())
    lateral, ahead = (np.broadcast_to(axis, marks.shape)[box] for axis in (lateral, ahead))
    return np.degrees(np.arctan2(np.abs(lateral), -ahead))
