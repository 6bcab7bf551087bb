"""The adapter's displacement: surfaces move along their normals and stay whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from LNGenLib.evaluation.shape import measure_shapes
from LNGenLib.structure.displacement import FARTHEST, SLOPE, displace
from LNGenLib.structure.frame import GRID, TRUNCATION

Z, Y, X = (axis - (GRID - 1) / 2 for axis in np.ogrid[:GRID, :GRID, :GRID])


def tsdf(distance_in_samples: np.ndarray) -> torch.Tensor:
    """(1, 1, 32, 32, 32) in [-1, 1]."""
    return torch.from_numpy(distance_in_samples * SLOPE).clamp(-1, 1).float()[None, None]


def ball(radius: float, center: float = 0.0) -> np.ndarray:
    return np.sqrt(Z**2 + Y**2 + (X - center) ** 2) - radius


def half_width(shape: torch.Tensor) -> float:
    """Half the way between the zero crossings of a line half a sample off the center."""
    middle = shape[0, 0, 16, 16].numpy()  # half a sample off the center
    inside = np.flatnonzero(middle < 0)
    first, last = inside[0], inside[-1]
    low = first - middle[first] / (middle[first] - middle[first - 1])
    high = last - middle[last] / (middle[last + 1] - middle[last])
    return (high - low) / 2


@pytest.mark.parametrize("samples", [-0.6, -0.2, 0.3, 0.6])
def test_a_ball_shrinks_by_the_squeezed_amount(samples):
    shape = tsdf(ball(10))
    moved = displace(shape, torch.full_like(shape, samples * SLOPE))
    squeezed = FARTHEST / SLOPE * np.tanh(samples * SLOPE / FARTHEST)
    assert half_width(shape) - half_width(moved) == pytest.approx(squeezed, abs=0.05)


def test_no_amount_changes_nothing():
    shape = tsdf(np.minimum(ball(7, -5), ball(5, 6)))
    assert torch.equal(displace(shape, torch.zeros_like(shape)), shape)


def test_rough_surfaces_stay_whole():
    """Two balls joined by a bar, and a C whose ends almost meet, under noise of any amount; added
    to the TSDF as it is, the same noise makes islands and tunnels."""
    bar = np.maximum(np.sqrt(Z**2 + Y**2) - 1.5, np.abs(X) - 8)
    dumbbell = np.minimum(np.minimum(ball(6, -7), ball(6, 7)), bar)
    ring = np.sqrt((np.sqrt(Y**2 + X**2) - 9) ** 2 + Z**2) - 4
    c = np.maximum(ring, 2 - np.abs(Y) - np.maximum(-X, 0) * 4)
    shapes = torch.cat([tsdf(dumbbell), tsdf(c)])
    generator = torch.Generator().manual_seed(0)
    whole, added = [], []
    for _ in range(20):
        noise = 0.2 * torch.randn(shapes.shape, generator=generator)
        for found, made in ((whole, displace(shapes, noise)), (added, shapes + noise)):
            found.extend(measure_shapes(made[:, 0].numpy() * TRUNCATION)["genus 0"])
    assert measure_shapes(shapes[:, 0].numpy() * TRUNCATION)["genus 0"].all()
    assert np.mean(whole) >= 0.95
    assert np.mean(added) < 0.2


def test_gradient_of_the_amount_is_that_of_its_differences():
    shape, amount = tsdf(ball(9)), torch.zeros(1, 1, GRID, GRID, GRID)
    amount.requires_grad_()
    weights = torch.linspace(0, 1, GRID)
    (displace(shape, amount) * weights).sum().backward()
    at = (amount.grad.abs() == amount.grad.abs().max()).nonzero()[0].tolist()
    step = torch.zeros_like(amount)
    step[tuple(at)] = 1e-2
    with torch.no_grad():
        up, down = (displace(shape, amount + side * step).double() for side in (1, -1))
    difference = float(((up - down) * weights).sum() / 2e-2)
    assert float(amount.grad[tuple(at)]) == pytest.approx(difference, rel=1e-2)
