"""The stand-in's distractors: what looks like a lymph node to a network, and is none.

Vessels cut across, unopacified loops of bowel, ureters and ovaries lie in the fat of a phantom.
Each is a tube along a random course; none of it comes from LN-Gen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from LNGenLib.image.grid import distance_to
from LNGenLib.scan.totalsegmentator import OTHER, OTHER_BOWEL, OTHER_VESSEL

STEP = 1.0  # mm between two points of a course
TRIES = 40  # courses that are looked at for each distractor
Range = tuple[float, float]


@dataclass(frozen=True)
class Kind:
    """A kind of distractor: how many a scan has, its radius, length and wall (mm), the HU of wall
    and content, how much its course bends (radians a step), how much rather along z it begins, and
    its label."""

    count: tuple[int, int]
    radius: Range
    length: Range
    hu: Range
    bend: float
    upright: float
    label: int
    wall: float = np.inf
    content: Range = (0.0, 0.0)


KINDS = (
    Kind((10, 16), (1.0, 3.2), (25.0, 80.0), (40.0, 150.0), 0.12, 1.0, OTHER_VESSEL),
    Kind((2, 4), (4.5, 8.0), (25.0, 60.0), (45.0, 85.0), 0.25, 0.0, OTHER_BOWEL, 2.5, (10, 45)),
    Kind((1, 2), (1.5, 2.5), (50.0, 90.0), (10.0, 45.0), 0.05, 3.0, OTHER),  # ureters
    Kind((0, 2), (6.0, 11.0), (4.0, 9.0), (30.0, 60.0), 0.1, 0.5, OTHER, 3.0, (0, 15)),  # ovaries
)


def add_distractors(
    hu: np.ndarray,
    organs: np.ndarray,
    fat: np.ndarray,
    spacing: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Paint distractors into `hu` and `organs` (z, y, x; changed) where `fat` (bool; changed) is
    free; `spacing` in mm (z, y, x)."""
    scene = _Scene(hu, organs, fat, spacing, rng)
    for kind in KINDS:
        level = rng.uniform(*kind.hu)  # of one scan's phase
        room = ndimage.distance_transform_edt(fat, sampling=spacing)
        for _ in range(rng.integers(kind.count[0], kind.count[1] + 1)):
            radius = rng.uniform(*kind.radius)
            course = scene.course(kind, np.argwhere(room > radius))
            if course is not None:
                scene.paint(kind, level, radius, course)


@dataclass(frozen=True, eq=False)
class _Scene:
    """What `add_distractors` is given."""

    hu: np.ndarray
    organs: np.ndarray
    fat: np.ndarray
    spacing: np.ndarray
    rng: np.random.Generator

    def course(self, kind: Kind, room: np.ndarray) -> np.ndarray | None:
        """Points (n, 3) in mm of a course through fat that begins in one of the voxels `room`
        (n, 3), or None where none is long enough."""
        if not len(room):
            return None
        rng, fat = self.rng, self.fat
        length = rng.uniform(*kind.length)
        for _ in range(TRIES):
            place = room[rng.integers(len(room))] * self.spacing
            heading = rng.normal(size=3) * (1 + kind.upright, 1, 1)
            points = [place]
            while len(points) * STEP < length:
                heading = heading / np.linalg.norm(heading) + rng.normal(0, kind.bend, 3)
                place = place + STEP * heading / np.linalg.norm(heading)
                voxel = np.rint(place / self.spacing).astype(int)
                if (voxel < 0).any() or (voxel >= fat.shape).any() or not fat[tuple(voxel)]:
                    break
                points.append(place)
            if len(points) * STEP >= min(kind.length[0], length) / 2:
                return np.array(points)
        return None

    def paint(self, kind: Kind, level: float, radius: float, course: np.ndarray) -> None:
        """A tube round a course in what is fat."""
        rng, spacing = self.rng, self.spacing
        reach = radius * 1.5 + 2 * spacing.max()
        middle = np.zeros(self.fat.shape, bool)
        middle[tuple(np.rint(course / spacing).astype(int).T)] = True
        voxels = np.nonzero(distance_to(middle, reach, spacing) <= reach)
        distance, nearest = cKDTree(course).query(np.transpose(voxels) * spacing)
        noise = rng.normal(size=len(course))
        swell = 1 + 0.2 * ndimage.gaussian_filter1d(noise, 4, mode="nearest")
        depth = radius * swell[nearest] - distance
        width = float(spacing.mean())
        share = np.clip(0.5 + depth / width, 0, 1) * self.fat[voxels]
        inner = np.clip(0.5 + (depth - kind.wall) / width, 0, 1)
        tissue = level + rng.normal(0, 5) + inner * (rng.uniform(*kind.content) - level)
        self.hu[voxels] += share * (tissue - self.hu[voxels])
        self.organs[tuple(axis[share >= 0.5] for axis in voxels)] = kind.label
        self.fat[tuple(axis[share > 0] for axis in voxels)] = False
