"""Can anything that is sent bring the server down? Random requests and malformed images.

schemathesis makes requests from the server's own OpenAPI description: examples, edge cases, random
ones, and sequences; then come malformed images. No answer may be 5xx.

    python Testing/benchmarks/service_fuzz.py [--examples 100] [--images 200]
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import requests
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
from service_host import TOKEN, Host
from test_service_server import malformed

MIB = 1 << 20
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def fuzz(host: Host, examples: int) -> str:
    """schemathesis' own summary."""
    command = [
        *(Path(sys.executable).with_name("schemathesis"), "run", f"{host.url}/v2/openapi.json"),
        *("--header", f"Authorization: Bearer {TOKEN}", "--checks", "not_a_server_error"),
        *("--max-examples", str(examples), "--seed", "0", "--request-timeout", "20"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, cwd=host.data)
    return run.stdout[run.stdout.rfind("= SUMMARY") :] + f"exit code {run.returncode}"


def send_malformed(host: Host, images: int) -> tuple[Counter[int], float]:
    """How many answers of each status; the slowest's seconds."""
    rng, answers, slowest = random.Random(1), Counter(), 0.0
    for _ in range(images):
        upload, body = malformed(rng)
        headers = HEADERS | upload.pop("headers")
        path = upload.pop("path")
        begin = time.perf_counter()
        reply = requests.request(url=host.url + path, headers=headers, timeout=20, **upload)
        answers[reply.status_code] += 1
        url = f"{host.url}/v2/jobs"
        answers[requests.post(url, json=body, headers=HEADERS, timeout=20).status_code] += 1
        slowest = max(slowest, time.perf_counter() - begin)
    return answers, slowest


def main(examples: int = 100, images: int = 200) -> None:
    """Print what came of both."""
    console = Console(width=160, markup=False)
    with tempfile.TemporaryDirectory() as folder:
        host = Host(Path(folder), max_jobs=8)
        try:
            host.wait_for_worker()
            requests.get(f"{host.url}/v2/openapi.json", headers=HEADERS, timeout=20)
            memory = [[p.memory_info().rss / MIB for p in host.processes()]]
            begin = time.perf_counter()
            console.print(fuzz(host, examples))
            console.print(f"{time.perf_counter() - begin:.0f} s")
            memory.append([p.memory_info().rss / MIB for p in host.processes()])
            answers, slowest = send_malformed(host, images)
            memory.append([p.memory_info().rss / MIB for p in host.processes()])
            log = host.log.read_text()
        finally:
            host.stop()
    console.print(f"{images} malformed images: {dict(answers)}, the slowest {slowest:.2f} s")
    console.print(f"{log.count('Traceback')} tracebacks in the server's log")
    console.print(log[log.find("Traceback") :][:2000] if "Traceback" in log else "")
    table = Table("MiB", "server", "worker")
    for name, (server, worker, *_) in zip(("before", "after fuzzing", "after images"), memory):
        table.add_row(name, f"{server:.1f}", f"{worker:.1f}")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
