"""The adapter's objective: surfaces that are rough, but whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from LNGenLib.evaluation.shape import measure_shapes
from LNGenLib.structure.form import form
from LNGenLib.structure.frame import GRID, TRUNCATION
from LNGenLib.structure.restoration import unsoundness

Z, Y, X = (axis - (GRID - 1) / 2 for axis in np.ogrid[:GRID, :GRID, :GRID])


def tsdf(distance_in_samples: np.ndarray) -> torch.Tensor:
    """(1, 32, 32, 32) in [-1, 1]."""
    return torch.from_numpy(distance_in_samples / 2.7).clamp(-1, 1).float()[None]


def ball(radius: float, center: float = 0.0) -> np.ndarray:
    return np.sqrt(Z**2 + Y**2 + (X - center) ** 2) - radius


TORUS = np.sqrt((np.sqrt(Y**2 + X**2) - 10) ** 2 + Z**2) - 4


def test_form_of_a_ball_is_one_and_that_of_a_torus_is_known():
    area, volume = 4 * np.pi**2 * 10 * 4, 2 * np.pi**2 * 10 * 4**2
    support = 4 + 10 * np.pi / 4  # mean over all directions: of the circle 10 pi / 4
    found = form(torch.cat([tsdf(ball(10)), tsdf(TORUS)]))
    sphericity = np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / area
    fullness = volume / (4 / 3 * np.pi * support**3)
    assert found[0].numpy() == pytest.approx([1, 1], abs=0.01)
    assert found[1].numpy() == pytest.approx([sphericity, fullness], abs=0.015)


def test_sphericity_is_that_of_the_evaluation():
    shapes = torch.cat([tsdf(ball(12)), tsdf(np.minimum(ball(7, -5), ball(5, 6)))])
    known = measure_shapes(shapes.numpy() * TRUNCATION)["sphericity"]
    assert form(shapes)[:, 0].numpy() == pytest.approx(known, abs=2e-3)


@pytest.mark.parametrize("which", [0, 1])
def test_gradient_of_the_form_is_that_of_its_differences(which):
    blobs = tsdf(np.minimum(ball(7, -5), ball(6.3, 6))).double().requires_grad_()
    form(blobs)[:, which].sum().backward()
    at = (blobs.grad[0].abs() == blobs.grad[0].abs().max()).nonzero()[0].tolist()
    step = torch.zeros_like(blobs)
    step[(0, *at)] = 1e-5
    with torch.no_grad():
        difference = (form(blobs + step) - form(blobs - step))[:, which].sum() / 2e-5
    assert float(blobs.grad[(0, *at)]) == pytest.approx(float(difference), rel=1e-3)


def test_nothing_has_the_form_of_a_ball():
    both = torch.cat([torch.ones(1, GRID, GRID, GRID), tsdf(ball(10))]).requires_grad_()
    found = form(both)
    found.sum().backward()
    assert found[0].tolist() == [1, 1]
    assert torch.isfinite(both.grad).all()


def test_unsoundness_pushes_islands_out_and_holes_shut():
    shape = tsdf(ball(10))[None]
    assert float(unsoundness(shape)) == 0
    shape[..., 16, 16, 29], shape[..., 16, 16, 16] = -0.2, 0.2
    shape.requires_grad_()
    unsoundness(shape).backward()
    assert float(shape.grad[0, 0, 16, 16, 29]) < 0  # descent raises it
    assert float(shape.grad[0, 0, 16, 16, 16]) > 0
    assert int((shape.grad != 0).sum()) == 2
