"""The kinds of jobs. A new kind is an entry of KINDS: its request, its images, its function."""

from __future__ import annotations

from collections.abc import Mapping

from LNGenLib.placement.scan import IMAGES
from LNGenLib.service.protocol.requests import (
    NoRequest,
    PlanRequest,
    SegmentRequest,
    StructuresRequest,
    TrainRequest,
)
from LNGenLib.service.worker import tasks
from LNGenLib.service.worker.work import HOUR, Kind
from LNGenLib.synthesis.records import SynthesisRequest

OTHERS = tuple(IMAGES)[1:]  # of a scan, besides the CT
KINDS: Mapping[str, Kind] = {
    "synthesize": Kind(
        SynthesisRequest.from_json,
        tasks.synthesize,
        images=("ct",),
        optional=OTHERS,
        stages={
            "anatomy": 0.15,
            "models": 0.05,
            "structures": 0.25,
            "placement": 0.1,
            "texture": 0.3,
            "painting": 0.15,
        },
    ),
    "placement": Kind(NoRequest.from_json, tasks.placement, images=("ct",), optional=("anatomy",)),
    "plan": Kind(
        SynthesisRequest.from_json,
        tasks.plan,
        images=("ct",),
        optional=OTHERS,
        stages={"anatomy": 0.3, "models": 0.1, "structures": 0.4, "placement": 0.2},
    ),
    "paint": Kind(
        PlanRequest.from_json,
        tasks.paint,
        images=("ct",),
        optional=OTHERS,
        stages={"models": 0.1, "structures": 0.3, "texture": 0.4, "painting": 0.2},
    ),
    "surfaces": Kind(
        PlanRequest.from_json, tasks.surfaces, stages={"models": 0.3, "structures": 0.7}
    ),
    "structures": Kind(
        StructuresRequest.from_json,
        tasks.structures,
        stages={"models": 0.1, "structures": 0.8, "measuring": 0.1},
    ),
    "train": Kind(TrainRequest.from_json, tasks.train, seconds=30 * 24 * HOUR),
    "segment": Kind(
        SegmentRequest.from_json,
        tasks.segment,
        images=("ct",),
        stages={"models": 0.1, "segmenting": 0.9},
    ),
    "doctor": Kind(NoRequest.from_json, tasks.doctor),
}
