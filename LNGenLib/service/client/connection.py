"""HTTP to a server, with one token. Nothing is sent to any machine but the one that was named."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from LNGenLib.errors import InputError
from LNGenLib.service.protocol.messages import VERSION, JobStatus

CONNECT, SILENCE = 10.0, 30.0  # seconds; a stream of events shows life every second
PAUSE = 0.5  # seconds before a lost connection is taken up

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


class Connection:
    """Requests and answers. Raises ServiceError where the server is not reached or refuses, and
    where address or token can't be any."""

    def __init__(self, url: str, token: str, verify: str | bool = True):
        self.url = url.rstrip("/")
        host = _host(self.url)
        if not token.isascii() or not token.isprintable():
            raise ServiceError("this can't be a token: it holds what no token does")
        self.session = requests.Session()
        self.session.auth, self.session.verify = _Bearer(token), verify
        self.near = is_loopback(host)
        if self.near:
            self.session.trust_env = False  # no proxy in between

    def _read(
        self, make: Callable[[Any], Answer], method: str, path: str, **options: Any
    ) -> Answer:
        """What `make` makes of the answer's JSON."""
        return self._made(make, self._call(method, path, **options).content)

    def _made(self, make: Callable[[Any], Answer], content: bytes) -> Answer:
        try:
            return make(json.loads(content))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ServiceError(
                f"{self.url} does not answer as an LNGen server: check address and port"
            ) from error

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

    def _stream(self, job: str, after: int) -> Iterator[JobStatus | None]:
        headers = {"Last-Event-ID": str(after)}
        with self._send("GET", f"/jobs/{job}/events", headers=headers, stream=True) as reply:
            for line in reply.iter_lines(chunk_size=None):
                if line.startswith(b"data: "):
                    yield self._made(JobStatus.from_json, line[6:])
                elif line.startswith(b":"):
                    yield None


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


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _why(error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    return "it does not answer in time" if isinstance(error, requests.Timeout) else "no connection"
