"""Serving: a listening socket, uvicorn on it, and the data folder for one server alone."""

from __future__ import annotations

import contextlib
import importlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import uvicorn

from LNGenLib.errors import InputError
from LNGenLib.service.server.app import create_app
from LNGenLib.service.server.service import Settings


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
        uvicorn_server(settings, **tls).run([sock])


def uvicorn_server(settings: Settings, **tls: Any) -> uvicorn.Server:
    """The server of the application; `tls` are uvicorn's ssl_ options."""
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
def locked(data: Path) -> Iterator[None]:
    """Hold the data folder, made where it is missing, for one server alone.

    Raises InputError where another server does, and where it holds what no server made.
    """
    lock = data / ".lock"
    others = [data / name for name in ("jobs", "uploads") if (data / name).exists()]
    if others and not lock.exists():  # a server clears what is old in its own
        raise InputError(f"{others[0]} is not a server's: give another folder")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock.open("w") as file:
        try:
            _lock(file)
        except OSError as error:
            raise InputError(f"another server uses {data}: give another folder") from error
        yield


def _lock(file: TextIO) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        msvcrt: Any = importlib.import_module("msvcrt")
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
