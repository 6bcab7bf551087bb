"""Which known lymph nodes new ones are drawn by."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from LNGenLib.errors import InputError
from LNGenLib.structure import descriptor_prior as module
from LNGenLib.structure.descriptor_prior import (
    CONGLOMERATES,
    LEAST_CONGLOMERATE,
    WINDOW,
    DescriptorPrior,
)
from LNGenLib.structure.descriptors import AXIS_RATIO, DESCRIPTORS, IRREGULARITY, LOG_SIZE
from LNGenLib.structure.shape_range import ANY_SHAPE, ShapeRange

SIZES = np.exp(np.linspace(math.log(2), math.log(40), 60))  # mm, of single lymph nodes
LUMPS = np.array([9.0, 16.0, 20.0, 26.0, 34.0])  # mm, of conglomerates


@pytest.fixture
def prior(monkeypatch) -> DescriptorPrior:
    """Of single nodes, rounder the smaller, and conglomerates; nothing is scattered."""
    monkeypatch.setattr(module, "SCATTER", 0.0)
    table = np.random.default_rng(0).random((len(SIZES) + len(LUMPS), DESCRIPTORS))
    table[:, LOG_SIZE] = np.log10(np.concatenate([SIZES, LUMPS]))
    table[:, AXIS_RATIO] = 0.95 - 0.3 * (table[:, LOG_SIZE] - 0.3)
    table[:, IRREGULARITY] = [0.05] * len(SIZES) + [0.35] * len(LUMPS)
    prior = DescriptorPrior(len(table))
    prior.table.copy_(torch.from_numpy(table))
    return prior


def drawn(prior, size: float, count: int, shape: ShapeRange = ANY_SHAPE) -> np.ndarray:
    return np.stack([prior.draw(size, shape, 7, number) for number in range(count)])


def sizes(rows: np.ndarray) -> np.ndarray:
    return 10.0 ** rows[:, LOG_SIZE]


@pytest.mark.parametrize("size", [2.0, 6.0, 11.0])
def test_small_nodes_are_drawn_by_single_ones_of_about_their_size(prior, size):
    rows = drawn(prior, size, 200)
    assert (rows[:, IRREGULARITY] < 0.2).all()
    near = SIZES[abs(np.log(SIZES / size)) <= math.log(WINDOW)]
    assert sorted(set(sizes(rows).round(3))) == pytest.approx(near, rel=1e-3)


@pytest.mark.parametrize("size", [LEAST_CONGLOMERATE, 17.0, 30.0])
def test_few_of_the_larger_ones_are_conglomerates(prior, size):
    rows = drawn(prior, size, 1500)
    lump = rows[:, IRREGULARITY] > 0.2
    assert lump.mean() == pytest.approx(CONGLOMERATES, abs=0.02)
    assert sizes(rows[lump]).max() <= 2 * size * 1.001
    assert (abs(np.log(sizes(rows[~lump]) / size)) <= math.log(WINDOW) + 1e-3).all()


def test_nothing_is_drawn_by_nodes_of_more_than_twice_the_size(prior):
    """Irregular ones are asked for: conglomerates of 16 mm may teach 8.5 mm, larger ones not."""
    rows = drawn(prior, 8.5, 50, ShapeRange(irregularity=(0.3, 1.0)))
    assert sorted(set(sizes(rows).round(2))) == pytest.approx([9.0, 16.0], abs=0.02)
    with pytest.raises(InputError, match="no known lymph node of about 4 mm"):
        prior.draw(4.0, ShapeRange(irregularity=(0.3, 1.0)), 7, 0)


def test_a_shape_that_none_of_the_size_has_is_drawn_by_others(prior):
    """Nodes of 20 mm have axis ratios near 0.65; rounder ones are drawn by smaller nodes."""
    rows = drawn(prior, 20.0, 30, ShapeRange(axis_ratio=(0.8, 1.0)))
    assert (rows[:, AXIS_RATIO] >= 0.8).all()
    assert sizes(rows).max() < 20 / WINDOW


def test_wanted_ranges_are_kept_whatever_the_scatter(prior, monkeypatch):
    monkeypatch.setattr(module, "SCATTER", 1.0)
    wanted = ShapeRange((0.6, 0.8), (0.02, 0.1))
    rows = drawn(prior, 10.0, 200, wanted)
    for place, (low, high) in ((AXIS_RATIO, wanted.axis_ratio), (IRREGULARITY, (0.02, 0.1))):
        assert rows[:, place].min() >= np.float32(low) and rows[:, place].max() <= np.float32(high)
    assert np.ptp(rows[:, AXIS_RATIO]) > 0.05


def test_shapes_that_nobody_has_are_refused_with_those_there_are(prior):
    """At 12 mm of nodes up to 24 mm."""
    known = 10 ** np.array(prior.table[:, LOG_SIZE]) <= 24
    ratios = prior.table[known, AXIS_RATIO]
    there = f"lie in {ratios.min():.2f} to {ratios.max():.2f} and 0.05 to 0.35"
    with pytest.raises(InputError, match=there) as error:
        prior.draw(12.0, ShapeRange(axis_ratio=(0.0, 0.2)), 7, 0)
    assert "about 12 mm has axis ratio 0 to 0.2 and irregularity 0 to 1" in str(error.value)


def test_sizes_far_below_all_known_are_refused(prior):
    with pytest.raises(InputError, match="as small as 0.9 mm .* 1.8 mm: ask for larger"):
        prior.draw(0.9, ANY_SHAPE, 7, 0)


def test_known_shapes_take_turns(prior):
    """Of 6 mm: each one once a turn, in another order each turn and by each seed."""
    count = int((abs(np.log(SIZES / 6)) <= math.log(WINDOW)).sum())
    rows = drawn(prior, 6.0, 3 * count).reshape(3, count, DESCRIPTORS)
    for turn in rows:
        assert len(np.unique(turn.round(4), axis=0)) == count
    assert not np.allclose(rows[0], rows[1])
    other = np.stack([prior.draw(6.0, ANY_SHAPE, 8, number) for number in range(count)])
    assert not np.allclose(rows[0], other)


def test_drawn_descriptors_vary_as_the_known_ones():
    """All of one size, so that none is left out: mean and covariance stay with the scatter."""
    prior, generator = DescriptorPrior(40), torch.Generator().manual_seed(2)
    mixing = torch.randn(DESCRIPTORS, DESCRIPTORS, generator=generator) / 10
    prior.table.copy_(0.1 + 0.01 * torch.randn(40, DESCRIPTORS, generator=generator) @ mixing)
    rows, table = drawn(prior, 10**0.1, 2000), prior.table.numpy()
    spread = table.std(0)
    assert np.abs((rows.mean(0) - table.mean(0)) / spread).max() < 0.05
    assert np.abs((np.cov(rows.T) - np.cov(table.T)) / np.outer(spread, spread)).max() < 0.15
    assert len(np.unique(rows, axis=0)) == 2000


def test_a_draw_depends_on_seed_number_size_and_shape_alone(prior, monkeypatch):
    monkeypatch.setattr(module, "SCATTER", 0.3)
    again = prior.draw(9.0, ANY_SHAPE, 3, 5)
    assert np.array_equal(prior.draw(9.0, ANY_SHAPE, 3, 5), again)
    for size, seed, number in ((9.5, 3, 5), (9.0, 4, 5), (9.0, 3, 6)):
        assert not np.allclose(prior.draw(size, ANY_SHAPE, seed, number), again)


def test_one_known_shape_is_enough():
    prior = DescriptorPrior(1)
    prior.table[0, LOG_SIZE] = 1.0
    assert np.array_equal(prior.draw(10.0, ANY_SHAPE, 0, 3), prior.table[0].numpy())


def test_the_condition_has_unit_variance(prior):
    condition = prior.condition(prior.table, 8)
    assert condition.shape == (len(prior.table), DESCRIPTORS, 8, 8, 8)
    assert torch.allclose(condition.mean((0, 2, 3, 4)), torch.zeros(DESCRIPTORS), atol=1e-4)
    assert torch.allclose(condition[:, :, 0, 0, 0].std(0), torch.ones(DESCRIPTORS), atol=1e-4)
