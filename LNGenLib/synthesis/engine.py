"""The main job: sizes -> structures -> places -> tissue -> a new CT with labels and records."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.edge import edge_spread
from LNGenLib.progress import SILENT, Progress
from LNGenLib.scan import Scan
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.model import Samples
from LNGenLib.synthesis.images import ResultImages
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import ScanTraits, paint_nodes
from LNGenLib.synthesis.phase import measure_phase
from LNGenLib.synthesis.plan import Phase, Plan
from LNGenLib.synthesis.planning import make_plan
from LNGenLib.synthesis.realizing import draw_structures, lymph_nodes
from LNGenLib.synthesis.recording import hashes_of, make_records, measures_of, provenance
from LNGenLib.synthesis.region import checked, region_of
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.synthesis.result import SynthesisResult


def synthesize(
    scan: Scan, request: SynthesisRequest, models: Models | None = None, progress: Progress = SILENT
) -> SynthesisResult:
    """Paint `request.count` lymph nodes into a scan, as `plan` and then `paint` would.

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
        drawn, samples = _planned(scan, request, models, measured, progress)
        nodes = lymph_nodes(drawn, samples.structures, scan.hu)
        return _painted(scan, drawn, nodes, samples, measured, models, progress)


def plan(
    scan: Scan, request: SynthesisRequest, models: Models | None = None, progress: Progress = SILENT
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
    with _measured(scan, request.artery_hu, paints=False) as measured:
        drawn, _ = _planned(scan, request, models, measured, progress)
        phase, images = measured.traits.result().phase, measured.hashes.result()
    progress.finish()
    return dataclasses.replace(drawn, phase=phase, images=images)


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
    scan: Scan,
    request: SynthesisRequest,
    models: Models,
    measured: Measured,
    progress: Progress,
) -> tuple[Plan, Samples]:
    with ThreadPoolExecutor(1) as beside:  # structures do not depend on the region
        region = beside.submit(region_of, scan, request)
        _load(models, progress)
        traits = measured.traits.result
        return make_plan(scan.hu, request, region, models.structure, progress, traits)


def _load(models: Models, progress: Progress) -> None:
    """Load both models before any work, so that unusable weights are found at once."""
    progress.stage("models", 2)
    for k, name in enumerate(("structure", "texture"), 1):
        getattr(models, name)
        progress.step(k, 2)


@contextmanager
def _measured(
    scan: Scan, artery: float | None, phase: Phase | None = None, paints: bool = True
) -> Iterator[Measured]:
    """What painting needs, made beside the block, which leaves a second core mostly idle; the
    `phase` may be known."""
    # views made here: made beside a filter, they move an image's voxels elsewhere
    hu, spacing, labels = _arrays(scan)
    voxels, own = _voxels(scan), sitk.GetArrayViewFromImage(scan.ct)

    def traits() -> ScanTraits:
        spread = scan.once("edge spread", None, lambda: edge_spread(hu, spacing))
        found = phase or scan.once(
            "phase", artery, lambda: measure_phase(hu, spacing, labels, artery)
        )
        return ScanTraits(spread, found)

    with ThreadPoolExecutor(1) as beside:
        yield Measured(
            beside,
            beside.submit(traits),
            beside.submit(_hashes, scan, voxels),
            beside.submit(lambda: ResultImages.before(own, scan.ct) if paints else None),
        )


@dataclass(frozen=True)
class Measured:
    """A scan's traits, the hashes of its images, and images for the result, as soon as they are
    there; and who makes them, one after the other."""

    beside: ThreadPoolExecutor
    traits: Future[ScanTraits]
    hashes: Future[dict[str, str]]
    images: Future[ResultImages | None]


def _voxels(scan: Scan) -> dict[str, np.ndarray]:
    return {name: sitk.GetArrayViewFromImage(image) for name, image in scan.images.items()}


def _hashes(scan: Scan, voxels: dict[str, np.ndarray]) -> dict[str, str]:
    return scan.once("hashes", None, lambda: hashes_of(voxels))


def _check_ct(plan: Plan, scan: Scan) -> None:
    if plan.images and plan.images.get("ct") != _hashes(scan, _voxels(scan))["ct"]:
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
    measures = measured.beside.map(partial(measures_of, ct=scan.hu), nodes)
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
        looks=[planned.look for planned in plan.nodes],
    )
    records = make_records(scan, plan, nodes, samples, measures, painting, models.method)
    made = measured.images.result()
    assert made is not None
    made.add(painting.nodes, [planned.number for planned in plan.nodes])
    progress.finish()
    return SynthesisResult(
        ct=made.ct,
        nodes=made.nodes,
        changed=made.changed,
        records=records,
        provenance=provenance(plan, traits.phase, models, measured.hashes.result()),
        lymph_nodes=tuple(nodes),
    )
