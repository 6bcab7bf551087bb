"""Seconds and memory of the candidate region of 512 x 512 x 300 voxels, with labels and without.

    python Testing/benchmarks/region_speed.py

Each is found in a process of its own, five times; that process' peak of memory is less what it
holds before, the CT included.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import SimpleITK as sitk
import typer
from rich.console import Console
from rich.table import Table

from LNGenLib.image.io import read_image, write_image
from LNGenLib.phantom import pelvic_phantom
from LNGenLib.placement.candidate_region import find_region

SIZE, SPACING = (512, 512, 300), (0.75, 0.75, 0.75)
RUNS = 5


def peak() -> float:
    """GiB at most of this process; getrusage would count those of the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def measure(folder: Path, labeled: bool) -> None:
    """Print the median of seconds, and GiB."""
    ct = read_image(folder / "ct.mha")
    anatomy = read_image(folder / "labels.mha") if labeled else None
    before, seconds = peak(), []
    for _ in range(RUNS):
        start = time.perf_counter()
        region = find_region(ct, anatomy)
        for part in region.subregions:
            part.candidates  # noqa: B018 - they are found when they are first asked for
        seconds.append(time.perf_counter() - start)
    print(statistics.median(seconds), peak() - before)


def main(folder: Path | None = None, labeled: bool = False) -> None:
    """Print the table, or measure what is in a folder."""
    if folder is not None:
        measure(folder, labeled)
        return
    table = Table("512 x 512 x 300 voxels", "seconds", "GiB")
    with tempfile.TemporaryDirectory() as made:
        phantom = pelvic_phantom(0, SPACING, SIZE)
        write_image(phantom.ct, Path(made) / "ct.mha")
        write_image(sitk.Cast(phantom.labels, sitk.sitkUInt8), Path(made) / "labels.mha")
        for option, name in (("--labeled", "with labels"), ("--no-labeled", "without")):
            run = [sys.executable, __file__, "--folder", made, option]
            told = subprocess.run(run, check=True, capture_output=True, text=True).stdout.split()
            table.add_row(name, *(f"{float(value):.2f}" for value in told))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
