"""How well do VAE and adapter reconstruct the surfaces of held-out lymph nodes?

Takes prepared arrays and folders of `lngen train structure`. For each folder it prints Dice, mean
absolute error (in long axes) and sphericity over the test part: of the VAE after its pre-training
on solids, after its adaptation to lymph nodes, and, where the training has come so far, of the
adapter on top, without and with the noise G of eq. 3. A folder trained with {"solid_steps": 0}
shows what pre-training gains.

    python Testing/benchmarks/reconstruction.py structure.npz runs/structure runs/scratch
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file

from LNGenLib.evaluation.shape.descriptors import measure_shapes
from LNGenLib.latent.autoencoder import Autoencoder
from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.model import StructureModel
from LNGenLib.structure.networks import FACTOR, StructureConfig


def scores(real: torch.Tensor, made: torch.Tensor) -> list[str]:
    """Mean Dice of the insides, mean absolute error, mean sphericity."""
    made = made.clamp(-1, 1)
    a, b = real < 0, made < 0
    both, sizes = (a & b).sum((1, 2, 3, 4)), a.sum((1, 2, 3, 4)) + b.sum((1, 2, 3, 4))
    error = (real - made).abs().mean() * TRUNCATION / 2
    sphericity = measure_shapes(made[:, 0].numpy() * TRUNCATION)["sphericity"].mean()
    return [f"{(2 * both / sizes).mean():.3f}", f"{error:.4f}", f"{sphericity:.3f}"]


@torch.inference_mode()
def rows(folder: Path, real: torch.Tensor):
    """Name and scores of each stage of a training."""
    config = StructureConfig()
    vae = Autoencoder(FACTOR, config.vae_channels, config.latent_channels).eval()
    for stage, name in (("solids", "VAE of solids"), ("vae", "VAE of lymph nodes")):
        if (folder / stage / "averaged.safetensors").exists():
            weights = load_file(folder / stage / "averaged.safetensors")
            vae.load_state_dict(
                {key.removeprefix("autoencoder."): value for key, value in weights.items()}
            )
            yield name, scores(real, vae.reconstruct(vae.posterior(real)[0]))
    if not (folder / "structure.safetensors").exists():
        return
    networks = StructureModel(folder / "structure.safetensors").networks
    z = networks.autoencoder.encode(real)
    for level in (0.0, networks.config.adapter_noise):
        decoded = networks.autoencoder.decode(z + level * torch.randn_like(z))
        name = f"noise G of {level:g}: "
        yield name + "decoded", scores(real, decoded)
        yield name + "with adapter", scores(real, networks.adapter(decoded))


def main(arrays: Path, folders: list[Path], seed: int = 0) -> None:
    """Print a table a folder."""
    console = Console()
    with np.load(arrays) as data:
        tsdf = data["tsdf"][data["split"] == "test"].astype(np.float32)
    real = torch.from_numpy(tsdf / TRUNCATION)[:, None]
    for folder in folders:
        torch.manual_seed(seed)
        table = Table(str(folder), "Dice", "error", "sphericity")
        table.add_row("real", "1", "0", scores(real, real)[2])
        for name, values in rows(folder, real):
            table.add_row(name, *values)
        console.print(f"{len(real)} held-out lymph nodes")
        console.print(table)


if __name__ == "__main__":
    typer.run(main)
