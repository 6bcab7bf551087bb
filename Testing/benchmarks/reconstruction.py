"""How well do VAE and adapter reconstruct the TSDFs of held-out lymph nodes?

Takes the arrays that `lngen train structure` prepared (structure.npz) and prints Dice and mean
absolute error (in long axes) over the test part: decoded, and repaired by the adapter; from the
latent as encoded, and with the noise G of eq. 3 added at two levels.

    python Testing/benchmarks/reconstruction.py runs/structure/structure.npz
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.model import StructureModel


def scores(real: torch.Tensor, made: torch.Tensor) -> tuple[str, str]:
    """Mean Dice of the insides, and mean absolute error of the TSDFs in long axes."""
    a, b = real < 0, made < 0
    both, sizes = (a & b).sum((1, 2, 3, 4)), a.sum((1, 2, 3, 4)) + b.sum((1, 2, 3, 4))
    error = (real - made.clamp(-1, 1)).abs().mean() * TRUNCATION / 2
    return f"{(2 * both / sizes).mean():.3f}", f"{error:.4f}"


def main(arrays: Path, weights: Optional[Path] = None, seed: int = 0) -> None:
    """Print the table."""
    with np.load(arrays) as data:
        tsdf = data["tsdf"][data["split"] == "test"].astype(np.float32) / TRUNCATION
    real = torch.from_numpy(tsdf)[:, None]
    networks = StructureModel(weights).networks
    torch.manual_seed(seed)
    table = Table("noise G", "decoded: Dice", "error", "with adapter: Dice", "error")
    with torch.inference_mode():
        z = networks.autoencoder.encode(real)
        for level in (0.0, 0.2, 0.4):
            decoded = networks.autoencoder.decode(z + level * torch.randn_like(z))
            repaired = networks.adapter(decoded)
            table.add_row(f"{level:g}", *scores(real, decoded), *scores(real, repaired))
    console = Console()
    console.print(f"{len(real)} held-out lymph nodes")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
