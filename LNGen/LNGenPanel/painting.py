"""The work of a job that paints, on a thread of its own."""

from __future__ import annotations

from LNGenLib.mrml.inputs import Inputs
from LNGenLib.mrml.originals import Originals
from LNGenLib.mrml.results import find_originals
from LNGenLib.progress import Progress
from LNGenLib.service.client.backend import Backend, Choice
from LNGenLib.synthesis.plan import Plan
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.synthesis.result import SynthesisResult


def paint(
    backend: Backend,
    choice: Choice,
    inputs: Inputs,
    request: SynthesisRequest | Plan,
    progress: Progress,
) -> tuple[SynthesisResult, Originals]:
    """Paint a plan, or what a request asks for: the result, and the original HU under it."""
    client = backend.client(choice)
    scan = inputs.scan()
    if isinstance(request, Plan):
        result = client.paint(scan, request, progress=progress)
    else:
        result = client.synthesize(scan, request, progress)
    return result, find_originals(scan.ct, result)
