"""A connection that fails as networks do: `Wire(url)` passes bytes on to a server."""

from __future__ import annotations

import socket
import threading
import time
from urllib.parse import urlsplit

PIECE = 1 << 16


class Wire:
    """Listens on a free port of loopback; `url` is its address.

    `rate` is in bytes a second toward the server, None for no limit. `faults` are pairs of how a
    request begins and what then happens, once each: a str is the answer's status line, which the
    server never hears of; None lets the server do it, and loses its answer.
    """

    def __init__(self, url: str, rate: float | None = None):
        self.server = urlsplit(url).hostname, urlsplit(url).port
        self.rate, self.faults = rate, []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._connected: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """As if the cable were pulled: nothing gets through any more."""
        for sock in (self._listening, *self._connected):
            try:
                sock.shutdown(socket.SHUT_RDWR)  # wakes the threads that wait for it
            except OSError:
                pass
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
                far = socket.create_connection(self.server)
            except OSError:
                return
            self._connected += near, far
            lost = threading.Event()
            threading.Thread(target=self._up, args=(near, far, lost), daemon=True).start()
            threading.Thread(target=self._down, args=(near, far, lost), daemon=True).start()

    def _up(self, near: socket.socket, far: socket.socket, lost: threading.Event) -> None:
        with near, far:
            try:
                while piece := near.recv(PIECE):
                    for fault in self.faults:
                        if piece.startswith(fault[0]):
                            self.faults.remove(fault)
                            if fault[1] is not None:
                                answer = f"HTTP/1.1 {fault[1]}\r\nContent-Length: 0\r\n\r\n"
                                near.sendall(answer.encode())
                                return
                            lost.set()
                            break
                    if self.rate:
                        time.sleep(len(piece) / self.rate)
                    far.sendall(piece)
            except OSError:
                pass
            for sock in (near, far):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _down(self, near: socket.socket, far: socket.socket, lost: threading.Event) -> None:
        try:
            while piece := far.recv(PIECE):
                if lost.is_set():
                    break
                near.sendall(piece)
            near.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
