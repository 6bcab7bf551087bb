"""What do precision, memory format and compilation gain? Milliseconds a node of the networks alone.

A batch of each model on one CPU thread, as LNGen computes it: shapes from noise to the adapter,
tissue from the condition to the decoder.

    python Testing/benchmarks/network_speed.py [--batch 5] [--compile]
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import nn

from LNGenLib.latent.convolution import in_precision
from LNGenLib.structure.descriptors import DESCRIPTORS
from LNGenLib.structure.networks import LATENT_GRID, StructureNetworks
from LNGenLib.structure.networks import STEPS as STRUCTURE_STEPS
from LNGenLib.synthesis.models import Models
from LNGenLib.texture.model import STEPS as TEXTURE_STEPS
from LNGenLib.texture.networks import TextureNetworks
from LNGenLib.texture.patch import PATCH

FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last_3d}


def shapes(networks: StructureNetworks, batch: int) -> torch.Tensor:
    """TSDFs of random descriptors."""
    noise, given = (
        torch.randn(batch, channels, *[LATENT_GRID] * 3)
        for channels in (networks.config.latent_channels, DESCRIPTORS)
    )
    z = networks.diffusion.sample(noise, given, STRUCTURE_STEPS)
    return networks.adapter(networks.autoencoder.decode(z))


def tissue(networks: TextureNetworks, batch: int) -> torch.Tensor:
    """Patches in random surroundings."""
    ct, sdf = (torch.rand(batch, 1, *[PATCH] * 3) * 2 - 1 for _ in range(2))
    condition = networks.condition(ct, sdf, torch.zeros(batch))
    z = networks.diffusion.sample(
        torch.randn(batch, *networks.latent_shape), condition, TEXTURE_STEPS
    )
    return networks.autoencoder.decode(z)


def milliseconds(call: Callable[[], torch.Tensor], batch: int, runs: int) -> tuple[float, float]:
    """Of the first call, and a node of the next ones, the median."""
    spent = []
    for _ in range(runs + 1):
        begin = time.perf_counter()
        call()
        spent.append(1e3 * (time.perf_counter() - begin))
    return spent[0], statistics.median(spent[1:]) / batch


@torch.inference_mode()
def main(
    batch: int = 5,
    compiled: Annotated[bool, typer.Option("--compile")] = False,
    runs: int = 5,
) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    models = Models("cpu")
    table = Table("networks", "precision", "format", "", "first call, s", "ms a node")
    for name, model, draw in (
        ("shapes", models.structure, shapes),
        ("tissue", models.texture, tissue),
    ):
        for precision in (torch.float32, torch.bfloat16):
            for format, memory in FORMATS.items():
                networks = copy.deepcopy(model.networks).to(memory_format=memory)
                kinds = {"eager": networks.diffusion.unet}
                if compiled:
                    plain = copy.deepcopy(networks.diffusion.unet)
                    for part in plain.modules():  # oneDNN's own is no operation that it compiles
                        if isinstance(part, nn.Conv3d):
                            part.__class__ = nn.Conv3d
                    torch.compiler.reset()  # what it knows of other shapes
                    kinds["compiled"] = torch.compile(plain, dynamic=False)
                for kind, networks.diffusion.unet in kinds.items():
                    with in_precision(precision):
                        first, next = milliseconds(partial(draw, networks, batch), batch, runs)
                    told = str(precision).removeprefix("torch.")
                    table.add_row(name, told, format, kind, f"{first / 1e3:.1f}", f"{next:.0f}")
    console = Console()
    console.print(f"batches of {batch}, one thread")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
