"""Procedural contrast-enhanced pelvic CT with its organ labels.

The anatomy is a list of implicit shapes (``Part``) in template millimeters, LPS frame (x to the
patient's left, y posterior, z superior, origin at the middle of the field of view), painted in
order onto a canvas.  The canvas turns a signed distance into voxel occupancy, so that every
boundary carries the partial volume of the sampled grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import SimpleITK as sitk
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

FIELD_OF_VIEW = (380.0, 280.0, 220.0)  # mm, L4 to the ischial tuberosities
AIR, GAS, FAT, MUSCLE = -1000.0, -950.0, -102.0, 58.0  # HU
WARP_LIMIT = 6.0  # mm
SIDES = ((1, 0), (-1, 1))  # sign of x, label offset

# TotalSegmentator v2 'total'; of a pair the left is named, the right is the next number.
SMALL_BOWEL, COLON, BLADDER, PROSTATE = 18, 20, 21, 22
SACRUM, VERTEBRA_S1, VERTEBRA_L5, VERTEBRA_L4 = 25, 26, 27, 28
AORTA, VENA_CAVA, ILIAC_ARTERY, ILIAC_VENA = 52, 63, 65, 67
FEMUR, HIP = 75, 77
GLUTEUS_MAXIMUS, GLUTEUS_MEDIUS, GLUTEUS_MINIMUS, AUTOCHTHON, ILIOPSOAS = 80, 82, 84, 86, 88


Layer = tuple[float, "np.ndarray | float", int]  # growth (mm), HU, label


@dataclass(frozen=True)
class Phantom:
    """A synthetic pelvic CT and its organ labels, on one grid in the LPS frame."""

    ct: sitk.Image  # int16, HU
    labels: sitk.Image  # uint8, TotalSegmentator v2 'total' numbering, 0 where unlabeled


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
    """Axis-aligned ellipsoid; its distance is exact to first order at the surface."""
    c, r = np.array(center, np.float32), np.array(radii, np.float32)

    def distance(*point):
        scaled = [(p - q) / s for p, q, s in zip(point, c, r)]
        norm = np.maximum(np.sqrt(sum(u * u for u in scaled)), 1e-3)
        slope = np.sqrt(sum((u / s) ** 2 for u, s in zip(scaled, r)))
        return norm * (norm - 1) / np.maximum(slope, 1e-3 / r.min())

    return Part(distance, c - r, c + r)


def bowl(center: Iterable[float], radius: float, opening: Iterable[float]) -> Part:
    """Ball of which the half toward the direction ``opening`` is cut away."""
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


class Canvas:
    """HU and labels on a grid, in array order (z, y, x), over warped template coordinates."""

    def __init__(
        self,
        size: tuple[int, ...],
        spacing: tuple[float, ...],
        scale: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        self.spacing, self.scale = spacing, scale
        self.axes = [
            ((np.arange(n) - (n - 1) / 2) * s).astype(np.float32) for n, s in zip(size, spacing)
        ]
        x, y, z = (axis / np.float32(s) for axis, s in zip(self.axes, scale))
        warp = [np.clip(2.0 * self.texture(rng, 45.0), -WARP_LIMIT, WARP_LIMIT) for _ in range(2)]
        self.points = (x + warp[0], y[:, None] + warp[1], z[:, None, None])
        self.hu = np.full(size[::-1], AIR, np.float32)
        self.labels = np.zeros(size[::-1], np.uint8)

    def texture(self, rng: np.random.Generator, *period: float) -> np.ndarray:
        """Smooth random field of about unit variance, correlated over ``period`` mm (x, y, z)."""
        field = rng.standard_normal((64, 64, 64), np.float32) * 3
        for axis, p in zip(self.axes, np.broadcast_to(period, 3)):
            cell, t = np.divmod(axis / np.float32(p), 1)
            t = t[:, None]
            spline = (
                np.hstack(
                    [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
                )
                / 6
            )
            weights = np.zeros((len(axis), 64), np.float32)
            nodes = (cell.astype(int)[:, None] + np.arange(4)) % 64
            np.put_along_axis(weights, nodes, spline, 1)
            field = np.tensordot(weights, field, (1, 2))  # contracts x, then y, then z
        return field

    def paint(
        self, parts: Iterable[Part], *layers: Layer, blend: float = 0.0, side: int = 1
    ) -> None:
        """Paint the union of parts as nested layers, outermost first.

        ``blend`` is the range in mm over which the parts melt into one another; side -1 paints
        the mirror image on the right.
        """
        parts = [part.mirrored(side) for part in parts]
        # Beyond its reach a distance cannot color a voxel; the field is clamped there.
        reach = max(growth for growth, *_ in layers) + 1.5 * max(self.spacing) + 2
        pad = reach + blend + WARP_LIMIT
        box = self._box(
            np.min([p.low for p in parts], 0) - pad, np.max([p.high for p in parts], 0) + pad
        )
        field = np.full([s.stop - s.start for s in box], reach, np.float32)
        if min(field.shape) < 2:
            return
        for part in parts:
            sub = self._box(part.low - pad, part.high + pad)
            local = field[
                tuple(slice(s.start - b.start, s.stop - b.start) for s, b in zip(sub, box))
            ]
            if local.size:
                local[...] = _smooth_minimum(local, part.distance(*self._coordinates(sub)), blend)
        # The distance change over one voxel is the width of the voxel's footprint along the normal.
        width = np.sqrt(sum(g * g for g in np.gradient(field)))
        np.maximum(width, 0.5 * min(self.spacing), out=width)
        hu, labels = self.hu[box], self.labels[box]
        below = hu.copy()
        for growth, value, label in layers:
            value = value[box] if isinstance(value, np.ndarray) else np.float32(value)
            hu += np.clip(0.5 - (field - growth) / width, 0, 1) * (value - below)
            labels[field <= growth] = label
            below = value

    def _box(self, low: np.ndarray, high: np.ndarray) -> tuple[slice, ...]:
        """Index box (z, y, x) of the template box low..high (mm)."""
        bounds = [
            np.searchsorted(axis, (lo * s, hi * s))
            for axis, lo, hi, s in zip(self.axes, low, high, self.scale)
        ]
        return tuple(slice(int(lo), int(hi)) for lo, hi in reversed(bounds))

    def _coordinates(self, box: tuple[slice, ...]) -> list[np.ndarray]:
        x, y, z = self.points
        return [x[box], y[box], z[box[0]]]


def _smooth_minimum(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    """Minimum of two distances, rounded where they differ by less than ``blend`` mm."""
    low = np.minimum(a, b)
    return low - np.maximum(blend - np.abs(a - b), 0) ** 2 / (4 * blend) if blend else low


class Tissues:
    """Heterogeneous tissues of one patient, in HU on the canvas grid."""

    def __init__(self, canvas: Canvas, rng: np.random.Generator) -> None:
        def texture(*period: float) -> np.ndarray:
            return canvas.texture(rng, *period)

        septa = np.exp(-((texture(12.0, 12.0, 18.0) / 0.08) ** 2))
        self.fat = FAT + 3 * texture(25.0) + 28 * septa * np.clip(texture(16.0), 0, 1)
        streaks = np.clip(texture(11.0, 3.5, 11.0) - 1.2 + 0.3 * texture(30.0), 0, 1)
        self.muscle = MUSCLE + 4 * texture(20.0) - 55 * streaks
        self.marrow = 210 + 35 * texture(6.0)
        self.stool = 25 + 30 * texture(5.0) - 500 * np.clip(texture(4.0) - 1.2, 0, 1)
        self.artery, self.vein = rng.uniform(140, 175), rng.uniform(116, 134)

    def organ(self, tissue: np.ndarray | float, label: int = 0, plane: float = 1.0) -> tuple:
        """Layers of an organ in a fat plane ``plane`` mm thick."""
        return (plane, self.fat, 0), (0.0, tissue, label)

    def bone(self, label: int, cortex: float = 1.8) -> tuple[Layer, Layer]:
        """Layers of a bone with a cortical shell ``cortex`` mm thick."""
        return (0.0, 850.0, label), (-cortex, self.marrow, label)


def pelvic_phantom(
    seed: int = 0,
    spacing: tuple[float, float, float] = (1.0, 1.0, 2.5),
    size: tuple[int, int, int] | None = None,
) -> Phantom:
    """Paint the pelvis of ``seed`` on a grid of ``spacing`` (mm) and ``size`` (voxels; x, y, z).

    The anatomy depends on the seed only, not on the grid; the grid is centered on the LPS origin,
    and without ``size`` it covers ``FIELD_OF_VIEW``.
    """
    size = size or tuple(round(length / s) for length, s in zip(FIELD_OF_VIEW, spacing))
    anatomy, noise = (np.random.default_rng([seed, stream]) for stream in range(2))
    canvas = Canvas(size, spacing, anatomy.uniform((0.95, 0.95, 0.96), (1.03, 1.03, 1.04)), anatomy)
    tissues = Tissues(canvas, anatomy)
    for paint in (
        _paint_envelopes,
        _paint_bowel,
        _paint_muscles,
        _paint_spine,
        _paint_hips,
        _paint_vessels,
        _paint_bladder,
    ):
        paint(canvas, tissues, anatomy)
    return Phantom(_image(_scan(canvas, noise), spacing), _image(canvas.labels, spacing))


def _scan(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Canvas HU seen by the scanner: in-plane point spread and correlated noise, as int16."""
    dx, dy, dz = canvas.spacing

    def blurred(volume: np.ndarray, sigma: float) -> np.ndarray:
        return gaussian_filter1d(gaussian_filter1d(volume, sigma / dx, 2), sigma / dy, 1)

    hu = blurred(canvas.hu, 0.5)
    grain = blurred(rng.standard_normal(hu.shape, np.float32), 0.6)
    grain -= 0.6 * blurred(grain, 1.2)  # the ramp filter takes low frequencies out of CT noise
    grain *= rng.uniform(8.0, 12.0) * np.sqrt(2.5 / dz) / grain.std()
    x, y, _ = canvas.axes
    depth = np.exp(-((x / 120) ** 2) - (y[:, None] / 90) ** 2)  # long ray paths: noisier center
    hu += grain * (0.75 + 0.5 * depth)
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)


