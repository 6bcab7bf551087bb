"""The routes of jobs: submit, watch, cancel, fetch, remove."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from typing import Annotated, BinaryIO

from fastapi import Header, HTTPException, Request
from fastapi.responses import StreamingResponse

from LNGenLib.service.protocol.messages import Result, Status, Submission
from LNGenLib.service.server.dependencies import service_of
from LNGenLib.service.server.exceptions import new_router
from LNGenLib.service.server.job import Job

ALIVE = 1.0  # seconds between signs of life in a stream of events
MOST_STREAMS = 256  # at a time, of all clients
PIECE = 1 << 20  # bytes of a file read at a time

router = new_router()


@router.post("/jobs", status_code=201)
async def submit(
    request: Request,
    submission: Submission,
    idempotency_key: Annotated[
        str | None, Header(max_length=64, description="The same again is the same job.")
    ] = None,
) -> Status:
    """Queue a job; 429 where the queue is full."""
    service, client = service_of(request)
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
    paths = {}
    for name, image in submission.images.items():
        problem = image.problem()
        path = None if problem else service.uploads.path(client, image.sha256)
        if problem is None and path is None:
            problem = "its voxels are not uploaded"
        elif problem is None and path.stat().st_size != image.bytes:
            problem = "its voxels are not as many bytes as its size and type say: send them again"
            path.unlink()  # a power cut may have left it cut
        if problem:
            raise HTTPException(422, f"image {name}: {problem}")
        paths[name] = path
    if service.store.open >= service.settings.max_jobs:
        raise HTTPException(429, "the queue is full: try again later")
    job = service.store.add(client, submission, paths, idempotency_key)
    service.runner.submit(job)
    return job.status


@router.get("/jobs")
async def jobs(request: Request) -> list[Status]:
    """This client's jobs, oldest first."""
    service, client = service_of(request)
    return [job.status for job in service.store.of(client)]


@router.get("/jobs/{id}")
async def status(request: Request, id: str) -> Status:
    """Where a job stands."""
    service, client = service_of(request)
    return service.job(client, id).status


@router.get("/jobs/{id}/events", response_class=StreamingResponse)
async def events(
    request: Request,
    id: str,
    last_event_id: Annotated[int, Header(description="Resume after this event.")] = 0,
) -> StreamingResponse:
    """Server-sent events, each a Status under its number, up to the final one."""
    service, client = service_of(request)
    job = service.job(client, id)
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
async def cancel(request: Request, id: str) -> Status:
    """End a job that waits or runs; one that is over stays as it is."""
    service, client = service_of(request)
    job = service.job(client, id)
    service.runner.cancel(job)
    return job.status


def _result(job: Job) -> Result:
    result = job.result()
    if result is None:
        raise HTTPException(409, f"the job is {job.state.value}: there is no result")
    return result


@router.get("/jobs/{id}/result")
async def result(request: Request, id: str) -> Result:
    """The document of a job that is done, and the names of its files."""
    service, client = service_of(request)
    return _result(service.job(client, id))


@router.get("/jobs/{id}/files/{name}", response_class=StreamingResponse)
async def file(request: Request, id: str, name: str) -> StreamingResponse:
    """A file of a result, by the name that the result gives."""
    service, client = service_of(request)
    job = service.job(client, id)
    known = {file.name for file in _result(job).files}
    if name not in known:
        raise HTTPException(404, "the result has no such file")
    opened = (job.folder / "result" / name).open("rb")  # now, since the job may be removed soon
    length = {"Content-Length": str(os.fstat(opened.fileno()).st_size)}
    return StreamingResponse(_pieces(opened), 200, length, "application/octet-stream")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


@router.delete("/jobs/{id}", status_code=204)
async def remove(request: Request, id: str) -> None:
    """Remove a job that is over, and its result."""
    service, client = service_of(request)
    job = service.job(client, id)
    if not job.state.final:
        raise HTTPException(409, f"the job is {job.state.value}: cancel it first")
    service.store.remove(job)
