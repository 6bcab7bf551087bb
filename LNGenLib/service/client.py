"""The client: submit, watch, cancel, fetch. Needs what 3D Slicer ships, not torch, not a GPU.

Nothing is sent to any machine but the server that was named.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import secrets
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
import requests
import SimpleITK as sitk

from LNGenLib.errors import Canceled, InputError
from LNGenLib.image.io import as_ct, isotropic_image, like
from LNGenLib.service import protocol
from LNGenLib.service.boxes import apply_boxes, read_arrays
from LNGenLib.service.protocol import VERSION, Capabilities, Result, State, Status, Submission
from LNGenLib.service.requests import (
    NoRequest,
    PaintRequest,
    SegmentRequest,
    StructuresRequest,
    SurfacesRequest,
)
from LNGenLib.synthesis.plan import Plan, Surface
from LNGenLib.synthesis.progress import Progress
from LNGenLib.synthesis.records import LymphNodeRecord, SynthesisRequest, SynthesisResult

CONNECT, SILENCE = 10.0, 30.0  # seconds; a stream of events shows life every second
PATIENCE = 60.0  # seconds for which a lost connection to a running job is taken up again
PAUSE = 0.5  # seconds before a lost connection is taken up
PASSING = (429, 502, 503, 504)  # the server is busy, or a proxy does not reach it
PIECE = 1 << 16  # bytes of an upload at a time: CONNECT is also the time that each has to leave

Answer = TypeVar("Answer")


class ServiceError(InputError):
    """The server refused or failed; `status` is that of HTTP, 0 where it was not reached."""

    def __init__(self, message: str, status: int = 0):
        super().__init__(message)
        self.status = status


class _Bearer(requests.auth.AuthBase):
    """The token; as an `auth`, so that no .netrc takes its place."""

    def __init__(self, token: str):
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class Client:
    """One server, as one token sees it. `verify` is a CA's file for a certificate of one's own.

    Every method raises ServiceError where the server is not reached or refuses, and so does the
    client itself where address or token can't be any.
    """

    def __init__(self, url: str, token: str, verify: str | bool = True):
        self.url = url.rstrip("/")
        host = _host(self.url)
        if not token.isascii() or not token.isprintable():
            raise ServiceError("this can't be a token: it holds what no token does")
        self.session = requests.Session()
        self.session.auth, self.session.verify = _Bearer(token), verify
        self.near = _is_loopback(host)
        if self.near:
            self.session.trust_env = False  # no proxy in between

    def capabilities(self) -> Capabilities:
        """What the server is and does; also the check that it speaks this protocol."""
        try:
            return self._read(Capabilities.from_json, "GET", "")
        except ServiceError as error:
            if error.status != 404:
                raise
            message = f"{self.url} is no LNGen server of protocol {VERSION}: update one of the two"
            raise ServiceError(message, 404) from error

    @cached_property
    def max_upload(self) -> int:
        """Bytes of an image that the server takes."""
        return self.capabilities().max_upload

    def upload(self, image: sitk.Image, progress: Progress | None = None) -> protocol.Image:
        """The image as jobs name it; its voxels travel unless the server has them.

        `progress` may cancel it: `Canceled` is raised then.
        """
        voxels = sitk.GetArrayViewFromImage(image)
        if voxels.dtype.name not in protocol.VOXEL_BYTES or voxels.ndim != 3:
            raise InputError("an image to upload is a 3D volume of numbers")
        voxels = voxels.astype(voxels.dtype.newbyteorder("<"), copy=False)
        content = memoryview(np.ascontiguousarray(voxels)).cast("B")
        described = protocol.Image(
            hashlib.sha256(content).hexdigest(),
            voxels.dtype.name,
            image.GetSize(),
            image.GetSpacing(),
            image.GetOrigin(),
            image.GetDirection(),
        )
        if len(content) > self.max_upload:
            raise InputError(
                f"the image has {len(content)} bytes, the server takes {self.max_upload}: crop it"
            )
        path = f"/uploads/{described.sha256}"
        try:
            self._call("GET", path)
        except ServiceError as error:
            if error.status != 404:
                raise
            headers = {"Content-Type": "application/octet-stream"}
            size = {"size": str(len(content))}
            body: Any = _Pieces(content, progress or Progress())
            if not self.near:
                headers["Content-Encoding"] = "gzip"
                body = _gzipped(body)
            self._call("PUT", path, data=body, params=size, headers=headers)
        return described

    def submit(
        self,
        kind: str,
        request: Any,
        images: Mapping[str, sitk.Image | None] | None = None,
        progress: Progress | None = None,
    ) -> Status:
        """Queue a job; `request` is the dataclass of its kind. `progress` may cancel the upload of
        its images."""
        given = {name: image for name, image in (images or {}).items() if image is not None}
        uploaded = {name: self.upload(image, progress) for name, image in given.items()}
        if progress:
            progress.check()
        submission = Submission(kind, asdict(request), uploaded)
        key = {"Idempotency-Key": secrets.token_hex(16)}
        return self._read(Status.from_json, "POST", "/jobs", json=asdict(submission), headers=key)

    def jobs(self) -> list[Status]:
        """This token's jobs, oldest first."""
        return self._read(lambda found: [Status.from_json(each) for each in found], "GET", "/jobs")

    def status(self, job: str) -> Status:
        """Where a job stands."""
        return self._read(Status.from_json, "GET", f"/jobs/{job}")

    def cancel(self, job: str) -> Status:
        """Ask for a job's end; it is `canceled` soon after, unless it was over."""
        return self._read(Status.from_json, "POST", f"/jobs/{job}/cancel")

    def result(self, job: str) -> Result:
        """What a job that is done left."""
        return self._read(Result.from_json, "GET", f"/jobs/{job}/result")

    def file(self, job: str, file: protocol.File) -> bytes:
        """A file of a result, checked against its hash."""
        content = self._call("GET", f"/jobs/{job}/files/{file.name}").content
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise ServiceError(f"{file.name} did not arrive as it was sent: ask again")
        return content

    def remove(self, job: str) -> None:
        """Remove a job that is over from the server, with its result."""
        self._call("DELETE", f"/jobs/{job}")

    def _take(self, job: str, result: Result) -> bytes:
        """The one file of a result, which the server need not keep any longer."""
        content = self.file(job, result.files[0])
        with contextlib.suppress(ServiceError):
            self.remove(job)
        return content

    def watch(self, job: str, after: int = 0) -> Iterator[Status | None]:
        """A job's events numbered above `after`, up to the final one; None while nothing happens.

        A lost connection is taken up again where it broke off.
        """
        lost = None
        while True:
            try:
                for status in self._stream(job, after):
                    lost = None
                    if status is not None:
                        after = status.event
                    yield status
                    if status is not None and status.state.final:
                        return
            except (requests.RequestException, ServiceError) as error:
                if isinstance(error, ServiceError) and error.status not in PASSING:
                    raise
                lost = lost or time.monotonic()
                if time.monotonic() - lost > PATIENCE:
                    raise ServiceError(f"{self.url} was lost: the job may go on there") from error
                yield None
            time.sleep(PAUSE)

    def _stream(self, job: str, after: int) -> Iterator[Status | None]:
        headers = {"Last-Event-ID": str(after)}
        with self._send("GET", f"/jobs/{job}/events", headers=headers, stream=True) as reply:
            for line in reply.iter_lines(chunk_size=None):
                if line.startswith(b"data: "):
                    yield Status.from_json(json.loads(line[6:]))
                elif line.startswith(b":"):
                    yield None

    def run(
        self,
        kind: str,
        request: Any,
        images: Mapping[str, sitk.Image | None] | None = None,
        progress: Progress | None = None,
    ) -> tuple[str, Result]:
        """Do a job from beginning to end; its id and result.

        `progress` is told its stages and steps, and may cancel it: `Canceled` is raised then, and
        ServiceError where it fails.
        """
        progress = progress or Progress()
        job = self.submit(kind, request, images, progress).id
        stage = None
        try:
            for status in self.watch(job):
                if status is None:
                    progress.check()
                elif status.state.final:
                    break
                elif status.stage and status.stage != stage:
                    stage = status.stage
                    progress.stage(stage, status.steps)
                elif status.stage:
                    progress.step(status.step, status.steps)
        except BaseException:
            with contextlib.suppress(ServiceError):
                self.cancel(job)
            raise
        progress.finish()
        if status.state is State.canceled:
            raise Canceled
        if status.state is State.failed:
            raise ServiceError(status.error or "the job failed")
        return job, self.result(job)

    def synthesize(
        self,
        ct: sitk.Image,
        request: SynthesisRequest,
        anatomy: sitk.Image | None = None,
        region_mask: sitk.Image | None = None,
        progress: Progress | None = None,
        avoid: sitk.Image | None = None,
    ) -> SynthesisResult:
        """As `LNGenLib.synthesis.engine.synthesize`, by the server; the result is the same."""
        ct = as_ct(ct)
        images = {"ct": ct, "anatomy": anatomy, "region_mask": region_mask, "avoid": avoid}
        return self._painted(ct, *self.run("synthesize", request, images, progress))

    def plan(
        self,
        ct: sitk.Image,
        request: SynthesisRequest,
        anatomy: sitk.Image | None = None,
        region_mask: sitk.Image | None = None,
        progress: Progress | None = None,
        avoid: sitk.Image | None = None,
    ) -> Plan:
        """As `LNGenLib.synthesis.engine.plan_synthesis`, by the server."""
        images = {"ct": as_ct(ct), "anatomy": anatomy, "region_mask": region_mask, "avoid": avoid}
        return Plan.from_json(self.run("plan", request, images, progress)[1].content)

    def paint(
        self, ct: sitk.Image, request: PaintRequest, progress: Progress | None = None
    ) -> SynthesisResult:
        """Paint a plan; the result is that of `synthesize` with this plan."""
        ct = as_ct(ct)
        return self._painted(ct, *self.run("paint", request, {"ct": ct}, progress))

    def surfaces(self, plan: Plan, progress: Progress | None = None) -> list[Surface]:
        """What the lymph nodes of a plan look like, in its order."""
        job, result = self.run("surfaces", SurfacesRequest(plan), progress=progress)
        arrays = read_arrays(self._take(job, result), len(plan.nodes) << 22)
        return [
            Surface(arrays[f"vertices_{k}"], arrays[f"faces_{k}"]) for k in range(len(plan.nodes))
        ]

    def placement(
        self, ct: sitk.Image, anatomy: sitk.Image | None = None, progress: Progress | None = None
    ) -> tuple[sitk.Image, sitk.Image, dict[str, Any]]:
        """Prior (float32), stations (uint8) and summary, as `placement_maps` gives them."""
        ct = as_ct(ct)
        images = {"ct": ct, "anatomy": anatomy}
        job, result = self.run("placement", NoRequest(), images, progress)
        most = ct.GetNumberOfPixels() * 5 + (1 << 12)
        arrays = read_arrays(self._take(job, result), most)
        return like(arrays["prior"], ct), like(arrays["stations"], ct), result.content

    def _painted(self, ct: sitk.Image, job: str, result: Result) -> SynthesisResult:
        content = result.content
        painted = apply_boxes(ct, self._take(job, result), content["boxes"])
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

    def _read(
        self, make: Callable[[Any], Answer], method: str, path: str, **options: Any
    ) -> Answer:
        """What `make` makes of the answer's JSON."""
        reply = self._call(method, path, **options)
        try:
            return make(reply.json())
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ServiceError(f"{self.url} does not answer as an LNGen server") from error

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        """The answer; asked for once more where the connection broke, unless that could do what
        was done already."""
        try:
            try:
                return self._send(method, path, **options)
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
                if method not in ("GET", "POST") or isinstance(error, requests.Timeout):
                    raise
                time.sleep(PAUSE)
                return self._send(method, path, **options)
        except requests.RequestException as error:
            raise ServiceError(f"{self.url} can't be reached: {_why(error)}") from error

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        url = f"{self.url}/v{VERSION}{path}"
        timeout = (CONNECT, SILENCE)
        reply = self.session.request(method, url, timeout=timeout, allow_redirects=False, **options)
        if reply.status_code >= 300:
            try:
                message = reply.json()["message"]
            except (ValueError, TypeError, KeyError):
                message = "not an answer of an LNGen server"
            raise ServiceError(f"{self.url}: {message}", reply.status_code)
        return reply


class _Pieces:
    """The bytes of an upload, piece by piece, until it is canceled."""

    def __init__(self, content: memoryview, progress: Progress):
        self.content, self.progress = content, progress

    def __len__(self) -> int:
        return len(self.content)

    def __iter__(self) -> Iterator[memoryview]:
        for start in range(0, len(self.content), PIECE):
            self.progress.check()
            yield self.content[start : start + PIECE]


def _gzipped(pieces: Iterable[memoryview]) -> Iterator[bytes]:
    packer = zlib.compressobj(1, wbits=31)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        known = parts.scheme in ("http", "https") and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known or not host:
        raise ServiceError(f"{url} is no address of a server: give one as https://HOST:PORT")
    return host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _why(error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    return "it does not answer in time" if isinstance(error, requests.Timeout) else "no connection"
