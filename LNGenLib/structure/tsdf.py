"""Truncated signed distance functions of lymph nodes, in the frame of `structure.frame`."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage, spatial
from skimage import measure

from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION

DIRECTIONS = 300  # in which a diameter is looked for


def signed_distance(mask: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """Euclidean signed distance (mm, negative inside) at the voxel centers of a boolean mask.

    `spacing` is (z, y, x) in mm. The surface lies halfway between inside and outside voxels.
    """
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    half = 0.5 * np.prod(spacing) ** (1 / 3)
    return np.where(mask, np.minimum(half - inside, -1e-3), np.maximum(outside - half, 1e-3))


def surface(sdf: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n, 3) as voxel (z, y, x) x `spacing` and triangles (m, 3) of the zero level set."""
    vertices, faces, _, _ = measure.marching_cubes(sdf, 0.0, spacing=spacing)
    return vertices, faces


def mesh_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Volume inside a closed mesh of vertices (n, 3) and triangles (m, 3), by the divergence
    theorem."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return abs(float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum())) / 6


def diameter(points: np.ndarray) -> tuple[float, np.ndarray]:
    """Largest distance of two of the points (n, 2 or 3), in their unit, and the two points (2, d).

    The pair of extreme points in `DIRECTIONS` directions that lie farthest apart, each moved to the
    point farthest from the other until none is farther: on a smooth surface all points are on the
    convex hull, and too many to compare each with each.
    """
    along = _directions(points.shape[1]) @ points.astype(np.float32).T
    ends = points[np.unique([along.argmax(1), along.argmin(1)])]
    distances = spatial.distance.cdist(ends, ends)
    pair = ends[list(np.unravel_index(distances.argmax(), distances.shape))]
    longest = distances.max()
    while True:
        for k in (0, 1):
            pair[k] = points[((points - pair[1 - k]) ** 2).sum(1).argmax()]
        found = np.linalg.norm(pair[1] - pair[0])
        if found <= longest * (1 + 1e-12):
            return float(found), pair
        longest = found


@cache
def _directions(dimensions: int) -> np.ndarray:
    """Unit vectors (n, dimensions) float32, even over half the circle or sphere (Fibonacci
    lattice)."""
    k: np.ndarray = np.arange(DIRECTIONS, dtype=np.float32) + 0.5
    if dimensions == 2:
        angle = np.pi * k / DIRECTIONS
        return np.stack([np.cos(angle), np.sin(angle)], 1)
    height, angle = k / DIRECTIONS, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - height**2)
    return np.stack([height, ring * np.cos(angle), ring * np.sin(angle)], 1)


def tsdf_from_distance(
    sdf: np.ndarray, spacing: tuple[float, float, float]
) -> tuple[np.ndarray, float]:
    """Normalized TSDF (32, 32, 32) float32 of a level set, and its long axis in mm.

    `sdf` (z, y, x) is negative inside, with `spacing` (z, y, x) in mm; only its zero level set
    counts. Raises ValueError where it has no inside or no outside.
    """
    if not sdf.min() < 0 < sdf.max():
        raise ValueError("the signed distance has no inside or no outside")
    vertices, _ = surface(sdf, spacing)
    long_axis, _ = diameter(vertices)
    center = (vertices.min(0) + vertices.max(0)) / 2
    offsets = (np.arange(GRID) - (GRID - 1) / 2) * SAMPLE * long_axis / 2
    samples = [(center[k] + offsets) / spacing[k] for k in range(3)]
    values = ndimage.map_coordinates(
        sdf, np.meshgrid(*samples, indexing="ij"), order=3, mode="nearest"
    )
    return truncated_distance(values), long_axis


def truncated_distance(values: np.ndarray) -> np.ndarray:
    """TSDF (32, 32, 32) float32 of the zero level set of `values` (32, 32, 32).

    To the plane at the nearest vertex, where the surface goes on there: vertices of a smooth
    surface are at most sqrt(2 / 3) samples aside of its points.
    """
    if values.min() >= 0:
        return np.full(values.shape, TRUNCATION, np.float32)
    vertices, _, normals, _ = measure.marching_cubes(values, 0.0)
    width = 2 * int(TRUNCATION / SAMPLE + 1) + 1
    band = ndimage.minimum_filter(values, width) * ndimage.maximum_filter(values, width) < 0
    points = np.argwhere(band)
    near, index = spatial.cKDTree(vertices).query(points)
    height = ((points - vertices[index]) * normals[index]).sum(1)
    aside = np.maximum(near**2 - height**2 - 2 / 3, 0)
    distance = np.full(values.shape, TRUNCATION)
    distance[band] = np.minimum(np.sqrt(height**2 + aside) * SAMPLE, TRUNCATION)
    return np.copysign(distance, values).astype(np.float32)
