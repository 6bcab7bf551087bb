"""What tests of pools share: sizes of lymph nodes, and a case as MONAI loads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor

from LNGenLib.image.geometry import array_axes, array_spacing, index_to_ras
from LNGenLib.image.io import read_image, to_array
from LNGenLib.structure.sizes import Sizes

SIZES = Sizes("uniform", 7.0, 11.0)  # more than a voxel of 3 mm, with a hilum or without


def case(crops: Path, number: int, id: str | None = None) -> dict:
    """Image and empty label as MONAI's LoadImaged and EnsureChannelFirstd make them."""
    ct = read_image(crops / f"crop_{number}.nii.gz")
    affine = np.eye(4)
    affine[:3, :3] = (array_axes(ct) * array_spacing(ct))[:, ::-1]
    affine[:3, 3] = index_to_ras(ct, np.zeros(3))
    hu = torch.from_numpy(to_array(ct).transpose(2, 1, 0).copy())[None].float()
    return {
        "image": MetaTensor(hu, affine=torch.from_numpy(affine)),
        "label": MetaTensor(torch.zeros(hu.shape, dtype=torch.uint8), torch.from_numpy(affine)),
        "id": id or f"crop_{number}",
    }
