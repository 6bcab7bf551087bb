"""Distributions of a lymph node's long axis in mm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.validation import as_python

SMALLEST, LARGEST = 1.7, 30.0  # mm, LN-Gen Fig. 1
CLINICAL = NormalDist(math.log(5.5), 0.4)  # of the logarithm of the long axis in mm
LAWS = ("uniform", "clinical")


@dataclass(frozen=True)
class Sizes:
    """A distribution of the long axis between two bounds in mm; equal bounds give one size.

    `clinical` approximates the rectal nodes of LN-Gen's Fig. 1, which has no counts: 1.7 to 30 mm,
    most of 3 to 10 mm, few above. It is log-normal, median 5.5 mm, sigma 0.4, cut off at the
    bounds; uncut 87 % lie within 3 to 10 mm and 7 % above. `uniform` is LN-Gen's choice for
    synthesis. Raises InputError for another one and for bounds out of range.

        >>> from LNGenLib import Sizes
        >>> round(Sizes("clinical", 3.0, 10.0).quantile(0.5), 1)  # mm
        5.5
    """

    law: str = "clinical"
    low_mm: float = SMALLEST
    high_mm: float = LARGEST

    def __post_init__(self):
        as_python(self)
        if self.law not in LAWS:
            raise InputError(f"sizes {self.law}: give {' or '.join(LAWS)}")
        if not SMALLEST <= self.low_mm <= self.high_mm <= LARGEST:
            raise InputError(
                f"long axis {self.low_mm:g} to {self.high_mm:g} mm: give MIN <= MAX within "
                f"{SMALLEST} to {LARGEST:g} mm"
            )

    def share(self, low_mm: float, high_mm: float) -> float:
        """Share of the long axes drawn that lie from `low_mm` up to `high_mm`; that one is among
        them only where it is the largest there is, as in the last bin of a histogram."""
        if self.low_mm == self.high_mm:
            size = self.low_mm
            return float(low_mm <= size < high_mm or size == high_mm == LARGEST)
        drawn = self._cumulative(self.high_mm) - self._cumulative(self.low_mm)
        return (self._cumulative(high_mm) - self._cumulative(low_mm)) / drawn

    def _cumulative(self, size_mm: float) -> float:
        """What draws are even in, at a long axis, or at the bound that it lies beyond."""
        size = min(max(size_mm, self.low_mm), self.high_mm)
        return CLINICAL.cdf(math.log(size)) if self.law == "clinical" else size

    def draw(self, rng: np.random.Generator) -> float:
        """A long axis in mm, from one number of `rng`."""
        return self.quantile(rng.random())

    def quantile(self, share: float) -> float:
        """The long axis in mm below which this share of those drawn lies."""
        if self.law == "uniform":
            return self.low_mm + (self.high_mm - self.low_mm) * share
        low, high = self._cumulative(self.low_mm), self._cumulative(self.high_mm)
        size = math.exp(CLINICAL.inv_cdf(low + (high - low) * share))
        return min(max(size, self.low_mm), self.high_mm)  # rounding may pass a bound
