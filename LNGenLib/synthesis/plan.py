"""The plan: which lymph nodes will be painted where, before anything is painted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.files import SOFTWARE, read_json, write_json
from LNGenLib.image.io import MOST_LABEL
from LNGenLib.synthesis.appearance import Appearance
from LNGenLib.synthesis.request import Point, SynthesisRequest
from LNGenLib.validation import as_python, check_types, from_json

UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))  # a turn that is none
BINS = (1.7, 5.0, 10.0, 20.0, 30.0)  # mm, in which refusals are counted


@dataclass(frozen=True)
class Phase:
    """HU of a scan's arteries and of its muscle, and where those of the arteries come from.

    `source` is "labels", "tubes" (the brightest ones of the scan), "given", or "none": no artery
    stands out, the scan is taken as unenhanced.
    """

    artery_hu: float
    muscle_hu: float
    source: str

    def __post_init__(self):
        as_python(self)
        check_types(Phase, vars(self))


@dataclass(frozen=True)
class PlannedNode:
    """A lymph node to be painted: structure `number` of the request's seed, at a long axis in mm.

    Numbers count from 1, and become the labels of the result.
    `center_ras_mm` is the center of the structure's frame; `turn` (3, 3) turns the structure's axes
    (z, y, x) into R, A, S. `short_axis_mm` is the one asked for, if any; `shape_mm` the long axis
    that the shape is drawn for, else `long_axis_mm`: a resized node keeps its shape by it. With a
    `hilum` a notch is cut into the structure. By its `appearance` its shape is drawn; where it is
    `irregular`, its border is lobulated and strands lie round it; with a `necrosis` it has a dark
    core. Each `variant` of it has other random draws: another shape of the same kind, and other
    tissue.
    """

    number: int
    center_ras_mm: Point
    long_axis_mm: float
    turn: tuple[Point, Point, Point]
    station: str | None = None
    short_axis_mm: float | None = None
    shape_mm: float | None = None
    hilum: bool = False
    appearance: str | None = None
    irregular: bool = False
    necrosis: bool = False
    variant: int = 0

    def __post_init__(self):
        as_python(self)
        check_types(PlannedNode, vars(self))
        if not 0 <= self.variant <= MOST_LABEL:
            raise InputError(f"variant {self.variant}: give a whole number from 0 to {MOST_LABEL}")
        _ = self.look  # which checks it

    @property
    def look(self) -> Appearance:
        """How it looks."""
        return Appearance(self.appearance, self.irregular, self.hilum, self.necrosis)

    @property
    def unnamed(self) -> PlannedNode:
        """Apart from the name of its place, which changes nothing of how it is painted."""
        return dataclasses.replace(self, station=None)

    @property
    def index(self) -> int:
        """That of its random draws, which no other node of a plan has: from 0 on, those of further
        variants beyond all first ones."""
        return self.number - 1 + self.variant * MOST_LABEL


@dataclass(frozen=True)
class Plan:
    """Lymph nodes to be painted, and the long axes in mm of those that found no room (`refused_mm`)
    or were left out as hardly seen (`unseen_mm`).

    The structures follow from the `request`, the nodes' `shape_mm` and the weights of the
    structure model, whose SHA-256 is `weights` (None for ellipsoids, which have none): a plan can
    be edited (moved, turned, resized, deleted nodes) and still gives the same shapes. `phase` is
    the scan's, `images` the SHA-256 of the scan's images by their names.
    """

    request: SynthesisRequest
    nodes: tuple[PlannedNode, ...]
    weights: str | None
    refused_mm: tuple[float, ...] = ()
    phase: Phase | None = None
    images: dict[str, str] = field(default_factory=dict)
    unseen_mm: tuple[float, ...] = ()

    def __post_init__(self):
        numbers = [node.number for node in self.nodes]
        if len(set(numbers)) < len(numbers) or not all(1 <= n <= MOST_LABEL for n in numbers):
            raise InputError(
                f"the plan's lymph nodes have the numbers {', '.join(map(str, numbers))}: give "
                f"each a whole number of its own, 1 to {MOST_LABEL}"
            )

    @property
    def seed(self) -> int:
        """That of the request."""
        return self.request.seed

    def painted_as(self, request: SynthesisRequest | None) -> Plan:
        """The plan as `request` says how to paint, None for its own, its phase unknown where that
        gives other HU of the artery; InputError where it asks for other lymph nodes."""
        if request is None:
            return self
        phase = self.phase if request.artery_hu == self.request.artery_hu else None
        return dataclasses.replace(self, request=self.request.painted_as(request), phase=phase)

    def write(self, path: Path) -> None:
        """Write JSON, whole or not at all."""
        write_json({"software": SOFTWARE} | dataclasses.asdict(self), path)

    @classmethod
    def read(cls, path: Path) -> Plan:
        """The plan in a JSON file; InputError that names the file where there is none."""
        values = read_json(path)
        values.pop("software", None)
        try:
            return cls.from_json(values)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def from_json(cls, values: dict[str, Any], may_be_empty: bool = False) -> Plan:
        """The plan of `dataclasses.asdict`'s JSON; InputError for fields that do not fit, and where
        there is no lymph node, unless it `may_be_empty`."""
        if isinstance(values, dict):
            if "seed" in values and "request" not in values:
                raise InputError(
                    "the plan is of an older LNGen and tells neither its request nor its weights: "
                    "make it anew"
                )
            values = dict(values)
            if values.get("phase") is not None:
                values["phase"] = from_json(Phase, values["phase"])
            if "request" in values:
                values["request"] = SynthesisRequest.from_json(values["request"])
            if isinstance(values.get("nodes"), list):
                values["nodes"] = tuple(from_json(PlannedNode, one) for one in values["nodes"])
        plan = from_json(cls, values)
        if not (plan.nodes or may_be_empty):
            raise InputError("the plan holds no lymph node: make another")
        return plan


@dataclass(frozen=True, eq=False)
class Surface:
    """What a planned node looks like: `vertices` (n, 3) in long axes from its center, in the
    structure's axes (z, y, x), and `faces` (m, 3), triangles of them."""

    vertices: np.ndarray
    faces: np.ndarray

    def placed(self, node: PlannedNode) -> np.ndarray:
        """The vertices (n, 3) in RAS mm, where a plan has the node."""
        return self.vertices @ np.transpose(node.turn) * node.long_axis_mm + node.center_ras_mm


def count_by_size(long_axes: Sequence[float]) -> dict[str, int]:
    """How many of these long axes (mm) lie in each bin of sizes; empty bins are left out."""
    counts = np.histogram(long_axes, BINS)[0].tolist()
    names = [f"{low:g} to {high:g} mm" for low, high in zip(BINS, BINS[1:])]
    return {name: count for name, count in zip(names, counts) if count}
