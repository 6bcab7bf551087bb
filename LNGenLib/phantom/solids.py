"""Implicit solids: signed distances in template millimeters (LPS), and tubes made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.interpolate import PchipInterpolator


@dataclass(frozen=True)
class Part:
    """An implicit solid: signed distance (mm, negative inside) and its bounding box (LPS mm)."""

    distance: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    low: np.ndarray
    high: np.ndarray

    def mirrored(self, side: int) -> Part:
        """The part itself for side 1 (left), its mirror image in x = 0 for side -1 (right)."""
        if side == 1:
            return self
        x = sorted((-self.low[0], -self.high[0]))
        return Part(
            lambda x, y, z: self.distance(-x, y, z),
            np.array([x[0], *self.low[1:]]),
            np.array([x[1], *self.high[1:]]),
        )


def ellipsoid(center: Iterable[float], radii: Iterable[float]) -> Part:
    """Axis-aligned ellipsoid, in mm; its distance is exact to first order at the surface."""
    c, r = np.array(center, np.float32), np.array(radii, np.float32)

    def distance(*point):
        scaled = [(p - q) / s for p, q, s in zip(point, c, r)]
        norm = np.maximum(np.sqrt(sum(u * u for u in scaled)), 1e-3)
        slope = np.sqrt(sum((u / s) ** 2 for u, s in zip(scaled, r)))
        return norm * (norm - 1) / np.maximum(slope, 1e-3 / r.min())

    return Part(distance, c - r, c + r)


def bowl(center: Iterable[float], radius: float, opening: Iterable[float]) -> Part:
    """Ball, in mm, of which the half toward the direction ``opening`` is cut away."""
    c = np.array(center, np.float32)
    n = np.array(opening, np.float32) / np.linalg.norm(opening)

    def distance(*point):
        offset = [p - q for p, q in zip(point, c)]
        ball = np.sqrt(sum(u * u for u in offset)) - radius
        return np.maximum(ball, sum(u * m for u, m in zip(offset, n)))

    return Part(distance, c - radius, c + radius)


def column(
    z: Iterable[float],
    y: Iterable[float],
    a: Iterable[float],
    b: Iterable[float],
    power: float = 2.0,
) -> Part:
    """Upright superelliptic column: center y and half axes a (x), b (y) given at knots in z."""
    z, y, a, b = (np.array(v, np.float32) for v in (z, y, a, b))
    order = np.argsort(z)
    z, profile = z[order], PchipInterpolator(z[order], np.stack([y, a, b], -1)[order])

    def distance(px, py, pz):
        cy, ra, rb = np.moveaxis(profile(np.clip(pz, z[0], z[-1])).astype(np.float32), -1, 0)
        norm = (np.abs(px / ra) ** power + np.abs((py - cy) / rb) ** power) ** (1 / power)
        return np.maximum((norm - 1) * np.minimum(ra, rb), np.maximum(pz - z[-1], z[0] - pz))

    return Part(
        distance,
        np.array([-a.max(), (y - b).min(), z[0]]),
        np.array([a.max(), (y + b).max(), z[-1]]),
    )


def capsule(start: Iterable[float], end: Iterable[float]) -> Part:
    """Round cone between two vertices (x, y, z, radius)."""
    ends = np.array([start, end], np.float32)
    (a, b), (ra, rb) = ends[:, :3], ends[:, 3]
    axis = (b - a) / max((b - a) @ (b - a), 1e-9)

    def distance(*point):
        offset = [p - q for p, q in zip(point, a)]
        t = np.clip(sum(u * m for u, m in zip(offset, axis)), 0, 1)
        gap = sum((u - t * m) ** 2 for u, m in zip(offset, b - a))
        return np.sqrt(gap) - (ra + t * (rb - ra))

    return Part(distance, (ends[:, :3] - ends[:, 3:]).min(0), (ends[:, :3] + ends[:, 3:]).max(0))


def plate(*corners: Iterable[float]) -> Part:
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

    return Part(distance, np.min([e.low for e in edges], 0), np.max([e.high for e in edges], 0))


def fan(hub: Iterable[float], *rim: Iterable[float]) -> list[Part]:
    """Plates between a hub and consecutive rim vertices (x, y, z, radius)."""
    return [plate(hub, a, b) for a, b in pairwise(rim)]


def tube(*vertices: Iterable[float], step: float = 7.0) -> list[Part]:
    """Capsules about ``step`` mm long along the spline through vertices (x, y, z, radius)."""
    v = np.array(vertices, np.float32)
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(v[:, :3], axis=0), axis=1))]
    nodes = PchipInterpolator(along, v)(np.linspace(0, along[-1], 2 + int(along[-1] / step)))
    return [capsule(a, b) for a, b in pairwise(nodes)]
