"""The client's half of jobs of any kind: submit, watch, cancel, fetch."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

import requests
import SimpleITK as sitk

from LNGenLib.errors import Canceled, InputError
from LNGenLib.progress import SILENT, Progress
from LNGenLib.service.client.connection import PAUSE, Connection, ServiceError
from LNGenLib.service.client.encoding import Packed, Pieces, gzipped, packed
from LNGenLib.service.protocol.messages import (
    Capabilities,
    JobResult,
    JobState,
    JobStatus,
    ResultFile,
    Submission,
    UploadedImage,
)

PATIENCE = 60.0  # seconds for which a lost connection to a running job is taken up again
PASSING = (429, 502, 503, 504)  # the server is busy, or a proxy does not reach it


class JobClient(Connection):
    """Jobs of a server, as one token sees them."""

    def capabilities(self) -> Capabilities:
        """What the server is and does; also the check that it speaks this protocol."""
        try:
            return self._read(Capabilities.from_json, "GET", "")
        except ServiceError as error:
            if error.status != 404:
                raise
            message = (
                f"{self._name} is none of LNGen, or not of this version: update one of the two."
            )
            raise ServiceError(message, 404) from error

    @cached_property
    def max_upload(self) -> int:
        """Bytes of an image that the server takes."""
        return self.capabilities().max_upload

    def upload(self, image: sitk.Image | Packed, progress: Progress = SILENT) -> UploadedImage:
        """The image as jobs name it; its voxels travel unless the server has them.

        `progress` may cancel it: `Canceled` is raised then.
        """
        ready = image if isinstance(image, Packed) else packed(image)
        described, content = ready.described, ready.content
        if len(content) > self.max_upload:
            raise InputError(
                f"The image has {len(content)} bytes, the server takes {self.max_upload}: crop it."
            )
        path = f"/uploads/{described.sha256}"
        try:
            self._call("GET", path)
        except ServiceError as error:
            if error.status != 404:
                raise
            headers = {"Content-Type": "application/octet-stream"}
            size = {"size": str(len(content))}
            body: Any = Pieces(content, progress)
            if not self.near:
                headers["Content-Encoding"] = "gzip"
                body = gzipped(body)
            self._call("PUT", path, data=body, params=size, headers=headers)
        return described

    def submit(
        self,
        kind: str,
        request: Any,
        images: Mapping[str, sitk.Image | Packed] = {},
        progress: Progress = SILENT,
    ) -> JobStatus:
        """Queue a job; `request` is the dataclass of its kind. `progress` may cancel the upload of
        its images."""
        uploaded = {name: self.upload(image, progress) for name, image in images.items()}
        progress.check()
        body = asdict(Submission(kind, asdict(request), uploaded))
        key = {"Idempotency-Key": secrets.token_hex(16)}
        return self._read(JobStatus.from_json, "POST", "/jobs", json=body, headers=key)

    def jobs(self) -> list[JobStatus]:
        """This token's jobs, oldest first."""
        return self._read(lambda found: [*map(JobStatus.from_json, found)], "GET", "/jobs")

    def status(self, job: str) -> JobStatus:
        """Where a job stands."""
        return self._read(JobStatus.from_json, "GET", f"/jobs/{job}")

    def cancel(self, job: str) -> JobStatus:
        """Ask for a job's end; it is `canceled` soon after, unless it was over."""
        return self._read(JobStatus.from_json, "POST", f"/jobs/{job}/cancel")

    def result(self, job: str) -> JobResult:
        """What a job that is done left."""
        return self._read(JobResult.from_json, "GET", f"/jobs/{job}/result")

    def file(self, job: str, file: ResultFile) -> bytes:
        """A file of a result, checked against its hash."""
        content = self._call("GET", f"/jobs/{job}/files/{file.name}").content
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise ServiceError("The result did not arrive as it was sent: try again.")
        return content

    def remove(self, job: str) -> None:
        """Remove a job that is over from the server, with its result."""
        self._call("DELETE", f"/jobs/{job}")

    def watch(self, job: str, after: int = 0) -> Iterator[JobStatus | None]:
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
                    raise ServiceError(
                        f"{self._name} was lost: the job may go on there."
                    ) from error
                yield None
            time.sleep(PAUSE)

    def run(
        self,
        kind: str,
        request: Any,
        images: Mapping[str, sitk.Image | Packed] = {},
        progress: Progress = SILENT,
    ) -> tuple[str, JobResult]:
        """Do a job from beginning to end; its id and result.

        `progress` follows the job's status, and may cancel it: `Canceled` is raised then, and
        ServiceError where it fails.
        """
        status = self.submit(kind, request, images, progress)
        job = status.id
        try:
            for event in self.watch(job):
                if event is None:
                    progress.check()
                    continue
                status = event
                progress.estimate(status.fraction, status.seconds_left)
                if status.stage and not status.state.final:
                    progress.advance(status.stage, status.step, status.steps)
        except BaseException:
            with contextlib.suppress(ServiceError):
                self.cancel(job)
            raise
        progress.finish()
        if status.state is JobState.canceled:
            raise Canceled
        if status.state is JobState.failed:
            raise ServiceError(status.error or "the job failed")
        return job, self.result(job)
