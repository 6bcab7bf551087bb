"""The server: routes over the store, the uploads and the runner. Needs neither torch nor a GPU."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TextIO

import uvicorn
from fastapi import APIRouter, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.requests import ClientDisconnect

from LNGenLib import __version__
from LNGenLib.errors import InputError
from LNGenLib.segmentation.config import is_model
from LNGenLib.service.guard import Guard
from LNGenLib.service.kinds import load_kinds
from LNGenLib.service.protocol import (
    SHA256,
    VERSION,
    Capabilities,
    Problem,
    Result,
    Status,
    Submission,
)
from LNGenLib.service.runner import Runner
from LNGenLib.service.store import Job, Store
from LNGenLib.service.tokens import Tokens
from LNGenLib.service.uploads import BadUpload, Uploads

GIB = 1 << 30
HOUR, DAY = 3600.0, 24 * 3600.0
ALIVE = 1.0  # seconds between signs of life in a stream of events
PIECE = 1 << 20  # bytes of a file read at a time
MOST_STREAMS, MOST_RECEIVING = 256, 16  # at a time, of all clients
ERRORS = {
    code: {"model": Problem, "description": text}
    for code, text in {
        400: "The body can't be read",
        401: "No valid token",
        404: "There is none, or it is not yours",
        405: "The path has no such method",
        408: "The body did not arrive",
        409: "The job is not in a state for this",
        413: "Too large",
        415: "Another encoding than gzip",
        422: "Not as described here",
        429: "Too much at a time: try later",
        507: "The server's disk is full",
    }.items()
}

router = APIRouter(prefix=f"/v{VERSION}", responses=ERRORS)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """Of a server. `data` is its folder, `kinds` where its kinds of jobs are found (module:NAME).

    `max_upload` is in bytes, `max_jobs` counts those that wait or run.
    """

    data: Path
    tokens: Tokens
    max_upload: int = GIB
    max_jobs: int = 32
    kinds: str = "LNGenLib.service.kinds:KINDS"
    keep_results: float = 7 * DAY
    keep_uploads: float = DAY


class Service:
    """What the routes work on."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.kinds = load_kinds(settings.kinds)
        self.store = Store(settings.data / "jobs")
        self.uploads = Uploads(settings.data / "uploads")
        self.datasets = settings.data / "datasets"
        self.datasets.mkdir(exist_ok=True)
        self.runner = Runner(self.store, self.kinds, settings.kinds, self.datasets)
        self.streams = self.receiving = 0

    async def expire(self) -> None:
        """Remove what is old, every minute."""
        while True:
            self.store.expire(self.settings.keep_results)
            self.uploads.expire(self.settings.keep_uploads)
            await asyncio.sleep(60)

    def job(self, client: str, name: str) -> Job:
        """A client's job; 404 where it has none of this id."""
        job = self.store.find(client, name)
        if job is None:
            raise HTTPException(404, "no such job: it may have expired")
        return job


