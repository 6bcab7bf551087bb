"""Scores of segmentations, on scans small enough to count by hand."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.evaluation.segmentation.lesions import BINS, bin_of, long_axis, score, size_bin
from LNGenLib.evaluation.segmentation.metrics import estimate, paired

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
    found = estimate(scores)
    large = np.mean([s.detected[LARGE] for s in scores])
    assert found[f"lesion sensitivity {LARGE}"].value == pytest.approx(large)
    assert found["lesion sensitivity"].value == pytest.approx((1 + large) / 3)
    assert found["false positives a scan"].value == 0 and found["precision"].value == 1
    dice = [2 * s.shared / (s.truth + s.found) for s in scores]
    assert found["dice"].value == pytest.approx(np.mean(dice))
    assert found["dice"].low < found["dice"].value < found["dice"].high


def test_a_difference_is_of_the_same_patients():
    better, worse = many(0.5), many(-0.3)
    apart = paired(better, worse)
    whole = estimate(better)["dice"].value - estimate(worse)["dice"].value
    assert apart["dice"].value == pytest.approx(whole) and apart["dice"].low > 0
    assert paired(better, better)["dice"].high == 0
    with pytest.raises(InputError, match="other patients"):
        paired(better, worse[2:])


def test_what_is_nowhere_has_no_figure():
    empty = score("a", "p", scan(A), np.zeros((30, 30, 30)), SPACING)
    found = estimate([empty])
    assert np.isnan(found["precision"].value) and np.isnan(found[f"precision {LARGE}"].value)
    assert found["lesion sensitivity"].value == 0


def test_a_score_survives_json():
    scored = score("a", "p", scan(A), scan(A) > 0, SPACING)
    assert type(scored)(**dataclasses.asdict(scored)) == scored
