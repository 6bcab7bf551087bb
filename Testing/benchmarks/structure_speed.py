"""How long does a structure take, from noise to voxels?

Draws structures of 10 mm, in batches of 32 and one alone, and voxelizes them at 0.7 mm; prints
seconds a structure on the CPU and, where there is one, a CUDA GPU, for several numbers of sampling
steps; of one alone the median of ten.

    python Testing/benchmarks/structure_speed.py --threads 2
"""

from __future__ import annotations

import time

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.model import BATCH, StructureModel

LONG_AXIS = 10.0  # mm
ALONE = 10  # structures drawn one by one


def seconds(model: StructureModel, numbers: range, steps: int) -> float:
    """Seconds a structure, by the wall clock."""
    start = time.perf_counter()
    long_axes = [LONG_AXIS] * len(numbers)
    for structure in model.sample(numbers, long_axes, 0, steps).structures:
        node = LymphNode(structure, LONG_AXIS, np.eye(3), np.zeros(3), np.full(3, 0.7))
        node.occupancy(node.box(1.0))
    return (time.perf_counter() - start) / len(numbers)


def main(batches: int = 3, threads: int = 2) -> None:
    """Print the table."""
    torch.set_num_threads(threads)
    table = Table("device", "steps", "seconds a structure", "seconds alone")
    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        model = StructureModel(device=device)
        for warm_up in (BATCH, 1):
            seconds(model, range(warm_up), 20)
        for steps in (8, 20, 50):
            many = seconds(model, range(batches * BATCH), steps)
            alone = np.median([seconds(model, range(k, k + 1), steps) for k in range(ALONE)])
            table.add_row(device, str(steps), f"{many:.3f}", f"{alone:.3f}")
    Console().print(f"batches of {BATCH}, {threads} CPU threads")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
