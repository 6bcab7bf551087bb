"""What the server answers where something is wrong: always a `Problem`."""

from __future__ import annotations

import logging
from dataclasses import asdict

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as AnyHTTPException

from LNGenLib.errors import InputError
from LNGenLib.service.protocol.messages import VERSION, Problem

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

log = logging.getLogger(__name__)


def new_router() -> APIRouter:
    """Of paths of this version of the protocol, whose errors are described."""
    return APIRouter(prefix=f"/v{VERSION}", responses=ERRORS)


def answer_errors(app: FastAPI) -> None:
    """Let what routes raise be answered as a `Problem`."""
    app.add_exception_handler(AnyHTTPException, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(InputError, _refused)
    app.add_exception_handler(OSError, _unwritten)
    app.add_exception_handler(Exception, _fault)


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
