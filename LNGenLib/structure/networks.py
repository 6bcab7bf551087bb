"""The networks of the structure model: VAE, latent DDPM and explicit-space adapter; and the DDPM
on the mask itself that the paper compares them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from monai.networks.blocks import ResidualUnit
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import nn

from LNGenLib.errors import InputError
from LNGenLib.latent.autoencoder import Autoencoder
from LNGenLib.latent.diffusion import LatentDiffusion, Prediction
from LNGenLib.randomness import node_rng
from LNGenLib.structure.descriptors import DESCRIPTORS, WANTED
from LNGenLib.structure.displacement import displace
from LNGenLib.structure.shape_range import ShapeRange

FACTOR = 4  # space to depth before VAE and explicit DDPM
LATENT_GRID = 8
STEPS, SOLVER = 20, "dpm"  # of the DDPM's sampling
SCATTER = 0.3  # of drawn descriptors round a training shape's, in SDs: more makes shapes rounder


@dataclass(frozen=True)
class StructureConfig:
    """Sizes of the networks and of their training."""

    shapes: int = 620  # training shapes, whose descriptors are stored
    vae_channels: int = 64
    latent_channels: int = 4
    # Two levels, 8^3 and 4^3: on a 2^3 grid oneDNN's bf16 weight gradient is wrong (torch 2.13 CPU)
    unet_channels: tuple[int, ...] = (64, 64)
    adapter_channels: int = 48
    adapter_noise_channels: int = 4
    solids: int = 4000  # procedural solids of the VAE's pre-training
    solid_steps: int = 1500
    vae_steps: int = 4000
    vae_batch_size: int = 32
    joint_steps: int = 6000  # of DDPM and adapter together
    diffusion_steps: int = 12000  # of the DDPM alone, after them
    deformations: int = 16  # of each training shape
    deformed_steps: int = 13500  # of the DDPM alone on these, after them
    diffusion_batch_size: int = 32
    adapter_steps: int = 1200  # of the adapter alone, after them
    adapter_batch_size: int = 8
    bias_shapes: int = 512  # drawn to measure, at last, the bias
    bias: tuple[float, ...] = (0.0,) * DESCRIPTORS
    learning_rate: float = 8e-4
    kl_weight: float = 1e-4
    adapter_weight: float = 1.0  # lambda of eq. 5
    adapter_noise: float = 0.4  # largest standard deviation of G in eq. 3, in latent units
    form_weight: float = 5.0  # these two: of terms of `restoration.adapter_loss`
    soundness_weight: float = 1000.0


@dataclass(frozen=True)
class ExplicitConfig:
    """Sizes of the explicit DDPM and of its training."""

    shapes: int = 620
    unet_channels: tuple[int, ...] = (32, 64)
    diffusion_steps: int = 52800
    deformations: int = 16
    deformed_steps: int = 25500
    diffusion_batch_size: int = 32
    bias_shapes: int = 512
    bias: tuple[float, ...] = (0.0,) * DESCRIPTORS
    learning_rate: float = 8e-4


class DescriptorPrior(nn.Module):
    """Descriptors of the training shapes, from which those of new shapes are drawn.

    `table` (n, 11) holds a row of `describe` a training shape, stored with the weights; `bias` (11)
    is by how much what is drawn exceeds what was asked for (`calibration`).
    """

    def __init__(self, size: int, bias: Sequence[float]):
        super().__init__()
        self.bias = np.array(bias)
        self.register_buffer("table", torch.zeros(size, DESCRIPTORS))

    def draw(self, shape: ShapeRange, seed: int, number: int) -> np.ndarray:
        """Descriptors (11,) to draw lymph node `number` by: those of a training shape within the
        wanted ranges, scattered, less the bias.

        The training shapes take turns, in an order by `seed`. The scatter is that of a smoothed
        bootstrap which keeps mean and covariance (Silverman 1986, section 6.4). Raises InputError
        where no training shape lies within the ranges.
        """
        table = self.table.cpu().numpy()
        low, high = np.transpose([shape.axis_ratio, shape.irregularity])
        known = table[:, :WANTED]
        rows = table[((known >= low) & (known <= high)).all(1)]
        if not len(rows):
            (a, b), (c, d) = known.min(0), known.max(0)
            raise InputError(
                f"no known lymph node has axis ratio {low[0]:g} to {high[0]:g} and irregularity "
                f"{low[1]:g} to {high[1]:g}: they lie in {a:.2f} to {c:.2f} and {b:.2f} to {d:.2f}"
            )
        turn, place = divmod(number, len(rows))
        row = rows[node_rng(seed, turn, "turn").permutation(len(rows))[place]]
        rng = node_rng(seed, number, "descriptors")
        scatter = rng.multivariate_normal(np.zeros(DESCRIPTORS), np.cov(table.T), method="eigh")
        mean = rows.mean(0)
        drawn = mean + (row - mean + SCATTER * scatter) / np.sqrt(1 + SCATTER**2)
        drawn[:WANTED] = drawn[:WANTED].clip(low, high)
        return (drawn - self.bias).astype(np.float32)

    def condition(self, descriptors: torch.Tensor, grid: int) -> torch.Tensor:
        """Descriptors (n, 11) as channels (n, 11, grid, grid, grid) of unit variance."""
        normal = (descriptors - self.table.mean(0)) / self.table.std(0)
        return normal[:, :, None, None, None].expand(-1, -1, grid, grid, grid)


class Adapter(nn.Module):
    """A_morph of eq. 4: restores a TSDF from a noisy reconstruction, in explicit space.

    Takes normalized TSDFs (n, 1, 32, 32, 32) and standard normal noise
    (n, *noise_shape); gives TSDFs in [-1, 1]. What the latent does not know (the
    roughness of a drawn surface) has many answers: the noise picks one, where a restoration
    without noise would give their smooth mean. The surface moves along its normals (`displace`).
    """

    def __init__(self, channels: int, noise_channels: int):
        super().__init__()
        self.noise_shape = (noise_channels, 16, 16, 16)
        norm = ("group", {"num_groups": 8})
        self.layers = nn.Sequential(
            nn.Conv3d(8 + noise_channels, channels, 3, padding=1),
            ResidualUnit(3, channels, channels, subunits=2, act="swish", norm=norm),
            ResidualUnit(3, channels, channels, subunits=2, act="swish", norm=norm),
            nn.Conv3d(channels, 8, 3, padding=1),
        )

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Restored TSDFs (n, 1, 32, 32, 32) of TSDFs and noise as the class takes them."""
        amount = self.layers(torch.cat([pixelunshuffle(x, 3, 2), noise], 1))
        return displace(x.float().clamp(-1, 1), pixelshuffle(amount, 3, 2).float())


