"""The patch in which texture is generated: an isotropic cube sized to the lymph node.

A patch is 32^3 samples, two long axes wide (12.8 mm at least), axes along the CT's array. The
**hole** is the shape plus a rim of a few samples; the diffusion model fills it with the node's own
tissue, also in the rim, where a scanner would show a mixture with fat. The scanner's blur comes
afterwards, on the CT's own grid, from the exact shape (`LNGenLib.texture.blending`). So a node
keeps its edge and its contrast however small it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.tsdf import signed_distance

PATCH = 32
SMALLEST_STEP = 0.4  # mm between samples
RIM = 2.5  # samples
SDF_TRUNCATION = 4.0  # samples
HOLE_VALUE = -1.0


def patch_step(long_axis: float) -> float:
    """Distance in mm between the samples of the patch of a node with this long axis in mm."""
    return max(2 * long_axis / PATCH, SMALLEST_STEP)


@dataclass(frozen=True)
class Frame:
    """How a model's patches lie round a node: `size` samples along, `step` mm (of the node's long
    axis in mm) apart."""

    size: int
    step: Callable[[float], float]

    def points(self, long_axis: float) -> np.ndarray:
        """Sample positions (size, size, size, 3) in mm from the patch's center, (z, y, x)."""
        axis = (np.arange(self.size) - (self.size - 1) / 2) * self.step(long_axis)
        return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)


SIZED_TO_NODE = Frame(PATCH, patch_step)


def sampled(values: np.ndarray, step: float, offset: np.ndarray) -> np.ndarray:
    """Values (s, s, s) of a patch with samples `step` mm apart at offsets (3, ...) in mm from its
    center, linearly interpolated; beyond the border the nearest sample repeats."""
    index = offset / step + (len(values) - 1) / 2
    return ndimage.map_coordinates(values, index, order=1, mode="nearest")


def patch_distance(
    structure: Structure, rotation: np.ndarray, long_axis: float, frame: Frame = SIZED_TO_NODE
) -> np.ndarray:
    """Signed distance (size, size, size), in samples, from a structure turned by `rotation` (3, 3)
    in the middle of the patch of its long axis (mm).

    The structure's own is cut off at a tenth of the long axis, within the rim: there it is that to
    the nearest sample on the other side of the surface.
    """
    step = frame.step(long_axis)
    own = structure.distance(frame.points(long_axis) @ rotation, long_axis) / step
    far = signed_distance((own < 0) | (own == own.min()), (1, 1, 1))
    known = max(0.9 * TRUNCATION * long_axis / 2 / step, 0.5)
    return np.where(np.abs(far) <= known, own, far).astype(np.float32)
