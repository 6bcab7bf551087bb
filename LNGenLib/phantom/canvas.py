"""The canvas that turns solids into voxels with partial volume, and the tissues painted on it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from LNGenLib.phantom.solids import Solid

AIR, GAS, FAT, MUSCLE = -1000.0, -950.0, -102.0, 58.0  # HU
WARP_LIMIT = 6.0  # mm
SIDES = ((1, 0), (-1, 1))  # of what is paired: sign of x, what is added to the left's label
# What the canvas knows besides the organs: LUMEN is added to the label of a bowel for its content;
# a fat plane leaves pelvic fat what it is, and makes none of what is not; of the muscles
# TotalSegmentator names a few only.
UNNAMED_MUSCLE, FAT_PLANE, PELVIC_FAT, LUMEN = 125, 126, 127, 128

Layer = tuple[float, np.ndarray | float, int]  # growth (mm), HU, label


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
            inner = 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1
            spline = np.hstack([(1 - t) ** 3, *inner, t**3]) / 6
            weights = np.zeros((len(axis), 64), np.float32)
            nodes = (cell.astype(int)[:, None] + np.arange(4)) % 64
            np.put_along_axis(weights, nodes, spline, 1)
            field = np.tensordot(weights, field, (1, 2))  # contracts x, then y, then z
        return field

    def paint(
        self, solids: Iterable[Solid], *layers: Layer, blend: float = 0.0, side: int = 1
    ) -> None:
        """Paint the union of solids as nested layers, outermost first.

        ``blend`` is the range in mm over which the solids melt into one another; side -1 paints
        the mirror image on the right.
        """
        solids = [solid.mirrored(side) for solid in solids]
        # Beyond its reach a distance cannot color a voxel; the field is clamped there.
        reach = max(growth for growth, *_ in layers) + 1.5 * max(self.spacing) + 2
        pad = reach + blend + WARP_LIMIT
        box = self._box(
            np.min([solid.low for solid in solids], 0) - pad,
            np.max([solid.high for solid in solids], 0) + pad,
        )
        field = np.full([s.stop - s.start for s in box], reach, np.float32)
        if min(field.shape) < 2:
            return
        for solid in solids:
            sub = self._box(solid.low - pad, solid.high + pad)
            local = field[
                tuple(slice(s.start - b.start, s.stop - b.start) for s, b in zip(sub, box))
            ]
            if local.size:
                local[...] = _smooth_minimum(local, solid.distance(*self._coordinates(sub)), blend)
        # The distance change over one voxel is the width of the voxel's footprint along the normal.
        width = np.sqrt(sum(g * g for g in np.gradient(field)))
        np.maximum(width, 0.5 * min(self.spacing), out=width)
        hu, labels = self.hu[box], self.labels[box]
        below: np.ndarray = hu.copy()
        pelvic_fat = (labels == PELVIC_FAT) * np.uint8(PELVIC_FAT)
        for growth, value, label in layers:
            tissue = np.asarray(value, np.float32)
            tissue = tissue[box] if tissue.ndim else tissue
            hu += np.clip(0.5 - (field - growth) / width, 0, 1) * (tissue - below)
            inside = field <= growth
            labels[inside] = pelvic_fat[inside] if label == FAT_PLANE else label
            below = tissue

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

    def organ(self, tissue: np.ndarray | float, label: int = 0) -> tuple[Layer, Layer]:
        """Layers of an organ of HU ``tissue`` (z, y, x) in a fat plane 1 mm thick."""
        return (1.0, self.fat, FAT_PLANE), (0.0, tissue, label)

    def bone(self, label: int, cortex: float = 1.8) -> tuple[Layer, Layer]:
        """Layers of a bone with a cortical shell ``cortex`` mm thick."""
        return (0.0, 850.0, label), (-cortex, self.marrow, label)
