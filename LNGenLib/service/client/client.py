"""The client: what the library does, done by a server. Needs what 3D Slicer ships, not torch, not a
GPU.

Nothing is sent to any machine but the server that was named.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import SimpleITK as sitk

from LNGenLib.image.io import as_ct, isotropic_image, like
from LNGenLib.progress import SILENT, Progress
from LNGenLib.scan import Scan
from LNGenLib.service.client.connection import ServiceError
from LNGenLib.service.client.encoding import packed
from LNGenLib.service.client.job_client import JobClient
from LNGenLib.service.protocol.boxes import apply_boxes, read_arrays
from LNGenLib.service.protocol.messages import CheckUp, JobResult
from LNGenLib.service.protocol.pieces import read_pieces
from LNGenLib.service.protocol.requests import (
    LiveRequest,
    NoRequest,
    PlanRequest,
    SegmentRequest,
    StructuresRequest,
)
from LNGenLib.synthesis.painted import Painted
from LNGenLib.synthesis.plan import Plan, Surface
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.synthesis.result import LymphNodeRecord, SynthesisResult


class Client(JobClient):
    """One server, as one token sees it. `ca` is the file (PEM) of a CA that signed its
    certificate and that this machine does not know.

    Every method raises ServiceError where the server is not reached or refuses, and so does the
    client itself where address or token can't be any.
    """

    def synthesize(
        self, scan: Scan, request: SynthesisRequest, progress: Progress = SILENT
    ) -> SynthesisResult:
        """As `LNGenLib.synthesis.engine.synthesize`, by the server; the result is the same."""
        job, result = self.run("synthesize", request, scan.images, progress)
        return self._painted(scan, job, result)

    def plan(self, scan: Scan, request: SynthesisRequest, progress: Progress = SILENT) -> Plan:
        """As `LNGenLib.synthesis.engine.plan`, by the server."""
        return Plan.from_json(self.run("plan", request, scan.images, progress)[1].content)

    def paint(
        self,
        scan: Scan,
        plan: Plan,
        request: SynthesisRequest | None = None,
        progress: Progress = SILENT,
    ) -> SynthesisResult:
        """As `LNGenLib.synthesis.engine.paint`, by the server."""
        wanted = PlanRequest(plan.painted_as(request))
        job, result = self.run("paint", wanted, scan.images, progress)
        return self._painted(scan, job, result)

    def painter(self, scan: Scan) -> LivePainter:
        """Paints edited plans into a scan, for a `Session`."""
        return LivePainter(lambda: self, scan)

    def surfaces(self, plan: Plan, progress: Progress = SILENT) -> list[Surface]:
        """What the lymph nodes of a plan look like, in its order."""
        job, result = self.run("surfaces", PlanRequest(plan), progress=progress)
        arrays = read_arrays(self._take(job, result), len(plan.nodes) << 22)
        return [
            Surface(arrays[f"vertices_{k}"], arrays[f"faces_{k}"]) for k in range(len(plan.nodes))
        ]

    def placement(
        self, scan: Scan, progress: Progress = SILENT
    ) -> tuple[sitk.Image, sitk.Image, dict[str, Any]]:
        """Prior (float32), stations (uint8) and summary, as `placement_maps` gives them."""
        ct = scan.ct
        known = scan.images.items()
        images = {name: image for name, image in known if name in ("ct", "anatomy")}
        job, result = self.run("placement", NoRequest(), images, progress)
        most = ct.GetNumberOfPixels() * 5 + (1 << 12)
        arrays = read_arrays(self._take(job, result), most)
        return like(arrays["prior"], ct), like(arrays["stations"], ct), result.content

    def _painted(self, scan: Scan, job: str, result: JobResult) -> SynthesisResult:
        content = result.content
        painted = apply_boxes(scan.ct, self._take(job, result), content["boxes"])
        records = tuple(LymphNodeRecord.from_json(values) for values in content["records"])
        return SynthesisResult(
            painted["ct"], painted["nodes"], painted["changed"], records, content["provenance"]
        )

    def segment(self, ct: sitk.Image, model: str, progress: Progress = SILENT) -> sitk.Image:
        """Lymph nodes (uint8, 1) in the CT, found by a model that the server has by this name."""
        ct = as_ct(ct)
        job, result = self.run("segment", SegmentRequest(model), {"ct": ct}, progress)
        arrays = read_arrays(self._take(job, result), ct.GetNumberOfPixels() + (1 << 12))
        return like(arrays["labels"], ct)

    def structures(
        self, request: StructuresRequest, progress: Progress = SILENT
    ) -> list[tuple[sitk.Image, dict[str, Any]]]:
        """Shapes drawn: signed distances in mm, negative inside, each with its measures."""
        job, result = self.run("structures", request, progress=progress)
        rows = result.content["structures"]
        arrays = read_arrays(self._take(job, result), request.count << 18)
        return [
            (isotropic_image(distance, row["spacing_mm"]), row)
            for distance, row in zip(arrays["distances"], rows)
        ]

    def check_up(self, progress: Progress = SILENT) -> CheckUp:
        """What the server finds of itself: versions, device, weights, one lymph node."""
        job, result = self.run("doctor", NoRequest(), progress=progress)
        self.remove(job)
        return CheckUp.from_json(result.content)

    def _take(self, job: str, result: JobResult) -> bytes:
        """The one file of a result, which the server need not keep any longer."""
        content = self.file(job, result.files[0])
        with contextlib.suppress(ServiceError):
            self.remove(job)
        return content


class LivePainter:
    """Paints edited plans into a scan by a server, which `client` gives for each: the scan travels
    once, then only the pieces of what an edit changed."""

    def __init__(self, client: Callable[[], Client], scan: Scan):
        self._client, self.scan = client, scan
        self._images = {name: packed(image) for name, image in scan.images.items()}

    def repaint(
        self, plan: Plan, shown: Painted, fit: int | None = None, progress: Progress = SILENT
    ) -> Painted:
        """As `LNGenLib.synthesis.painter.Painter.repaint`, by the server."""
        client, before = self._client(), shown.plan if shown.plan.nodes else None
        job, result = client.run("live", LiveRequest(plan, before, fit), self._images, progress)
        content = client._take(job, result)
        return read_pieces(content, result.content, shown, self.scan.ct.GetSize()[::-1])
