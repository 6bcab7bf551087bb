"""The patch in which texture is generated: an isotropic cube sized to the lymph node.

A patch is 32^3 samples, two long axes wide (12.8 mm at least), axes along the CT's array. The
**hole** is the shape plus a rim of a few samples; the diffusion model fills it with the node's own
tissue, also in the rim, where a scanner would show a mixture with fat. The scanner's blur comes
afterwards, on the CT's own grid, from the exact shape (`LNGenLib.texture.inpainting`). So a node
keeps its edge and its contrast however small it is.
"""

from __future__ import annotations

import numpy as np

PATCH = 32
SMALLEST_STEP = 0.4  # mm between samples
RIM = 2.5  # samples
SDF_TRUNCATION = 4.0  # samples
HOLE_VALUE = -1.0


def patch_step(long_axis: float) -> float:
    """Distance in mm between the samples of the patch of a node with this long axis in mm."""
    return max(2 * long_axis / PATCH, SMALLEST_STEP)


def patch_points(step: float) -> np.ndarray:
    """Sample positions (32, 32, 32, 3) in mm from the patch's center, (z, y, x)."""
    axis = (np.arange(PATCH) - (PATCH - 1) / 2) * step
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
