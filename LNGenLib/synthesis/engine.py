"""The main job: sizes -> structures -> places -> tissue -> a new CT with labels and records."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from LNGenLib.errors import InputError
from LNGenLib.image.edge import edge_spread
from LNGenLib.image.io import like, marked_synthetic, to_array
from LNGenLib.placement.scan import Scan
from LNGenLib.progress import SILENT, Progress
from LNGenLib.structure.ellipsoids import EllipsoidModel
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.model import BATCH as STRUCTURES
from LNGenLib.structure.model import Samples, StructureModel
from LNGenLib.synthesis.method import Method
from LNGenLib.synthesis.painting import Painting, ScanTraits, paint_nodes
from LNGenLib.synthesis.phase import measure_phase
from LNGenLib.synthesis.plan import Plan
from LNGenLib.synthesis.planning import draw_structures, lymph_nodes, make_plan
from LNGenLib.synthesis.recording import hashes_of, make_records, provenance
from LNGenLib.synthesis.records import Phase, SynthesisRequest, SynthesisResult
from LNGenLib.synthesis.whereabouts import checked, region_of
from LNGenLib.texture.difftumor import DiffTumorModel
from LNGenLib.texture.model import BATCH as TISSUES
from LNGenLib.texture.model import TextureModel


@dataclass(frozen=True)
class Models:
    """The trained models, loaded once, when first used: shipped weights, or own by path.

    By the method `difftumor` structures are elastic ellipsoids, and `texture_weights` are those of
    the DiffTumor-style baseline.

        >>> from LNGenLib import Models
        >>> models = Models("cpu")  # one for many scans
        >>> models.texture.device
        'cpu'
    """

    device: str = "auto"
    structure_weights: Path | None = None
    texture_weights: Path | None = None
    method: Method = Method.lngen

    @cached_property
    def structure(self) -> StructureModel | EllipsoidModel:
        """The structure model on its device; InputError for unusable weights."""
        if self.method == Method.difftumor:
            return EllipsoidModel()
        return StructureModel(self.structure_weights, choose_device(self.device))

    @cached_property
    def texture(self) -> TextureModel:
        """The texture model on its device; InputError for unusable weights."""
        kind = DiffTumorModel if self.method == Method.difftumor else TextureModel
        return kind(self.texture_weights, choose_device(self.device))

    def limit_batches(self, most: int | None) -> None:
        """Sample at most `most` lymph nodes at a time, None for as many as usual.

        Smaller batches take less memory; they give equal labels, and HU within 1.
        """
        for name, usual in (("structure", STRUCTURES), ("texture", TISSUES)):
            if most is not None or name in vars(self):  # what is not loaded has no limit to lift
                getattr(self, name).batch = min(usual, most or usual)


def choose_device(device: str) -> str:
    """cpu or cuda; auto is cuda where there is one. Raises InputError."""
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device {device}: give auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("no CUDA device is available: take the CPU")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def synthesize(
    scan: Scan,
    request: SynthesisRequest,
    models: Models | None = None,
    progress: Progress = SILENT,
) -> SynthesisResult:
    """Paint `request.count` lymph nodes into a scan: `paint` of what `plan` gives.

    The scan is not modified. Raises InputError for unusable input, NoPlace where lymph nodes do not
    fit.

        >>> from LNGenLib import Scan, SynthesisRequest, synthesize
        >>> from LNGenLib.phantom import pelvic_phantom
        >>> phantom = pelvic_phantom(spacing=(4.0, 4.0, 4.0))
        >>> scan = Scan(phantom.ct, phantom.labels)
        >>> result = synthesize(scan, SynthesisRequest(count=2, seed=3))
        >>> [record.label for record in result.records]
        [1, 2]
        >>> result.ct.GetSize() == result.nodes.GetSize() == scan.ct.GetSize()
        True
    """
    models = models or Models()
    with _measured(scan, request.artery_hu) as measured:
        drawn, samples = _planned(scan, request, models, progress)
        nodes = lymph_nodes(drawn, samples.structures, scan.hu)
    return _painted(scan, drawn, nodes, samples, measured, models, progress)


def plan(
    scan: Scan,
    request: SynthesisRequest,
    models: Models | None = None,
    progress: Progress = SILENT,
) -> Plan:
    """Which lymph nodes `synthesize` would paint where; it raises what that does.

    The plan can be shown, edited, and given to `paint`.

        >>> from LNGenLib import Scan, SynthesisRequest, plan
        >>> from LNGenLib.phantom import pelvic_phantom
        >>> phantom = pelvic_phantom(spacing=(4.0, 4.0, 4.0))
        >>> request = SynthesisRequest(count=2, stations=("mesorectal",), seed=3)
        >>> drawn = plan(Scan(phantom.ct, phantom.labels), request)
        >>> [(node.number, node.station) for node in drawn.nodes]
        [(1, 'mesorectal'), (2, 'mesorectal')]
    """
    models = models or Models()
    drawn, _ = _planned(scan, request, models, progress)
    phase = measure_phase(*_arrays(scan), request.artery_hu)
    progress.finish()
    return dataclasses.replace(drawn, phase=phase, images=hashes_of(_voxels(scan)))


def paint(
    scan: Scan,
    plan: Plan,
    request: SynthesisRequest | None = None,
    models: Models | None = None,
    progress: Progress = SILENT,
) -> SynthesisResult:
    """Paint a plan, edited or not, into the scan that it was made for.

    A `request` other than the plan's own may differ from it in how to paint (`PAINTING`). Raises
    InputError where it differs in more, where the plan was made in another CT or drawn with other
    weights, and where a lymph node does not fit at its place (any more).

        >>> from dataclasses import replace
        >>> from LNGenLib import Scan, SynthesisRequest, paint, plan
        >>> from LNGenLib.phantom import pelvic_phantom
        >>> phantom = pelvic_phantom(spacing=(4.0, 4.0, 4.0))
        >>> scan = Scan(phantom.ct, phantom.labels)
        >>> drawn = plan(scan, SynthesisRequest(count=2, seed=3))
        >>> second = replace(drawn, nodes=drawn.nodes[1:])
        >>> [record.label for record in paint(scan, second).records]
        [2]
    """
    models = models or Models()
    plan = plan.painted_as(request)
    _check_ct(plan, scan)
    with _measured(scan, plan.request.artery_hu, plan.phase) as measured:
        _load(models, progress)
        samples = draw_structures(plan, models.structure, progress)
        nodes = lymph_nodes(plan, samples.structures, scan.hu)
        plan = checked(plan, nodes, scan)
    return _painted(scan, plan, nodes, samples, measured, models, progress)


def _planned(
    scan: Scan, request: SynthesisRequest, models: Models, progress: Progress
) -> tuple[Plan, Samples]:
    progress.stage("anatomy")
    region = region_of(scan, request)
    _load(models, progress)
    return make_plan(scan.hu, request, region, models.structure, progress)


def _load(models: Models, progress: Progress) -> None:
    """Load both models before any work, so that unusable weights are found at once."""
    progress.stage("models", 2)
    for k, name in enumerate(("structure", "texture"), 1):
        getattr(models, name)
        progress.step(k, 2)


@contextmanager
def _measured(scan: Scan, artery: float | None, phase: Phase | None = None) -> Iterator[Measured]:
    """What painting needs to know of the scan, measured beside the block, which leaves a second
    core mostly idle; the `phase` may be known."""
    hu, spacing, labels = _arrays(scan)
    # views made here: made beside a filter, they move an image's voxels elsewhere
    voxels = _voxels(scan)

    def traits() -> ScanTraits:
        return ScanTraits(
            edge_spread(hu, spacing), phase or measure_phase(hu, spacing, labels, artery)
        )

    with ThreadPoolExecutor(1) as beside:
        yield Measured(beside.submit(traits), beside.submit(hashes_of, voxels))


@dataclass(frozen=True)
class Measured:
    """A scan's traits and the hashes of its images, as soon as they are there."""

    traits: Future[ScanTraits]
    hashes: Future[dict[str, str]]


