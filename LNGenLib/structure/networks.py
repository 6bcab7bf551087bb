"""The networks of the structure model: VAE, latent DDPM and explicit-space adapter."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from LNGenLib.latent.autoencoder import Autoencoder
from LNGenLib.latent.diffusion import LatentDiffusion
from LNGenLib.structure.adapter import Adapter
from LNGenLib.structure.descriptor_prior import DescriptorPrior
from LNGenLib.structure.descriptors import DESCRIPTORS

FACTOR = 4  # space to depth before the VAE
LATENT_GRID = 8
STEPS = 8  # of the DDPM's sampling: more bring shapes no closer to real ones


@dataclass(frozen=True)
class StructureConfig:
    """Sizes of the networks and of their training."""

    known: int = 0  # shapes whose descriptors are stored; training sets it
    copies: int = 5  # deformed, of each training shape
    ovoids: int = 1500
    vae_channels: int = 32
    latent_channels: int = 4
    # Two levels, 8^3 and 4^3: on a 2^3 grid oneDNN's bf16 weight gradient is wrong (torch 2.13 CPU)
    unet_channels: tuple[int, ...] = (32, 64)
    adapter_channels: int = 24
    solids: int = 1000  # procedural solids of the VAE's pre-training
    solid_steps: int = 600
    vae_steps: int = 2000
    joint_steps: int = 3000  # of DDPM and adapter together
    batch_size: int = 32
    adapter_share: int = 8  # every so many-th shape of a batch trains the adapter, which costs more
    learning_rate: float = 8e-4
    kl_weight: float = 1e-4
    adapter_weight: float = 1.0  # lambda of eq. 5
    adapter_noise: float = 0.3  # largest standard deviation of G in eq. 3, in latent units


class StructureNetworks(nn.Module):
    """TSDFs (n, 1, 32, 32, 32), scaled to [-1, 1], to and from an 8^3 latent grid."""

    CONFIG = StructureConfig

    def __init__(self, config: StructureConfig):
        super().__init__()
        self.config = config
        self.prior = DescriptorPrior(config.known)
        self.autoencoder = Autoencoder(FACTOR, config.vae_channels, config.latent_channels)
        attention = [False] + [True] * (len(config.unet_channels) - 1)
        self.diffusion = LatentDiffusion(
            config.latent_channels, DESCRIPTORS, config.unet_channels, attention
        )
        self.adapter = Adapter(config.adapter_channels)
