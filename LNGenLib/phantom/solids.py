"""Implicit solids: signed distances in template millimeters (LPS), and tubes made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PchipInterpolator

STEP = 7.0  # mm, of the capsules of a tube


@dataclass(frozen=True)
class Solid:
    """An implicit solid: signed distance (mm, negative inside) and its bounding box (LPS mm)."""

    distance: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    low: np.ndarray
    high: np.ndarray

    def mirrored(self, side: int) -> Solid:
        """The solid itself for side 1 (left), its mirror image in x = 0 for side -1 (right)."""
        if side == 1:
            return self
        ends = np.array([self.low, self.high]) * np.array([-1, 1, 1], np.float32)
        return Solid(lambda x, y, z: self.distance(-x, y, z), ends.min(0), ends.max(0))

    def within(self, other: Solid, growth: float = 0.0) -> Solid:
        """The part of the solid that lies in another, grown by some mm."""
        return Solid(
            lambda *point: np.maximum(self.distance(*point), other.distance(*point) - growth),
            self.low,
            self.high,
        )


def ellipsoid(center: ArrayLike, radii: ArrayLike) -> Solid:
    """Axis-aligned ellipsoid, in mm; its distance is exact to first order at the surface."""
    c, r = np.array(center, np.float32), np.array(radii, np.float32)

    def distance(*point):
        scaled = [(p - q) / s for p, q, s in zip(point, c, r)]
        norm = np.maximum(np.sqrt(sum(u * u for u in scaled)), 1e-3)
        slope = np.sqrt(sum((u / s) ** 2 for u, s in zip(scaled, r)))
        return norm * (norm - 1) / np.maximum(slope, 1e-3 / r.min())

    return Solid(distance, c - r, c + r)


def bowl(center: ArrayLike, radius: float, opening: ArrayLike) -> Solid:
    """Ball, in mm, of which the half toward the direction ``opening`` is cut away."""
    c = np.array(center, np.float32)
    n = np.array(opening, np.float32) / np.linalg.norm(np.array(opening, float))

    def distance(*point):
        offset = [p - q for p, q in zip(point, c)]
        ball = np.sqrt(sum(u * u for u in offset)) - radius
        return np.maximum(ball, sum(u * m for u, m in zip(offset, n)))

    return Solid(distance, c - radius, c + radius)


def column(knots: ArrayLike, power: float) -> Solid:
    """Upright superelliptic column: center y and half axes a (x), b (y) by height in mm, as knots
    (n, 4) of z, y, a, b."""
    knots = np.array(knots, np.float32)
    knots = knots[np.argsort(knots[:, 0])]
    z, y, a, b = knots.T
    profile = PchipInterpolator(z, knots[:, 1:])

    def distance(px, py, pz):
        cy, ra, rb = np.moveaxis(profile(np.clip(pz, z[0], z[-1])).astype(np.float32), -1, 0)
        norm = (np.abs(px / ra) ** power + np.abs((py - cy) / rb) ** power) ** (1 / power)
        return np.maximum((norm - 1) * np.minimum(ra, rb), np.maximum(pz - z[-1], z[0] - pz))

    low, high = (-a.max(), (y - b).min(), z[0]), (a.max(), (y + b).max(), z[-1])
    return Solid(distance, np.array(low), np.array(high))


def capsule(start: ArrayLike, end: ArrayLike) -> Solid:
    """Round cone between two vertices (x, y, z, radius)."""
    ends = np.array([start, end], np.float32)
    (a, b), (ra, rb) = ends[:, :3], ends[:, 3]
    axis = (b - a) / max((b - a) @ (b - a), 1e-9)

    def distance(*point):
        offset = [p - q for p, q in zip(point, a)]
        t = np.clip(sum(u * m for u, m in zip(offset, axis)), 0, 1)
        gap = sum((u - t * m) ** 2 for u, m in zip(offset, b - a))
        return np.sqrt(gap) - (ra + t * (rb - ra))

    return Solid(distance, (ends[:, :3] - ends[:, 3:]).min(0), (ends[:, :3] + ends[:, 3:]).max(0))


def plate(*corners: ArrayLike) -> Solid:
    """Triangle thickened to the radius interpolated from its corners (x, y, z, radius)."""
    v = np.array(corners, np.float32)
    edges = [capsule(v[i], v[i - 1]) for i in range(3)]
    normal = np.cross(v[1, :3] - v[0, :3], v[2, :3] - v[0, :3])
    area, unit = normal @ normal, normal / np.linalg.norm(normal)
    weights = [
        np.cross(normal, v[1, :3] - v[0, :3]) / area,
        np.cross(v[2, :3] - v[0, :3], normal) / area,
    ]

    def distance(*point):
        rim = np.minimum.reduce([edge.distance(*point) for edge in edges])
        offset = [p - q for p, q in zip(point, v[0, :3])]
        t2, t1 = (sum(u * m for u, m in zip(offset, w)) for w in weights)
        radius = v[0, 3] + t1 * (v[1, 3] - v[0, 3]) + t2 * (v[2, 3] - v[0, 3])
        face = np.abs(sum(u * m for u, m in zip(offset, unit))) - radius
        return np.where((t1 >= 0) & (t2 >= 0) & (t1 + t2 <= 1), np.minimum(face, rim), rim)

    return Solid(distance, np.min([e.low for e in edges], 0), np.max([e.high for e in edges], 0))


def fan(hub: ArrayLike, *rim: ArrayLike) -> list[Solid]:
    """Plates between a hub and consecutive rim vertices (x, y, z, radius)."""
    return [plate(hub, a, b) for a, b in pairwise(rim)]


def tube(*vertices: ArrayLike, part: tuple[int, int] = (0, -1)) -> list[Solid]:
    """Capsules about ``STEP`` mm long along the spline through vertices (x, y, z, radius), of
    which those from the first to the last vertex of ``part`` are given."""
    v = np.array(vertices, np.float32)
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(v[:, :3], axis=0), axis=1))]
    places = np.linspace(0, along[-1], 2 + int(along[-1] / STEP))
    middles, nodes = (places[1:] + places[:-1]) / 2, PchipInterpolator(along, v)(places)
    first, last = (along[vertex] for vertex in part)
    inside = (first <= middles) & (middles <= last)
    return [capsule(a, b) for (a, b), kept in zip(pairwise(nodes), inside) if kept]
