"""How long does a structure take, from noise to voxels?

Draws structures in batches of 32, scales each to 10 mm and voxelizes it at 0.7 mm; prints seconds a
structure and structures a second on the CPU and, where there is one, a CUDA GPU, for several
numbers of sampling steps.

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


def seconds(model: StructureModel, batches: int, steps: int) -> float:
    """Seconds a structure, by the wall clock."""
    start, count = time.perf_counter(), batches * BATCH
    for structure in model.sample(range(count), [10.0] * count, 0, steps).structures:
        node = LymphNode(structure, 10.0, np.eye(3), np.zeros(3), np.full(3, 0.7))
        node.occupancy(node.box(1.0))
    return (time.perf_counter() - start) / count


def main(batches: int = 3, threads: int = 2) -> None:
    """Print the table."""
    torch.set_num_threads(threads)
    table = Table("device", "steps", "seconds a structure", "structures a second")
    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        model = StructureModel(device=device)
        model.sample(range(BATCH), [10.0] * BATCH, 1)  # warm up
        for steps in (10, 20, 50):
            spent = seconds(model, batches, steps)
            table.add_row(device, str(steps), f"{spent:.3f}", f"{1 / spent:.1f}")
    Console().print(f"batches of {BATCH}, {threads} CPU threads")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
