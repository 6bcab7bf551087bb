"""Is a data set whole and the same when several processes make it and are killed at random?

Makes cases of small crops of the phantom in one process; then again by 2 processes, killed
(SIGKILL) twice at random moments and resumed. Prints what is there after each run, and whether the
cases of the two are equal: labels, HU within 1, manifest; none twice, none missing or unreadable.

    python Testing/benchmarks/dataset_faults.py -n 200
"""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from fat_crops import write_fat_crops

from LNGenLib.datasets.cases import read_cases
from LNGenLib.image.io import to_array

LNGEN = [sys.executable, "-c", "from LNGenLib.cli.main import main; main()"]
OPTIONS = ["--count", "1", "2", "--long-axis", "5", "10"]
CROPS = 3


def command(cases: Path, output: Path, number: int, *more: str) -> list[str]:
    return [*LNGEN, "dataset", "--cases", cases, "-o", output, "-n", str(number), *OPTIONS, *more]


def whole(folder: Path) -> int:
    """Cases that count."""
    return len(list(folder.glob("records/[!.]*.json")))


def run_and_kill(run: list[str], folder: Path, moment: int, delay: float) -> int:
    """Kill the command some seconds after a number of cases are whole; workers that
    outlived it by more than a minute (they are ended then)."""
    process = subprocess.Popen(run, stdout=subprocess.DEVNULL)
    while whole(folder) < moment and process.poll() is None:
        time.sleep(0.2)
    time.sleep(delay)
    assert process.poll() is None, "it ended before it was killed"
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    for child in alive:
        child.kill()
    return len(alive)


def compare(folder: Path, reference: Path, number: int) -> dict[str, object]:
    cases, others = read_cases(folder), read_cases(reference)
    ids = [f"synthetic_{k:05d}" for k in range(number)]
    labels, hu, seen = 0, 0, set()
    for case, other in zip(cases, others, strict=True):
        (ct, label, _), (other_ct, other_label, _) = case.load(), other.load()
        labels += np.array_equal(to_array(label), to_array(other_label))
        hu = max(hu, int(np.abs(to_array(ct).astype(int) - to_array(other_ct)).max()))
        seen.add(hashlib.sha256(to_array(ct)).hexdigest())
    manifests = [json.loads((one / "manifest.json").read_text()) for one in (folder, reference)]
    return {
        "ids are 0 to n - 1": [case.id for case in cases] == ids,
        "distinct, readable cases": len(seen),
        "labels equal": labels,
        "largest difference, HU": hu,
        "manifests equal": manifests[0] == manifests[1],
        "half-written files left": len(list(folder.rglob(".writing-*"))),
    }


def main(
    number: Annotated[int, typer.Option("-n", "--number")] = 200, workers: int = 2, seed: int = 0
) -> None:
    """Print the table."""
    console, chance = Console(width=120), random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        crops, one, several = (Path(temporary) / name for name in ("crops", "one", "several"))
        write_fat_crops(crops, CROPS, (2.0, 2.0, 2.5), (48, 48, 24))
        begin = time.perf_counter()
        subprocess.run(command(crops, one, number), check=True, stdout=subprocess.DEVNULL)
        runs = [("one process", whole(one), time.perf_counter() - begin, "")]
        by_workers = command(crops, several, number, "--workers", str(workers))
        for moment in sorted(chance.sample(range(number // 10, number - number // 10), 2)):
            begin = time.perf_counter()
            alive = run_and_kill(by_workers, several, moment, chance.uniform(0, 2))
            told = f"killed; {alive} processes outlived it"
            runs.append((f"{workers} workers", whole(several), time.perf_counter() - begin, told))
        begin = time.perf_counter()
        subprocess.run(by_workers, check=True, stdout=subprocess.DEVNULL)
        told = "resumed to the end"
        runs.append((f"{workers} workers", whole(several), time.perf_counter() - begin, told))
        figures = compare(several, one, number)
    table = Table("run", "whole cases after it", "seconds", "")
    for name, count, seconds, told in runs:
        table.add_row(name, str(count), f"{seconds:.0f}", told)
    console.print(table)
    table = Table(f"n = {number}", "")
    for name, value in figures.items():
        table.add_row(name, str(value))
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
