"""Does a GPU sample faster by captured graphs? Milliseconds of both samplers, a batch at a time.

The networks of a step are captured once as a CUDA graph and replayed, which spares the CPU to start
each of their kernels. Prints medians for batches of 1, 8 and 32, and how far the samples are apart.

    python Testing/benchmarks/gpu_graphs.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import nn

from LNGenLib.latent.diffusion import LatentDiffusion
from LNGenLib.structure.descriptors import DESCRIPTORS
from LNGenLib.structure.networks import LATENT_GRID
from LNGenLib.structure.networks import STEPS as STRUCTURE_STEPS
from LNGenLib.synthesis.models import Models
from LNGenLib.texture.model import STEPS as TEXTURE_STEPS

BATCHES = (1, 8, 32)
WARM_UP = 3  # calls, as capturing asks for


class Captured(nn.Module):
    """A network's call for inputs of one shape, captured as a graph."""

    def __init__(self, network: nn.Module, *inputs: torch.Tensor):
        super().__init__()
        self.inputs, self.graph = [one.clone() for one in inputs], torch.cuda.CUDAGraph()
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                network(*self.inputs)
        torch.cuda.current_stream().wait_stream(beside)
        with torch.cuda.graph(self.graph):
            self.output = network(*self.inputs)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given)
        self.graph.replay()
        return self.output.clone()


def milliseconds(sample: Callable[[], torch.Tensor], runs: int) -> float:
    """Median of a call, after one that warms up."""
    spent = []
    for _ in range(runs + 1):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        sample()
        torch.cuda.synchronize()
        spent.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(spent[1:])


@torch.inference_mode()
def main(runs: int = 10) -> None:
    """Print the table."""
    console = Console()
    if not torch.cuda.is_available():
        console.print("no GPU here: nothing to measure")
        return
    models = Models("cuda")
    structure, texture = models.structure.networks, models.texture.networks
    latent, grid = structure.config.latent_channels, [LATENT_GRID] * 3
    shape, own = texture.latent_shape, texture.config.latent_channels
    samplers: dict[str, tuple[LatentDiffusion, list[int], list[int], int]] = {
        "structure": (structure.diffusion, [latent, *grid], [DESCRIPTORS, *grid], STRUCTURE_STEPS),
        "texture": (
            texture.diffusion,
            list(shape),
            [own + texture.SHAPE_CHANNELS, *shape[1:]],
            TEXTURE_STEPS,
        ),
    }
    table = Table("sampler", "batch", "ms", "ms by graphs", "largest difference")
    for name, (diffusion, z, condition, steps) in samplers.items():
        plain = diffusion.unet
        for batch in BATCHES:
            noise, given = (torch.randn(batch, *one, device="cuda") for one in (z, condition))
            times = torch.zeros(batch, dtype=torch.long, device="cuda")
            sample = partial(diffusion.sample, noise, given, steps)
            expected, eager = sample(), milliseconds(sample, runs)
            diffusion.unet = Captured(plain, torch.cat([noise, given], 1), times)
            apart, quick = (sample() - expected).abs().max(), milliseconds(sample, runs)
            diffusion.unet = plain
            table.add_row(name, str(batch), f"{eager:.1f}", f"{quick:.1f}", f"{apart:.1e}")
    console.print(f"{torch.cuda.get_device_name()}; medians of {runs}")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
