"""A structure: the shape of one lymph node, of no size until it is scaled to a long axis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage, spatial

from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION
from LNGenLib.structure.tsdf import diameter, mesh_volume, surface

_CENTER = (GRID - 1) / 2


@dataclass(frozen=True, eq=False)
class Structure:
    """A normalized TSDF (32, 32, 32) in the frame of `LNGenLib.structure.frame`.

    Sizes are measured on its own zero level set, so that a structure scaled to a long axis has
    that long axis whatever the networks made of it.
    """

    tsdf: np.ndarray

    @cached_property
    def _mesh(self) -> tuple[np.ndarray, np.ndarray]:
        """Zero level set of the interpolated TSDF: vertices in samples from the grid's center.

        It is sampled twice as finely as the TSDF, so that tips between samples are not cut off.
        """
        vertices, faces = surface(_twice_as_fine(self.tsdf))
        return vertices / 2 - _CENTER, faces

    @property
    def _vertices(self) -> np.ndarray:
        return self._mesh[0]

    @cached_property
    def _axis(self) -> tuple[float, np.ndarray]:
        return diameter(self._vertices)

    def sample_mm(self, long_axis: float) -> float:
        """Distance between TSDF samples in mm where the structure's long axis is `long_axis` mm."""
        return long_axis / self._axis[0]

    def axis_points(self, long_axis: float) -> np.ndarray:
        """The two end points (2, 3) of the long axis, mm from the frame's center, (z, y, x)."""
        return self._axis[1] * self.sample_mm(long_axis)

    def vertices(self, long_axis: float) -> np.ndarray:
        """Surface points (n, 3), mm from the frame's center, (z, y, x)."""
        return self._vertices * self.sample_mm(long_axis)

    def faces(self) -> np.ndarray:
        """The triangles (m, 3) of the surface, by the numbers of its `vertices`."""
        return self._mesh[1]

    def distance(self, points: np.ndarray, long_axis: float) -> np.ndarray:
        """Truncated signed distance in mm at `points` (..., 3), mm from the center, (z, y, x)."""
        sample = self.sample_mm(long_axis)
        index = np.moveaxis(np.asarray(points) / sample + _CENTER, -1, 0)
        value = ndimage.map_coordinates(self.tsdf, index, order=1, mode="constant", cval=TRUNCATION)
        return value * (sample / SAMPLE)

    def volume(self, long_axis: float) -> float:
        """Volume in mm3 inside the zero level set."""
        return mesh_volume(*self._mesh) * self.sample_mm(long_axis) ** 3

    def short_axis(self, long_axis: float) -> float:
        """Largest width in mm perpendicular to the long axis."""
        return self._width * self.sample_mm(long_axis)

    @cached_property
    def _width(self) -> float:
        length, ends = self._axis
        direction = (ends[1] - ends[0]) / length
        points = self._vertices
        across = points - np.outer(points @ direction, direction)
        basis = np.linalg.svd(across - across.mean(0), full_matrices=False)[2][:2]
        return diameter(across @ basis.T)[0]

    @cached_property
    def _full_distance(self) -> np.ndarray:
        grid = np.stack(np.meshgrid(*[np.arange(GRID) - _CENTER] * 3, indexing="ij"), -1)
        far = spatial.cKDTree(self._vertices).query(grid)[0]
        # Decided by the distance, not by the TSDF: networks leave it short of its limit far away.
        is_near = far * SAMPLE < 0.9 * TRUNCATION
        return np.where(is_near, self.tsdf / SAMPLE, np.sign(self.tsdf) * far)

    def full_distance(self, long_axis: float) -> np.ndarray:
        """Signed distance (32, 32, 32) in mm, not truncated, float32."""
        return (self._full_distance * self.sample_mm(long_axis)).astype(np.float32)

    @cached_property
    def irregularity(self) -> float:
        """1 - volume / convex hull's volume: 0 is convex."""
        return 1 - self.volume(1.0) / spatial.ConvexHull(self.vertices(1.0)).volume

    def as_image(self, long_axis: float):
        """`full_distance` as a SimpleITK image, isotropic, centered at the origin."""
        from LNGenLib.image.io import isotropic_image

        return isotropic_image(self.full_distance(long_axis), self.sample_mm(long_axis))


def _twice_as_fine(values: np.ndarray) -> np.ndarray:
    """Values (32, 32, 32) and their linear interpolations halfway between: (63, 63, 63)."""
    for axis in range(3):
        layers = np.moveaxis(values, axis, 0)
        fine = np.empty((2 * GRID - 1, *layers.shape[1:]), values.dtype)
        fine[::2] = layers
        fine[1::2] = (layers[:-1] + layers[1:]) / 2
        values = np.moveaxis(fine, 0, axis)
    return values
