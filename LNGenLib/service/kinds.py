"""The kinds of jobs. A new kind is an entry of KINDS: its request, its images, its function.

The server imports this file and must stay light, so functions import what they need.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from LNGenLib.errors import InputError
from LNGenLib.segmentation.config import is_model
from LNGenLib.service.requests import (
    NoRequest,
    PaintRequest,
    SegmentRequest,
    StructuresRequest,
    SurfacesRequest,
    TrainRequest,
)
from LNGenLib.structure.variant import Variant
from LNGenLib.synthesis.progress import Progress
from LNGenLib.synthesis.records import SynthesisRequest, SynthesisResult

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LNGenLib.structure.model import StructureModel
    from LNGenLib.synthesis.engine import Models

HOUR = 3600.0


@dataclass(frozen=True)
class Work:
    """What a job's function is given. Files it leaves in `folder` belong to the result; `scratch`
    is emptied afterwards; `datasets` holds a folder for each data set of the server."""

    request: Any
    images: dict[str, sitk.Image]
    progress: Progress
    models: Models
    folder: Path
    scratch: Path
    datasets: Path


@dataclass(frozen=True)
class Kind:
    """A kind of job.

    `request` makes its request of JSON and raises InputError; `run` does it and returns the JSON
    document of the result. `images` must come with it, `optional` ones may. `stages` are rough
    shares of its time, in order, for the fraction done. A job is ended after `seconds`.
    """

    request: Callable[[dict[str, Any]], Any]
    run: Callable[[Work], dict[str, Any]]
    images: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    seconds: float = HOUR

    def fraction(self, stage: str, step: int, steps: int) -> float:
        """Share of the job that is done; of the stage alone where shares are not known."""
        done = min(step / max(steps, 1), 1.0)
        names = list(self.stages)
        if stage not in names:
            return done
        parts = list(self.stages.values())
        k = names.index(stage)
        return (sum(parts[:k]) + parts[k] * done) / sum(parts)


def load_kinds(name: str) -> Mapping[str, Kind]:
    """The kinds that `module:NAME` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _synthesize(work: Work) -> dict[str, Any]:
    from LNGenLib.synthesis.engine import synthesize

    return _painted(work, synthesize(*_of_synthesis(work)))


def _of_synthesis(work: Work) -> tuple[Any, ...]:
    """The arguments of `synthesize` and of `plan_synthesis`."""
    ct, *others = (work.images.get(name) for name in ("ct", "anatomy", "region_mask", "avoid"))
    return ct, work.request, *others[:2], work.models, work.progress, others[2]


def _painted(work: Work, result: SynthesisResult) -> dict[str, Any]:
    from LNGenLib.service.boxes import write_boxes

    return {**result.to_json(), "boxes": write_boxes(result, work.folder / "boxes.npz")}


def _placement(work: Work) -> dict[str, Any]:
    import numpy as np

    from LNGenLib.image.io import to_array
    from LNGenLib.placement.maps import placement_maps

    work.progress.stage("anatomy")
    maps = placement_maps(work.images["ct"], work.images.get("anatomy"))
    arrays = {"prior": to_array(maps.prior), "stations": to_array(maps.stations)}
    np.savez_compressed(work.folder / "maps.npz", **arrays)
    return maps.summary


def _plan(work: Work) -> dict[str, Any]:
    from LNGenLib.synthesis.engine import plan_synthesis

    return dataclasses.asdict(plan_synthesis(*_of_synthesis(work)))


def _paint(work: Work) -> dict[str, Any]:
    from LNGenLib.synthesis.engine import synthesize

    asked, plan = work.request, work.request.plan
    request = SynthesisRequest(len(plan.nodes), seed=plan.seed, texture_steps=asked.texture_steps)
    result = synthesize(
        work.images["ct"], request, models=work.models, progress=work.progress, plan=plan
    )
    return _painted(work, result)


@cache
def _structure_model(variant: Variant, device: str) -> StructureModel:
    from LNGenLib.structure.model import StructureModel

    return StructureModel(None, device, variant)


def _structures(work: Work) -> dict[str, Any]:
    import numpy as np

    from LNGenLib.randomness import node_rng

    request, progress = work.request, work.progress
    progress.stage("models")
    model = work.models.structure
    if request.variant is not model.variant:
        batch, model = model.batch, _structure_model(request.variant, model.device)
        model.batch = batch
    progress.stage("structures")
    samples = model.sample(request.count, request.seed, on_step=progress.step, shape=request.shape)
    progress.stage("measuring", request.count)
    rows, distances = [], []
    for k, structure in enumerate(samples.structures):
        size = request.sizes.draw(node_rng(request.seed, k, "size"))
        distances.append(structure.full_distance(size))
        rows.append({"spacing_mm": structure.sample_mm(size), **samples.measures(k, size)})
        progress.step(k + 1, request.count)
    np.savez_compressed(work.folder / "distances.npz", distances=np.stack(distances))
    return {"synthetic": True, "weights": model.description["sha256"], "structures": rows}


