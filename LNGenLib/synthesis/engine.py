"""The main job: sizes -> structures -> places -> tissue -> a new CT with labels and records."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

from LNGenLib.progress import SILENT, Progress
from LNGenLib.scan import Scan
from LNGenLib.structure.model import Samples
from LNGenLib.synthesis.measuring import Measured, check_ct, measured
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painter import Painter
from LNGenLib.synthesis.plan import Plan
from LNGenLib.synthesis.planning import make_plan
from LNGenLib.synthesis.region import region_of
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
    with measured(scan, request.artery_hu) as known:
        drawn, samples = _planned(scan, request, models, known, progress)
        return _painted(Painter(scan, models), drawn, known, progress, samples)


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
    with measured(scan, request.artery_hu, images=False) as known:
        drawn, _ = _planned(scan, request, models, known, progress)
        phase, images = known.traits.result().phase, known.hashes.result()
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
    check_ct(plan, scan)
    with measured(scan, plan.request.artery_hu, plan.phase) as known:
        _load(models, progress)
        return _painted(Painter(scan, models), plan, known, progress)


def _planned(
    scan: Scan,
    request: SynthesisRequest,
    models: Models,
    known: Measured,
    progress: Progress,
) -> tuple[Plan, Samples]:
    with ThreadPoolExecutor(1) as beside:  # structures do not depend on the region
        region = beside.submit(region_of, scan, request)
        _load(models, progress)
        traits = known.traits.result
        return make_plan(scan.hu, request, region, models.structure, progress, traits)


def _load(models: Models, progress: Progress) -> None:
    """Load both models before any work, so that unusable weights are found at once."""
    progress.stage("models", 2)
    for k, name in enumerate(("structure", "texture"), 1):
        getattr(models, name)
        progress.step(k, 2)


def _painted(
    painter: Painter,
    plan: Plan,
    known: Measured,
    progress: Progress,
    samples: Samples | None = None,
) -> SynthesisResult:
    painted = painter.paint(plan, known, progress, samples)
    made = known.images.result()
    assert made is not None
    made.add(painted.pieces, [node.number for node in plan.nodes])
    progress.finish()
    return SynthesisResult(
        ct=made.ct,
        nodes=made.nodes,
        changed=made.changed,
        records=painted.records,
        provenance=painted.provenance,
        lymph_nodes=painted.lymph_nodes,
    )
