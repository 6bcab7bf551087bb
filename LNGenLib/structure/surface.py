"""From a mask to the smooth closed surface of the lymph node that it outlines.

Masks are outlined slice by slice: their outlines jitter by a voxel from slice to slice and end in
flat caps. That is of the pen, not of the lymph node.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize, spatial

from LNGenLib.image.components import largest_component
from LNGenLib.structure.repair import repair, whole
from LNGenLib.structure.tsdf import (
    diameter,
    mesh_volume,
    signed_distance,
    surface,
    tsdf_from_distance,
)

SMOOTHING = 1.2  # mm, standard deviation of the Gaussian on the signed distance
LARGEST_SMOOTHING = 0.12  # of the diameter
LEAST_SOLIDITY = 0.8  # of a single lymph node: less is a conglomerate
LEVEL_ERROR = 2e-3  # mm, of the level that keeps the volume


@dataclass(frozen=True, eq=False)
class NodeSurface:
    """The surface of a mask: its TSDF (32, 32, 32) float32, its long axis in mm, and what it keeps.

    `dice` is that of the surface and the mask on the mask's own grid, `volume_ratio` the surface's
    volume over the mask's. Is the mask cut off at the border of its image, or `solidity` (volume
    over that of the convex hull) low, then it is not `single`.
    """

    tsdf: np.ndarray
    long_axis: float
    dice: float
    volume_ratio: float
    solidity: float
    cut_off: bool

    @property
    def single(self) -> bool:
        """Whether this is one whole lymph node."""
        return not self.cut_off and self.solidity >= LEAST_SOLIDITY


def node_surface(mask: np.ndarray, spacing: tuple[float, float, float]) -> NodeSurface:
    """The surface of the largest component of a mask (z, y, x), `spacing` (z, y, x) in mm.

    A Gaussian on the signed distance takes the noise of the outlines off and rounds the caps; the
    level is moved so that the volume stays. Raises ValueError for an empty mask.
    """
    if not mask.any():
        raise ValueError("the mask is empty")
    body = ndimage.binary_fill_holes(largest_component(mask))
    cut_off = any(np.moveaxis(body, k, 0)[[0, -1]].any() for k in range(3))
    margin = [int(np.ceil(4 * SMOOTHING / step)) + 2 for step in spacing]
    body = np.pad(body, [(m, m) for m in margin])
    distance = signed_distance(body, spacing)
    sigma = min(SMOOTHING, LARGEST_SMOOTHING * diameter(surface(distance, spacing)[0])[0])
    fine = np.ceil(np.array(spacing) / (1.5 * min(spacing))).astype(int)
    spacing = tuple(spacing / fine)  # thick slices are too coarse for what follows
    distance = ndimage.gaussian_filter(_between(distance, fine), sigma / np.array(spacing))
    wanted = float(body.sum() * np.prod(spacing) * fine.prod())

    def excess(level: float) -> float:
        return mesh_volume(*surface(distance - level, spacing)) - wanted

    low, high = distance.min() + 1e-3, 2 * sigma + max(spacing)
    distance -= optimize.brentq(excess, low, high, xtol=LEVEL_ERROR)
    distance = np.where(whole(distance < 0), -np.abs(distance), np.abs(distance))
    vertices, faces = surface(distance, spacing)
    volume = mesh_volume(vertices, faces)
    tsdf, long_axis = tsdf_from_distance(distance, spacing)
    inside = distance[tuple(slice(None, None, f) for f in fine)] < 0
    return NodeSurface(
        repair(tsdf)[0],
        long_axis,
        dice=float(2 * (inside & body).sum() / (inside.sum() + body.sum())),
        volume_ratio=volume / wanted,
        solidity=volume / spatial.ConvexHull(vertices).volume,
        cut_off=cut_off,
    )


def _between(values: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Values (z, y, x) at each so many-th part of a voxel along each axis, linear."""
    axes = [np.arange((n - 1) * f + 1) / f for n, f in zip(values.shape, fine)]
    return ndimage.map_coordinates(values, np.meshgrid(*axes, indexing="ij"), order=1)