def _image(array: np.ndarray, spacing: tuple[float, float, float]) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin([-(n - 1) / 2 * s for n, s in zip(image.GetSize(), spacing)])
    return image


# The anatomy. Vertices are (x, y, z, radius) in template mm; paired organs are given on the left.


def _wander(rng: np.random.Generator, *vertices: Iterable[float], sd: float = 1.5) -> np.ndarray:
    """Vertices with all but the ends displaced at random by ``sd`` mm."""
    path = np.array(vertices, float)
    path[1:-1, :3] += rng.normal(0, sd, path[1:-1, :3].shape)
    return path


def _paint_envelopes(canvas: Canvas, tissues: Tissues, rng: np.random.Generator) -> None:
    """Skin and subcutaneous fat, gluteal cleft, and the muscular wall of the pelvic cavity."""
    girth = rng.uniform(-8, 3)
    body = column(
        *np.transpose(
            (
                (400, 6, 158, 112),
                (130, 6, 158, 112),
                (60, 6, 166, 116),
                (-20, 9, 176, 118),
                (-80, 10, 178, 115),
                (-140, 10, 170, 108),
                (-400, 10, 170, 108),
            )
        ),
        2.25,
    )
    canvas.paint([body], (girth, 15, 0), (girth - 2, tissues.fat, 0))
    cleft = fan(
        (0, 165, -60, 14),
        (0, 160, 20, 8),
        (0, 124, -12, 0.5),
        (0, 106, -60, 0.8),
        (0, 108, -150, 0.8),
        (0, 170, -150, 16),
    )
    canvas.paint(cleft, (0, AIR, 0))
    z, y, a, b, wall = np.transpose(
        (
            (130, -20, 125, 70, 8),
            (80, -20, 122, 70, 8),
            (40, -16, 112, 70, 8),
            (0, -4, 84, 72, 6),
            (-40, -2, 50, 70, 5),
            (-75, 3, 44, 53, 3.5),
            (-104, 12, 14, 32, 3),
        )
    )
    canvas.paint([column(z - (z < -100) * 3, y, a + wall, b + wall, 2.2)], (0, tissues.muscle, 0))
    canvas.paint([column(z, y, a, b, 2.2)], (0, tissues.fat, 0))


