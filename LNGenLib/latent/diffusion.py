"""Denoising diffusion in a latent space (LN-Gen eq. 1, eq. 2 and eq. 6)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from monai.networks.nets import DiffusionModelUNet
from torch import nn

from LNGenLib.progress import SILENT, Progress

TRAIN_STEPS = 1000
BETA = torch.linspace(1e-4, 0.02, TRAIN_STEPS)  # the variance schedule of eq. 1, linear
ALPHA_BAR = torch.cumprod(1 - BETA, 0)

Prediction = Literal["velocity", "sample"]


def seeded_noise(seeds: Sequence[int], shape: tuple[int, ...]) -> torch.Tensor:
    """Standard normal noise (n, *shape), each of the n drawn from its own seed, on the CPU."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators])


def diffuse(
    z0: torch.Tensor, noise: torch.Tensor, t: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """z_t of latents z0 and Gaussian `noise` eps (n, c, s, s, s) at time steps t (n,), and its
    velocity v.

    The steps z_{t-1} -> z_t of the forward process (eq. 1) add up to one: with
    a_t = prod_{s <= t} (1 - beta_s) it is z_t = sqrt(a_t) z0 + sqrt(1 - a_t) eps. The velocity is
    v = sqrt(a_t) eps - sqrt(1 - a_t) z0 (Salimans & Ho 2022, https://arxiv.org/abs/2202.00512).
    """
    signal, sigma = _levels(t, z0)
    return signal * z0 + sigma * noise, signal * noise - sigma * z0


def _levels(t: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """sqrt(a_t) and sqrt(1 - a_t) at time steps t (n,), shaped (n, 1, 1, 1, 1) for latents z."""
    product = ALPHA_BAR.to(z)[t].view(-1, 1, 1, 1, 1)
    return product.sqrt(), (1 - product).sqrt()


class LatentDiffusion(nn.Module):
    """DDPM over latents z (n, c, s, s, s), optionally conditioned on channels of the same grid.

    The network predicts the velocity (`diffuse`), which is the noise prediction of eq. 2 in a
    parameterization that stays well conditioned for few sampling steps. Where z0 has more channels
    than the network is wide it predicts z0 itself ("sample"): the noise in v does not pass through
    fewer channels. A condition (eq. 6) is concatenated to z_t.
    """

    def __init__(
        self,
        latent_channels: int,
        condition_channels: int,
        channels: Sequence[int],
        attention_levels: Sequence[bool],
        res_blocks: int = 1,
        prediction: Prediction = "velocity",
    ):
        super().__init__()
        self.prediction = prediction
        self.unet = DiffusionModelUNet(
            spatial_dims=3,
            in_channels=latent_channels + condition_channels,
            out_channels=latent_channels,
            num_res_blocks=res_blocks,
            channels=tuple(channels),
            attention_levels=tuple(attention_levels),
            norm_num_groups=8,
            num_head_channels=channels[0],
        )

    def velocity(
        self, z: torch.Tensor, t: torch.Tensor, condition: torch.Tensor | None
    ) -> torch.Tensor:
        """v for z_t (n, c, s, s, s) at time steps t (n,), or at one for all (1,)."""
        predicted = self._predicted(z, t, condition)
        if self.prediction == "velocity":
            return predicted
        signal, sigma = _levels(t, z)
        return (signal * z - predicted) / sigma

    def _predicted(
        self, z: torch.Tensor, t: torch.Tensor, condition: torch.Tensor | None
    ) -> torch.Tensor:
        return self.unet(z if condition is None else torch.cat([z, condition], 1), t)

    def loss(
        self,
        z0: torch.Tensor,
        condition: torch.Tensor | None = None,
        weight: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Diffusion loss (eq. 2; with a condition eq. 6) of latents (n, c, z, y, x), a scalar.

        It is the mean weighted squared error of what is predicted.
        """
        t = torch.randint(TRAIN_STEPS, (len(z0),), device=z0.device)
        noise = torch.randn_like(z0)
        z_t, velocity = diffuse(z0, noise, t)
        target = velocity if self.prediction == "velocity" else z0
        error = self._predicted(z_t, t, condition) - target
        return (error**2 if weight is None else weight * error**2).mean()

    @torch.no_grad()
    def sample(
        self,
        noise: torch.Tensor,
        condition: torch.Tensor | None = None,
        steps: int = 20,
        progress: Progress = SILENT,
    ) -> torch.Tensor:
        """Denoise `noise` (n, c, s, s, s) to latents with `steps` deterministic steps.

        By the multistep DPM-Solver++(2M) (Lu et al. 2022, https://arxiv.org/abs/2211.01095), which
        MONAI does not have: its steps are even in log signal-to-noise ratio, and it extrapolates
        the predicted z0 from the step before. In 20 steps it keeps the data's standard deviation
        within two hundredths (`Testing/test_diffusion.py`).
        """
        times, z = sample_times(steps), noise
        products = [float(ALPHA_BAR[t]) for t in times] + [1.0]
        signal = [math.sqrt(p) for p in products]
        sigma = [math.sqrt(1 - p) for p in products]
        z0_before = None
        for k, t in enumerate(times):
            # one time for all samples: by n of them the same sums would be rounded otherwise
            v = self.velocity(z, torch.full((1,), t, device=z.device), condition)
            z0 = target = signal[k] * z - sigma[k] * v
            if 0 < k < len(times) - 1:
                snr = [math.log(signal[j] / sigma[j]) for j in (k - 1, k, k + 1)]
                target = z0 + (snr[2] - snr[1]) / (snr[1] - snr[0]) / 2 * (z0 - z0_before)
            z0_before = z0
            shrink = sigma[k + 1] / sigma[k]
            z = shrink * z + (signal[k + 1] - shrink * signal[k]) * target
            progress.step(k + 1, len(times))
        return z


def sample_times(steps: int) -> list[int]:
    """The time steps at which the network is asked, falling; fewer where two would be one."""
    log_snr = torch.logit(ALPHA_BAR.double())
    wanted = torch.linspace(log_snr[-1], log_snr[0], steps)
    return sorted(set((log_snr[:, None] - wanted).abs().argmin(0).tolist()), reverse=True)
