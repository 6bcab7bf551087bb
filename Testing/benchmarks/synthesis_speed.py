"""How long does a lymph node take, from the CT to the files, and how much memory?

Paints nodes of 4-20 mm alone and ten at a time, models loaded, default steps; prints seconds a node
by stage and nodes a minute on the CPU and, where there is one, a CUDA GPU. Without a CT it paints
the pelvic phantom on 512 x 512 x 300 voxels. Peak memory (Linux) is that of the process while it
paints nodes and writes files, the CT held all the time.

    python Testing/benchmarks/synthesis_speed.py --threads 2
    python Testing/benchmarks/synthesis_speed.py --ct CT --region-box R1 R2 A1 A2 S1 S2
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Optional

import SimpleITK as sitk
import torch
import typer
from rich.console import Console
from rich.table import Table

from LNGenLib.image.io import as_ct, read_ct
from LNGenLib.phantom import pelvic_phantom
from LNGenLib.progress import Progress
from LNGenLib.scan import Scan
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.request import SynthesisRequest

Box = Optional[tuple[float, float, float, float, float, float]]


def seconds(
    ct: sitk.Image, labels: sitk.Image | None, models: Models, box: Box, count: int, runs: int
) -> Counter[str]:
    """Seconds a node by stage, the mean of some runs after one that warms up.

    `rest` is what no stage shows: checks, hashes and images.
    """
    spent: Counter[str] = Counter()
    for run in range(runs + 1):
        begin, progress = time.perf_counter(), Progress()
        request = SynthesisRequest(count, Sizes("uniform", 4.0, 20.0), run, box)
        result = synthesize(Scan(ct, labels), request, models, progress)
        progress.stage("writing")
        with tempfile.TemporaryDirectory() as folder:
            result.write(Path(folder))
        progress.finish()
        if run:
            spent.update(progress.seconds)
            spent["rest"] += time.perf_counter() - begin - sum(progress.seconds.values())
    return Counter({stage: value / runs / count for stage, value in spent.items()})


def main(
    ct: Optional[Path] = None,
    region_box: Annotated[Box, typer.Option()] = None,
    runs: int = 3,
    threads: int = 2,
) -> None:
    """Print the table."""
    torch.set_num_threads(threads)
    console = Console(width=160)
    if ct:
        image, labels = as_ct(read_ct(ct)), None
    else:
        phantom = pelvic_phantom(0, (0.75, 0.75, 1.0), (512, 512, 300))
        image, labels = phantom.ct, phantom.labels
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    rows = {}
    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        models = Models(device)
        for count in (1, 10):
            rows[device, count] = seconds(image, labels, models, region_box, count, runs)
    stages = list(next(iter(rows.values())))
    table = Table("device", "nodes", *stages, "in all", "without writing", "nodes a minute")
    for (device, count), spent in rows.items():
        total = spent.total()
        cells = [f"{value:.2f}" for value in (*map(spent.get, stages), total)]
        made = total - spent["writing"]
        table.add_row(device, str(count), *cells, f"{made:.2f}", f"{60 / total:.0f}")
    console.print(f"{image.GetSize()} voxels, {threads} CPU threads; seconds a lymph node:")
    console.print(table)
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0])
    console.print(f"peak memory {peak / 2**20:.1f} GiB")


if __name__ == "__main__":
    typer.run(main)
