"""The samplers of the latent diffusion, on data whose denoiser is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from monai.networks.schedulers import DDPMScheduler

from LNGenLib.latent.diffusion import ALPHA_BAR, BETA, TRAIN_STEPS, LatentDiffusion, diffuse
from LNGenLib.progress import Progress

SCALE = 0.5  # standard deviation of the data


@pytest.fixture(scope="module")
def diffusion() -> LatentDiffusion:
    """Diffusion of normal data with standard deviation SCALE, by its exact velocity."""
    model = LatentDiffusion(1, 0, (8, 8), (False, False))

    def velocity(z, t, condition):
        signal2 = ALPHA_BAR[t][:, None]
        signal, sigma = signal2.sqrt(), (1 - signal2).sqrt()
        z0 = signal * SCALE**2 / (signal2 * SCALE**2 + sigma**2) * z
        return signal * (z - signal * z0) / sigma - sigma * z0

    model.velocity = velocity
    return model


@pytest.mark.parametrize("steps, error", [(10, 0.04), (20, 0.02), (50, 0.02), (500, 0.01)])
def test_samples_have_the_scale_of_the_data(diffusion, steps, error):
    sample = diffusion.sample(torch.ones(1, 1), None, steps)
    assert float(sample) / SCALE == pytest.approx(1, abs=error)


def test_each_step_is_reported(diffusion):
    seen = []
    progress = Progress(lambda _, *step: seen.append(step))
    diffusion.sample(torch.ones(1, 1), None, 7, progress)
    assert seen == [(k, 7) for k in range(1, 8)]


def test_velocity_is_right_where_the_sample_is_predicted():
    model = LatentDiffusion(1, 0, (8, 8), (False, False), prediction="sample")
    z0, noise = torch.randn(4, 1, 4, 4, 4), torch.randn(4, 1, 4, 4, 4)
    t = torch.tensor([0, 10, 500, 999])
    model.unet.forward = lambda z, t: z0
    z_t, velocity = diffuse(z0, noise, t)
    assert torch.allclose(model.velocity(z_t, t, None), velocity, atol=1e-3)
    assert model.loss(z0) == 0


def test_the_forward_process_is_that_of_monai():
    """Bit for bit: the shipped weights were trained by it."""
    monai = DDPMScheduler(TRAIN_STEPS, "linear_beta", prediction_type="v_prediction")
    assert torch.equal(ALPHA_BAR, monai.alphas_cumprod)
    t = torch.arange(TRAIN_STEPS)
    z0, noise = torch.randn(2, TRAIN_STEPS, 2, 3, 3, 3, generator=torch.manual_seed(0))
    z_t, velocity = diffuse(z0, noise, t)
    assert torch.equal(z_t, monai.add_noise(z0, noise, t))
    assert torch.equal(velocity, monai.get_velocity(z0, noise, t))


def test_the_steps_of_eq_1_add_up_to_one():
    """By mean and variance of z_t for a z0 of 1, step after step."""
    mean, variance = 1.0, 0.0
    for beta in BETA.double().tolist():
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
    last = torch.tensor([TRAIN_STEPS - 1])
    one, none = torch.ones(1, 1, 1, 1, 1), torch.zeros(1, 1, 1, 1, 1)
    assert diffuse(one, none, last)[0].item() == pytest.approx(mean, rel=1e-3)
    assert diffuse(none, one, last)[0].item() == pytest.approx(math.sqrt(variance), rel=1e-3)


def test_the_schedule_is_no_weight():
    """Weights that were saved before it stood here load as they are."""
    keys = LatentDiffusion(1, 0, (8, 8), (False, False)).state_dict()
    assert all(key.startswith("unet.") for key in keys)
