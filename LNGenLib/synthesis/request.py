"""What is asked for: a frozen dataclass that turns into JSON and back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from LNGenLib.errors import InputError
from LNGenLib.structure.shape_range import ANY_SHAPE, ShapeRange
from LNGenLib.structure.sizes import Sizes
from LNGenLib.validation import as_python, from_json, whole

MOST_NODES = 1000
HARDLY_SEEN = 1.5  # conspicuity below which a lymph node can hardly be seen
BENIGN, SUSPICIOUS, MIXED = APPEARANCES = ("benign", "suspicious", "mixed")

Point = tuple[float, float, float]


def as_point(values: Iterable[float], digits: int) -> Point:
    """Three numbers, rounded: Python's, as JSON takes them."""
    r, a, s = (round(float(value), digits) for value in values)
    return r, a, s


@dataclass(frozen=True)
class SynthesisRequest:
    """How many lymph nodes of which sizes and shapes, where, by which seed.

    Without a `count` they are 4 to 8, as one patient may have, of sizes that are more alike.

    Where: at `stations` by name; or in `region_box`, (R1, R2, A1, A2, S1, S2) in RAS mm; or one at
    each of `points` (RAS mm), within `tolerance_mm`; with none of them at all stations, or in a
    mask that is given apart. At stations they lie as is usual with a tumor of the rectum at
    `tumor_mm` (RAS), if that is told. `short_axis_mm` asks for shapes of that short axis. With
    `allow_fewer`, lymph nodes that find no room are left out. How bright they are (0 to 170 HU at
    all) follows the scan's phase, which `artery_hu` tells where it is not to be measured, or
    `enhancement`: HU over the scan's muscle between which their means lie. They look
    "benign" or "suspicious", or by `appearance` "mixed" that share of them `suspicious`, which
    decides what is not asked for: shapes, enhancement, the shares of lymph nodes with a fatty
    `hilum` and with a `necrosis`, and how even they are. Those of less than `least_conspicuity` are
    left out. Raises InputError for values out of range.

        >>> from LNGenLib import Sizes, SynthesisRequest
        >>> small = Sizes("clinical", 3.0, 9.0)  # mm
        >>> request = SynthesisRequest(count=8, sizes=small, stations=("mesorectal",), seed=1)
        >>> SynthesisRequest(count=0)
        Traceback (most recent call last):
        LNGenLib.errors.InputError: count 0: ask for 1 to 1000 lymph nodes
    """

    count: int | None = 5
    sizes: Sizes = Sizes()
    seed: int = 0
    region_box: tuple[float, float, float, float, float, float] | None = None
    shape: ShapeRange = ANY_SHAPE
    texture_steps: int = 6
    structure_steps: int = 8
    stations: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()
    tolerance_mm: float = 5.0
    short_axis_mm: float | None = None
    allow_fewer: bool = False
    enhancement: tuple[float, float] | None = None
    artery_hu: float | None = None
    hilum: float | None = None
    appearance: str = MIXED
    suspicious: float = 0.3
    necrosis: float | None = None
    tumor_mm: Point | None = None
    least_conspicuity: float = 0.0

    def __post_init__(self):
        if self.count is not None:
            whole(self.count, "count")
        for name in ("seed", "texture_steps", "structure_steps"):
            whole(getattr(self, name), name)
        as_python(self)
        if not isinstance(self.sizes, Sizes):
            raise InputError(f"sizes {self.sizes}: give Sizes(law, low_mm, high_mm)")
        if not isinstance(self.shape, ShapeRange):
            raise InputError(f"shape {self.shape}: give ShapeRange(axis_ratio, irregularity)")
        if self.count is not None and not 1 <= self.count <= MOST_NODES:
            raise InputError(f"count {self.count}: ask for 1 to {MOST_NODES} lymph nodes")
        for name in ("texture_steps", "structure_steps"):
            if not 1 <= getattr(self, name) <= 1000:
                raise InputError(f"{name} {getattr(self, name)}: give 1 to 1000 sampling steps")
        if sum(map(bool, (self.region_box, self.stations, self.points))) > 1:
            raise InputError("give one of stations, region box and points")
        if self.points and self.count != len(self.points):
            raise InputError(
                f"{self.count} lymph nodes at {len(self.points)} points: ask for as many as points"
            )
        given = self.points if self.tumor_mm is None else (*self.points, self.tumor_mm)
        if not all(len(p) == 3 and all(map(math.isfinite, p)) for p in given):
            raise InputError("points and tumor: give three numbers each, R A S in mm")
        if not 0 <= self.tolerance_mm <= 100:
            raise InputError(f"tolerance {self.tolerance_mm:g} mm: give 0 to 100 mm")
        short = self.short_axis_mm
        if short is not None and not 0 < short <= self.sizes.low_mm:
            raise InputError(
                f"short axis {short:g} mm: give more than 0 and at most the smallest long axis, "
                f"{self.sizes.low_mm:g} mm"
            )
        if self.enhancement is not None:
            _check_enhancement(self.enhancement)
        if self.artery_hu is not None:
            if not 0 <= self.artery_hu <= 1000:  # NaN is not, either
                raise InputError(f"artery {self.artery_hu:g} HU: give 0 to 1000 HU; blood is 42")
            if self.enhancement is not None:
                raise InputError("the artery's HU and enhancement both say how bright: give one")
        if self.appearance not in APPEARANCES:
            raise InputError(f"appearance {self.appearance}: give {', '.join(APPEARANCES)}")
        for name in ("hilum", "necrosis", "suspicious"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                what = "are" if name == "suspicious" else "have one"
                raise InputError(f"{name} {share:g}: give the share that {what}, 0 to 1")
        check_conspicuity(self.least_conspicuity)
        box = self.region_box
        if box is None:
            return
        if len(box) != 6 or not all(math.isfinite(value) for value in box):
            raise InputError(f"region box {box}: give six values R1 R2 A1 A2 S1 S2 in RAS mm")
        if any(box[k] == box[k + 1] for k in (0, 2, 4)):
            raise InputError(f"region box {box} is flat: give two different values along each axis")

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> SynthesisRequest:
        """The request of `dataclasses.asdict`'s JSON; InputError for fields that do not fit."""
        return from_json(cls, values, {"sizes": Sizes, "shape": ShapeRange})

    def painted_as(self, other: SynthesisRequest) -> SynthesisRequest:
        """This request, painted as `other` says (`PAINTING`); InputError where the two ask for
        different lymph nodes."""
        new = dataclasses.replace(self, **{name: getattr(other, name) for name in PAINTING})
        for name in (part.name for part in dataclasses.fields(self)):
            own, wanted = getattr(new, name), getattr(other, name)
            if own != wanted:
                raise InputError(
                    f"the plan was made for {name} {own}, not {wanted}: paint it as it was asked "
                    "for, or make a plan anew"
                )
        return new


PAINTING = ("texture_steps", "enhancement", "artery_hu")  # fields that a plan does not depend on


def check_conspicuity(least: float) -> None:
    """Raise InputError for a least conspicuity that is none."""
    if not 0 <= least <= 100:  # NaN is not, either
        raise InputError(f"least conspicuity {least:g}: give 0 to 100")


def _check_enhancement(bounds: tuple[float, float]) -> None:
    if len(bounds) != 2 or not -150 <= bounds[0] <= bounds[1] <= 150:  # NaN is not, either
        raise InputError(
            f"enhancement {bounds}: give LOW <= HIGH within -150 to 150 HU over muscle"
        )
