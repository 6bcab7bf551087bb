"""Which shapes are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from LNGenLib.errors import InputError
from LNGenLib.validation import as_python

ANY = (0.0, 1.0)
RATIO_TOLERANCE = 0.05  # of a wanted short axis over the long one


@dataclass(frozen=True)
class ShapeRange:
    """Which shapes are wanted: ranges of axis ratio (1 is round) and irregularity (0 is convex).

    Raises InputError where a range is no range within 0 to 1.

        >>> from LNGenLib import ShapeRange, SynthesisRequest
        >>> round_ones = SynthesisRequest(shape=ShapeRange(axis_ratio=(0.85, 1.0)))
    """

    axis_ratio: tuple[float, float] = ANY
    irregularity: tuple[float, float] = ANY

    def __post_init__(self):
        as_python(self)
        for name in ("axis_ratio", "irregularity"):
            low, high = getattr(self, name)
            if not 0 <= low <= high <= 1:
                raise InputError(
                    f"{name.replace('_', ' ')} {low:g} to {high:g} is no range: "
                    "give two numbers from 0 to 1, the smaller first"
                )

    def with_axes(self, short_axis: float | None, long_axis: float) -> ShapeRange:
        """Shapes of about these axes (mm) where a short one is wanted."""
        if short_axis is None:
            return self
        ratio = short_axis / long_axis
        low, high = ratio - RATIO_TOLERANCE, ratio + RATIO_TOLERANCE
        return replace(self, axis_ratio=(max(low, 0.0), min(high, 1.0)))

    def filled(self, other: ShapeRange) -> ShapeRange:
        """These ranges; those of `other` where any value will do."""
        return ShapeRange(
            other.axis_ratio if self.axis_ratio == ANY else self.axis_ratio,
            other.irregularity if self.irregularity == ANY else self.irregularity,
        )


ANY_SHAPE = ShapeRange()