def _paint_bowel(canvas: Canvas, tissues: Tissues, rng: np.random.Generator) -> None:
    """Mesorectum, rectum and sigmoid, cecum, small bowel and its mesenteric vessels."""
    radius = rng.uniform(12, 17)
    rectum = _wander(
        rng,
        (0, 52, -125, 11),
        (0, 46, -104, 11),
        (0, 30, -84, 12),
        (2, 37, -65, radius),
        (-4, 40, -42, radius + 2),
        (4, 33, -15, radius),
        (0, 20, 8, radius - 1),
        (8, 4, 26, 13),
        (26, -14, 30, 12),
        (30, -36, 22, 12),
        (48, -46, 34, 12),
        (72, -42, 50, 12),
        (98, -32, 72, 13),
        (108, -10, 100, 14),
        (110, 5, 150, 14),
    )
    cecum = _wander(
        rng,
        (-90, -50, 30, 14),
        (-96, -46, 46, 19),
        (-100, -40, 62, 18),
        (-104, -30, 80, 21),
        (-104, -24, 96, 18),
        (-106, -15, 112, 21),
        (-106, -10, 150, 19),
    )
    mesorectum = rectum[2:8] + np.array(  # posterior shift and fat around the rectum
        [(0, 0, 0, 2), (0, 3, 0, 9), (0, 7, 0, 17), (0, 7, 0, 17), (0, 7, 0, 15), (0, 5, 0, 8)]
    )
    canvas.paint(tube(*mesorectum), (0.6, -30, 0), (-0.6, tissues.fat, 0))  # fascia, then fat
    ileum = _wander(
        rng,
        *(
            (x, rng.uniform(-66, -20), z + rng.uniform(-9, 9), 10.5)
            for row, z in enumerate(range(24, 134, 21))
            for x in np.linspace(-62, 50, 6)[:: (-1) ** row]
        ),
        sd=4,
    )
    for node in ileum[::3]:
        canvas.paint(tube((8, -14, 118, 1.8), (0, -20, 90, 1.8), (*node[:3], 1)), (0, 115, 0))
    canvas.paint(tube(*ileum), *tissues.organ(75, SMALL_BOWEL), (-2.5, 22, SMALL_BOWEL))
    for path, first, count in ((rectum, rng.integers(3, 6), 5), (cecum, 2, 3)):
        gas = path[first : first + count] * (1, 1, 1, rng.uniform(0.35, 0.6)) - (0, 4, 0, 0)
        canvas.paint(tube(*path), *tissues.organ(48, COLON), (-3.5, tissues.stool, COLON))
        canvas.paint(tube(*gas), (0, GAS, COLON))


