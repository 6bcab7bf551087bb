"""The routes of uploads."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Request
from starlette.requests import ClientDisconnect

from LNGenLib.service.protocol.messages import SHA256, VERSION
from LNGenLib.service.server.dependencies import ClientDep, ServiceDep
from LNGenLib.service.server.uploads import BadUpload

MOST_RECEIVING = 16  # at a time, of all clients
BINARY = {"schema": {"type": "string", "format": "binary"}}

router = APIRouter(prefix=f"/v{VERSION}")


def _check_hash(sha256: str) -> None:
    if not SHA256.fullmatch(sha256):
        raise HTTPException(422, "sha256 is 64 hexadecimal digits")


@router.get("/uploads/{sha256}", status_code=204)
def find_upload(service: ServiceDep, client: ClientDep, sha256: str) -> None:
    """Whether this client has uploaded bytes of this hash; 404 where it has not."""
    _check_hash(sha256)
    if service.uploads.path(client, sha256) is None:
        raise HTTPException(404, "no such upload: it may have expired")


@router.put(
    "/uploads/{sha256}",
    status_code=204,
    openapi_extra={"requestBody": {"content": {"application/octet-stream": BINARY}}},
)
async def upload(
    request: Request,
    service: ServiceDep,
    client: ClientDep,
    sha256: str,
    size: Annotated[int, Query(ge=1, description="Bytes, before any compression.")],
    content_encoding: Annotated[str, Header()] = "identity",
) -> None:
    """Take the voxels of an image: bytes of this SHA-256, or gzip of them."""
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
