"""Denoising diffusion in a latent space (LN-Gen eq. 1, 2 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from monai.networks.nets import DiffusionModelUNet
from monai.networks.schedulers import DDIMScheduler
from torch import nn

TRAIN_STEPS = 1000

StepCallback = Callable[[int, int], None]


def of_batches(on_step: StepCallback | None, batch: int, batches: int) -> StepCallback | None:
    """A callback for one of several batches, counting the steps of all of them."""
    if on_step is None:
        return None
    return lambda done, steps: on_step(batch * steps + done, batches * steps)


def seeded_noise(seeds: Sequence[int], shape: tuple[int, ...]) -> torch.Tensor:
    """Standard normal noise (n, *shape), each of the n drawn from its own seed, on the CPU."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators])


class LatentDiffusion(nn.Module):
    """DDPM over latents z (n, c, s, s, s), optionally conditioned on channels of the same grid.

    The forward process is eq. 1 with a linear variance schedule; the network predicts the
    velocity v = sqrt(a) eps - sqrt(1 - a) z0 (Salimans & Ho 2022), which is the noise prediction
    of eq. 2 in a parameterization that stays well conditioned for few sampling steps. A condition
    (eq. 6) is concatenated to z_t.
    """

    def __init__(
        self,
        latent_channels: int,
        condition_channels: int,
        channels: Sequence[int],
        attention_levels: Sequence[bool],
        res_blocks: int = 1,
    ):
        super().__init__()
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
        self.scheduler = DDIMScheduler(
            TRAIN_STEPS, "linear_beta", clip_sample=False, prediction_type="v_prediction"
        )

    def velocity(
        self, z: torch.Tensor, t: torch.Tensor, condition: torch.Tensor | None
    ) -> torch.Tensor:
        """The network's v for z_t (n, c, s, s, s) at time steps t (n,)."""
        return self.unet(z if condition is None else torch.cat([z, condition], 1), t)

    def loss(
        self,
        z0: torch.Tensor,
        condition: torch.Tensor | None = None,
        weight: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Diffusion loss (eq. 2; with a condition eq. 6): mean weighted squared error of v."""
        t = torch.randint(TRAIN_STEPS, (len(z0),), device=z0.device)
        noise = torch.randn_like(z0)
        z_t = self.scheduler.add_noise(z0, noise, t)
        error = self.velocity(z_t, t, condition) - self.scheduler.get_velocity(z0, noise, t)
        return (error**2 if weight is None else weight * error**2).mean()

    @torch.no_grad()
    def sample(
        self,
        noise: torch.Tensor,
        condition: torch.Tensor | None = None,
        steps: int = 20,
        on_step: StepCallback | None = None,
    ) -> torch.Tensor:
        """Denoise `noise` (n, c, s, s, s) to latents with `steps` deterministic DDIM steps.

        Time steps are spaced so that each DDIM step ends where the next begins (MONAI's own
        `set_timesteps` spaces them by 999 / (steps - 1) but steps by 1000 // steps).
        """
        stride = TRAIN_STEPS // steps
        self.scheduler.num_inference_steps = TRAIN_STEPS // stride
        z = noise
        for k in range(steps):
            t = stride * (steps - k) - 1
            v = self.velocity(z, torch.full((len(z),), t, device=z.device), condition)
            z, _ = self.scheduler.step(v, t, z)
            if on_step:
                on_step(k + 1, steps)
        return z
