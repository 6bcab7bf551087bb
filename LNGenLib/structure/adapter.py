"""The anatomical adapter A_morph (LN-Gen eq. 3 and eq. 4)."""

from __future__ import annotations

import torch
from monai.networks.blocks import ResidualUnit
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import nn

from LNGenLib.latent.autoencoder import Autoencoder


class Adapter(nn.Module):
    """Restores TSDFs (n, 1, 32, 32, 32) in [-1, 1] of noisy latents, in explicit space."""

    def __init__(self, channels: int):
        super().__init__()
        norm = ("group", {"num_groups": 8})
        self.layers = nn.Sequential(
            nn.Conv3d(8, channels, 3, padding=1),
            ResidualUnit(3, channels, channels, subunits=2, act="swish", norm=norm),
            ResidualUnit(3, channels, channels, subunits=2, act="swish", norm=norm),
            nn.Conv3d(channels, 8, 3, padding=1),
        )
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, noisy: torch.Tensor) -> torch.Tensor:
        """Restored TSDFs (n, 1, 32, 32, 32) of noisy ones; they add a correction to them."""
        return noisy + pixelshuffle(self.layers(pixelunshuffle(noisy, 3, 2)), 3, 2)


def adapter_loss(
    adapter: Adapter, autoencoder: Autoencoder, x: torch.Tensor, z: torch.Tensor, noise: float
) -> torch.Tensor:
    """|M - A_morph(D(z + G))| (eq. 3 and eq. 4), a scalar, of TSDFs x (n, 1, 32, 32, 32) in [-1, 1]
    and their latents z; G is Gaussian, at a level uniform up to `noise` per shape."""
    with torch.no_grad():
        level = noise * torch.rand(len(z), 1, 1, 1, 1, device=z.device)
        noisy = autoencoder.decode(z + level * torch.randn_like(z))
    return (x - adapter(noisy)).abs().mean()
