"""What a segmentation network is, how it is trained and where it is kept; loads nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from LNGenLib.errors import InputError

NETWORKS = ("unet", "dynunet", "swinunetr", "nnunet")
WEIGHTS, NNUNET = "segmentation.safetensors", "nnunet.json"  # one of them makes a folder a model's

PLANNED: Any = None  # what nnU-Net plans by itself, unless it is given
DEFAULTS = {"channels": (16, 32, 64, 128, 256), "patch": (64, 64, 64), "batch_size": 2}  # of others


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model of `lngen train segmentation`."""
    return any((folder / name).is_file() for name in (WEIGHTS, NNUNET))


def check_model(folder: Path) -> None:
    """Raise InputError unless a folder holds a model."""
    if not is_model(folder):
        raise InputError(
            f"{folder} holds no segmentation model: give the folder that its training wrote"
        )


@dataclass(frozen=True)
class SegmentationConfig:
    """A network and its training.

    `channels` and `residual_units` are those of the U-Net, `channels` those of the DynUNet, too;
    `feature_size` is SwinUNETR's. `patch` (z, y, x) is in voxels of `spacing_mm` (z, y, x), to
    which scans are resampled. After each epoch of `steps_an_epoch` optimizer steps comes a
    validation and a checkpoint.

    nnU-Net takes epochs and their steps, plans `patch`, `channels` and `batch_size` where they are
    PLANNED, and all else by itself: the spacing in whose voxels the patch is, and the number of
    its network's stages, of which those beyond `channels` have the last of these.
    """

    network: str = "unet"
    channels: tuple[int, ...] = PLANNED
    residual_units: int = 2
    feature_size: int = 24
    patch: tuple[int, int, int] = PLANNED
    spacing_mm: tuple[float, float, float] = (1.25, 0.7, 0.7)
    batch_size: int = PLANNED
    epochs: int = 100
    steps_an_epoch: int = 250
    learning_rate: float = 4e-4

    def __post_init__(self):
        if self.network not in NETWORKS:
            raise InputError(f"network {self.network!r}: give {', '.join(NETWORKS)}")
        if self.network != "nnunet":
            for name, value in DEFAULTS.items():
                if getattr(self, name) is PLANNED:
                    object.__setattr__(self, name, value)
        for name in ("batch_size", "epochs", "steps_an_epoch"):
            number = getattr(self, name)
            if number is not PLANNED and number < 1:
                raise InputError(f"{name} {number}: give 1 or more")
        if len(self.spacing_mm) != 3 or min(self.spacing_mm) <= 0:
            raise InputError("spacing_mm: give three positive numbers, z y x")
        if self.channels is not PLANNED and min(self.channels, default=0) < 1:
            raise InputError(f"channels {self.channels}: give one or more positive numbers")
        if self.patch is not PLANNED:
            self._check_patch()

    def _check_patch(self) -> None:
        if len(self.patch) != 3 or min(self.patch) < 1:
            raise InputError(f"patch {self.patch}: give three positive numbers, z y x")
        if self.network == "nnunet":
            return
        if any(n % self.divisor for n in self.patch):
            raise InputError(
                f"patch {self.patch}: give multiples of {self.divisor}, by which {self.network} "
                "divides it"
            )
        if math.prod(self.patch) <= self.divisor**3:
            raise InputError(
                f"patch {self.patch} leaves {self.network} one voxel: give a larger one"
            )

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return self.epochs * self.steps_an_epoch

    @property
    def divisor(self) -> int:
        """The factor from a patch to the network's coarsest grid."""
        return 32 if self.network == "swinunetr" else 2 ** (len(self.channels) - 1)
