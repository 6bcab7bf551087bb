"""Requests of the jobs that are not syntheses (`LNGenLib.synthesis.request` has theirs)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from LNGenLib.errors import InputError
from LNGenLib.structure.shape_range import ANY_SHAPE, ShapeRange
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.plan import Plan
from LNGenLib.training import PARTS
from LNGenLib.validation import as_python, from_json, whole

MOST_PREVIEWS = 100
# What makes fields of JSON that are dataclasses
OF_FIELDS: dict[str, Callable] = {
    "sizes": Sizes,
    "shape": ShapeRange,
    "plan": Plan.from_json,
    "shown": lambda values: None if values is None else Plan.from_json(values),
}

R = TypeVar("R", bound="JobRequest")


class JobRequest:
    """What a job is asked for."""

    @classmethod
    def from_json(cls: type[R], values: dict[str, Any]) -> R:
        """The request of `dataclasses.asdict`'s JSON; InputError for fields that do not fit."""
        return from_json(cls, values, OF_FIELDS)


@dataclass(frozen=True)
class StructuresRequest(JobRequest):
    """Shapes to draw for a look at them. Raises InputError for values out of range."""

    count: int = 10
    sizes: Sizes = Sizes()
    seed: int = 0
    shape: ShapeRange = ANY_SHAPE

    def __post_init__(self):
        as_python(self)
        whole(self.seed, "seed")
        if not 1 <= whole(self.count, "count") <= MOST_PREVIEWS:
            raise InputError(f"count {self.count}: give a whole number from 1 to {MOST_PREVIEWS}")


@dataclass(frozen=True)
class TrainRequest(JobRequest):
    """A model to train on a data set of the server, by its name there.

    `config` holds the fields of the model's configuration to change (docs/training.md).
    """

    part: str
    dataset: str
    config: dict[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self):
        as_python(self)
        if self.part not in PARTS:
            raise InputError(f"part {self.part!r}: give {', '.join(PARTS)}")
        if not isinstance(self.dataset, str) or not isinstance(self.config, dict):
            raise InputError("dataset is the name of a data set, config an object of fields")
        whole(self.seed, "seed")


@dataclass(frozen=True)
class SegmentRequest(JobRequest):
    """A model of the server, by its name there, that finds the lymph nodes of a CT."""

    model: str

    def __post_init__(self):
        if not isinstance(self.model, str):
            raise InputError("model is the name of a model")


@dataclass(frozen=True)
class PlanRequest(JobRequest):
    """A plan, edited or not, to be painted, or whose lymph nodes are to be seen before."""

    plan: Plan


@dataclass(frozen=True)
class LiveRequest(JobRequest):
    """An edited plan to be painted where another is `shown`, if one is; lymph node `fit` may be
    moved and turned, so that it fits."""

    plan: Plan
    shown: Plan | None = None
    fit: int | None = None

    def __post_init__(self):
        if self.fit is not None and whole(self.fit, "fit") not in self._numbers:
            raise InputError(f"fit {self.fit}: give the number of a lymph node of the plan")

    @property
    def _numbers(self) -> list[int]:
        return [node.number for node in self.plan.nodes]


@dataclass(frozen=True)
class NoRequest(JobRequest):
    """Of a job in which there is nothing to choose."""
