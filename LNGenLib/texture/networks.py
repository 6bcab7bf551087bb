"""The two networks of the texture model: CT-patch autoencoder and conditional latent diffusion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from monai.networks.utils import pixelunshuffle
from torch import nn

from LNGenLib.latent.autoencoder import Autoencoder
from LNGenLib.latent.diffusion import LatentDiffusion
from LNGenLib.texture.patch import HOLE_VALUE, RIM, SDF_TRUNCATION, SIZED_TO_NODE


@dataclass(frozen=True)
class TextureConfig:
    """Sizes of the networks and of their training."""

    vae_channels: int = 32
    latent_channels: int = 4
    unet_channels: tuple[int, ...] = (16, 32, 64)
    vae_steps: int = 2500
    diffusion_steps: int = 6000
    batch_size: int = 16
    learning_rate: float = 4e-4
    kl_weight: float = 1e-3
    outside_weight: float = 0.1  # of the loss outside the hole


class TextureNetworks(nn.Module):
    """CT patches (n, 1, 32, 32, 32), HU window scaled to [-1, 1], and their 16^3 latent grid.

    The condition m of eq. 6 is given at full resolution and brought to the latent grid by
    space-to-depth: the signed distance of the shape (8 channels), the latent of the CT with the
    hole cut out (4), and the wanted mean inside (1).
    """

    CONFIG = TextureConfig
    FRAME = SIZED_TO_NODE
    FACTOR = 2
    SHAPE_CHANNELS = FACTOR**3 + 1  # of the condition, besides the latent

    def __init__(self, config: TextureConfig):
        super().__init__()
        self.config = config
        self.autoencoder = Autoencoder(self.FACTOR, config.vae_channels, config.latent_channels)
        self.diffusion = LatentDiffusion(
            config.latent_channels,
            config.latent_channels + self.SHAPE_CHANNELS,
            config.unet_channels,
            attention_levels=[False] * (len(config.unet_channels) - 1) + [True],
        )

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Of the latent of a patch, channels first."""
        return (self.config.latent_channels, *[self.FRAME.size // self.FACTOR] * 3)

    @staticmethod
    def hole(sdf: torch.Tensor) -> torch.Tensor:
        """The shape and its rim, of an SDF over its truncation."""
        return sdf < RIM / SDF_TRUNCATION

    @classmethod
    def cut_hole(cls, ct: torch.Tensor, sdf: torch.Tensor) -> torch.Tensor:
        """The CT patch (n, 1, s, s, s) with the hole set to HOLE_VALUE."""
        return torch.where(cls.hole(sdf), HOLE_VALUE, ct)

    def condition(self, ct: torch.Tensor, sdf: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """Condition (n, 13, 16, 16, 16) of CT patch, SDF over its truncation, and mean (n,).

        `ct` and `sdf` are (n, 1, 32, 32, 32) in [-1, 1]; what the CT shows in the hole is ignored.
        """
        context = self.autoencoder.encode(self.cut_hole(ct, sdf))
        shape = pixelunshuffle(sdf, 3, self.FACTOR)
        level = mean.view(-1, 1, 1, 1, 1).expand(-1, 1, *context.shape[2:])
        return torch.cat([context, shape, level], 1)
