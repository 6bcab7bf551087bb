"""What every request passes first: token, size and patience; and the access log."""

from __future__ import annotations

import asyncio
import logging
import time

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from LNGenLib.service.protocol.tokens import Tokens
from LNGenLib.service.server.exceptions import problem

JSON_BYTES = 1 << 20
GZIP_MORE = 1024  # bytes, and a thousandth: more than gzip adds to what it can't make smaller
BODY_PAUSE = 30.0  # seconds without a byte of a body before the request is given up
LINGER = 0.3  # seconds for which the rest of a refused body is taken, and dropped

log = logging.getLogger("LNGenLib.service.access")


class AccessMiddleware:
    """A request without a valid token goes no further, its body unread.

    The log has method, route, status and the first digits of the client's hash: no names, no hashes
    of images, no addresses.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, max_upload: int):
        self.app, self.tokens, self.max_upload = app, tokens, max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the server's start and end; there are no web sockets
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        client = self.tokens.client(headers.get(b"authorization", ""))
        most = self.max_upload if scope["method"] == "PUT" else JSON_BYTES
        if headers.get(b"content-encoding") == "gzip":
            most += most // 1000 + GZIP_MORE
        body = _Body(receive, headers, most)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"cache-control", b"no-store"),
                    (b"x-content-type-options", b"nosniff"),
                    *([(b"connection", b"close")] if body.unread else []),
                ]
            elif body.unread and not message.get("more_body"):
                # closed at once, the connection would be reset before the client reads the answer
                await send({**message, "more_body": True})
                await body.drain()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        app = self.app
        if client is None:
            text = "no valid token: ask the server's admin for one"
            app = problem(401, text, {"www-authenticate": "Bearer"})
        elif body.announced > most:
            app = problem(413, f"the body has more than {most} bytes")
        try:
            scope["state"] = {**scope.get("state", {}), "client": client}
            await app(scope, body.receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "-")
            spent = (time.perf_counter() - begin) * 1000
            who = "-" if client is None else client[:8]
            log.info("%s %s %d %.0f ms %s", scope["method"], route, status, spent, who)


class _Body:
    """The body of a request; `receive` is ASGI's and ends one that is too long or too slow."""

    def __init__(self, receive: Receive, headers: dict[bytes, str], most: int):
        self._receive, self.most, self.got = receive, most, 0
        length = headers.get(b"content-length", "0")
        self.announced = int(length) if length.isdecimal() else 0
        self.unread = self.announced > 0 or b"transfer-encoding" in headers

    async def receive(self) -> Message:
        if not self.unread:  # it waits for the client to go, which may take as long as it likes
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), BODY_PAUSE)
        except asyncio.TimeoutError:
            raise HTTPException(408, "the body did not arrive") from None
        self.got += len(message.get("body", b""))
        if self.got > self.most:
            raise HTTPException(413, f"the body has more than {self.most} bytes")
        self.unread = message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Let the rest of the body pass by, for a moment."""
        end = time.monotonic() + LINGER
        while self.unread and (left := end - time.monotonic()) > 0:
            try:
                message = await asyncio.wait_for(self._receive(), left)
            except asyncio.TimeoutError:
                return
            self.unread = message.get("more_body", False)
