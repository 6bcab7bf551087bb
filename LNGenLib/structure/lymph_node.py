"""A lymph node: a structure with a size, turned and placed on the grid of a CT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special
from skimage import measure

from LNGenLib.image.grid import Box
from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.tsdf import diameter, surface

_EDGES = slice(None, -1), slice(1, None)  # where the edges of a closed outline start and end


@dataclass(frozen=True, eq=False)
class LymphNode:
    """One lymph node in a CT grid with `spacing` (z, y, x) in mm.

    `rotation` (3, 3) turns the structure's frame into the array's, both (z, y, x) in mm;
    `center` is the frame's center as a continuous array index (z, y, x).
    """

    structure: Structure
    long_axis: float
    rotation: np.ndarray
    center: np.ndarray
    spacing: np.ndarray

    def at(self, center: np.ndarray) -> LymphNode:
        """The same node with its center at the index `center` (z, y, x)."""
        return LymphNode(self.structure, self.long_axis, self.rotation, center, self.spacing)

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Truncated signed distance in mm at `points` (..., 3), mm from the center, array axes."""
        return self.structure.distance(points @ self.rotation, self.long_axis)

    def to_index(self, points: np.ndarray) -> np.ndarray:
        """Continuous array indices (..., 3) of `points` in mm from the center, the structure's
        axes, (z, y, x)."""
        return points @ self.rotation.T / self.spacing + self.center

    def long_axis_ends(self) -> np.ndarray:
        """Ends (2, 3) of the long axis as continuous array indices."""
        return self.to_index(self.structure.axis_points(self.long_axis))

    def _bounds(self, margin: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest continuous array index (3,) of the surface and `margin` mm round it."""
        low, high = self._ends
        pad = margin / self.spacing
        return low - pad, high + pad

    @cached_property
    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        index = self.to_index(self.structure.vertices(self.long_axis))
        return index.min(0), index.max(0)

    def box(self, margin: float | np.ndarray) -> Box:
        """The voxels the node covers and `margin` mm round it, one number or one an axis (z, y, x);
        may leave the grid."""
        low, high = self._bounds(margin)
        ends = zip(np.floor(low), np.ceil(high) + 1, strict=True)
        z, y, x = (slice(int(a), int(b)) for a, b in ends)
        return z, y, x

    def occupancy(self, box: Box, blur: float = 0.0) -> np.ndarray:
        """Share of each voxel of `box` (z, y, x) that lies inside the node, 0 to 1, float32.

        With a `blur`, the sigma (slices, up to 0.4) of a Gaussian, a slice takes in what lies along
        z by a box as thick as it is, blurred by that: adjacent slices overlap, and the sum stays.
        Each voxel is supersampled at steps of at most a thirtieth of the long axis, so that a node
        smaller than a voxel keeps its volume. Samples are taken near the node only: of thick slices
        most lie far from it.
        """
        beyond = 1 if blur else 0  # slices that reach into the box
        box = (slice(box[0].start - beyond, box[0].stop + beyond), *box[1:])
        counts = np.maximum(np.ceil(30 * self.spacing / self.long_axis), 2).astype(int)
        step = float((self.spacing / counts).max())
        low, high = self._bounds(TRUNCATION * self.long_axis / 2)  # beyond nothing is inside
        voxels, samples, near = [], [], []
        for k, part in enumerate(box):
            sub = _samples(counts[k])
            index = np.arange(part.start, part.stop)[:, None] + sub
            seen = (index >= low[k]) & (index <= high[k])
            voxels.append(np.flatnonzero(seen.any(1)))
            samples.append((index[seen] - self.center[k]) * self.spacing[k])
            near.append(seen[voxels[k]])
        occupancy = np.zeros([part.stop - part.start for part in box], np.float32)
        overlap = _overlap(_samples(counts[0]), blur) / counts[0]
        heights = np.split(samples[0], np.cumsum(near[0].sum(1))[:-1])
        # slice by slice: it bounds the memory
        for z, seen, height in zip(voxels[0].tolist(), near[0], heights):
            points = np.stack(np.meshgrid(height, *samples[1:], indexing="ij"), -1)
            inside = np.zeros((counts[0], near[1].size, near[2].size), np.float32)
            where = np.ix_(seen, near[1].ravel(), near[2].ravel())
            inside[where] = np.clip(0.5 - self.distance(points) / step, 0, 1)
            inside = inside.reshape(counts[0], *near[1].shape, *near[2].shape).mean((2, 4))
            for other in range(max(z - 1, 0), min(z + 2, len(occupancy))):
                share = np.tensordot(overlap[other - z + 1], inside, 1)
                occupancy[other][np.ix_(*voxels[1:])] += share
        return occupancy[beyond : len(occupancy) - beyond]

    def measured_long_axis(self) -> float:
        """Long axis in mm of the placed SDF's zero level set, sampled anew along the CT's axes."""
        step = self.long_axis / 40
        points = self.structure.vertices(self.long_axis) @ self.rotation.T
        axes = [
            np.arange(a - 2 * step, b + 2 * step, step)
            for a, b in zip(points.min(0), points.max(0), strict=True)
        ]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
        return diameter(surface(self.distance(grid))[0])[0] * step

    def recist_axes(self) -> tuple[float, float]:
        """Long and short axis in mm as radiologists measure them, in one of the CT's own slices.

        The long one is the largest diameter in any slice that cuts the node, the short one the
        largest width perpendicular to it in the same slice. A node that lies between two slice
        centers is cut at its own center.
        """
        box = self.box(0)
        slices = [(z - self.center[0]) * self.spacing[0] for z in range(box[0].start, box[0].stop)]
        longest = max((self._section(z) for z in slices), default=(0.0, 0.0))
        return longest if longest[0] else self._section(0.0)

    def _section(self, z: float) -> tuple[float, float]:
        """Both axes in the plane `z` mm from the center, 0 where it does not cut the node."""
        half = 0.6 * self.long_axis
        axis = np.linspace(-half, half, 49)
        points = np.stack(np.meshgrid([z], axis, axis, indexing="ij"), -1)[0]
        contours = measure.find_contours(self.distance(points), 0.0)
        if sum(map(len, contours)) <= 3:
            return 0.0, 0.0
        length, ends = diameter(np.concatenate(contours))
        step = float(axis[1] - axis[0])
        return length * step, _width(contours, (ends[1] - ends[0]) / length) * step


def _width(contours: Sequence[np.ndarray], along: np.ndarray) -> float:
    """Largest distance of two points of closed outlines (n, 2) on one line perpendicular to the
    unit vector `along` (2,): it lies on a line through a vertex."""
    turn = np.stack([along, (-along[1], along[0])], 1)
    start, stop = (np.concatenate([c[part] for c in contours]) @ turn for part in _EDGES)
    line, run = start[:, :1], stop[:, 0] - start[:, 0]
    share = np.divide(line - start[:, 0], run, out=np.zeros((len(run),) * 2), where=run != 0)
    height = start[:, 1] + share * (stop[:, 1] - start[:, 1])
    hit = (share >= 0) & (share <= 1) & ((run != 0) | (line == start[:, 0]))
    tops, bottoms = (np.where(hit, height, end) for end in (-np.inf, np.inf))
    return float((tops.max(1) - bottoms.min(1)).max())


def _samples(count: int) -> np.ndarray:
    """Offsets of evenly spaced samples from the center of their voxel, in voxels."""
    return (np.arange(count) + 0.5) / count - 0.5


def _overlap(offset: np.ndarray, blur: float) -> np.ndarray:
    """How much (3, n) the slice below, the own and that above take in of what lies at an offset
    (n,) in slices from the own one's center, at a `blur` (slices)."""
    if not blur:
        return np.outer((0, 1, 0), np.ones(len(offset)))
    below, above = special.ndtr((-offset - 0.5) / blur), special.ndtr((offset - 0.5) / blur)
    return np.stack([below, 1 - below - above, above])
