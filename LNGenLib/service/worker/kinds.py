"""The kinds of jobs. A new kind is an entry of KINDS: its request, its function, its images."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from LNGenLib.scan import IMAGES
from LNGenLib.service.protocol.requests import (
    LiveRequest,
    NoRequest,
    PlanRequest,
    SegmentRequest,
    StructuresRequest,
    TrainRequest,
)
from LNGenLib.service.worker import tasks
from LNGenLib.synthesis.request import SynthesisRequest

HOUR = 3600.0


@dataclass(frozen=True)
class JobKind:
    """A kind of job.

    `request` makes its request of JSON and raises InputError; `run` does it and returns the JSON
    document of the result. `images` must come with it, `optional` ones may. `stages` are rough
    shares of its time, in order, for the fraction done. A job is ended after `seconds`.
    """

    request: Callable[[dict[str, Any]], Any]
    run: Callable[[tasks.Work], dict[str, Any]]
    images: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    seconds: float = HOUR

    def fraction(self, stage: str, step: int, steps: int) -> float | None:
        """Share of the job that is done, None in a stage whose share is not known."""
        if stage not in self.stages:
            return None
        done = min(step / max(steps, 1), 1.0)
        shares, k = list(self.stages.values()), list(self.stages).index(stage)
        return (sum(shares[:k]) + shares[k] * done) / sum(shares)


OTHERS = tuple(IMAGES)[1:]  # of a scan, besides the CT
scan_kind = partial(JobKind, images=("ct",), optional=OTHERS)
KINDS: Mapping[str, JobKind] = {
    "synthesize": scan_kind(
        SynthesisRequest.from_json,
        tasks.synthesize,
        stages={
            "models": 0.05,
            "structures": 0.25,
            "anatomy": 0.15,
            "placement": 0.1,
            "texture": 0.3,
            "painting": 0.15,
        },
    ),
    "placement": scan_kind(NoRequest.from_json, tasks.placement, optional=("anatomy",)),
    "plan": scan_kind(
        SynthesisRequest.from_json,
        tasks.plan,
        stages={"models": 0.1, "structures": 0.4, "anatomy": 0.3, "placement": 0.2},
    ),
    "paint": scan_kind(
        PlanRequest.from_json,
        tasks.paint,
        stages={"models": 0.1, "structures": 0.3, "texture": 0.4, "painting": 0.2},
    ),
    "live": scan_kind(
        LiveRequest.from_json,
        tasks.live,
        stages={"structures": 0.4, "texture": 0.5, "painting": 0.1},
    ),
    "surfaces": JobKind(
        PlanRequest.from_json, tasks.surfaces, stages={"models": 0.3, "structures": 0.7}
    ),
    "structures": JobKind(
        StructuresRequest.from_json,
        tasks.structures,
        stages={"models": 0.1, "structures": 0.8, "measuring": 0.1},
    ),
    "train": JobKind(TrainRequest.from_json, tasks.train, seconds=30 * 24 * HOUR),
    "segment": scan_kind(
        SegmentRequest.from_json,
        tasks.segment,
        optional=(),
        stages={"models": 0.1, "segmenting": 0.9},
    ),
    "doctor": JobKind(NoRequest.from_json, tasks.doctor),
}


def load_kinds(name: str) -> Mapping[str, JobKind]:
    """The kinds that `module:NAME` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