def _paint_muscles(canvas: Canvas, tissues: Tissues, rng: np.random.Generator) -> None:
    """Muscles of each side, from the deep wall of the pelvis out to thigh and buttock."""
    rectus = fan(
        (30, -92, 150, 4),
        (12, -93, 150, 3),
        (9, -83, 0, 3.5),
        (8, -70, -66, 4),
        (24, -72, -60, 4),
        (54, -84, 40, 3.5),
        (56, -88, 150, 3.5),
    )
    erector = tube(
        (23, 73, 150, 19), (23, 75, 80, 18), (22, 84, 45, 13), (18, 93, 10, 6), (14, 94, -10, 4)
    )
    erector += tube((50, 72, 150, 18), (48, 74, 80, 16), (34, 84, 40, 8))
    quadratus_lumborum = fan((68, 50, 100, 6), (70, 60, 75, 7), (56, 40, 140, 7), (84, 40, 140, 6))
    obturator_internus = fan(
        (54, 4, -62, 6),
        (57, 6, -32, 4),
        (55, 34, -48, 6),
        (52, 28, -100, 7),
        (44, -36, -96, 4),
        (52, -34, -70, 4),
        (57, 6, -32, 4),
    )
    piriformis = tube((30, 66, 8, 7), (52, 66, -10, 10), (84, 56, -34, 10), (130, 28, -66, 4))
    obturator_externus = tube((38, -30, -94, 10), (80, 4, -98, 11), (116, 20, -88, 5))
    quadratus_femoris = [capsule((76, 30, -106, 9), (122, 26, -104, 9))]
    pectineus = fan((30, -62, -80, 7), (46, -64, -70, 7), (106, -18, -118, 10), (66, -36, -120, 11))
    adductors = tube((18, -46, -98, 9), (46, -30, -116, 20), (60, -20, -150, 26))
    vastus = tube((146, -8, -84, 10), (144, -14, -108, 18), (138, -12, -150, 23))
    rectus_femoris = tube(
        (104, -38, -22, 7), (114, -47, -55, 13), (116, -50, -110, 17), (114, -52, -150, 17)
    )
    sartorius = tube((122, -56, 30, 5), (116, -60, -30, 7), (98, -72, -75, 9), (84, -76, -150, 9))
    tensor = fan(
        (142, -46, -30, 9),
        (130, -50, 36, 5),
        (132, -60, -70, 6),
        (146, -50, -110, 6),
        (156, -22, -100, 5),
        (152, -24, -40, 7),
        (130, -50, 36, 5),
    )
    minimus = fan(
        (112, 12, 0, 8),
        (98, 36, 8, 5),
        (114, 22, 44, 5),
        (118, -20, 34, 5),
        (118, -26, -14, 9),
        (134, -10, -60, 8),
        (114, 30, -24, 7),
        (98, 36, 8, 5),
    )
    medius = fan(
        (125, 18, 28, 13),
        (80, 71, 66, 6),
        (124, 32, 84, 5),
        (142, -14, 66, 6),
        (136, -40, 38, 6),
        (140, -22, -30, 12),
        (149, 8, -60, 8),
        (132, 36, -34, 12),
        (91, 63, 18, 10),
        (80, 71, 66, 6),
    )
    maximus = fan(
        (86, 82, -38, 15),
        (54, 90, 40, 8),
        (26, 88, 8, 7),
        (20, 84, -44, 8),
        (36, 82, -84, 13),
        (76, 74, -122, 17),
        (126, 50, -122, 11),
        (142, 44, -66, 8),
        (112, 72, -8, 11),
        (54, 90, 40, 8),
    )
    psoas = tube(
        (38, 16, 150, 21),
        (44, 12, 90, 20),
        (54, -2, 55, 19),
        (68, -18, 20, 17),
        (82, -36, -20, 15),
        (91, -43, -55, 14),
        (98, -28, -85, 12),
        (108, -4, -112, 9),
    )
    iliacus = fan(
        (90, 6, 42, 8),
        (88, 34, 58, 5),
        (106, 24, 74, 4),
        (120, -14, 58, 5),
        (112, -40, 34, 6),
        (92, -36, -8, 11),
        (70, 10, 18, 6),
        (88, 34, 58, 5),
    )
    unlabeled = (
        rectus,
        quadratus_lumborum,
        obturator_internus,
        piriformis,
        obturator_externus,
        quadratus_femoris,
        pectineus,
        adductors,
        vastus,
        rectus_femoris,
        sartorius,
        tensor,
    )
    labeled = (
        (erector, AUTOCHTHON),
        (minimus, GLUTEUS_MINIMUS),
        (medius, GLUTEUS_MEDIUS),
        (maximus, GLUTEUS_MAXIMUS),
        (psoas + iliacus, ILIOPSOAS),
    )
    for side, right in SIDES:
        for muscle in unlabeled:
            canvas.paint(muscle, *tissues.organ(tissues.muscle), blend=6, side=side)
        for muscle, label in labeled:
            canvas.paint(muscle, *tissues.organ(tissues.muscle, label + right), blend=6, side=side)


