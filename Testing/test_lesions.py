"""Scores of segmentations, on scans small enough to count by hand."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.evaluation.estimate import Estimate, drawn_cells, drawn_indices
from LNGenLib.evaluation.segmentation.lesions import BINS, bin_of, long_axis, score, size_bin
from LNGenLib.evaluation.segmentation.metrics import RESAMPLES, estimate, paired, ratios
from LNGenLib.scan.totalsegmentator import KINDS, NUMBERS, OTHER_BOWEL, OTHER_MUSCLE, OTHER_VESSEL

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
    scored = score("a", "p", scan(A), scan(B) > 0, SPACING, scan(C))
    assert type(scored)(**json.loads(json.dumps(dataclasses.asdict(scored)))) == scored


def of_kind(scored):
    """How many nodes are of each kind."""
    kinds = ("nodes", "detected", "missed", "split", "merged")
    return {kind: n for kind in kinds if (n := sum(getattr(scored, kind).values()))}


BAR = (4, 4, 4), (2, 2, 10)  # 40 voxels, 4 a tenth


def test_a_node_is_missed_below_a_tenth_of_it():
    for voxels, kind in ((3, "missed"), (4, "detected")):
        found = scan(((4, 4, 4), (1, 1, voxels))) > 0
        assert of_kind(score("a", "p", scan(BAR), found, SPACING)) == {"nodes": 1, kind: 1}


def test_a_node_that_drowns_in_a_finding_is_neither_found_nor_missed():
    found = np.ones((30, 30, 30), bool)
    assert of_kind(score("a", "p", scan(A), found, SPACING)) == {"nodes": 1}


def test_a_node_in_pieces_is_split_where_two_hold_a_tenth():
    for second, more in ((3, {}), (4, {"split": 1})):
        found = scan(((4, 4, 4), (2, 2, 5)), ((4, 4, 10), (1, 1, second))) > 0
        scored = score("a", "p", scan(BAR), found, SPACING)
        assert of_kind(scored) == {"nodes": 1, "detected": 1} | more
    assert scored.split == {SMALL: 0, MIDDLE: 0, LARGE: 1}


def test_nodes_are_merged_where_a_finding_holds_a_tenth_of_each():
    other = (4, 4, 14), (2, 2, 10)
    for second, more in ((3, {"missed": 1}), (4, {"merged": 2})):
        found = scan(BAR, ((4, 4, 14), (1, 1, second))) > 0
        scored = score("a", "p", scan(BAR, other), found, SPACING)
        assert of_kind(scored) == {"nodes": 2, "detected": 1} | more


def test_a_node_may_be_split_and_merged():
    other = (4, 4, 14), (2, 2, 10)
    found = scan(((4, 4, 4), (2, 2, 3)), ((4, 4, 8), (2, 2, 16))) > 0
    scored = score("a", "p", scan(BAR, other), found, SPACING)
    assert of_kind(scored) == {"nodes": 2, "detected": 2, "split": 1, "merged": 2}
    figures = estimate({0: [scored]})
    assert [figures[name].value for name in ("missed", "split", "merged")] == [0, 0.5, 1]


@settings(max_examples=200, deadline=None)
@given(
    arrays(np.uint8, (4, 5, 6), elements=st.integers(0, 4)),
    arrays(bool, (4, 5, 6)),
    arrays(np.uint16, (4, 5, 6), elements=st.sampled_from([0, 20, 52, 80, 255])),
)
def test_kinds_of_nodes_and_causes_add_up(truth, found, organs):
    scored = score("a", "p", truth, found, SPACING, organs)
    for size in BINS:
        nodes = scored.nodes[size]
        assert scored.detected[size] + scored.missed[size] <= nodes
        for kind in (scored.split, scored.merged):
            assert kind[size] + scored.missed[size] <= nodes
    assert sum(scored.merged.values()) != 1
    assert sum(scored.causes.values()) == sum(scored.false.values())
    if not found.any():
        assert scored.missed == scored.nodes
    if found.all() and sum(scored.nodes.values()) > 1:
        assert scored.merged == scored.nodes


def cause(organs, *boxes, spacing=SPACING):
    """What false findings in boxes count for."""
    scored = score("a", "p", scan(A), scan(*boxes) > 0, spacing, organs)
    return {name: n for name, n in scored.causes.items() if n}


@pytest.mark.parametrize(
    ("number", "name"),
    [(NUMBERS["colon"], "bowel"), (18, "bowel"), (OTHER_BOWEL, "bowel"), (52, "vessel")]
    + [(68, "vessel"), (OTHER_VESSEL, "vessel"), (61, "other"), (82, "muscle")]
    + [(OTHER_MUSCLE, "muscle"), (NUMBERS["sacrum"], "other"), (255, "other"), (0, "other")],
)
def test_a_false_finding_counts_for_what_lies_there(number, name):
    organs = np.where(scan(C) > 0, number, 0).astype(np.uint16)
    assert cause(organs, ((16, 6, 6), (3, 3, 3))) == {name: 1}


def test_a_false_finding_counts_for_the_organ_within_2_mm():
    organs = scan(C) * np.uint16(OTHER_BOWEL)  # up to x = 11
    for x, name in ((13, "bowel"), (14, "other")):
        assert cause(organs, ((16, 6, x), (3, 3, 3))) == {name: 1}
    assert cause(organs, ((16, 6, 13), (3, 3, 3)), spacing=SPACING * 1.1) == {"other": 1}


def test_most_of_the_voxels_near_organs_decide():
    organs = np.zeros((30, 30, 30), np.uint16)
    organs[..., :6], organs[..., 10:12], organs[..., 25:] = 52, 80, 25
    bar = lambda x, n: ((16, 6, x), (1, 1, n))  # noqa: E731
    assert cause(organs, bar(4, 7)) == {"vessel": 1}  # 4 near the vessel, 3 near the muscle
    assert cause(organs, bar(12, 10)) == {"muscle": 1}  # 2 of 10, and no other near any organ
    assert cause(organs, bar(1, 4), bar(17, 4), bar(27, 2)) == {"vessel": 1, "other": 2}


def test_without_organs_there_are_no_causes():
    scored = score("a", "p", scan(A), scan(C) > 0, SPACING)
    assert scored.causes == {} and not any("false on" in name for name in ratios(scored))
    known = score("b", "p", scan(A), scan(C) > 0, SPACING, scan(C) * np.uint16(20))
    figures = estimate({0: [scored, known]})
    assert figures["false on bowel a scan"].value == 1  # of the scan of which it is known
    assert figures["false on muscle a scan"].value == 0


def test_no_number_is_of_two_kinds():
    numbers = [number for of_kind in KINDS.values() for number in of_kind]
    assert len(set(numbers)) == len(numbers)


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
