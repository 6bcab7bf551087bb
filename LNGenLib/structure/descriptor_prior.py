"""Which descriptors new shapes are drawn by."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from LNGenLib.errors import InputError
from LNGenLib.randomness import node_rng
from LNGenLib.structure.descriptors import AXIS_RATIO, DESCRIPTORS, IRREGULARITY, MOMENTS
from LNGenLib.structure.shape_range import ShapeRange
from LNGenLib.structure.surface import LEAST_SOLIDITY

SCATTER = 0.3  # of drawn descriptors round a known shape's, in SDs: more makes shapes rounder
WINDOW = 1.2  # shapes are drawn by known ones from a size / WINDOW to a size * WINDOW
FLATTER = 0.1  # than the least axis ratio asked for, that thickness may be
WIDEST = 2.0  # where a shape is asked for that none of those has, up to a size * WIDEST
CONGLOMERATES = 0.06  # their share, and the long axis in mm from which they are drawn
LEAST_CONGLOMERATE = 12.0


class DescriptorPrior(nn.Module):
    """Descriptors of the known shapes, by which those of new shapes are drawn.

    `table` (n, 12) holds a row of `describe` a known shape, stored with the weights.
    """

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("table", torch.zeros(size, DESCRIPTORS))

    def draw(self, long_axis: float, shape: ShapeRange, seed: int, number: int) -> np.ndarray:
        """Descriptors (12,) to draw lymph node `number` of `long_axis` mm by: those of a known
        shape of about that size within the wanted ranges, scattered.

        Known shapes take turns, in an order by `seed`. The scatter is that of a smoothed bootstrap
        which keeps mean and covariance (Silverman 1986, section 6.4). Raises InputError where no
        known shape of up to twice the size lies within the ranges.
        """
        rng = node_rng(seed, number, "descriptors")
        rows = self._known(long_axis, shape, rng)
        turn, place = divmod(number, len(rows))
        row = rows[node_rng(seed, turn, "turn").permutation(len(rows))[place]]
        covariance = np.cov(rows.T) if len(rows) > 1 else np.zeros((DESCRIPTORS,) * 2)
        scatter = rng.multivariate_normal(np.zeros(DESCRIPTORS), covariance, method="eigh")
        mean = rows.mean(0)
        drawn = mean + (row - mean + SCATTER * scatter) / math.sqrt(1 + SCATTER**2)
        drawn[AXIS_RATIO] = drawn[AXIS_RATIO].clip(*shape.axis_ratio)
        drawn[IRREGULARITY] = drawn[IRREGULARITY].clip(*shape.irregularity)
        return drawn.astype(np.float32)

    def knows(self, long_axis: float, shape: ShapeRange) -> bool:
        """Whether `draw` finds a known shape within the wanted ranges."""
        return bool(self._fits(long_axis, shape).any())

    def condition(self, descriptors: torch.Tensor, grid: int) -> torch.Tensor:
        """Descriptors (n, 12) as channels (n, 12, grid, grid, grid) of unit variance."""
        normal = (descriptors - self.table.mean(0)) / self.table.std(0)
        return normal[:, :, None, None, None].expand(-1, -1, grid, grid, grid)

    def _known(self, long_axis: float, shape: ShapeRange, rng: np.random.Generator) -> np.ndarray:
        """Rows of the table to draw by."""
        table = self.table.cpu().numpy()
        size, _, irregularity = table[:, : IRREGULARITY + 1].T
        off, fits = size - math.log10(long_axis), self._fits(long_axis, shape)
        if not fits.any():
            known = table[off <= math.log10(WIDEST)]
            if not len(known):
                raise InputError(
                    f"no lymph node as small as {long_axis:g} mm is known, nor one of "
                    f"{WIDEST * long_axis:g} mm: ask for larger nodes"
                )
            (a, b), (c, d) = ((v.min(), v.max()) for v in known[:, [AXIS_RATIO, IRREGULARITY]].T)
            raise InputError(
                f"no known lymph node of about {long_axis:g} mm has axis ratio "
                f"{shape.axis_ratio[0]:g} to {shape.axis_ratio[1]:g} and irregularity "
                f"{shape.irregularity[0]:g} to {shape.irregularity[1]:g}: they lie in "
                f"{a:.2f} to {b:.2f} and {c:.2f} to {d:.2f}; ask for another shape or larger nodes"
            )
        conglomerate = irregularity > 1 - LEAST_SOLIDITY
        single = fits & ~conglomerate
        thick = single & (self._thickness() >= shape.axis_ratio[0] - FLATTER)
        single = thick if thick.any() else single
        near = single & (abs(off) <= math.log10(WINDOW))
        several = fits & conglomerate & (long_axis >= LEAST_CONGLOMERATE)
        if several.any() and (not single.any() or rng.random() < CONGLOMERATES):
            return table[several]
        return table[near] if near.any() else table[single] if single.any() else table[fits]

    def _thickness(self) -> np.ndarray:
        """Of each known shape (n,), its thinnest over its longest principal axis: round in one
        plane, it may be flat in others."""
        zz, yy, xx, zy, zx, yx = self.table[:, MOMENTS].cpu().numpy().T
        moments = np.moveaxis(np.array([[zz, zy, zx], [zy, yy, yx], [zx, yx, xx]]), 2, 0)
        variances = np.linalg.eigvalsh(moments.astype(float)).clip(0)
        return np.sqrt(variances[:, 0] / variances[:, 2])

    def _fits(self, long_axis: float, shape: ShapeRange) -> np.ndarray:
        size, ratio, irregularity = self.table[:, : IRREGULARITY + 1].cpu().numpy().T
        wanted = _within(ratio, shape.axis_ratio) & _within(irregularity, shape.irregularity)
        return wanted & (size - math.log10(long_axis) <= math.log10(WIDEST))


def _within(values: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return (values >= bounds[0]) & (values <= bounds[1])
