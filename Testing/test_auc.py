"""AUC of classes: seen controls by their scores, missed ones as discriminated."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from LNGenLib.evaluation.realism.auc import ClassScores
from LNGenLib.evaluation.realism.specimens import Specimen
from LNGenLib.evaluation.realism.two_sample_test import PairScores


def bodies(count: int) -> list[Specimen]:
    voxel = np.ones((1, 1, 1))
    starts = np.arange(count)[:, None] * [1, 0, 0]
    spacing, patch = np.ones(3), np.zeros((2, 32, 32, 32))
    return [Specimen("a", s, voxel, voxel > 0, spacing, patch, 9.0, 9.0, 1.0) for s in starts]


def scored(seen: list[Specimen], shift: float = 0.5, seed: int = 0) -> PairScores:
    """Scores on a grid, so that some tie; those of controls are higher by `shift`."""
    scores = np.random.default_rng(seed).normal(size=(3, len(seen), 2)) + [0, shift]
    return PairScores(seen, scores.round(1))


def auc(scores: np.ndarray) -> float:
    return roc_auc_score(np.tile([0, 1], len(scores)), scores.ravel())


def test_where_all_were_seen_the_auc_is_theirs():
    one = scored(bodies(60))
    found = ClassScores(one, bodies(60)).auc(0)
    assert (found.pairs, found.missed) == (60, 0)
    alone = [found.seen, found.features, found.cnn]
    assert alone == pytest.approx([auc(scores) for scores in one.scores])
    assert found.auc == pytest.approx(found.seen)
    assert 0 < found.low < found.auc < found.high < 1


def test_missed_ones_count_as_discriminated():
    room = bodies(40)
    one = scored(room[5:35])
    found = ClassScores(one, room).auc(0)
    assert (found.pairs, found.missed) == (30, 10)
    assert found.seen == pytest.approx(auc(one.scores[0]))
    assert found.auc == pytest.approx((30 * found.seen + 10) / 40)
    above = one.scores.copy()[0, :, 1].tolist() + [99] * 10  # as scores above all
    truth = [0] * 30 + [1] * 40
    assert found.auc == pytest.approx(roc_auc_score(truth, [*one.scores[0, :, 0], *above]))
    assert found.low < found.auc < found.high


def test_where_none_was_seen_all_are_discriminated():
    found = ClassScores(scored([]), bodies(20)).auc(0)
    assert (found.pairs, found.missed) == (0, 20)
    assert (found.low, found.auc, found.high) == (1, 1, 1)
    assert (found.seen, found.features, found.cnn) == (None, None, None)


def test_interval_is_as_wide_as_by_chance_some_are_missed():
    room = bodies(100)
    by_luck = PairScores(room[:50], np.zeros((3, 50, 2)))  # AUC 0.5: only missing counts
    found = ClassScores(by_luck, room).auc(0)
    assert found.auc == pytest.approx(0.75)
    deviation = 0.5 * np.sqrt(0.25 / 100)
    assert found.low == pytest.approx(0.75 - 1.96 * deviation, abs=0.01)
    assert found.high == pytest.approx(0.75 + 1.96 * deviation, abs=0.01)


def test_scored_bodies_without_room_do_not_count():
    one = scored(bodies(40))
    fewer = PairScores(one.bodies[:30], one.scores[:, :30])
    room = bodies(30)
    assert ClassScores(one, room).auc(0) == ClassScores(fewer, room).auc(0)


def test_difference_is_over_the_same_bodies():
    room = bodies(80)
    whole = scored(room)
    half = PairScores(room[::2], whole.scores[:, ::2])
    first, second = ClassScores(whole, room), ClassScores(half, room)
    difference = first.difference(second, 0)
    wanted = (40 * auc(half.scores[0]) + 40) / 80 - auc(whole.scores[0])
    assert difference.bodies == 80
    assert difference.value == pytest.approx(wanted)
    assert 0 < difference.low < difference.value < difference.high
    none = first.difference(first, 0)
    assert (none.value, none.low, none.high) == (0, 0, 0)


def test_same_seed_gives_the_same():
    room = bodies(30)
    one, other = (ClassScores(scored(room[:20]), bodies(30)) for _ in range(2))
    assert one.auc(3) == other.auc(3) != one.auc(4)
    second = ClassScores(scored(room[10:], seed=1), room)
    assert one.difference(second, 3) == other.difference(second, 3)
