"""What tests of training share: a tiny folder of masks and CTs, as `lngen train` takes it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

TINY = {"vae_channels": 8, "unet_channels": [8, 16], "vae_steps": 2}
TINY_TEXTURE = TINY | {"diffusion_steps": 2}
TINY_CORPUS = {"copies": 1, "ovoids": 2, "solids": 4, "batch_size": 2, "adapter_channels": 8}
TINY_STRUCTURE = TINY | TINY_CORPUS | {"solid_steps": 2, "joint_steps": 3}


def write(array: np.ndarray, path: Path, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


def table(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "split"])
        writer.writerows(rows)


def write_training_data(folder: Path) -> None:
    """Four ellipsoid masks and two CTs of fat with balls of soft tissue in it."""
    z, y, x = np.ogrid[-10:11, -10:11, -10:11]
    rows = []
    for k in range(4):
        ball = (z / (5 + k)) ** 2 + (y / 6) ** 2 + (x / 8) ** 2 <= 1
        write(ball.astype(np.uint8), folder / f"nodes/{k}.nii.gz", (0.8, 0.8, 1.0))
        rows.append((f"{k}.nii.gz", "train" if k < 3 else "validation"))
    table(folder / "nodes/nodes.csv", rows)
    rng = np.random.default_rng(0)
    for k in range(2):
        hu = np.full((24, 64, 64), -100.0)
        for center in ((12, 20, 20), (12, 44, 44), (12, 20, 44)):
            grid = np.indices(hu.shape) - np.reshape(center, (3, 1, 1, 1))
            hu[(grid**2).sum(0) < 64] = 50
        noisy = (hu + rng.normal(0, 8, hu.shape)).astype(np.int16)
        write(noisy, folder / f"ct/{k}.nii.gz")
    table(folder / "splits.csv", [("ct/0.nii.gz", "train"), ("ct/1.nii.gz", "validation")])
