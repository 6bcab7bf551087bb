"""The client: what the library does, done by a server. Needs what 3D Slicer ships, not torch, not a
GPU.

Nothing is sent to any machine but the server that was named.
"""

from __future__ import annotations

import contextlib
from typing import Any

import SimpleITK as sitk

from LNGenLib.image.io import as_ct, isotropic_image, like
from LNGenLib.placement.scan import Scan
from LNGenLib.progress import Progress
from LNGenLib.service.client.connection import ServiceError
from LNGenLib.service.client.job_client import JobClient
from LNGenLib.service.protocol.boxes import apply_boxes, read_arrays
from LNGenLib.service.protocol.messages import Result
from LNGenLib.service.protocol.requests import (
    NoRequest,
    PlanRequest,
    SegmentRequest,
    StructuresRequest,
)
from LNGenLib.synthesis.plan import Plan, Surface
from LNGenLib.synthesis.records import LymphNodeRecord, SynthesisRequest, SynthesisResult


class Client(JobClient):
    """One server, as one token sees it. `verify` is a CA's file for a certificate of one's own.

    Every method raises ServiceError where the server is not reached or refuses, and so does the
    client itself where address or token can't be any.
    """

    def synthesize(
        self, scan: Scan, request: SynthesisRequest, progress: Progress | None = None
    ) -> SynthesisResult:
        """As `LNGenLib.synthesis.engine.synthesize`, by the server; the result is the same."""
        return self._painted(scan, *self.run("synthesize", request, scan.images, progress))

    def plan(self, scan: Scan, request: SynthesisRequest, progress: Progress | None = None) -> Plan:
        """As `LNGenLib.synthesis.engine.plan`, by the server."""
        return Plan.from_json(self.run("plan", request, scan.images, progress)[1].content)

    def paint(
        self,
        scan: Scan,
        plan: Plan,
        request: SynthesisRequest | None = None,
        progress: Progress | None = None,
    ) -> SynthesisResult:
        """As `LNGenLib.synthesis.engine.paint`, by the server."""
        wanted = plan.painted_as(request)
        return self._painted(scan, *self.run("paint", PlanRequest(wanted), scan.images, progress))

    def surfaces(self, plan: Plan, progress: Progress | None = None) -> list[Surface]:
        """What the lymph nodes of a plan look like, in its order."""
        job, result = self.run("surfaces", PlanRequest(plan), progress=progress)
        arrays = read_arrays(self._take(job, result), len(plan.nodes) << 22)
        return [
            Surface(arrays[f"vertices_{k}"], arrays[f"faces_{k}"]) for k in range(len(plan.nodes))
        ]

    def placement(
        self, scan: Scan, progress: Progress | None = None
    ) -> tuple[sitk.Image, sitk.Image, dict[str, Any]]:
        """Prior (float32), stations (uint8) and summary, as `placement_maps` gives them."""
        ct = scan.ct
        images = {name: scan.images[name] for name in ("ct", "anatomy") if name in scan.images}
        job, result = self.run("placement", NoRequest(), images, progress)
        most = ct.GetNumberOfPixels() * 5 + (1 << 12)
        arrays = read_arrays(self._take(job, result), most)
        return like(arrays["prior"], ct), like(arrays["stations"], ct), result.content

    def _painted(self, scan: Scan, job: str, result: Result) -> SynthesisResult:
        content = result.content
        painted = apply_boxes(scan.ct, self._take(job, result), content["boxes"])
        records = tuple(LymphNodeRecord.from_json(values) for values in content["records"])
        return SynthesisResult(**painted, records=records, provenance=content["provenance"])

    def segment(self, ct: sitk.Image, model: str, progress: Progress | None = None) -> sitk.Image:
        """Lymph nodes (uint8, 1) in the CT, found by a model that the server has by this name."""
        ct = as_ct(ct)
        job, result = self.run("segment", SegmentRequest(model), {"ct": ct}, progress)
        arrays = read_arrays(self._take(job, result), ct.GetNumberOfPixels() + (1 << 12))
        return like(arrays["labels"], ct)

    def structures(
        self, request: StructuresRequest, progress: Progress | None = None
    ) -> list[tuple[sitk.Image, dict[str, Any]]]:
        """Shapes drawn: signed distances in mm, negative inside, each with its measures."""
        job, result = self.run("structures", request, progress=progress)
        rows = result.content["structures"]
        arrays = read_arrays(self._take(job, result), request.count << 18)
        return [
            (isotropic_image(distance, row["spacing_mm"]), row)
            for distance, row in zip(arrays["distances"], rows)
        ]

    def _take(self, job: str, result: Result) -> bytes:
        """The one file of a result, which the server need not keep any longer."""
        content = self.file(job, result.files[0])
        with contextlib.suppress(ServiceError):
            self.remove(job)
        return content