def create_app(settings: Settings) -> FastAPI:
    """The ASGI application; it owns `settings.data` while it runs."""
    service = Service(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(part()) for part in (service.runner.run, service.expire)]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    app = FastAPI(
        title="LNGen",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"/v{VERSION}/openapi.json",
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = service
    app.include_router(router)
    app.add_exception_handler(AnyHTTPException, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(InputError, _refused)
    app.add_exception_handler(OSError, _unwritten)
    app.add_exception_handler(Exception, _fault)
    app.add_middleware(Guard, tokens=settings.tokens, max_upload=settings.max_upload)
    return app


def _answer(status: int, message: str) -> JSONResponse:
    return JSONResponse(asdict(Problem(message)), status)


def _problem(_: Request, error: AnyHTTPException) -> Response:
    response = _answer(error.status_code, str(error.detail))
    response.headers.update(error.headers or {})
    return response


def _invalid(_: Request, error: RequestValidationError) -> Response:
    """Where and what, without what was sent."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _answer(422, f"{where[:100]}: {first['msg'][:200]}")


def _refused(_: Request, error: InputError) -> Response:
    return _answer(422, str(error)[:1000])


def _unwritten(_: Request, error: OSError) -> Response:
    log.error("the disk can't be used: %s", error.strerror)  # without names of files
    return _answer(507, "the server can't write to its disk")


def _fault(_: Request, error: Exception) -> Response:
    return _answer(500, "a fault of the server: its log has more")


def _service(request: Request) -> tuple[Service, str]:
    return request.app.state.service, request.state.client


@router.get("")
def capabilities(request: Request) -> Capabilities:
    """What this server is and does."""
    service, _ = _service(request)
    settings, runner = service.settings, service.runner
    return Capabilities(
        VERSION,
        f"LNGen {__version__}",
        tuple(service.kinds),
        settings.max_upload,
        settings.max_jobs,
        runner.device,
        tuple(sorted(path.name for path in service.datasets.iterdir() if is_model(path))),
    )


def _check_hash(sha256: str) -> None:
    if not SHA256.fullmatch(sha256):
        raise HTTPException(422, "sha256 is 64 hexadecimal digits")


@router.get("/uploads/{sha256}", status_code=204)
def find_upload(request: Request, sha256: str) -> None:
    """Whether this client has uploaded bytes of this hash; 404 where it has not."""
    service, client = _service(request)
    _check_hash(sha256)
    if service.uploads.path(client, sha256) is None:
        raise HTTPException(404, "no such upload: it may have expired")


@router.put(
    "/uploads/{sha256}",
    status_code=204,
    openapi_extra={
        "requestBody": {
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            }
        }
    },
)
async def upload(
    request: Request,
    sha256: str,
    size: Annotated[int, Query(ge=1, description="Bytes, before any compression.")],
    content_encoding: Annotated[str, Header()] = "identity",
) -> None:
    """Take the voxels of an image: bytes of this SHA-256, or gzip of them."""
    service, client = _service(request)
    _check_hash(sha256)
    if content_encoding not in ("identity", "gzip"):
        raise HTTPException(415, "send the bytes as they are, or gzip")
    if size > service.settings.max_upload:
        raise HTTPException(413, f"an upload has at most {service.settings.max_upload} bytes")
    if service.receiving >= MOST_RECEIVING:
        raise HTTPException(429, "too many uploads at a time: try again later")
    compressed = content_encoding == "gzip"
    service.receiving += 1
    try:
        with service.uploads.receive(client, sha256, size, compressed) as receiver:
            async for chunk in request.stream():
                if compressed:  # a chunk may turn into a thousand times as much
                    await asyncio.to_thread(receiver.feed, chunk)
                else:
                    receiver.feed(chunk)
            receiver.finish()
    except BadUpload as error:
        raise HTTPException(422, str(error)) from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the body did not arrive") from error
    finally:
        service.receiving -= 1


@router.post("/jobs", status_code=201)
async def submit(
    request: Request,
    submission: Submission,
    idempotency_key: Annotated[
        str | None, Header(max_length=64, description="The same again is the same job.")
    ] = None,
) -> Status:
    """Queue a job; 429 where the queue is full."""
    service, client = _service(request)
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
    service, client = _service(request)
    return [job.status for job in service.store.of(client)]


@router.get("/jobs/{id}")
async def status(request: Request, id: str) -> Status:
    """Where a job stands."""
    service, client = _service(request)
    return service.job(client, id).status


@router.get("/jobs/{id}/events", response_class=StreamingResponse)
async def events(
    request: Request,
    id: str,
    last_event_id: Annotated[int, Header(description="Resume after this event.")] = 0,
) -> StreamingResponse:
    """Server-sent events, each a Status under its number, up to the final one."""
    service, client = _service(request)
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
    service, client = _service(request)
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
    service, client = _service(request)
    return _result(service.job(client, id))


@router.get("/jobs/{id}/files/{name}", response_class=StreamingResponse)
async def file(request: Request, id: str, name: str) -> StreamingResponse:
    """A file of a result, by the name that the result gives."""
    service, client = _service(request)
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
    service, client = _service(request)
    job = service.job(client, id)
    if not job.state.final:
        raise HTTPException(409, f"the job is {job.state.value}: cancel it first")
    service.store.remove(job)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; InputError where there can be none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen()
    except OSError as error:
        sock.close()
        raise InputError(f"can't listen at {host} port {port}: {error.strerror}") from error
    return sock


def serve(settings: Settings, sock: socket.socket, **tls: Any) -> None:
    """Serve on a socket until SIGINT or SIGTERM; InputError where `data` is another server's."""
    with locked(settings.data):
        server(settings, **tls).run([sock])


def server(settings: Settings, **tls: Any) -> uvicorn.Server:
    """uvicorn with the application; `tls` are its ssl_ options."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            log_config=None,
            access_log=False,
            server_header=False,
            http="httptools",
            ws="none",
            timeout_graceful_shutdown=1,
            **tls,
        )
    )


@contextlib.contextmanager
def locked(data: Path):
    """Hold the data folder, made where it is missing, for one server alone."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data / ".lock").open("w") as file:
        try:
            _lock(file)
        except OSError as error:
            raise InputError(f"another server uses {data}: give another folder") from error
        yield


def _lock(file: TextIO) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
