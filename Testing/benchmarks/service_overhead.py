"""What does the protocol cost, and how soon does it let go?

Syntheses by a local worker against the same calls in process, models loaded; a large CT; cancel;
and the death of the parent. `share` is the client's wall clock without the engine's own seconds,
which swing from call to call.

    python Testing/benchmarks/service_overhead.py [--runs 5]
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import typer
from rich.console import Console
from rich.table import Table

TESTING = Path(__file__).parents[1]
sys.path.insert(0, str(TESTING))
from service_host import seconds_until_gone
from service_kinds import NAME, Steps

from LNGenLib.image.io import to_array
from LNGenLib.phantom import pelvic_phantom
from LNGenLib.scan import Scan
from LNGenLib.service.client.local import LocalService
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.request import SynthesisRequest

PARENT = """
import time
from service_host import seconds_until_gone
from service_kinds import NAME
from LNGenLib.service.client.local import LocalService
service = LocalService(kinds=NAME)
while service.client.capabilities().device is None:
    time.sleep(0.1)
print(flush=True)
time.sleep(600)
"""


def compared(service: LocalService, phantom, count: int, runs: int) -> list[str]:
    """A row: seconds in process, by the worker, and the protocol's share; bytes of the reply."""
    models, rows, replies = Models(), [], []
    take = service.client._take
    service.client._take = lambda *job: replies.append(take(*job)) or replies[-1]
    for run in range(runs + 1):
        request = SynthesisRequest(count, Sizes("uniform", 4.0, 20.0), run)
        begin = time.perf_counter()
        expected = synthesize(Scan(phantom.ct, phantom.labels), request, models)
        inside = time.perf_counter() - begin
        begin = time.perf_counter()
        result = service.client.synthesize(Scan(phantom.ct, phantom.labels), request)
        spent = time.perf_counter() - begin
        assert (to_array(result.ct) == to_array(expected.ct)).all()
        if run:  # the first loads the models and uploads the CT
            rows.append((inside, spent, spent - result.provenance["engine_seconds"]))
        else:
            first = spent - result.provenance["engine_seconds"]
    service.client._take = take
    medians = [statistics.median(values) for values in zip(*rows)]
    share = max(map(len, replies)) / (phantom.ct.GetNumberOfPixels() * 2)
    cells = [f"{seconds:.2f}" for seconds in (*medians, max(row[2] for row in rows), first)]
    size = " x ".join(map(str, phantom.ct.GetSize()))
    return [size, str(count), *cells, f"{max(map(len, replies)) / 1e3:.0f} kB, {share:.2%}"]


def cancel_seconds(service: LocalService, phantom) -> list[tuple[str, float]]:
    """From a cancel to the final event: of a job that sleeps, and of a synthesis by stage."""
    client, found = service.client, []
    requests = {"sleep": (Steps(10_000, 0.1), {})}
    images = {"ct": phantom.ct, "anatomy": phantom.labels}
    request = SynthesisRequest(4, Sizes("uniform", 4.0, 12.0), 1, texture_steps=1000)
    for stage in ("structures", "texture"):
        requests[stage] = (request, images)
    for stage, (request, images) in requests.items():
        kind = "sleep" if stage == "sleep" else "synthesize"
        job = client.submit(kind, request, images).id
        begin = None
        for status in client.watch(job):
            if status and begin is None and status.step > 1 and status.stage in (stage, "sleeping"):
                client.cancel(job)
                begin = time.perf_counter()
        assert status.state.value == "canceled", status
        found.append((stage, time.perf_counter() - begin))
    return found


def death_seconds() -> float:
    """From the parent's SIGKILL to the end of its worker and server."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    parent.stdout.readline()
    family = psutil.Process(parent.pid).children(recursive=True)
    assert len(family) == 2
    parent.send_signal(signal.SIGKILL)
    seconds = seconds_until_gone(family)
    parent.wait()
    return seconds


def main(runs: int = 5) -> None:
    """Print the tables."""
    os.environ["PYTHONPATH"] = str(TESTING)
    console = Console(width=160)
    for _ in range(3):
        console.print(f"parent killed: server and worker gone after {death_seconds():.2f} s")
    small = pelvic_phantom(1, (3.0, 3.0, 3.0))
    title = "s in process", "s by worker", "share s", "largest share s", "with upload s"
    table = Table("voxels", "nodes", *title, "reply, of the CT")
    with tempfile.TemporaryDirectory() as folder, LocalService(Path(folder), kinds=NAME) as service:
        process = service.client.run("sleep", Steps())[1].content["process"]
        for stage, seconds in cancel_seconds(service, small):
            console.print(f"cancel while {stage}: {seconds:.2f} s to the final event")
        same = service.client.run("sleep", Steps())[1].content["process"] == process
        console.print(f"the worker, and so its models, outlived the cancels: {same}")
        table.add_row(*compared(service, small, 1, runs))
        console.print(table)
        large = pelvic_phantom(0, (0.75, 0.75, 1.0), (512, 512, 300))
        table.add_row(*compared(service, large, 5, max(1, runs // 2)))
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