def _voxels(scan: Scan) -> dict[str, np.ndarray]:
    return {name: sitk.GetArrayViewFromImage(image) for name, image in scan.images.items()}


def _check_ct(plan: Plan, scan: Scan) -> None:
    hu = {"ct": sitk.GetArrayViewFromImage(scan.hu)}
    if plan.images and plan.images.get("ct") != hashes_of(hu)["ct"]:
        raise InputError(
            f"the plan was made in another CT than {scan.name('ct')}: give that one, or make the "
            "plan anew"
        )


def _arrays(scan: Scan) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """HU (z, y, x), spacing (mm) and labels, if there are any."""
    labels = None if scan.anatomy is None else sitk.GetArrayViewFromImage(scan.anatomy)
    return sitk.GetArrayViewFromImage(scan.hu), scan.spacing, labels


def _painted(
    scan: Scan,
    plan: Plan,
    nodes: list[LymphNode],
    samples: Samples,
    measured: Measured,
    models: Models,
    progress: Progress,
) -> SynthesisResult:
    traits = measured.traits.result()
    plan = dataclasses.replace(plan, phase=traits.phase)
    painting = paint_nodes(
        sitk.GetArrayViewFromImage(scan.hu),
        nodes,
        plan.seed,
        models.texture,
        plan.request.texture_steps,
        progress,
        numbers=[planned.index for planned in plan.nodes],
        traits=traits,
        enhancement=plan.request.enhancement,
    )
    arrays = _hu_of(scan, painting), _labels_of(plan, painting), painting.changed
    with ThreadPoolExecutor(2) as beside:  # copies of the whole volume
        images = [beside.submit(like, array, scan.ct) for array in arrays]
        records = make_records(scan, plan, nodes, samples, painting, models.method)
    progress.finish()
    ct, labels, changed = (marked_synthetic(image.result()) for image in images)
    return SynthesisResult(
        ct=ct,
        nodes=labels,
        changed=changed,
        records=records,
        provenance=provenance(plan, traits.phase, models, measured.hashes.result()),
        lymph_nodes=tuple(nodes),
    )


def _hu_of(scan: Scan, painting: Painting) -> np.ndarray:
    """The CT's own voxels, of its own type, where nothing changed."""
    if scan.ct is scan.hu:
        return painting.hu
    original = to_array(scan.ct)
    changed = painting.changed > 0
    original[changed] = painting.hu[changed]
    return original


def _labels_of(plan: Plan, painting: Painting) -> np.ndarray:
    """The painting's labels by the plan's numbers, which may have gaps."""
    numbers = [0, *(node.number for node in plan.nodes)]
    if numbers == list(range(len(numbers))):
        return painting.labels
    return np.array(numbers, np.uint16)[painting.labels]
