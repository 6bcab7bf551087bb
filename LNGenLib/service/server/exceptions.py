"""What the server answers where something is wrong: always a `Problem`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from LNGenLib.errors import InputError, OutputError
from LNGenLib.service.protocol.messages import Problem

RESPONSES: dict[int | str, dict[str, Any]] = {
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


def problem(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer that says what is wrong."""
    return JSONResponse(asdict(Problem(message)), status, headers)


async def _http(_: Request, error: HTTPException) -> JSONResponse:
    return problem(error.status_code, str(error.detail), error.headers)


async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    """Where and what, without what was sent."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return problem(422, f"{where[:100]}: {first['msg'][:200]}")


async def _refused(_: Request, error: InputError) -> JSONResponse:
    return problem(422, str(error)[:1000])


async def _unwritten(_: Request, error: OSError | OutputError) -> JSONResponse:
    reason = getattr(error.__cause__ or error, "strerror", None)  # without names of files
    log.error("the disk can't be used: %s", reason)
    return problem(507, "the server can't write to its disk")


async def _fault(_: Request, error: Exception) -> JSONResponse:
    return problem(500, "a fault of the server: its log has more")


HANDLERS: dict[int | type[Exception], Any] = {
    HTTPException: _http,
    RequestValidationError: _invalid,
    InputError: _refused,
    OutputError: _unwritten,
    OSError: _unwritten,
    Exception: _fault,
}
