"""The bias of drawn shapes, of models that draw known ones."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from LNGenLib.structure.calibration import measure_bias
from LNGenLib.structure.descriptors import DESCRIPTORS, IRREGULARITY, describe
from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION
from LNGenLib.structure.networks import DescriptorPrior
from LNGenLib.structure.shape_range import ANY_SHAPE

GRID_POINTS = (np.stack(np.meshgrid(*[np.arange(GRID)] * 3, indexing="ij"), -1) - 15.5) * SAMPLE
BALL = np.clip(np.linalg.norm(GRID_POINTS, axis=-1) - 1, -TRUNCATION, TRUNCATION)
NOTHING = np.full((GRID,) * 3, TRUNCATION)


@pytest.fixture
def prior() -> DescriptorPrior:
    """One of a single known shape, half as long as wide."""
    prior = DescriptorPrior(2, [0.0] * DESCRIPTORS)
    prior.table[:] = torch.tensor([0.5, 0.1] + [0.0] * 3 + [0.1] * 3 + [0.0] * 3)
    return prior


def drawing(prior: DescriptorPrior, *shapes: np.ndarray) -> SimpleNamespace:
    """A model that draws these shapes whatever it is asked for."""

    def draw(count, seed, attempts, on_step):
        return np.stack(shapes)[:count]

    return SimpleNamespace(networks=SimpleNamespace(prior=prior), draw=draw)


def test_bias_is_what_is_drawn_less_what_was_asked_for(prior):
    bias = measure_bias(drawing(prior, BALL, BALL), 2, seed=0)
    exceeds = describe(BALL) - prior.table[0].numpy()
    exceeds[IRREGULARITY] = 0
    assert bias == pytest.approx(exceeds, abs=1e-5)
    assert bias[0] == pytest.approx(0.5, abs=0.03)  # a ball's axis ratio is 1


def test_unsound_shapes_do_not_count(prior):
    two = np.minimum(np.roll(BALL, 8, 0), np.roll(BALL, -8, 0))
    some = measure_bias(drawing(prior, NOTHING, BALL, two), 3, seed=0)
    assert some == measure_bias(drawing(prior, BALL), 1, seed=0)
    assert measure_bias(drawing(prior, NOTHING), 1, seed=0) == (0.0,) * DESCRIPTORS


def test_the_bias_is_taken_off_what_shapes_are_drawn_by(prior):
    unbiased, prior.bias = prior.draw(ANY_SHAPE, 0, 0), np.linspace(0, 1, DESCRIPTORS)
    assert prior.draw(ANY_SHAPE, 0, 0) == pytest.approx(unbiased - prior.bias, abs=1e-6)
