"""A server with the test kinds as a process of its own: `Host(data)`, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import service_kinds

from LNGenLib.service.client.client import Client

TOKEN, OTHER = "t" * 32, "o" * 32


class Host:
    """Starts the server on a free port of loopback; `log` holds what it prints."""

    def __init__(self, data: Path, tokens: Sequence[str] = (TOKEN, OTHER), **settings: int):
        self.data, self.tokens, self.log = data, data / "tokens", data / "log.txt"
        data.mkdir(exist_ok=True)
        self.tokens.write_text("\n".join(tokens))
        self.settings = settings
        self.start()

    def start(self) -> None:
        """Start it, again if it was killed."""
        given = json.dumps({"data": str(self.data), **self.settings})
        path = os.pathsep.join([str(service_kinds.FOLDER), os.environ.get("PYTHONPATH", "")])
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, __file__, given],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"PYTHONPATH": path},
            )
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def client(self, token: str = TOKEN) -> Client:
        """A client of its own session."""
        return Client(self.url, token)

    def wait_for_worker(self) -> None:
        """Until it can do jobs."""
        while self.client().capabilities().device is None:
            time.sleep(0.1)

    def processes(self) -> list[psutil.Process]:
        """The server and its worker."""
        server = psutil.Process(self.process.pid)
        return [server, *server.children(recursive=True)]

    def stop(self) -> None:
        """End it in order."""
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()


@contextmanager
def running(data: Path, **settings: int) -> Iterator[Host]:
    """A server whose worker can do jobs; it ends with the block."""
    host = Host(data, **settings)
    try:
        host.wait_for_worker()
        yield host
    finally:
        host.stop()


def seconds_until_gone(processes: Sequence[psutil.Process], most: float = 10.0) -> float:
    """How long they go on from now, or `most`; one that is not yet reaped is gone."""
    begin = time.perf_counter()
    while (spent := time.perf_counter() - begin) < most:
        if not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes):
            return spent
        time.sleep(0.01)
    return most


def main(data: str, **settings: int) -> None:
    """Serve until SIGTERM."""
    import logging

    from LNGenLib.service.protocol.tokens import Tokens
    from LNGenLib.service.server.serve import listen, serve
    from LNGenLib.service.server.service import Settings

    logging.basicConfig(level=logging.INFO)
    folder = Path(data)
    tokens = Tokens(file=folder / "tokens")
    with listen("127.0.0.1", 0) as sock:
        print(sock.getsockname()[1], flush=True)
        serve(Settings(folder, tokens, kinds=service_kinds.NAME, **settings), sock)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
