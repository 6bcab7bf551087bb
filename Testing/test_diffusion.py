"""The samplers of the latent diffusion, on data whose denoiser is known in closed form."""

from __future__ import annotations

import pytest
import torch

from LNGenLib.latent.diffusion import LatentDiffusion
from LNGenLib.progress import Progress

SCALE = 0.5  # standard deviation of the data


@pytest.fixture(scope="module")
def diffusion() -> LatentDiffusion:
    """Diffusion of normal data with standard deviation SCALE, by its exact velocity."""
    model = LatentDiffusion(1, 0, (8, 8), (False, False))

    def velocity(z, t, condition):
        signal2 = model.scheduler.alphas_cumprod[t][:, None]
        signal, sigma = signal2.sqrt(), (1 - signal2).sqrt()
        z0 = signal * SCALE**2 / (signal2 * SCALE**2 + sigma**2) * z
        return signal * (z - signal * z0) / sigma - sigma * z0

    model.velocity = velocity
    return model


def scale(diffusion: LatentDiffusion, steps: int, solver: str) -> float:
    """Scale of the samples over that of the data."""
    return float(diffusion.sample(torch.ones(1, 1), None, steps, solver=solver)) / SCALE


@pytest.mark.parametrize("solver", ["ddim", "dpm"])
def test_samples_have_the_scale_of_the_data(diffusion, solver):
    assert scale(diffusion, 500, solver) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("steps, error", [(10, 0.04), (20, 0.02), (50, 0.02)])
def test_dpm_keeps_the_scale_in_few_steps(diffusion, steps, error):
    assert scale(diffusion, steps, "dpm") == pytest.approx(1, abs=error)


def test_ddim_loses_the_scale_in_few_steps(diffusion):
    assert scale(diffusion, 20, "ddim") < 0.9


@pytest.mark.parametrize("solver", ["ddim", "dpm"])
def test_each_step_is_reported(diffusion, solver):
    seen = []
    progress = Progress(lambda _, *step: seen.append(step))
    diffusion.sample(torch.ones(1, 1), None, 7, progress, solver)
    assert seen == [(k, 7) for k in range(1, 8)]


def test_velocity_is_right_where_the_sample_is_predicted():
    model = LatentDiffusion(1, 0, (8, 8), (False, False), prediction="sample")
    z0, noise = torch.randn(4, 1, 4, 4, 4), torch.randn(4, 1, 4, 4, 4)
    t = torch.tensor([0, 10, 500, 999])
    model.unet.forward = lambda z, t: z0
    found = model.velocity(model.scheduler.add_noise(z0, noise, t), t, None)
    assert torch.allclose(found, model.scheduler.get_velocity(z0, noise, t), atol=1e-3)
    assert model.loss(z0) == 0
