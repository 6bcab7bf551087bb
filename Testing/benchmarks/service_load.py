"""Does the server keep 20 clients apart, and its memory flat?

Rounds of jobs by clients at a time, each with a token of its own: 10 % are canceled, 5 % begin with
a broken upload, 5 % lose the connection while they watch; some are real syntheses. The first round
warms up.

    python Testing/benchmarks/service_load.py [--clients 20] [--jobs 100] [--rounds 3] [--real 5]
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import requests
import SimpleITK as sitk
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
from service_host import Host
from service_kinds import Steps

from LNGenLib.phantom import pelvic_phantom
from LNGenLib.service.client.client import Client
from LNGenLib.service.client.connection import ServiceError
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.request import SynthesisRequest

MAX_JOBS = 12  # fewer than clients, so that some meet a full queue
MIB = 1 << 20


class Load:
    """A round of jobs; `seen` counts what came of them."""

    def __init__(self, host: Host, tokens: list[str], phantom):
        self.host, self.tokens, self.phantom = host, tokens, phantom
        self.seen: Counter[str] = Counter()

    def client(self, number: int, tasks: list[tuple[int, str]]) -> None:
        """What one client does: its jobs, one after the other."""
        client = self.host.client(self.tokens[number])
        for mark, task in tasks:
            self.job(client, mark, task)

    def job(self, client: Client, mark: int, task: str) -> None:
        """One job and the check of its outcome."""
        rng = np.random.default_rng(mark)
        values = rng.integers(-1000, 1000, (8, 64, 64)).astype(np.int16)
        if task == "broken":
            self.broken_upload(client, values)
        if task == "real":
            request, images = self.synthesis(mark)
        else:
            request = Steps(1000 if task == "cancel" else 5, 0.01, str(mark))
            images = {"image": sitk.GetImageFromArray(values)}
        kind = "synthesize" if task == "real" else "sleep"
        job = self.submitted(client, kind, request, images)
        finals = []
        after = 0
        for status in client.watch(job):
            if status is None:
                continue
            after = status.event
            if task == "cancel" and status.step:
                client.cancel(job)
            if task == "drop":
                break  # and resumed below
            if status.state.final:
                finals.append(status)
        if task == "drop":
            finals = [s for s in client.watch(job, after) if s and s.state.final]
        self.seen["jobs"] += 1
        self.seen[finals[0].state.value] += 1
        if len(finals) != 1 or client.status(job) != finals[0]:
            self.seen["not one final state"] += 1
        expected = {"cancel": "canceled"}.get(task, "done")
        if finals[0].state.value != expected:
            self.seen["unexpected end"] += 1
        if finals[0].state.value == "done":
            self.check(client, job, kind, mark, values)

    def check(self, client: Client, job: str, kind: str, mark: int, values: np.ndarray) -> None:
        """Whether the result is this job's own, and hidden from the next client."""
        content = client.result(job).content
        if kind == "sleep":
            own = content["mark"] == str(mark) and content["sums"]["image"] == values.sum()
        else:
            own = content["provenance"]["request"]["seed"] == mark
        self.seen["another's data"] += not own
        other = (self.tokens.index(client.session.auth.token) + 1) % len(self.tokens)
        with contextlib.suppress(ServiceError):
            self.host.client(self.tokens[other]).result(job)
            self.seen["another's data"] += 1

    def synthesis(self, seed: int):
        """A small real job."""
        request = SynthesisRequest(1, Sizes("uniform", 9.0, 9.0), seed, texture_steps=2)
        return request, {"ct": self.phantom.ct, "anatomy": self.phantom.labels}

    def submitted(self, client: Client, kind: str, request, images) -> str:
        """The id of a job; tried again while the queue is full."""
        while True:
            try:
                return client.submit(kind, request, images).id
            except ServiceError as error:
                if error.status != 429:
                    raise
                self.seen["429"] += 1
                time.sleep(0.1)

    def broken_upload(self, client: Client, values: np.ndarray) -> None:
        """An upload of other bytes than announced."""
        digest = hashlib.sha256(values.tobytes()).hexdigest()
        url = f"{self.host.url}/v2/uploads/{digest}?size={values.nbytes}"
        with requests.Session() as session:
            session.trust_env = False
            reply = session.put(url, data=values.tobytes()[:-9], auth=client.session.auth)
        self.seen["broken uploads"] += reply.status_code == 422


def tasks_of(jobs: int, real: int, seed: int) -> list[str]:
    """What each job of a round is to be, shuffled."""
    special = ["cancel"] * (jobs // 10) + ["broken", "drop"] * (jobs // 20) + ["real"] * real
    tasks = special + ["plain"] * (jobs - len(special))
    random.Random(seed).shuffle(tasks)
    return tasks


def main(clients: int = 20, jobs: int = 100, rounds: int = 3, real: int = 5) -> None:
    """Print a row a round."""
    tokens = [f"{number:032d}" for number in range(clients)]
    phantom = pelvic_phantom(1, (4.0, 4.0, 4.0))
    names = "jobs,done,canceled,failed,unexpected end,not one final state,another's data".split(",")
    names += ["broken uploads", "429"]
    table = Table("round", *names, "seconds", "server MiB", "worker MiB", "files open", "processes")
    with tempfile.TemporaryDirectory() as folder:
        host = Host(Path(folder), tokens, max_jobs=MAX_JOBS)
        try:
            host.client = lambda token=tokens[0], url=host.url: Client(url, token)
            host.wait_for_worker()
            for number in range(rounds):
                load = Load(host, tokens, phantom)
                marked = list(enumerate(tasks_of(jobs, real, number), number * jobs))
                begin = time.perf_counter()
                with ThreadPoolExecutor(clients) as pool:
                    parts = [
                        pool.submit(load.client, k, marked[k::clients]) for k in range(clients)
                    ]
                for part in parts:
                    part.result()
                spent = time.perf_counter() - begin
                server, worker, *more = host.processes()
                memory = [f"{p.memory_info().rss / MIB:.1f}" for p in (server, worker)]
                counts = [str(load.seen[name]) for name in names]
                rest = [str(server.num_fds()), str(2 + len(more))]
                title = str(number) if number else "warm-up"
                table.add_row(title, *counts, f"{spent:.1f}", *memory, *rest)
            for status in host.client().jobs():
                assert status.state.final, dataclasses.asdict(status)
        finally:
            host.stop()
    Console(width=180).print(table)


if __name__ == "__main__":
    typer.run(main)