def _paint_spine(canvas: Canvas, tissues: Tissues, rng: np.random.Generator) -> None:
    """Disks, L4, L5 and the sacrum with its canal and foramina."""
    canvas.paint(
        [ellipsoid((0, 26, 57), (23, 17, 9)), ellipsoid((0, 20, 93), (23, 17, 8))], (0, 85, 0)
    )
    for z, label in ((75, VERTEBRA_L5), (112, VERTEBRA_L4)):
        body = column((z - 13, z, z + 13), (23, 22, 21), (26, 23, 26), (18, 16, 18), 2.3)
        arch = [
            capsule((14, 34, z + 4, 5), (17, 52, z, 6)),
            capsule((17, 52, z, 6), (0, 66, z - 4, 4)),
            capsule((17, 42, z + 2, 5), (46, 44, z + 2, 3.5)),
        ]
        arch += [part.mirrored(-1) for part in arch]
        spinous = capsule((0, 66, z - 4, 4), (0, 88, z - 9, 4))
        canvas.paint([body, *arch, spinous], *tissues.bone(label, 1.5), blend=3)
    s1, s2, s3, s4 = (0, 35, 43, 15), (0, 53, 21, 11), (0, 67, 0, 9), (0, 75, -22, 7)
    ala, ala2, edge3, edge4 = (42, 48, 40, 13), (40, 59, 18, 11), (34, 69, -2, 8), (24, 76, -22, 6)
    half = [
        plate(s1, ala, ala2),
        plate(s1, s2, ala2),
        plate(s2, ala2, edge3),
        plate(s2, s3, edge3),
        plate(s3, edge3, edge4),
        plate(s3, s4, edge4),
        plate(s4, edge4, (6, 76, -42, 5)),
        plate((30, 66, 40, 5), (0, 76, 44, 4), (10, 88, -8, 4)),
    ]
    crest = tube((0, 78, 44, 4), (0, 90, 22, 6), (0, 92, -6, 5))
    coccyx = tube((0, 75, -22, 6), (0, 76, -42, 5), (0, 70, -56, 4), (0, 60, -66, 3))
    sacrum = half + [part.mirrored(-1) for part in half] + crest + coccyx
    canvas.paint(sacrum, *tissues.bone(SACRUM), blend=5)
    above_s2 = canvas.points[2] - 0.8 * canvas.points[1] > -3.5
    canvas.labels[above_s2 & (canvas.labels == SACRUM)] = VERTEBRA_S1
    canal = tube((0, 48, 150, 9), (0, 47, 75, 9), (0, 58, 45, 8), (0, 72, 18, 6), (0, 82, -8, 3))
    canvas.paint(canal, (0, -20, 0), (-2, 20, 0))
    for front, back in (
        ((22, 44, 24, 4), (20, 74, 18, 3)),
        ((20, 58, 6, 4), (17, 75, 2, 3)),
        ((16, 66, -12, 4), (14, 76, -14, 3)),
    ):
        for side, _ in SIDES:
            canvas.paint([capsule(front, back)], (0, tissues.fat, 0), (-2, 35, 0), side=side)


