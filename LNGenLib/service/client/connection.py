"""HTTP to a server, with one token. Nothing is sent to any machine but the one that was named."""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from LNGenLib.errors import InputError
from LNGenLib.service.protocol.messages import VERSION, JobStatus

CONNECT, SILENCE = 10.0, 30.0  # seconds; a stream of events shows life every second
PAUSE = 0.5  # seconds before a lost connection is taken up
REFUSALS = {  # what a status means to a user, after "The server URL"; others bring a message
    401: "does not accept this token: ask its admin for yours.",
    403: "lets nobody in from here: ask its admin.",
    407: "lies behind a proxy that wants a password: ask the admin of your network.",
    408: "did not get all of the data in time: try again.",
    413: "does not take that much: crop the CT, or ask the server's admin to allow more.",
    429: "is busy: try again in a minute.",
    500: "had a fault: ask its admin what its log says.",
    507: "can't write to its disk: ask its admin to make room.",
    **dict.fromkeys((502, 503, 504), "is not up: try again in a minute, or ask its admin."),
}
NO_LNGEN = "does not answer as an LNGen server: check address and port."

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

    def __init__(self, url: str, token: str, ca: str = ""):
        self.url = url.rstrip("/")
        host = host_of(self.url)
        if not token.isascii() or not token.isprintable():
            raise ServiceError("This can't be a token: it holds what no token does.")
        if ca:
            _check_ca(ca)
        self.ca = ca
        self.session = requests.Session()
        self.session.auth = _Bearer(token)
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
            raise ServiceError(f"{self._name} {NO_LNGEN}") from error

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
            raise ServiceError(f"{self._name} can't be reached: {_why(error)}") from error

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        url = f"{self.url}/v{VERSION}{path}"
        if self.ca:  # here, since of a session's own one REQUESTS_CA_BUNDLE takes the place
            options["verify"] = self.ca
        timeout = (CONNECT, SILENCE)
        reply = self.session.request(method, url, timeout=timeout, allow_redirects=False, **options)
        if reply.status_code >= 300:
            raise ServiceError(f"{self._name} {_refusal(reply)}", reply.status_code)
        return reply

    @property
    def _name(self) -> str:
        """How messages call it."""
        return f"The server {self.url}"

    def _stream(self, job: str, after: int) -> Iterator[JobStatus | None]:
        headers = {"Last-Event-ID": str(after)}
        with self._send("GET", f"/jobs/{job}/events", headers=headers, stream=True) as reply:
            for line in reply.iter_lines(chunk_size=None):
                if line.startswith(b"data: "):
                    yield self._made(JobStatus.from_json, line[6:])
                elif line.startswith(b":"):
                    yield None


def host_of(url: str) -> str:
    """The host in a server's address; ServiceError where that is no address."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        known = parts.scheme in ("http", "https") and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known or not host:
        raise ServiceError(f"{url!r} is no address of a server: give one as https://HOST:PORT.")
    return host


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_ca(file: str) -> None:
    """Raise ServiceError unless a file holds certificates."""
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError, too
        fault = "holds no certificate" if isinstance(error, ssl.SSLError) else "can't be read"
        raise ServiceError(
            f"{file} {fault}: give the CA certificate (PEM) that the server's admin has."
        ) from error


def _refusal(reply: requests.Response) -> str:
    """What a server's answer means that is none of success, after its name."""
    if reply.status_code in REFUSALS:
        return REFUSALS[reply.status_code]
    if reply.status_code < 400:
        there = urlsplit(reply.headers.get("Location", ""))
        address = f"{there.scheme}://{there.netloc}" if there.netloc else "another address"
        return f"sends on to {address}: give that if it is the server's."
    try:
        return f"refuses: {reply.json()['message']}"
    except (ValueError, TypeError, KeyError):
        return NO_LNGEN


def _why(error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy in between does not let it through."
    if isinstance(error, requests.exceptions.SSLError):
        return _why_untrusted(str(error))
    if isinstance(error, requests.Timeout):
        return "it does not answer in time."
    if _comes_of(error, socket.gaierror):
        return "there is no host of this name: check the address and your network."
    if _comes_of(error, ConnectionRefusedError):
        return "nothing listens there: check the port, and that the server runs."
    return "no connection. Check the address and your network."


def _why_untrusted(text: str) -> str:
    """Of what OpenSSL says."""
    if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text:
        return "it does not speak TLS there: does its address begin with http://?"
    if "certificate has expired" in text:
        return "its certificate has expired: ask its admin for a new one."
    if "match" in text:
        return "its certificate is of another host: check the address."
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not trusted: give the CA certificate of its admin."
    return "no encrypted connection can be made with it."


def _comes_of(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an error, or one that it comes of, is of this kind."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error is not None
