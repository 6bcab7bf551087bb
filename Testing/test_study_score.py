"""Tests of scoring a reader study: known answers, what must not matter, bad files, the command."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from sklearn.metrics import auc, cohen_kappa_score, roc_auc_score

from LNGenLib.errors import InputError
from LNGenLib.study.answers import (
    Answer,
    Case,
    Reader,
    Study,
    read_readers,
    read_study,
)
from LNGenLib.study.figures import figures, mean_roc, roc, weighted_kappa
from LNGenLib.study.picture import (
    CASES_AT,
    HEIGHT,
    PAINTED_COLOR,
    REAL_COLOR,
    SIDE,
    WIDTH,
    render_score,
)
from LNGenLib.study.scoring import Report, score
from LNGenLib.study.tables import score_tables

PAIRS = 20
CASES = [f"{k + 1:02d}" for k in range(2 * PAIRS)]
PAINTED = np.array([(k * 7 + k // 20) % 2 == 0 for k in range(2 * PAIRS)])
SIZES, LOOKS = (4.0, 7.0, 12.0, 6.0), ("benign", "suspicious")


def case(k: int) -> Case:
    pair = int((PAINTED[:k] == PAINTED[k]).sum())  # the first real one with the first painted one
    if not PAINTED[k]:
        return Case(False, f"scan{pair % 3}", pair, SIZES[pair % 4])
    record = {"station": "mesorectal", "center_ras_mm": [pair, -5.0, 7.5], "seed": 11, "label": 1}
    return Case(True, f"scan{pair % 3}", pair, SIZES[pair % 4], LOOKS[pair % 2], record)


STUDY = Study("pelvis", {id: case(k) for k, id in enumerate(CASES)})


def reader(name: str, ratings, comments: dict[str, str] | None = None) -> Reader:
    """A reader of STUDY, who left out cases of rating NaN."""
    said = comments or {}
    answers = {
        id: Answer(id, float(rating), said.get(id, ""), 10.0 + k)
        for k, (id, rating) in enumerate(zip(CASES, ratings))
        if not np.isnan(rating)
    }
    return Reader(name, answers, 5.0)


def guesses(seed: int, noise: float = 10.0) -> np.ndarray:
    """Ratings 1 to 5 that tell little of the truth, with much noise, or more with less."""
    drawn = PAINTED + np.random.default_rng(seed).normal(0, noise, len(PAINTED))
    return np.searchsorted(np.quantile(drawn, [0.2, 0.4, 0.6, 0.8]), drawn) + 1.0


PERFECT = np.where(PAINTED, 5.0, 1.0)


def values(report: Report) -> list[float]:
    found = report.readers[0].figures
    return [part.value for part in (found.auc, found.accuracy, found.sensitivity)] + [
        found.specificity.value
    ]


@pytest.mark.parametrize(
    "ratings, wanted",
    [
        (PERFECT, [1, 1, 1, 1]),
        (6 - PERFECT, [0, 0, 0, 0]),
        (np.full(40, 3.0), [0.5, 0.5, 0.5, 0.5]),
        (np.full(40, 5.0), [0.5, 0.5, 1, 0]),
        (np.where(PAINTED, 2.0, 1.0), [1, 0.5, 0, 1]),  # told apart, but called real
        (np.where(PAINTED, 3.0, 1.0), [1, 0.75, 0.5, 1]),
    ],
    ids=["perfect", "inverted", "unsure", "all synthetic", "cautious", "half"],
)
def test_known_readers(ratings, wanted):
    assert values(score(STUDY, [reader("A", ratings)])) == pytest.approx(wanted)


def test_a_perfect_reader_has_no_doubt_left():
    report = score(STUDY, [reader("A", PERFECT)])
    auc = report.readers[0].figures.auc
    assert (auc.low, auc.value, auc.high) == (1, 1, 1)
    assert report.readers[0].roc == [(0, 0), (0, 1), (1, 1)]
    assert report.pooled.figures == report.readers[0].figures
    assert report.pooled.kappa is None


def test_a_guessing_reader_is_seldom_told_from_chance():
    """Of 95 % intervals about 19 in 20 hold 0.5; those of the shuffled truth are independent."""
    held = 0
    for seed in range(40):
        shuffled = np.random.default_rng(seed).permutation(guesses(0))
        auc = score(STUDY, [reader("A", shuffled)], seed).readers[0].figures.auc
        held += auc.low <= 0.5 <= auc.high
        assert auc.low < auc.value < auc.high
    assert 34 <= held < 40


def test_auc_is_scikit_learns_with_ties():
    for seed in range(5):
        ratings = guesses(seed, 1.0)
        auc = score(STUDY, [reader("A", ratings)]).readers[0].figures.auc
        assert auc.value == pytest.approx(roc_auc_score(PAINTED, ratings))
        assert auc.low < auc.value < auc.high


def test_a_case_that_is_drawn_twice_counts_as_two():
    ratings, rng = guesses(2, 1.0), np.random.default_rng(3)
    drawn = rng.integers(0, 40, (6, 40))
    weights = np.stack([np.bincount(row, minlength=40) for row in drawn])
    found = figures(ratings, PAINTED, weights)
    for k, row in enumerate(drawn):
        once = figures(ratings[row], PAINTED[row], np.ones((1, 40)))
        assert [found[name][k] for name in found] == pytest.approx(
            [one[0] for one in once.values()]
        )


def test_intervals_are_as_wide_as_the_bootstrap_of_pairs():
    """By hand: draw pairs, and both cases of each."""
    ratings, rng = guesses(4, 1.0), np.random.default_rng(9)
    pair = np.array([one.pair for one in STUDY.cases.values()])
    drawn = []
    for _ in range(300):
        rows = np.concatenate(
            [np.flatnonzero(pair == one) for one in rng.integers(0, PAIRS, PAIRS)]
        )
        drawn.append(roc_auc_score(PAINTED[rows], ratings[rows]))
    auc = score(STUDY, [reader("A", ratings)]).readers[0].figures.auc
    assert (auc.low, auc.high) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.03)


def test_people_are_pooled_and_the_machine_stands_apart():
    good, poor = guesses(1, 0.5), guesses(2, 3.0)
    people = [reader("A", good), reader("B", poor)]
    report = score(STUDY, [*people, reader("machine", PERFECT)])
    one, other, machine = report.readers
    assert machine.machine and not one.machine
    assert report.pooled.readers == ["A", "B"] and report.pooled.answered == 80
    pooled = report.pooled.figures
    assert pooled.auc.value == pytest.approx((one.figures.auc.value + other.figures.auc.value) / 2)
    assert pooled.accuracy.value == pytest.approx(
        (one.figures.accuracy.value + other.figures.accuracy.value) / 2
    )
    assert pooled.auc.low < pooled.auc.value < pooled.auc.high
    # readers this far apart are drawn, too: some draws are of the poor one alone
    assert pooled.auc.low < one.figures.auc.low and pooled.auc.high > other.figures.auc.high
    assert report.pooled == score(STUDY, people).pooled
    assert one.less_machine.value == pytest.approx(one.figures.auc.value - 1)
    assert machine.less_machine is None
    assert report.cases[0].ratings.keys() == {"A", "B", "machine"}
    assert report.cases[0].rating == pytest.approx((good[0] + poor[0]) / 2)


def test_without_people_the_machine_is_pooled():
    report = score(STUDY, [reader("machine", PERFECT - 0.25 * PAINTED)])
    assert report.pooled.readers == ["machine"] and report.pooled.figures.auc.value == 1
    assert len(report.recognized) == 10


def test_differences_are_over_the_cases_that_both_answered():
    half = np.where(np.arange(40) % 4 < 2, guesses(1, 0.5), np.nan)
    other = guesses(5, 1.0)
    same = score(STUDY, [reader("A", other), reader("machine", other)]).readers[0].less_machine
    assert (same.low, same.value, same.high) == (0, 0, 0)
    found = score(STUDY, [reader("A", half), reader("machine", other)]).readers[0].less_machine
    both = ~np.isnan(half)
    aucs = [roc_auc_score(PAINTED[both], one[both]) for one in (half, other)]
    assert found.value == pytest.approx(aucs[0] - aucs[1])
    assert found.low < found.value < found.high


def test_unanswered_cases_do_not_count():
    ratings = np.where(np.arange(40) < 30, guesses(1, 0.5), np.nan)
    report = score(STUDY, [reader("A", ratings), reader("B", PERFECT)])
    assert [one.answered for one in report.readers] == [30, 40] and report.pooled.answered == 70
    assert report.readers[0].figures.auc.value == pytest.approx(
        roc_auc_score(PAINTED[:30], ratings[:30])
    )
    assert report.readers[0].seconds == 10 + 14.5
    assert report.cases[-1].ratings == {"B": PERFECT[-1]}


def test_a_reader_of_painted_cases_alone_has_no_auc_and_does_not_spoil_the_pool():
    few = np.where(PAINTED & (np.arange(40) < 9), 4.0, np.nan)
    alone = score(STUDY, [reader("A", few)])
    assert alone.readers[0].figures.auc is None and alone.pooled.roc == []
    assert alone.readers[0].figures.sensitivity.value == 1
    assert alone.readers[0].figures.specificity is None
    both = score(STUDY, [reader("A", few), reader("B", PERFECT)]).pooled
    assert both.figures.auc.value == 1 and both.roc[-1] == (1, 1)
    assert render_score(alone).size == (WIDTH, HEIGHT)


def test_kappa():
    rng = np.random.default_rng(0)
    one, other = rng.integers(1, 6, (2, 50)).astype(float)
    wanted = cohen_kappa_score(one, other, weights="quadratic")
    assert weighted_kappa(one, other) == pytest.approx(wanted)
    assert weighted_kappa(one, one) == 1
    assert weighted_kappa(np.array([1.0, 5]), np.array([5.0, 1])) == -1
    # by hand: squared differences 1, 1, 0, 0 of 4; by chance (0 1 4 9 and so on) 40 of 16
    assert weighted_kappa(np.r_[1.0, 2, 3, 4], np.r_[2.0, 1, 3, 4]) == pytest.approx(1 - 0.5 / 2.5)
    assert np.isnan(weighted_kappa(np.full(4, 3.0), np.full(4, 3.0)))
    third = np.where(np.arange(50) < 20, one, np.nan)
    assert weighted_kappa(third, other) == pytest.approx(
        cohen_kappa_score(one[:20], other[:20], weights="quadratic")
    )


def test_kappa_is_the_mean_over_pairs_of_people():
    ratings = [guesses(seed, 1.0) for seed in range(3)]
    people = [reader(name, one) for name, one in zip("ABC", ratings)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    wanted = [cohen_kappa_score(ratings[a], ratings[b], weights="quadratic") for a, b in pairs]
    found = score(STUDY, [*people, reader("machine", PERFECT)]).pooled.kappa
    assert found == pytest.approx(np.mean(wanted))


def test_sizes_and_looks():
    """Large ones are recognized, small ones guessed; suspicious ones are, benign ones not."""
    sizes = np.array([one.long_axis_mm for one in STUDY.cases.values()])
    by_size = score(STUDY, [reader("A", np.where(sizes > 10, PERFECT, 3.0))]).groups
    found = {group.name: group for group in by_size}
    assert [*found] == ["1.7-5 mm", "5-10 mm", ">10 mm", "benign", "suspicious"]
    assert [found[name].figures.auc.value for name in [*found][:3]] == [0.5, 0.5, 1]
    assert [(one.real, one.painted) for one in by_size] == [(5, 5), (10, 10), (5, 5)] + 2 * [
        (20, 10)
    ]
    looks = np.array([one.appearance or "" for one in STUDY.cases.values()])
    by_look = score(STUDY, [reader("A", np.where(looks == "suspicious", 5.0, 1.0))]).groups
    assert [group.figures.auc.value for group in by_look[3:]] == [0.5, 1]
    assert [group.figures.sensitivity.value for group in by_look[3:]] == [0, 1]
    assert {group.figures.specificity.value for group in by_look} == {1}


def test_a_size_of_one_truth_has_no_auc():
    cases = {id: dataclasses.replace(one, long_axis_mm=7.0) for id, one in STUDY.cases.items()}
    small, middle, _ = score(Study("s", cases), [reader("A", PERFECT)]).groups[:3]
    assert (small.real, small.painted, small.figures.auc, small.figures.accuracy) == (0,) * 2 + (
        None,
    ) * 2
    assert middle.figures.auc.value == 1


def test_the_most_recognized_nodes_come_with_their_records():
    ratings = np.where(PAINTED, 2.0, 5.0)
    told = np.flatnonzero(PAINTED)[[3, 8, 17]]
    ratings[told] = [4, 5, 3]
    report = score(STUDY, [reader("A", ratings), reader("machine", 6 - ratings)])
    assert [one.case for one in report.recognized[:3]] == [CASES[told[k]] for k in (1, 0, 2)]
    assert len(report.recognized) == 10 and all(one.painted for one in report.recognized)
    assert report.recognized[0].record["center_ras_mm"] == [8, -5.0, 7.5]
    assert report.recognized[0].rating == 5


def test_comments_come_with_truth_and_rating():
    said = {CASES[0]: " too smooth ", CASES[1]: "  "}
    (one,) = score(STUDY, [reader("A", PERFECT, said)]).comments
    assert dataclasses.astuple(one) == (CASES[0], True, "A", 5.0, "too smooth")


RATINGS = st.lists(st.sampled_from([1.0, 2, 3, 4, 5, np.nan]), min_size=40, max_size=40)


@settings(max_examples=25, deadline=None)
@given(st.lists(RATINGS, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_order_and_names_of_cases_do_not_matter(all_ratings, random):
    readers = [reader(name, ratings) for name, ratings in zip("ABC", all_ratings)]
    order = [*CASES]
    random.shuffle(order)
    name = dict(zip(CASES, random.sample(range(100, 1000), len(CASES))))
    again = Study("s", {str(name[id]): STUDY.cases[id] for id in order})
    renamed = [
        Reader(
            one.name,
            {
                str(name[id]): dataclasses.replace(answer, case=str(name[id]))
                for id, answer in reversed(one.answers.items())
            },
        )
        for one in readers
    ]
    first, second = (score(*given).pooled.figures for given in ((STUDY, readers), (again, renamed)))
    for part in dataclasses.fields(first):
        one, other = getattr(first, part.name), getattr(second, part.name)
        assert (one is None) == (other is None)
        if one is not None:
            assert dataclasses.astuple(one) == pytest.approx(dataclasses.astuple(other))


@settings(max_examples=50, deadline=None)
@given(RATINGS, st.lists(st.floats(1, 5), min_size=5, max_size=5, unique=True))
def test_the_auc_is_of_the_order_alone(ratings, levels):
    ratings = np.array(ratings)
    known = np.nan_to_num(ratings, nan=1.0).astype(int)
    other = np.where(np.isnan(ratings), np.nan, np.sort(levels)[known - 1])
    one, changed = (figures(each, PAINTED, np.ones((1, 40)))["auc"] for each in (ratings, other))
    assert one == pytest.approx(changed, nan_ok=True)


@settings(max_examples=25, deadline=None)
@given(st.lists(RATINGS, min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_figures_are_shares_within_their_intervals(all_ratings, seed):
    readers = [reader(name, ratings) for name, ratings in zip("ABC", all_ratings)]
    report = score(STUDY, readers, seed)
    for found in [report.pooled.figures, *(one.figures for one in report.readers)]:
        for one in vars(found).values():
            assert one is None or 0 <= one.low <= one.value <= one.high <= 1


@settings(max_examples=50, deadline=None)
@given(st.lists(RATINGS, min_size=1, max_size=4))
def test_the_area_below_the_mean_curve_is_the_mean_auc(all_ratings):
    rows = [np.array(ratings) for ratings in all_ratings]
    curve = mean_roc([roc(row, PAINTED) for row in rows])
    aucs = [figures(row, PAINTED, np.ones((1, 40)))["auc"][0] for row in rows]
    if np.isnan(aucs).all():
        assert not len(curve)
    else:
        area = auc(*curve.T)
        assert area == pytest.approx(np.nanmean(aucs), abs=1e-6)
        assert (np.diff(curve, axis=0) >= -1e-6).all()


def written(folder: Path, name: str, ratings, **other) -> Path:
    """A file of answers as the page saves it; fields of another value or, if None, none."""
    answers = [
        {"case": id, "rating": rating, "comment": "", "seconds": 8.5}
        for id, rating in zip(CASES, ratings)
    ]
    content = {"study": "pelvis", "reader": name, "experience_years": None, "answers": answers}
    content |= {"answered": len(answers), "of": 40, "saved": "2026-11-30T12:00:00Z"} | other
    file = folder / f"{len([*folder.glob('*.json')])}.json"
    file.write_text(json.dumps({key: one for key, one in content.items() if one is not None}))
    return file


def test_the_tables_hold_the_figures():
    """Each its own, and whole in 80 columns."""
    ratings = [guesses(seed, 1.0) for seed in range(2)]
    report = score(STUDY, [reader("Anna", ratings[0]), reader("Ben", ratings[1])])
    console = Console(width=80, file=io.StringIO())
    for table in score_tables(report):
        console.print(table)
    lines = console.file.getvalue().splitlines()
    rows = {one.name: one.figures for one in (*report.readers, *report.groups)}
    for name, found in (rows | {"pooled (2)": report.pooled.figures}).items():
        (line,) = [one for one in lines if one.lstrip("│").split("│")[0].strip() == name]
        assert str(found.auc) in line and f"{found.specificity.value:.3f}" in line
    assert max(map(len, lines)) <= 80


@pytest.fixture
def folder(tmp_path) -> Path:
    """STUDY as `make` writes it, and a folder for answers."""
    cases = {
        id: vars(one) | {"patient": one.scan, "depth_mm": 3.0, "fat": 0.6}
        for id, one in STUDY.cases.items()
    }
    content = {"study": "pelvis", "synthetic": True, "seed": 3, "cases": cases}
    (tmp_path / "study").mkdir()
    (tmp_path / "answers").mkdir()
    (tmp_path / "study/key.json").write_text(json.dumps(content))
    return tmp_path


def answer(id: str = "01", **other) -> dict:
    return {"case": id, "rating": 4} | other


BAD = {
    "another study": ({"study": "chest"}, "answers the study 'chest', not 'pelvis'"),
    "no study": ({"study": None}, "lacks study"),
    "unknown cases": ({"answers": [answer("77"), answer("x")]}, "does not have, 77, x: give"),
    "rating 6": ({"answers": [answer(rating=6)]}, "case 01 6: ratings go from 1 to 5, correct"),
    "rating 0": ({"answers": [answer(rating=0)]}, "ratings go from 1 to 5"),
    "rating NaN": ({"answers": [answer(rating=float("nan"))]}, "rating NaN is no float: correct"),
    "rating text": ({"answers": [answer(rating="4")]}, 'rating "4" is no float: correct it'),
    "rating true": ({"answers": [answer(rating=True)]}, "rating true is no float"),
    "no rating": ({"answers": [answer(rating=None)]}, "rating"),
    "twice": ({"answers": [answer(), answer()]}, "case 01 2 times: keep one"),
    "empty": ({"answers": []}, "holds no answers: have the reader rate"),
    "no list": ({"answers": {"01": 4}}, "holds no answers"),
    "no objects": ({"answers": [4]}, "is a JSON object, not 4"),
    "no name": ({"reader": " "}, "has no name for its reader: write one"),
    "name a number": ({"reader": 5}, "name 5 is no str"),
    "years": ({"experience_years": "ten"}, 'experience_years "ten" is no'),
}


@pytest.mark.parametrize("other, message", BAD.values(), ids=BAD)
def test_bad_answers_are_refused_by_their_file(folder, other, message):
    file = written(folder / "answers", "A", PERFECT, **other)
    study = read_study(folder / "study")
    with pytest.raises(InputError) as found:
        read_readers([file], study)
    assert message in str(found.value) and str(file) in str(found.value)


def test_two_files_of_one_reader_are_refused(folder):
    files = [written(folder / "answers", name, PERFECT) for name in ("A", "B", "A ")]
    study = read_study(folder / "study")
    with pytest.raises(InputError, match="both of the reader 'A': give one of them, or rename"):
        read_readers(files, study)


def test_readers_stand_by_name_and_the_machine_last(folder):
    files = [
        written(folder / "answers", name, PERFECT - 0.5 * PAINTED) for name in ("machine", "Z", "B")
    ]
    found = read_readers(files, read_study(folder / "study"))
    assert [one.name for one in found] == ["B", "Z", "machine"]
    assert found[0].answers["01"] == Answer("01", 4.5, "", 8.5)


def test_a_folder_without_a_key_is_refused(folder, run_lngen):
    file = written(folder / "answers", "A", PERFECT)
    code, _, err = run_lngen(["study", "score", str(folder), str(file)])
    assert code == 2 and err.count("\n") == 1
    assert "has no key.json: give the folder that `lngen study make` wrote" in err


@pytest.mark.parametrize("cases", [{}, [], {"01": {"synthetic": True}}, {"01": 3}])
def test_a_damaged_key_is_refused(folder, cases):
    key = folder / "study/key.json"
    key.write_text(json.dumps({"study": "pelvis", "cases": cases}))
    with pytest.raises(InputError, match="key.json"):
        read_study(folder / "study")


def test_no_json_is_refused(folder, run_lngen):
    (folder / "answers/notes.json").write_text("A: all looked real")
    command = ["study", "score", str(folder / "study"), str(folder / "answers/notes.json")]
    code, _, err = run_lngen(command)
    assert code == 2 and "notes.json is not JSON" in err and err.count("\n") == 1


@pytest.mark.parametrize("name", ["report.gif", "study/key.json", "answers/0.json"])
def test_outputs_that_can_not_be_are_refused_before_any_work(folder, run_lngen, name):
    file = written(folder / "answers", "A", PERFECT)
    option = "--output" if name.endswith("json") else "--picture"
    command = ["study", "score", str(folder / "study"), str(file), option, str(folder / name)]
    before = file.read_text(), (folder / "study/key.json").read_text()
    code, out, err = run_lngen([*command, "--overwrite"])
    assert (code, out) == (2, "") and "give" in err
    assert before == (file.read_text(), (folder / "study/key.json").read_text())


def test_the_command(folder, run_lngen):
    comment = [{"case": "02", "rating": 2, "comment": "[bold] fat, hilum", "seconds": 4}]
    answers = folder / "answers"
    files = [
        written(answers, "Anna", guesses(1, 0.7)),
        written(answers, "Ben", guesses(2, 2.0)),
        written(answers, "Cid", [], answers=comment, experience_years=12),
        written(answers, "machine", 3 + 1.9 * (PERFECT - 3) / 2),
    ]
    report, picture = folder / "report.json", folder / "report.png"
    command = ["study", "score", str(folder / "study"), *map(str, files)]
    code, out, err = run_lngen([*command, "-o", str(report), "--picture", str(picture)])
    assert (code, err) == (0, "")
    for words in ("Anna", "pooled (3)", "81 of 120", "1 of 40", "[bold] fat, hilum", "mesorectal"):
        assert words in out
    assert "quadratically weighted kappa" in out and "AUC of Ben less the machine's: -0." in out
    assert "does not prove that nobody can tell" in out
    found = json.loads(report.read_text(), parse_constant=pytest.fail)  # NaN is no JSON
    assert found["software"].startswith("LNGen")
    assert [one["name"] for one in found["readers"]] == ["Anna", "Ben", "Cid", "machine"]
    assert found["readers"][2]["figures"]["auc"] is None
    assert found["readers"][3]["figures"]["auc"] == {"value": 1, "low": 1, "high": 1}
    assert len(found["recognized"]) == 10 and found["comments"][0]["reader"] == "Cid"
    assert run_lngen([*command, "-o", str(report), "--seed", "1"])[0] == 0
    again = json.loads(report.read_text())
    assert again["pooled"]["figures"] != found["pooled"]["figures"]
    with Image.open(picture) as image:
        assert image.size == (WIDTH, HEIGHT) and "LNGen" in image.info["Software"]
        pixels = np.asarray(image.convert("RGB"))[:, CASES_AT[0] :]
    for color in (REAL_COLOR, PAINTED_COLOR):
        assert (pixels == color).all(-1).sum() > 20 * 40  # a dot a case


def test_the_picture_marks_each_case_at_its_rating():
    pixels = np.asarray(render_score(score(STUDY, [reader("A", PERFECT)])))[:, CASES_AT[0] :]
    real, painted = (np.argwhere((pixels == one).all(-1)) for one in (REAL_COLOR, PAINTED_COLOR))
    top, bottom = CASES_AT[1], CASES_AT[1] + SIDE
    assert (real[:, 0].mean(), painted[:, 0].mean()) == pytest.approx((bottom, top), abs=1)
    assert real[:, 1].max() < painted[:, 1].min()
