"""The adapter's objective: surfaces that are rough, but whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from LNGenLib.evaluation.shape import measure_shapes
from LNGenLib.structure.frame import GRID, TRUNCATION
from LNGenLib.structure.restoration import unsoundness
from LNGenLib.structure.sphericity import sphericity

Z, Y, X = (axis - (GRID - 1) / 2 for axis in np.ogrid[:GRID, :GRID, :GRID])


def tsdf(distance_in_samples: np.ndarray) -> torch.Tensor:
    """(1, 32, 32, 32) in [-1, 1]."""
    return torch.from_numpy(distance_in_samples / 2.7).clamp(-1, 1).float()[None]


def ball(radius: float, center: float = 0.0) -> np.ndarray:
    return np.sqrt(Z**2 + Y**2 + (X - center) ** 2) - radius


def test_sphericity_of_a_ball_is_one_and_that_of_a_torus_is_known():
    torus = np.sqrt((np.sqrt(Y**2 + X**2) - 10) ** 2 + Z**2) - 4
    area, volume = 4 * np.pi**2 * 10 * 4, 2 * np.pi**2 * 10 * 4**2
    found = sphericity(torch.cat([tsdf(ball(10)), tsdf(torus)]))
    known = np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / area
    assert found.numpy() == pytest.approx([1, known], abs=0.01)


def test_sphericity_is_that_of_the_evaluation():
    shapes = torch.cat([tsdf(ball(12)), tsdf(np.minimum(ball(7, -5), ball(5, 6)))])
    found = sphericity(shapes)
    known = measure_shapes(shapes.numpy() * TRUNCATION)["sphericity"]
    assert found.numpy() == pytest.approx(known, abs=2e-3)


def test_gradient_of_sphericity_is_that_of_its_differences():
    blobs = tsdf(np.minimum(ball(7, -5), ball(6.3, 6))).double().requires_grad_()
    sphericity(blobs).sum().backward()
    at = (blobs.grad[0].abs() == blobs.grad[0].abs().max()).nonzero()[0].tolist()
    step = torch.zeros_like(blobs)
    step[(0, *at)] = 1e-5
    with torch.no_grad():
        difference = (sphericity(blobs + step) - sphericity(blobs - step)).sum() / 2e-5
    assert float(blobs.grad[(0, *at)]) == pytest.approx(float(difference), rel=1e-3)


def test_nothing_has_the_sphericity_of_a_ball():
    both = torch.cat([torch.ones(1, GRID, GRID, GRID), tsdf(ball(10))]).requires_grad_()
    found = sphericity(both)
    found.sum().backward()
    assert found[0].item() == 1
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
