"""The routes of jobs: submit, watch, cancel, fetch, remove."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Header, HTTPException, Request
from fastapi.responses import StreamingResponse

from LNGenLib.service.protocol.messages import (
    VERSION,
    JobResult,
    JobStatus,
    Submission,
    UploadedImage,
)
from LNGenLib.service.server.dependencies import ClientDep, JobDep, ResultDep, ServiceDep
from LNGenLib.service.server.service import Service

ALIVE = 1.0  # seconds between signs of life in a stream of events
MOST_STREAMS = 256  # at a time, of all clients
PIECE = 1 << 20  # bytes of a file read at a time

router = APIRouter(prefix=f"/v{VERSION}")


@router.post("/jobs", status_code=201)
async def submit(
    service: ServiceDep,
    client: ClientDep,
    submission: Submission,
    idempotency_key: Annotated[
        str | None, Header(max_length=64, description="The same again is the same job.")
    ] = None,
) -> JobStatus:
    """Queue a job; 429 where the queue is full."""
    if job := service.store.submitted(client, idempotency_key):
        return job.status
    kind = service.kinds.get(submission.kind)
    if kind is None:
        raise HTTPException(422, f"no kind of job of this name: {', '.join(service.kinds)}")
    kind.request(submission.request)  # raises InputError
    if not set(kind.images) <= set(submission.images) <= {*kind.images, *kind.optional}:
        raise HTTPException(
            422,
            f"images of a {submission.kind} job: {', '.join(kind.images) or 'none'} needed; "
            f"{', '.join(kind.optional) or 'no other'} allowed",
        )
    images = {
        name: _voxels(service, client, name, image) for name, image in submission.images.items()
    }
    if service.store.open >= service.settings.max_jobs:
        raise HTTPException(429, "the queue is full: try again later")
    job = service.store.add(client, submission, images, idempotency_key)
    service.runner.submit(job)
    return job.status


def _voxels(service: Service, client: str, name: str, image: UploadedImage) -> Path:
    """Where the voxels of a job's image lie; 422 where they do not, or the image is none."""
    problem = image.problem()
    path = None if problem else service.uploads.path(client, image.sha256)
    if path is None:
        problem = problem or "its voxels are not uploaded"
    elif path.stat().st_size != image.bytes:
        problem = "its voxels are not as many bytes as its size and type say: send them again"
        path.unlink()  # a power cut may have left it cut
    else:
        return path
    raise HTTPException(422, f"image {name}: {problem}")


@router.get("/jobs")
async def jobs(service: ServiceDep, client: ClientDep) -> list[JobStatus]:
    """This client's jobs, oldest first."""
    return [job.status for job in service.store.of(client)]


@router.get("/jobs/{id}")
async def status(job: JobDep) -> JobStatus:
    """Where a job stands."""
    return job.status


@router.get("/jobs/{id}/events", response_class=StreamingResponse)
async def events(
    request: Request,
    service: ServiceDep,
    job: JobDep,
    last_event_id: Annotated[int, Header(description="Resume after this event.")] = 0,
) -> StreamingResponse:
    """Server-sent events, each a JobStatus under its number, up to the final one."""
    if service.streams >= MOST_STREAMS:
        raise HTTPException(429, "too many streams of events: try again later")

    async def stream() -> AsyncIterator[str]:
        service.streams += 1
        try:
            async for event in job.watch(last_event_id, ALIVE):
                authorization = request.headers.get("authorization", "")
                if service.settings.tokens.client(authorization) is None:
                    return  # revoked meanwhile
                if event is None:
                    yield ": alive\n\n"
                else:
                    yield f"id: {event.event}\ndata: {json.dumps(asdict(event))}\n\n"
        finally:
            service.streams -= 1

    return StreamingResponse(stream(), media_type="text/event-stream")


@router.post("/jobs/{id}/cancel")
async def cancel(service: ServiceDep, job: JobDep) -> JobStatus:
    """End a job that waits or runs; one that is over stays as it is."""
    service.runner.cancel(job)
    return job.status


@router.get("/jobs/{id}/result")
async def result(result: ResultDep) -> JobResult:
    """The document of a job that is done, and the names of its files."""
    return result


@router.get("/jobs/{id}/files/{name}", response_class=StreamingResponse)
async def file(job: JobDep, result: ResultDep, name: str) -> StreamingResponse:
    """A file of a result, by the name that the result gives."""
    if name not in {file.name for file in result.files}:
        raise HTTPException(404, "the result has no such file")
    opened = (job.folder / "result" / name).open("rb")  # now, since the job may be removed soon
    length = {"Content-Length": str(os.fstat(opened.fileno()).st_size)}
    return StreamingResponse(_pieces(opened), 200, length, "application/octet-stream")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


@router.delete("/jobs/{id}", status_code=204)
async def remove(service: ServiceDep, job: JobDep) -> None:
    """Remove a job that is over, and its result."""
    if not job.state.final:
        raise HTTPException(409, f"the job is {job.state.value}: cancel it first")
    service.store.remove(job)
