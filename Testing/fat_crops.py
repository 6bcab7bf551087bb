"""Small CTs with room for lymph nodes: crops of the phantom, for tests and benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.image.io import write_image
from LNGenLib.phantom import pelvic_phantom


def write_fat_crops(
    folder: Path, count: int, spacing: tuple[float, float, float], size: tuple[int, int, int]
) -> None:
    """Write crop_0.nii.gz and so on: of each phantom the part of `size` (x, y, z) with most fat."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        ct = pelvic_phantom(seed, spacing).ct
        hu = sitk.GetArrayViewFromImage(ct)
        fat = ((hu > -140) & (hu < -40)).astype(np.float32)
        share = ndimage.uniform_filter(fat, size[::-1], mode="constant")
        corner = np.unravel_index(share.argmax(), share.shape) - np.array(size[::-1]) // 2
        z, y, x = corner.clip(0, np.array(hu.shape) - size[::-1]).tolist()
        crop = ct[x : x + size[0], y : y + size[1], z : z + size[2]]
        write_image(crop, folder / f"crop_{seed}.nii.gz")
