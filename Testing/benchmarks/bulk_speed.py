"""How many synthetic cases an hour does `lngen dataset` make, and in how much memory?

Makes cases of eleven lymph nodes of clinical sizes in a phantom of 271 x 200 x 100 voxels: by one
process on one CPU, by one on all, and by two. Seconds are those of the command, start and files
included; peak memory is that of the largest process.

    python Testing/benchmarks/bulk_speed.py
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from LNGenLib.image.io import write_image
from LNGenLib.phantom import FIELD_OF_VIEW, pelvic_phantom

SIZE = (271, 200, 100)  # voxels
RUNS = {"one, on one CPU": (1, 1), "one": (1, None), "two": (2, None)}  # processes and CPUs


def seconds(cases: Path, output: Path, number: int, workers: int, cpus: int | None) -> float:
    """Of a run that makes so many cases."""
    command = [str(Path(sys.executable).with_name("lngen")), "dataset", "--cases", str(cases)]
    command += ["-o", str(output), "-n", str(number), "--count", "11", "--workers", str(workers)]
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(own)[:cpus])  # which the process inherits
    try:
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - begin
    finally:
        os.sched_setaffinity(0, own)
        shutil.rmtree(output)


def main(number: int = 24) -> None:
    """Print the table."""
    spacing = tuple(length / count for length, count in zip(FIELD_OF_VIEW, SIZE))
    table = Table("processes", "seconds", "cases an hour", "times one CPU")
    spent: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        cases, output = (Path(folder) / name for name in ("cases", "output"))
        cases.mkdir()
        write_image(pelvic_phantom(0, spacing, SIZE).ct, cases / "phantom.nii.gz")
        for name, (workers, cpus) in RUNS.items():
            spent.append(seconds(cases, output, number, workers, cpus))
            rate, gain = 3600 * number / spent[-1], spent[0] / spent[-1]
            table.add_row(name, f"{spent[-1]:.1f}", f"{rate:.0f}", f"{gain:.2f}")
    console = Console()
    console.print(f"{number} cases, {len(os.sched_getaffinity(0))} CPUs")
    console.print(table)
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    console.print(f"peak memory of a process {most / 2**20:.2f} GiB")


if __name__ == "__main__":
    typer.run(main)
