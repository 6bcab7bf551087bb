"""Elastically deformed ellipsoids, as DiffTumor paints tumor masks.

Chen et al. 2024 (https://arxiv.org/abs/2402.18470), its code's tumors of medium size: radii of 16
voxels times U(0.75, 1.25), in each of the three planes a random displacement on 3 x 3 knots over
four radii, SD U(3, 6) voxels. The three displacements are added here, there composed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.image.components import largest_component
from LNGenLib.progress import SILENT, Progress
from LNGenLib.randomness import node_rng
from LNGenLib.structure.model import Samples
from LNGenLib.structure.shape_range import ANY_SHAPE, ShapeRange
from LNGenLib.structure.tsdf import signed_distance, tsdf_from_distance

MASK = 48  # voxels along an ellipsoid's mask


def elastic_ellipsoid(seed: int, number: int) -> np.ndarray:
    """Normalized TSDF (32, 32, 32) of ellipsoid `number`; depends on the two arguments alone."""
    rng = node_rng(seed, number, "ellipsoid")
    radii = rng.uniform(0.75, 1.25, 3)
    deviation = rng.uniform(3, 6) / 16
    points = np.stack(np.meshgrid(*[np.linspace(-2, 2, MASK)] * 3, indexing="ij"))  # in radii
    for plane, normal in (((0, 1), 2), ((1, 2), 0), ((0, 2), 1)):
        knots = rng.normal(0, deviation, (2, 3, 3))
        shifts = ndimage.zoom(knots, (1, MASK / 3, MASK / 3), order=3, mode="nearest")
        for axis, shift in zip(plane, shifts, strict=True):
            points[axis] += np.expand_dims(shift, normal) / radii[axis]
    mask = np.pad(largest_component((points**2).sum(0) < 1), 4)
    return tsdf_from_distance(signed_distance(mask, tuple(radii)), tuple(radii))[0]


class EllipsoidModel:
    """Draws elastic ellipsoids where a `StructureModel` draws structures; it has no weights."""

    description = {"sha256": None}
    looks = False  # of DiffTumor's lesions there is one kind
    batch, precision = 0, None

    def knows(self, long_axis: float, shape: ShapeRange) -> bool:
        """Whether `sample` can draw such a shape."""
        return shape == ANY_SHAPE

    def sample(
        self,
        numbers: Sequence[int],
        long_axes: Sequence[float],
        seed: int,
        steps: int = 0,
        progress: Progress = SILENT,
        shapes: ShapeRange | Sequence[ShapeRange] = ANY_SHAPE,
    ) -> Samples:
        """The ellipsoids of `numbers`, repaired; InputError where a shape is asked for."""
        ranges = [shapes] if isinstance(shapes, ShapeRange) else shapes
        if any(one != ANY_SHAPE for one in ranges):
            raise InputError("ellipsoids have no shape to ask for: leave shape and short axis out")
        return Samples.of(elastic_ellipsoid(seed, int(number)) for number in numbers)