def _surfaces(work: Work) -> dict[str, Any]:
    import numpy as np

    from LNGenLib.synthesis.planning import draw_structures

    plan, progress = work.request.plan, work.progress
    progress.stage("models")
    model = work.models.structure
    arrays = {}
    for k, structure in enumerate(draw_structures(plan, model, progress).structures):
        arrays[f"vertices_{k}"] = structure.vertices(1.0).astype(np.float32)
        arrays[f"faces_{k}"] = structure.faces().astype(np.int32)
    np.savez_compressed(work.folder / "surfaces.npz", **arrays)
    return {"synthetic": True, "numbers": [node.number for node in plan.nodes]}


def _train(work: Work) -> dict[str, Any]:
    from LNGenLib.training import run

    request, progress = work.request, work.progress
    data = _of_server(work, "data set", request.dataset)
    progress.stage("preparing")
    current = "preparing"

    def on_step(stage: str, done: int, steps: int) -> None:
        nonlocal current
        if stage != current:
            current = stage
            progress.stage(stage, steps)
        progress.step(done, steps)

    weights = run(request.part, data, work.scratch, request.config, request.seed, on_step)
    for file in (weights, weights.with_suffix(".json")):
        file.replace(work.folder / file.name)
    return {"part": request.part, "seconds": progress.seconds}


def _of_server(
    work: Work, what: str, name: str, fits: Callable[[Path], bool] = Path.is_dir
) -> Path:
    """A folder that the server's admin put there; InputError where there is none of the name."""
    names = {path.name: path for path in work.datasets.iterdir() if fits(path)}
    if name not in names:
        raise InputError(f"the server has no {what} {name!r}: its admin puts it in its data folder")
    return names[name]


def _segment(work: Work) -> dict[str, Any]:
    import numpy as np

    from LNGenLib.image.io import to_array
    from LNGenLib.segmentation.inference import load_segmentor

    work.progress.stage("models")
    name = work.request.model
    segmentor = load_segmentor(_of_server(work, "model", name, is_model), work.models.device)
    work.progress.stage("segmenting")
    labels = to_array(segmentor.segment(work.images["ct"], work.progress.step))
    np.savez_compressed(work.folder / "labels.npz", labels=labels)
    return {"model": name, "voxels": int(labels.sum())}


def _doctor(work: Work) -> dict[str, Any]:
    from LNGenLib.service.doctor import examine

    return dataclasses.asdict(examine(work.models, work.progress))


KINDS: Mapping[str, Kind] = {
    "synthesize": Kind(
        SynthesisRequest.from_json,
        _synthesize,
        images=("ct",),
        optional=("anatomy", "region_mask", "avoid"),
        stages={
            "anatomy": 0.15,
            "models": 0.05,
            "structures": 0.25,
            "placement": 0.1,
            "texture": 0.3,
            "painting": 0.15,
        },
    ),
    "placement": Kind(NoRequest.from_json, _placement, images=("ct",), optional=("anatomy",)),
    "plan": Kind(
        SynthesisRequest.from_json,
        _plan,
        images=("ct",),
        optional=("anatomy", "region_mask", "avoid"),
        stages={"anatomy": 0.3, "models": 0.1, "structures": 0.4, "placement": 0.2},
    ),
    "paint": Kind(
        PaintRequest.from_json,
        _paint,
        images=("ct",),
        stages={"models": 0.1, "structures": 0.3, "texture": 0.4, "painting": 0.2},
    ),
    "surfaces": Kind(
        SurfacesRequest.from_json, _surfaces, stages={"models": 0.3, "structures": 0.7}
    ),
    "structures": Kind(
        StructuresRequest.from_json,
        _structures,
        stages={"models": 0.1, "structures": 0.8, "measuring": 0.1},
    ),
    "train": Kind(TrainRequest.from_json, _train, seconds=30 * 24 * HOUR),
    "segment": Kind(
        SegmentRequest.from_json,
        _segment,
        images=("ct",),
        stages={"models": 0.1, "segmenting": 0.9},
    ),
    "doctor": Kind(NoRequest.from_json, _doctor),
}
