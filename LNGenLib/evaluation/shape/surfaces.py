"""Surfaces of lymph nodes, by bins of the long axis, and how they look.

Shapes are TSDFs (n, 32, 32, 32) float32 in the frame of `LNGenLib.structure.frame`, measured there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from LNGenLib.evaluation.shape.descriptors import measure_shapes

BINS = {  # long axis in mm, above the one and up to the other
    "up to 15 mm": (0.0, 15.0),
    "14-20 mm": (14.0, 20.0),
    "20-31 mm": (20.0, 31.0),
    "above 31 mm": (31.0, math.inf),
}

Some = TypeVar("Some", bound="Surfaces")


@dataclass(frozen=True, eq=False)
class Surfaces:
    """TSDFs (n, 32, 32, 32) float32, their long axes (n,) in mm, and whether each is topologically
    `valid` as it was given (n,): one component, no holes, genus 0."""

    tsdf: np.ndarray
    long_axis: np.ndarray
    valid: np.ndarray

    def where(self: Some, which: np.ndarray) -> Some:
        """Those of `which` (n, bool)."""
        return replace(self, **{f.name: getattr(self, f.name)[which] for f in fields(self)})

    def within(self: Some, bounds: tuple[float, float]) -> Some:
        """Those whose long axis is above the first bound and up to the second, in mm."""
        return self.where((self.long_axis > bounds[0]) & (self.long_axis <= bounds[1]))


@dataclass(frozen=True, eq=False)
class RealSurfaces(Surfaces):
    """Surfaces of masks: whether each is a `single` lymph node (n,), its split (n,): train,
    validation, test, or "" where unknown; and its Dice and volume ratio (n,) to its mask."""

    single: np.ndarray
    split: np.ndarray
    dice: np.ndarray
    volume_ratio: np.ndarray


@dataclass(frozen=True)
class Cleaning:
    """What became of the masks where they were made surfaces."""

    masks: int
    not_single: int
    dice: float  # median
    dice_5: float  # 5 % quantile
    volume_ratio: float  # median
    volume_ratio_extremes: tuple[float, float]

    @classmethod
    def of(cls, real: RealSurfaces) -> Cleaning:
        """Of at least one surface."""
        ratio = real.volume_ratio
        return cls(
            len(real.tsdf),
            int((~real.single).sum()),
            float(np.median(real.dice)),
            float(np.quantile(real.dice, 0.05)),
            float(np.median(ratio)),
            (float(ratio.min()), float(ratio.max())),
        )


@dataclass(frozen=True)
class Form:
    """How surfaces look: means, medians of the axis ratios, and shares."""

    count: int
    sphericity: float
    solidity: float
    mid_long: float
    thin_long: float
    thin_long_5: float  # 5 % quantile
    valid: float  # share

    @classmethod
    def of(cls, surfaces: Surfaces) -> Form:
        """Of at least one surface; ValueError where one is empty."""
        found = measure_shapes(surfaces.tsdf)
        return cls(
            len(surfaces.tsdf),
            float(found["sphericity"].mean()),
            float(found["solidity"].mean()),
            float(np.median(found["elongation"])),
            float(np.median(found["flatness"])),
            float(np.quantile(found["flatness"], 0.05)),
            float(surfaces.valid.mean()),
        )