def _paint_hips(canvas: Canvas, tissues: Tissues, rng: np.random.Generator) -> None:
    """Hip bones and femora with the cartilage between, and the pubic symphysis."""
    head = (91, -2, -60)
    psis, arcuate = (48, 84, 36, 7), (66, 32, 5, 9)
    spine, roof = (102, -36, -12, 9), (91, 0, -28, 11)
    hip = fan(
        (101, 10, 42, 2.8),
        psis,
        (74, 64, 74, 5),
        (114, 26, 90, 5),
        (131, -18, 70, 6),
        (123, -50, 42, 6),
        spine,
        roof,
        arcuate,
        psis,
    )
    hip += [
        plate(arcuate, roof, (80, 34, -50, 13)),
        plate(roof, spine, (84, -24, -48, 9)),
        bowl(head, 32, (0.85, -0.2, -0.45)),
        capsule((76, 40, -48, 8), (56, 47, -53, 3)),
    ]
    hip += tube(
        arcuate, (85, 32, -40, 11), (80, 34, -62, 12), (66, 34, -96, 13), (62, 26, -114, 10)
    )
    hip += tube((80, -26, -50, 9), (46, -48, -63, 6.5), (14, -58, -76, 8))
    hip += tube((13, -52, -96, 6), (34, -22, -108, 6), (60, 22, -114, 8))
    hip += [ellipsoid((12, -56, -86), (9, 9, 17))]
    femur = [
        ellipsoid(head, (23, 23, 23)),
        capsule((*head, 15), (124, 12, -84, 14)),
        ellipsoid((138, 20, -80), (14, 16, 22)),
    ]
    femur += tube((128, 10, -92, 18), (127, 8, -112, 15), (122, 6, -150, 14))
    for side, right in SIDES:
        # Cartilage round the hip bone keeps the sacroiliac joint open, a ball of it the hip joint.
        canvas.paint(hip, (1.6, 70, 0), *tissues.bone(HIP + right), blend=5, side=side)
        canvas.paint([ellipsoid(head, (26, 26, 26))], (0, 70, 0), side=side)
        canvas.paint(femur, *tissues.bone(FEMUR + right), blend=5, side=side)
    canvas.paint([capsule((0, -56, -76, 3), (0, -54, -96, 3))], (0, 80, 0))