class StructureNetworks(nn.Module):
    """TSDFs (n, 1, 32, 32, 32), scaled to [-1, 1], to and from an 8^3 latent grid."""

    def __init__(self, config: StructureConfig):
        super().__init__()
        self.config, self.channels = config, config.latent_channels
        self.prior = DescriptorPrior(config.shapes, config.bias)
        self.autoencoder = Autoencoder(FACTOR, config.vae_channels, config.latent_channels)
        self.diffusion = _diffusion(self.channels, config.unet_channels, "velocity")
        self.adapter = Adapter(config.adapter_channels, config.adapter_noise_channels)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """TSDFs (n, 1, 32, 32, 32) of normalized latents, before the adapter."""
        return self.autoencoder.decode(z)


class ExplicitNetworks(nn.Module):
    """The explicit variant of Table II: a DDPM on the mask volume itself.

    Masks (n, 1, 32, 32, 32) of 1 outside and -1 inside, as the signs of a TSDF; space to depth
    gives its U-Net the 8^3 grid of the latent DDPM's.
    """

    def __init__(self, config: ExplicitConfig):
        super().__init__()
        self.config, self.channels = config, FACTOR**3
        self.prior = DescriptorPrior(config.shapes, config.bias)
        self.diffusion = _diffusion(self.channels, config.unet_channels, "sample")

    def encode(self, tsdf: torch.Tensor) -> torch.Tensor:
        """The mask's volume, space to depth (n, 64, 8, 8, 8), of a TSDF (n, 1, 32, 32, 32)."""
        return pixelunshuffle(2 * (tsdf >= 0).to(tsdf) - 1, 3, FACTOR)

    def decode(self, volume: torch.Tensor) -> torch.Tensor:
        """Mask volumes (n, 1, 32, 32, 32), negative inside, of (n, 64, 8, 8, 8)."""
        return pixelshuffle(volume, 3, FACTOR)


def _diffusion(
    channels: int, unet_channels: tuple[int, ...], prediction: Prediction
) -> LatentDiffusion:
    attention = [False] + [True] * (len(unet_channels) - 1)
    return LatentDiffusion(channels, DESCRIPTORS, unet_channels, attention, prediction=prediction)
