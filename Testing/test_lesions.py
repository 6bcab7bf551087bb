"""Scores of segmentations, on scans small enough to count by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.evaluation.estimate import Estimate, drawn_cells, drawn_indices
from LNGenLib.evaluation.segmentation.lesions import BINS, bin_of, long_axis, score, size_bin
from LNGenLib.evaluation.segmentation.metrics import RESAMPLES, estimate, paired, ratios

SPACING = np.array([1.0, 1.0, 1.0])
SMALL, MIDDLE, LARGE = BINS


def scan(*boxes, value=None):
    """Labels with a box each (z, y, x start and size)."""
    labels = np.zeros((30, 30, 30), np.uint16)
    for number, (start, size) in enumerate(boxes, 1):
        box = tuple(slice(a, a + n) for a, n in zip(start, size))
        labels[box] = value or number
    return labels


A, B, C = ((2, 2, 2), (3, 3, 3)), ((2, 10, 10), (3, 4, 5)), ((14, 4, 4), (8, 8, 8))


def test_each_node_counts_once_in_its_size_bin():
    truth = scan(A, B, C)
    found = scan(A, C, ((25, 25, 25), (2, 2, 2))) > 0
    scored = score("a", "p", truth, found, SPACING)
    assert (scored.truth, scored.found, scored.shared) == (27 + 60 + 512, 27 + 512 + 8, 27 + 512)
    assert scored.nodes == {SMALL: 1, MIDDLE: 1, LARGE: 1}
    assert scored.detected == {SMALL: 1, MIDDLE: 0, LARGE: 1}
    assert scored.false == {SMALL: 1, MIDDLE: 0, LARGE: 0}


def test_one_finding_over_two_touching_nodes_finds_one_of_them():
    pair = ((2, 2, 2), (4, 4, 4)), ((2, 2, 6), (4, 4, 3))
    scored = score("a", "p", scan(*pair), scan(*pair) > 0, SPACING)
    assert sum(scored.nodes.values()) == 2 and sum(scored.detected.values()) == 1
    merged = score("a", "p", scan(*pair, value=1), scan(*pair) > 0, SPACING)
    assert sum(merged.nodes.values()) == sum(merged.detected.values()) == 1


def test_a_touch_is_no_finding():
    scored = score("a", "p", scan(C), scan(((14, 4, 4), (1, 3, 3))) > 0, SPACING)
    assert sum(scored.detected.values()) == 0 and sum(scored.false.values()) == 1


def test_the_long_axis_is_measured_in_mm():
    mask = np.ones((9, 1, 1), bool)
    assert long_axis(mask, np.array([0.7, 1.0, 1.0])) == pytest.approx(9 * 0.7)


@pytest.mark.parametrize("seed", range(3))
def test_a_bin_known_by_the_box_is_that_of_the_long_axis(seed):
    rng = np.random.default_rng(seed)
    for _ in range(40):
        blob = ndimage.gaussian_filter(rng.standard_normal((9, 9, 9)), rng.uniform(0, 2))
        nodes = ndimage.label(blob > rng.uniform(0, blob.max()))[0]
        mask = nodes[ndimage.find_objects(nodes)[0]] == 1
        spacing = rng.uniform(0.5, 1.5, 3)
        assert size_bin(mask, spacing) == bin_of(long_axis(mask, spacing))


def many(shift):
    rng = np.random.default_rng(0)
    scores = []
    for k in range(12):
        found = scan(A, C) if rng.random() < 0.5 + shift else scan(A)
        scores.append(score(f"s{k}", f"p{k // 2}", scan(A, B, C), found > 0, SPACING))
    return scores


def test_figures_are_ratios_over_scans():
    scores = many(0.0)
    found = estimate({0: scores})
    large = np.mean([s.detected[LARGE] for s in scores])
    assert found[f"lesion sensitivity {LARGE}"].value == pytest.approx(large)
    assert found["lesion sensitivity"].value == pytest.approx((1 + large) / 3)
    assert found["false positives a scan"].value == 0 and found["precision"].value == 1
    dice = [2 * s.shared / (s.truth + s.found) for s in scores]
    assert found["dice"].value == pytest.approx(np.mean(dice))
    assert found["dice"].low < found["dice"].value < found["dice"].high


def test_a_difference_is_of_the_same_patients():
    better, worse = many(0.5), many(-0.3)
    apart = paired({0: better}, {0: worse})
    whole = estimate({0: better})["dice"].value - estimate({0: worse})["dice"].value
    assert apart["dice"].value == pytest.approx(whole) and apart["dice"].low > 0
    assert paired({0: better}, {0: better})["dice"].high == 0
    with pytest.raises(InputError, match="other patients"):
        paired({0: better}, {0: worse[2:]})
    with pytest.raises(InputError, match="or seeds"):
        paired({0: better, 1: better}, {0: worse, 2: worse})


def test_what_is_nowhere_has_no_figure():
    empty = score("a", "p", scan(A), np.zeros((30, 30, 30)), SPACING)
    found = estimate({0: [empty]})
    assert np.isnan(found["precision"].value) and np.isnan(found[f"precision {LARGE}"].value)
    assert found["lesion sensitivity"].value == 0


def test_a_score_survives_json():
    scored = score("a", "p", scan(A), scan(A) > 0, SPACING)
    assert type(scored)(**dataclasses.asdict(scored)) == scored


def trainings(*shares):
    """Scores of a training each: so large a share of the one node is found in each of 8 scans."""
    return {
        seed: [score(f"s{k}", f"p{k}", scan(C), scan((C[0], (8, 8, n))), SPACING) for k in range(8)]
        for seed, n in enumerate(shares)
    }


def test_an_interval_is_as_wide_as_seeds_differ():
    same, apart = (estimate(trainings(*n))["sensitivity"] for n in ((4, 4, 4), (2, 4, 6)))
    assert same.low == same.value == same.high == 0.5
    assert (apart.low, apart.value, apart.high) == (0.25, 0.5, 0.75)  # all draws of one seed: 1/27


def test_a_difference_is_of_the_same_seeds():
    apart = paired(trainings(4, 6, 8), trainings(2, 4, 6))["sensitivity"]
    assert (apart.low, apart.value, apart.high) == pytest.approx((0.25, 0.25, 0.25))


def test_with_one_seed_only_patients_are_drawn():
    scores = many(0.0)
    sums = np.zeros((6, 2))
    for one in scores:
        sums[int(one.patient[1:])] += ratios(one)["dice"]
    drawn = sums[drawn_indices(6, RESAMPLES, 5)].sum(1)
    values = drawn[:, 0] / drawn[:, 1]
    assert estimate({7: scores}, 5)["dice"] == Estimate.of(values[0], values[1:])


def test_rows_and_columns_are_drawn_apart():
    drawn = drawn_cells(3, 3, 4000, 0)[1:].reshape(-1, 3, 3)
    rows, columns = drawn[:, :, 0] // 3, drawn[:, 0] % 3
    assert (drawn == 3 * rows[:, :, None] + columns[:, None]).all()
    assert abs((rows == columns).mean() - 1 / 3) < 0.02
    assert (drawn_cells(3, 3, 0, 0) == np.arange(9)).all()


@settings(max_examples=20, deadline=None)
@given(st.permutations([3, 5, 8]), st.integers(0, 5))
def test_the_order_of_seeds_tells_nothing(order, seed):
    of = dict(zip((3, 5, 8), trainings(2, 4, 7).values()))
    known = estimate(of, seed)["dice"]
    assert estimate({key: of[key][::-1] for key in order}, seed)["dice"] == known
    renumbered = estimate(dict(zip(order, of.values())), seed)["dice"]
    assert renumbered.value == pytest.approx(known.value)
    assert (renumbered.low, renumbered.high) == (known.low, known.high)


def test_trainings_are_of_the_same_patients():
    scores = many(0.0)
    for others in (scores[2:], []):
        with pytest.raises(InputError, match="other patients"):
            estimate({0: scores, 1: others})
    with pytest.raises(InputError, match="no scan"):
        estimate({})