def _paint_vessels(canvas: Canvas, tissues: Tissues, rng: np.random.Generator) -> None:
    """Great and iliac vessels with their small branches, sciatic nerves, ureters and cords."""
    fork, groin, root = (42, 12, 46, 5), (70, -62, -60, 4.8), (45, 30, -22, 2.6)
    confluence, groin_vein = (41, 24, 45, 6), (60, -58, -58, 6)
    trees = [
        (tube((8, -8, 150, 9), (8, -9, 100, 8)), AORTA, tissues.artery, 1),
        (tube((-15, 0, 150, 10), (-14, -3, 84, 9)), VENA_CAVA, tissues.vein, 1),
    ]
    for side, right in SIDES:
        veins = [
            ((-14 * side, -3, 84, 8), (24, 8, 62, 6.5), confluence),
            (confluence, (50, 10, 20, 6), (52, -11, -5, 6), (55, -32, -32, 6), groin_vein),
            (confluence, (47, 42, 22, 5), (49, 51, 0, 4.5), (46, 38, -24, 3.5), (43, 20, -46, 2.5)),
        ]
        arteries = [
            ((8 * side, -9, 100, 6.5), (20, -7, 80, 5.8), (33, 3, 61, 5.2), fork),
            (fork, (48, -7, 22, 4.6), (53, -28, -5, 4.4), (61, -46, -32, 4.4), groin),
            (fork, (40, 32, 24, 4), (44, 42, 4, 3.5), root, (42, 12, -46, 1.8)),
            ((40, 32, 24, 3.5), (56, 56, -4, 3), (84, 60, -10, 2.2)),
        ]
        twigs = [
            (root, (47, -4, -40, 1.4), (50, -32, -64, 1.2)),
            (root, (34, 2, -44, 1.2), (22, -24, -58, 1)),
            (root, (38, 34, -44, 1.3), (20, 40, -54, 1)),
            (root, (44, 40, -50, 1.4), (40, 44, -90, 1.2)),
        ]
        femoral_vein = (groin_vein, (64, -64, -84, 6), (70, -56, -150, 5))
        femoral_artery = (groin, (75, -68, -84, 4.8), (78, -62, -150, 4.5))
        for paths, label, hu in (
            (twigs, 0, tissues.vein),
            ([femoral_vein], 0, tissues.vein),
            ([femoral_artery], 0, tissues.artery),
            (veins, ILIAC_VENA + right, tissues.vein),
            (arteries, ILIAC_ARTERY + right, tissues.artery),
        ):
            parts = [part for path in paths for part in tube(*_wander(rng, *path))]
            trees.append((parts, label, hu, side))
        sciatic = tube((66, 46, -42, 5), (70, 50, -56, 5), (92, 46, -80, 5), (96, 40, -150, 5))
        ureter = tube(
            *_wander(
                rng,
                (36, -8, 150, 2),
                (36, -13, 100, 2),
                (35, -14, 62, 2),
                (36, 1, 46, 2),
                (40, 20, 10, 2),
                (38, 8, -30, 2),
                (18, -16, -54, 2),
            )
        )
        cord = tube((72, -58, -20, 2.5), (48, -70, -58, 3), (30, -78, -80, 4), (16, -84, -130, 6))
        for parts in (sciatic, ureter, cord):
            canvas.paint(parts, (0, 38, 0), side=side)
    superior_rectal = _wander(
        rng, (6, -6, 90, 2), (6, 0, 54, 2), (8, 24, 22, 1.8), (9, 47, -8, 1.6), (8, 54, -36, 1.2)
    )
    trees.append((tube(*superior_rectal), 0, tissues.artery, 1))
    for parts, _, _, side in trees:  # all sheaths first, so that none cuts into another's lumen
        canvas.paint(parts, (1, tissues.fat, 0), side=side)
    for parts, label, hu, side in trees:
        canvas.paint(parts, (0, hu, label), side=side)


def _paint_bladder(canvas: Canvas, tissues: Tissues, rng: np.random.Generator) -> None:
    """Prostate, seminal vesicles, urinary bladder and perineum."""
    fill = rng.uniform(0.85, 1.1)
    canvas.paint([ellipsoid((0, -30, -112), (13, 20, 12))], *tissues.organ(50))
    canvas.paint([ellipsoid((0, -8, -86), (23, 18, 17))], *tissues.organ(48, PROSTATE))
    for side, _ in SIDES:
        canvas.paint([capsule((5, -1, -63, 5), (30, 6, -56, 6))], *tissues.organ(40), side=side)
    bladder = [ellipsoid((2, -36, -52), np.array((36, 27, 24)) * fill)]
    canvas.paint(bladder, *tissues.organ(42, BLADDER), (-3, 5, BLADDER))
