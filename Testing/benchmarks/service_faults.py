"""What is left of a job whose server is killed?

For each state: a server with one finished job and one in that state is ended by kill -9, then
started again on the same folder.

    python Testing/benchmarks/service_faults.py
"""

from __future__ import annotations

import hashlib
import socket
import sys
import tempfile
import time
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
from service_host import TOKEN, Host, seconds_until_gone
from service_kinds import Steps

from LNGenLib.service.client.client import Client
from LNGenLib.service.client.connection import ServiceError
from LNGenLib.service.protocol.messages import JobState


def reach(client: Client, state: str) -> str:
    """A job brought into a state; its id."""
    if state == "queued":
        client.submit("stuck", Steps())
        return client.submit("sleep", Steps()).id
    steps = Steps(10_000, 0.02)
    kinds = {"canceling": "stuck", "done": "sleep", "failed": "crash"}
    job = client.submit(kinds.get(state, "sleep"), Steps() if state == "done" else steps).id
    for status in client.watch(job):
        if status and status.state in (JobState.running, JobState.canceling):
            if state == "running" and status.step > 3:
                break
            if state in ("canceling", "canceled") and status.state is JobState.running:
                client.cancel(job)
            if state == "canceling" and status.state is JobState.canceling:
                break
    assert client.status(job).state.value == state
    return job


def half_upload(host: Host) -> socket.socket:
    """A connection in the middle of an upload."""
    sock = socket.create_connection(("127.0.0.1", int(host.url.rsplit(":", 1)[1])))
    digest = hashlib.sha256(bytes(1000)).hexdigest()
    head = (
        f"PUT /v2/uploads/{digest}?size=1000 HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: 1000\r\n\r\n"
    )
    sock.sendall(head.encode() + bytes(500))
    return sock


def served(client: Client, job: str) -> str:
    """Files of a job that can be fetched."""
    try:
        result = client.result(job)
    except ServiceError as error:
        return f"none ({error.status})"
    return ", ".join(f"{f.name} {len(client.file(job, f))} B" for f in result.files)


def main() -> None:
    """Print a row a state."""
    table = Table(
        "killed while", "then", "reason", "its files", "earlier result", "worker gone", "left over"
    )
    for state in JobState:
        with tempfile.TemporaryDirectory() as folder:
            host = Host(Path(folder))
            host.wait_for_worker()
            client = host.client()
            earlier, _ = client.run("sleep", Steps(mark="earlier"))
            job = reach(client, state.value)
            sock = half_upload(host)
            time.sleep(0.2)
            children = host.processes()[1:]
            host.process.kill()
            gone = seconds_until_gone(children)
            host.process.wait()
            sock.close()
            host.process.stdout.close()
            host.start()
            client = host.client()
            status = client.status(job)
            again = client.file(earlier, client.result(earlier).files[0]) == b"earlier"
            unfinished = [
                path
                for path in Path(folder).rglob("*")
                if path.name in ("work", "scratch", "inputs")
                or (path.name.startswith(".") and path.name != ".lock")
            ]
            table.add_row(
                state.value,
                status.state.value,
                status.error or "-",
                served(client, job),
                "fetched" if again else "LOST",
                f"{gone:.2f} s",
                ", ".join(map(str, unfinished)) or "nothing",
            )
            host.stop()
    Console(width=180).print(table)


if __name__ == "__main__":
    typer.run(main)
