"""What the kinds of jobs do: a function each, which `kinds.KINDS` names.

The server imports this file, so functions import what they need.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.io import to_array
from LNGenLib.progress import Progress
from LNGenLib.scan import Scan
from LNGenLib.segmentation.config import is_model
from LNGenLib.synthesis.result import SynthesisResult

if TYPE_CHECKING:
    from LNGenLib.synthesis.models import Models
    from LNGenLib.synthesis.painter import Painter


class Images(dict[str, sitk.Image]):
    """The images of a job by name, the scan that they make, and who paints into it."""

    _painter: Painter | None = None

    def painter(self, models: Models) -> Painter:
        """One painter for all jobs on the same images."""
        from LNGenLib.synthesis.painter import Painter

        if self._painter is None:
            self._painter = Painter(self.scan, models)
        return self._painter

    @cached_property
    def scan(self) -> Scan:
        """The images, checked; InputError for unusable ones."""
        return Scan(self["ct"], self.get("anatomy"), self.get("region"), self.get("avoid"))


@dataclass(frozen=True)
class Work:
    """What a job's function is given. Files it leaves in `folder` belong to the result; `scratch`
    is emptied afterwards; `datasets` holds a folder for each data set of the server."""

    request: Any
    images: Images
    progress: Progress
    models: Models
    folder: Path
    scratch: Path
    datasets: Path

    @property
    def scan(self) -> Scan:
        """That of the images; InputError for unusable ones."""
        return self.images.scan


def synthesize(work: Work) -> dict[str, Any]:
    """Paint lymph nodes: records, provenance, and boxes.npz with what changed."""
    from LNGenLib.synthesis import engine

    return _painted(work, engine.synthesize(work.scan, work.request, work.models, work.progress))


def _painted(work: Work, result: SynthesisResult) -> dict[str, Any]:
    from LNGenLib.service.protocol.boxes import write_boxes

    return {**result.to_json(), "boxes": write_boxes(result, work.folder / "boxes.npz")}


def placement(work: Work) -> dict[str, Any]:
    """Where lymph nodes may lie: maps.npz with prior and stations (z, y, x), and a summary."""
    from LNGenLib.placement.maps import placement_maps

    work.progress.stage("anatomy")
    maps = placement_maps(work.scan)
    path = work.folder / "maps.npz"
    np.savez_compressed(path, prior=to_array(maps.prior), stations=to_array(maps.stations))
    return maps.summary


def plan(work: Work) -> dict[str, Any]:
    """A synthesis as far as its plan."""
    from LNGenLib.synthesis import engine

    return dataclasses.asdict(engine.plan(work.scan, work.request, work.models, work.progress))


def paint(work: Work) -> dict[str, Any]:
    """A plan painted: as `synthesize`."""
    from LNGenLib.synthesis import engine

    plan = work.request.plan
    return _painted(work, engine.paint(work.scan, plan, None, work.models, work.progress))


def live(work: Work) -> dict[str, Any]:
    """An edited plan painted: pieces.npz with those of lymph nodes that are not shown yet."""
    from LNGenLib.service.protocol.pieces import write_pieces
    from LNGenLib.synthesis.painted import Painted

    request, painter = work.request, work.images.painter(work.models)
    shown = Painted(dataclasses.replace(request.plan, nodes=()))
    if request.shown is not None:
        shown = painter.repaint(request.shown, shown)
    painted = painter.repaint(request.plan, shown, request.fit, work.progress)
    return write_pieces(painted, shown, work.folder / "pieces.npz")


def structures(work: Work) -> dict[str, Any]:
    """Shapes drawn: distances.npz with signed distances (n, z, y, x) in mm, and their measures."""
    from LNGenLib.structure.drawing import draw_sized_structures

    request, progress = work.request, work.progress
    progress.stage("models")
    model = work.models.structure
    drawn = draw_sized_structures(
        model, request.count, request.sizes, request.seed, request.shape, progress
    )
    progress.stage("measuring", request.count)
    rows, distances = [], []
    for k, one in enumerate(drawn, 1):
        distances.append(one.structure.full_distance(one.long_axis))
        rows.append({"spacing_mm": one.structure.sample_mm(one.long_axis), **one.measures()})
        progress.step(k, request.count)
    np.savez_compressed(work.folder / "distances.npz", distances=np.stack(distances))
    return {"synthetic": True, "weights": model.description["sha256"], "structures": rows}


def surfaces(work: Work) -> dict[str, Any]:
    """What the lymph nodes of a plan look like: surfaces.npz, a mesh each."""
    from LNGenLib.synthesis.realizing import draw_structures, surface_of

    plan, progress = work.request.plan, work.progress
    progress.stage("models")
    model = work.models.structure
    arrays: dict[str, Any] = {}
    for k, structure in enumerate(draw_structures(plan, model, progress).structures):
        surface = surface_of(structure)
        arrays |= {f"vertices_{k}": surface.vertices, f"faces_{k}": surface.faces}
    np.savez_compressed(work.folder / "surfaces.npz", **arrays)
    return {"synthetic": True, "numbers": [node.number for node in plan.nodes]}


def train(work: Work) -> dict[str, Any]:
    """A model trained on a data set of the server: its weights and their description."""
    from LNGenLib.training import run

    request, progress = work.request, work.progress
    data = _of_server(work, "data set", request.dataset)
    progress.stage("preparing")
    weights = run(request.part, data, work.scratch, request.config, request.seed, progress)
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


def segment(work: Work) -> dict[str, Any]:
    """Lymph nodes that a model of the server finds: labels.npz (z, y, x)."""
    from LNGenLib.segmentation.inference import load_segmentor

    work.progress.stage("models")
    name = work.request.model
    segmentor = load_segmentor(_of_server(work, "model", name, is_model), work.models.device)
    work.progress.stage("segmenting")
    labels = to_array(segmentor.segment(work.images["ct"], work.progress))
    np.savez_compressed(work.folder / "labels.npz", labels=labels)
    return {"model": name, "voxels": int(labels.sum())}


def doctor(work: Work) -> dict[str, Any]:
    """The check-up of the server."""
    from LNGenLib.service.worker.doctor import examine

    return dataclasses.asdict(examine(work.models, work.progress))
