"""The three networks of the structure model: VAE, latent DDPM and explicit-space adapter."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from monai.networks.blocks import ResidualUnit
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import nn

from LNGenLib.latent.autoencoder import Autoencoder
from LNGenLib.latent.diffusion import LatentDiffusion


@dataclass(frozen=True)
class StructureConfig:
    """Sizes of the networks and of their training."""

    vae_channels: int = 64
    latent_channels: int = 4
    # Two levels, 8^3 and 4^3: on a 2^3 grid oneDNN's bf16 weight gradient is wrong (torch 2.13 CPU)
    unet_channels: tuple[int, ...] = (48, 96)
    adapter_channels: int = 32
    vae_steps: int = 2500
    vae_batch_size: int = 64
    diffusion_steps: int = 5000
    diffusion_batch_size: int = 32
    learning_rate: float = 6e-4
    kl_weight: float = 1e-4
    adapter_weight: float = 1.0  # lambda of eq. 5
    adapter_noise: float = 0.4  # largest standard deviation of G in eq. 3, in latent units


class Adapter(nn.Module):
    """A_morph of eq. 4: restores a TSDF from a noisy reconstruction, in explicit space.

    Takes and gives normalized TSDFs (n, 1, 32, 32, 32) in [-1, 1]; predicts the correction.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.factor = 2
        self.layers = nn.Sequential(
            ResidualUnit(
                3, 8, channels, subunits=2, act="swish", norm=("group", {"num_groups": 8})
            ),
            ResidualUnit(
                3, channels, channels, subunits=2, act="swish", norm=("group", {"num_groups": 8})
            ),
            nn.Conv3d(channels, 8, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        correction = self.layers(pixelunshuffle(x, 3, self.factor))
        return x + pixelshuffle(correction, 3, self.factor)


class StructureNetworks(nn.Module):
    """TSDFs (n, 1, 32, 32, 32), scaled to [-1, 1], to and from an 8^3 latent grid."""

    LATENT_GRID = 8

    def __init__(self, config: StructureConfig):
        super().__init__()
        self.config = config
        self.autoencoder = Autoencoder(4, config.vae_channels, config.latent_channels)
        self.diffusion = LatentDiffusion(
            config.latent_channels,
            0,
            config.unet_channels,
            attention_levels=[False] + [True] * (len(config.unet_channels) - 1),
        )
        self.adapter = Adapter(config.adapter_channels)

    def adapter_loss(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """|| M - A(D(z + G)) ||, eq. 3 and 4 in L1; the level of G is uniform per shape."""
        level = self.config.adapter_noise * torch.rand(len(z), 1, 1, 1, 1, device=z.device)
        with torch.no_grad():
            noisy = self.autoencoder.decode(z + level * torch.randn_like(z))
        return (self.adapter(noisy) - x).abs().mean()

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """TSDF in [-1, 1] of a normalized latent, repaired by the adapter."""
        return self.adapter(self.autoencoder.decode(z)).clamp(-1, 1)
