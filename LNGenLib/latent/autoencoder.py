"""Variational autoencoder of small cubic patches, the latent space of both diffusion models."""

from __future__ import annotations

import torch
from monai.networks.nets import AutoencoderKL
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import nn


class Autoencoder(nn.Module):
    """MONAI's `AutoencoderKL` behind a space-to-depth layer.

    A patch (n, 1, s, s, s) becomes a latent (n, c, s/f, s/f, s/f) with f = `factor`. All
    convolutions run on the latent grid, about six times cheaper than down-sampling convolutions
    of equal reconstruction. Latents are normalized per channel by statistics measured on the
    training set (`measure_latents`) and stored with the weights.
    """

    def __init__(self, factor: int, channels: int, latent_channels: int, res_blocks: int = 2):
        super().__init__()
        self.factor = factor
        self.vae = AutoencoderKL(
            spatial_dims=3,
            in_channels=factor**3,
            out_channels=factor**3,
            channels=(channels,),
            num_res_blocks=(res_blocks,),
            attention_levels=(False,),
            latent_channels=latent_channels,
            norm_num_groups=8,
            with_encoder_nonlocal_attn=False,
            with_decoder_nonlocal_attn=False,
        )
        shape = (1, latent_channels, 1, 1, 1)
        self.register_buffer("latent_mean", torch.zeros(shape))
        self.register_buffer("latent_std", torch.ones(shape))

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of q(z | x), (n, c, z, y, x), not normalized."""
        return self.vae.encode(pixelunshuffle(x, 3, self.factor))

    def reconstruct(self, raw: torch.Tensor) -> torch.Tensor:
        """Patch (n, 1, s, s, s) of a latent that is not normalized."""
        return pixelshuffle(self.vae.decode(raw), 3, self.factor)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Normalized latent (n, c, s/f, s/f, s/f), unit variance per channel over the data."""
        return (self.posterior(x)[0] - self.latent_mean) / self.latent_std

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Patch (n, 1, s, s, s) of a normalized latent."""
        return self.reconstruct(z * self.latent_std + self.latent_mean)

    @torch.no_grad()
    def measure_latents(self, x: torch.Tensor) -> None:
        """Set the latent mean and standard deviation per channel from patches x (n, 1, s, s, s)."""
        raw = torch.cat([self.posterior(part)[0] for part in x.split(64)])
        self.latent_mean.copy_(raw.mean((0, 2, 3, 4), keepdim=True))
        self.latent_std.copy_(raw.std((0, 2, 3, 4), keepdim=True))


def vae_loss(model: Autoencoder, x: torch.Tensor, kl_weight: float) -> torch.Tensor:
    """L1 reconstruction + `kl_weight` x KL(q(z | x) || N(0, I)), both means per element."""
    mean, std = model.posterior(x)
    reconstruction = model.reconstruct(mean + std * torch.randn_like(std))
    kl = 0.5 * (mean**2 + std**2 - 2 * std.log() - 1).mean()
    return (reconstruction - x).abs().mean() + kl_weight * kl
