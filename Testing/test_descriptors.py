"""Descriptors of known bodies, wanted ranges, and the prior they are drawn from."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from shapes import tsdf_from_mask

from LNGenLib.errors import InputError
from LNGenLib.structure.descriptors import DESCRIPTORS, WANTED, describe, mirror, turn
from LNGenLib.structure.networks import DescriptorPrior
from LNGenLib.structure.shape_range import ANY_SHAPE, ShapeRange

Z, Y, X = np.ogrid[-30:31, -30:31, -30:31]


def described(mask: np.ndarray) -> np.ndarray:
    return describe(tsdf_from_mask(mask, (1.0, 1.0, 1.0))[0])


@pytest.mark.parametrize("ratio", [0.4, 0.7, 1.0])
def test_axis_ratio_of_ellipsoids(ratio):
    ellipsoid = (Z / 25) ** 2 + (Y / (25 * ratio)) ** 2 + (X / (25 * ratio)) ** 2 <= 1
    axis_ratio, irregularity = described(ellipsoid)[:WANTED]
    assert axis_ratio == pytest.approx(ratio, abs=0.05)
    assert irregularity < 0.12


def test_a_cross_is_irregular():
    bars = [(abs(a) <= 25) & (abs(b) <= 7) & (abs(c) <= 7) for a, b, c in ((Z, Y, X), (Y, X, Z))]
    assert described(bars[0] | bars[1])[1] > 0.25


def test_center_and_moments_of_an_ellipsoid():
    """Of half axes a the second moments are a^2 / 5."""
    ellipsoid = (Z / 25) ** 2 + (Y / 20) ** 2 + (X / 15) ** 2 <= 1
    moments = [1 / 5, (20 / 25) ** 2 / 5, (15 / 25) ** 2 / 5]
    assert described(ellipsoid)[2:5] == pytest.approx(0, abs=0.02)
    assert described(ellipsoid)[5:8] == pytest.approx(moments, rel=0.07)
    assert described(ellipsoid)[8:] == pytest.approx(0, abs=0.01)


@pytest.fixture(scope="module")
def bent() -> np.ndarray:
    """The TSDF of a body without any symmetry."""
    body = (Z + Y - X) ** 2 / 900 + ((Y - 5) / 12) ** 2 + (X / 18) ** 2 + X * Y * Z / 9000 <= 1
    return tsdf_from_mask(body, (1.0, 1.0, 1.0))[0]


@pytest.mark.parametrize("flip", list(np.ndindex(2, 2, 2)))
def test_descriptors_of_mirror_images(bent, flip):
    mirrored = describe(np.flip(bent, np.flatnonzero(flip)))
    assert mirrored == pytest.approx(mirror(describe(bent)[None], flip)[0], abs=1e-3)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_descriptors_of_turned_shapes(bent, order):
    turned = describe(bent.transpose(order))
    assert turned == pytest.approx(turn(describe(bent)[None], order)[0], abs=1e-3)


@pytest.fixture
def prior() -> DescriptorPrior:
    prior = DescriptorPrior(4, [0.0] * DESCRIPTORS)
    prior.table.copy_(torch.rand(prior.table.shape, generator=torch.Generator().manual_seed(0)))
    clinical = [[0.5, 0.1], [0.6, 0.2], [0.8, 0.3], [0.9, 0.1]]
    prior.table[:, :WANTED] = torch.tensor(clinical)
    return prior


def test_drawn_descriptors_lie_in_the_wanted_ranges(prior):
    wanted = ShapeRange((0.75, 1.0), (0.0, 0.15))
    drawn = np.stack([prior.draw(wanted, 0, number) for number in range(50)])[:, :WANTED]
    assert (drawn >= (0.75, 0.0)).all() and (drawn <= np.float32([1.0, 0.15])).all()
    assert np.abs(drawn - (0.9, 0.1)).max() < 0.2


def test_drawn_descriptors_vary_as_the_known_ones():
    prior = DescriptorPrior(40, [0.0] * DESCRIPTORS)
    mixing = torch.randn(11, 11, generator=torch.Generator().manual_seed(1)) / 10
    known = torch.randn(40, 11, generator=torch.Generator().manual_seed(2))
    prior.table.copy_(0.5 + 0.1 * known @ mixing)  # within [0, 1], so that nothing is clipped
    drawn = np.stack([prior.draw(ANY_SHAPE, 0, number) for number in range(2000)])
    table = prior.table.numpy()
    spread = table.std(0)
    assert np.abs((drawn.mean(0) - table.mean(0)) / spread).max() < 0.05
    assert np.abs((np.cov(drawn.T) - np.cov(table.T)) / np.outer(spread, spread)).max() < 0.15


def test_known_shapes_take_turns(prior, monkeypatch):
    monkeypatch.setattr("LNGenLib.structure.networks.SCATTER", 0.0)
    for again in range(3):
        drawn = np.stack([prior.draw(ANY_SHAPE, 7, 4 * again + k) for k in range(4)])
        assert np.sort(drawn, 0) == pytest.approx(np.sort(prior.table.numpy(), 0), abs=1e-6)


def test_ranges_without_any_known_shape_are_refused(prior):
    with pytest.raises(InputError, match=r"lie in 0\.50 to 0\.90 and 0\.10 to 0\.30"):
        prior.draw(ShapeRange((0.0, 0.2), (0.0, 1.0)), seed=0, number=0)


@pytest.mark.parametrize("bad", [(0.8, 0.2), (-0.1, 0.5), (0.5, 1.5), (float("nan"), 1.0)])
def test_bad_ranges_are_refused(bad):
    with pytest.raises(InputError, match="no range"):
        ShapeRange(axis_ratio=bad)
    with pytest.raises(InputError, match="no range"):
        ShapeRange(irregularity=bad)


def test_condition_has_unit_variance(prior):
    condition = prior.condition(prior.table, 8)
    assert condition.shape == (4, DESCRIPTORS, 8, 8, 8)
    assert torch.allclose(condition.mean((0, 2, 3, 4)), torch.zeros(DESCRIPTORS), atol=1e-5)
    assert torch.allclose(condition[:, :, 0, 0, 0].std(0), torch.ones(DESCRIPTORS), atol=1e-5)
