"""How long does a lymph node take, from the CT to the files, and how much memory?

Paints nodes of 4-20 mm with the models loaded: one into a CT that is new, another into the same CT,
and ten into a new one; then the same without labels. Prints medians of seconds a node by stage, on
the CPU and, where there is one, a CUDA GPU. Stages go on beside one another: `anatomy` is what is
left of it when the structures are drawn, `rest` what no stage shows. Without a CT it paints the
pelvic phantom on 512 x 512 x 300 voxels. Peak memory (Linux) is the process's from the CT on.

    python Testing/benchmarks/synthesis_speed.py
    python Testing/benchmarks/synthesis_speed.py --ct CT --region-box R1 R2 A1 A2 S1 S2
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Optional

import SimpleITK as sitk
import torch
import typer
from rich.console import Console
from rich.table import Table

from LNGenLib.image.io import as_ct, read_ct, read_labels, write_image
from LNGenLib.phantom import pelvic_phantom
from LNGenLib.progress import Progress
from LNGenLib.scan import Scan
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.threads import share_cpus

Box = Optional[tuple[float, float, float, float, float, float]]
STAGES = ("structures", "anatomy", "placement", "texture", "painting", "rest", "writing")
KINDS = {"one": 1, "another": 1, "ten": 10}


def seconds(scan: Scan, models: Models, box: Box, count: int, seed: int) -> dict[str, float]:
    """Seconds a node by stage."""
    begin, progress = time.perf_counter(), Progress()
    request = SynthesisRequest(count, Sizes("uniform", 4.0, 20.0), seed, box)
    result = synthesize(scan, request, models, progress)
    spent = progress.seconds
    spent["rest"] = time.perf_counter() - begin - sum(spent.values())
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result.write(Path(folder))
    spent["writing"] = time.perf_counter() - begin
    return {stage: spent.get(stage, 0.0) / count for stage in STAGES}


def measured(
    image: sitk.Image, anatomy: sitk.Image | None, models: Models, box: Box, runs: int
) -> dict[str, list[dict[str, float]]]:
    """Seconds a node by stage, of each kind and run."""
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for run in range(runs + 1):  # the first warms up
        scan = None
        for kind, count in KINDS.items():
            if kind != "another":
                del scan  # one CT at a time
                scan = Scan(image, anatomy)
            seed = run + 100 * (kind == "another")
            found[kind].append(seconds(scan, models, box, count, seed))
    return {kind: each[1:] for kind, each in found.items()}


def images(ct: Path | None) -> tuple[sitk.Image, sitk.Image | None]:
    """The CT, and its labels, where it is the phantom."""
    if ct:
        return as_ct(read_ct(ct)), None
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("ct.nii.gz", "labels.nii.gz")]
        with ProcessPoolExecutor(1, get_context("spawn")) as beside:  # its memory does not count
            beside.submit(write_phantom, *files).result()
        image = read_ct(files[0])
        return image, read_labels(files[1], image)


def write_phantom(ct: Path, labels: Path) -> None:
    """The pelvic phantom as files."""
    phantom = pelvic_phantom(0, (0.75, 0.75, 1.0), (512, 512, 300))
    write_image(phantom.ct, ct)
    write_image(phantom.labels, labels)


def peak() -> float:
    """Peak memory of this process in GiB, since `clear_refs` was written."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def main(
    ct: Optional[Path] = None,
    region_box: Annotated[Box, typer.Option()] = None,
    runs: int = 5,
) -> None:
    """Print the table."""
    if "OPENBLAS_NUM_THREADS" not in os.environ:  # as the command and the worker start
        share_cpus()
        os.execv(sys.executable, [sys.executable, *sys.argv])
    console, (image, labels) = Console(width=160), images(ct)
    table = Table("device", "labels", "nodes", *STAGES, "made", "with files")
    peaks = []
    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        models = Models(device)
        for anatomy in (labels, None) if labels else (None,):
            Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
            shown = "yes" if anatomy else "no"
            for kind, found in measured(image, anatomy, models, region_box, runs).items():
                made = [sum(one.values()) - one["writing"] for one in found]
                whole = [sum(one.values()) for one in found]
                cells = [[one[stage] for one in found] for stage in STAGES]
                medians = (f"{statistics.median(values):.2f}" for values in (*cells, made, whole))
                table.add_row(device, shown, kind, *medians)
            peaks.append(f"peak memory on {device}, labels {shown}: {peak():.2f} GiB")
    console.print(f"{image.GetSize()} voxels, {torch.get_num_threads()} threads; seconds a node")
    console.print(table)
    console.print("\n".join(peaks))


if __name__ == "__main__":
    typer.run(main)
