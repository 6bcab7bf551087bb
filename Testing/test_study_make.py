"""`lngen study make`: real lymph nodes and their painted twins, blinded."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from LNGenLib import Scan, Sizes, SynthesisRequest, synthesize
from LNGenLib.datasets.cases import read_cases
from LNGenLib.errors import InputError
from LNGenLib.evaluation.realism import two_sample_test
from LNGenLib.evaluation.realism.specimens import CALIPER
from LNGenLib.evaluation.segmentation.lesions import long_axis
from LNGenLib.image.io import write_image
from LNGenLib.phantom import pelvic_phantom
from LNGenLib.progress import SILENT
from LNGenLib.study import making
from LNGenLib.study.page import BLACK_HU, STEP_HU, Crop
from LNGenLib.synthesis.models import Models

SPACING, SIZE = (1.5, 1.5, 3.0), (130, 110, 44)


@pytest.fixture(scope="module")
def models():
    return Models("cpu")


@pytest.fixture(scope="module", autouse=True)
def quick_machine():
    """Its answers are none that these tests look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_sample_test, "EPOCHS", 1)
        patch.setattr(two_sample_test, "TREES", 5)
        yield


@pytest.fixture(scope="module")
def cases(tmp_path_factory, models):
    """A scan with labeled lymph nodes, which are painted ones here, and one without labels."""
    folder = tmp_path_factory.mktemp("cases")
    labeled, bare = (pelvic_phantom(seed, SPACING, SIZE) for seed in (1, 2))
    request = SynthesisRequest(12, Sizes("uniform", 6.0, 14.0), 3, allow_fewer=True)
    result = synthesize(Scan(labeled.ct, labeled.labels), request, models)
    write_image(result.ct, folder / "labeled.nii.gz")
    write_image(result.nodes, folder / "nodes.nii.gz")
    write_image(bare.ct, folder / "bare.nii.gz")
    with (folder / "cases.csv").open("w", newline="") as file:
        rows = [("labeled.nii.gz", "nodes.nii.gz", "labeled"), ("bare.nii.gz", "", "bare")]
        csv.writer(file).writerows([("image", "label", "id"), *rows])
    return folder / "cases.csv"


@pytest.fixture(scope="module")
def study(cases, models, tmp_path_factory):
    """Crops and key of a study of 20, and its folder."""
    crops: list[Crop] = []
    write = making.write_page
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "write_page", lambda s, c, p: (crops.extend(c), write(s, c, p)))
        folder = tmp_path_factory.mktemp("study") / "made"
        assert making.make_study(read_cases(cases), folder, 20, 0, models, SILENT) == {}
    return crops, json.loads((folder / "key.json").read_text()), folder


def test_half_are_painted_each_a_twin_of_a_real_one(study):
    crops, key, _ = study
    cases = key["cases"]
    assert [crop.name for crop in crops] == [f"{k:02d}" for k in range(1, 21)] == list(cases)
    pairs = {}
    for case in cases.values():
        pairs.setdefault(case["pair"], {})[case["synthetic"]] = case
    assert len(pairs) == 10 and {case["scan"] for case in cases.values()} == {"labeled", "bare"}
    for pair in pairs.values():
        real, painted = pair[False], pair[True]
        assert real["scan"] == painted["scan"]
        apart = [
            np.log(painted["long_axis_mm"] / real["long_axis_mm"]),
            painted["depth_mm"] - real["depth_mm"],
            painted["fat"] - real["fat"],
        ]
        assert (np.abs(apart) <= CALIPER * (1.2, 2, 1.5)).all(), pair
        assert painted["appearance"] in ("benign", "suspicious") and real["record"] is None
        assert {"seed", "center_ras_mm", "station"} <= set(painted["record"])


def paired(study):
    """The crops of each pair: the real one, the painted one, and the long axis of the larger."""
    crops, key, _ = study
    found = {}
    for crop in crops:
        about = key["cases"][crop.name]
        found.setdefault(about["pair"], {})[about["synthetic"]] = crop, about["long_axis_mm"]
    for pair in found.values():
        yield pair[False][0], pair[True][0], max(axis for _, axis in pair.values())


def test_a_pair_differs_in_its_middle_alone(study):
    for real, painted, axis in paired(study):
        assert real.voxels.shape == painted.voxels.shape
        assert (real.spacing == painted.spacing).all()
        changed = np.argwhere(real.voxels != painted.voxels)
        off = (changed - np.array(real.voxels.shape) // 2) * real.spacing
        # what lies nearer: both nodes, 3 mm or a voxel round them, once more round what that meets
        assert len(off) and np.linalg.norm(off, axis=1).max() < axis / 2 + 12


def test_a_place_is_seen_again_in_the_second_half_alone(study):
    _, key, _ = study
    cases = list(key["cases"].values())
    halves = cases[:10], cases[10:]
    for half in halves:
        assert sorted(case["pair"] for case in half) == list(range(10))
    first = sum(case["synthetic"] for case in halves[0])
    assert 0 < first < 10  # by a coin


def test_real_ones_are_the_labeled_nodes(study, cases):
    _, key, _ = study
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(cases.parent / "nodes.nii.gz")))
    spacing = np.array(SPACING[::-1])
    axes = [long_axis(labels == k, spacing) for k in np.unique(labels[labels > 0])]
    own = [case for case in key["cases"].values() if case["scan"] == "labeled"]
    real = [case["long_axis_mm"] for case in own if not case["synthetic"]]
    assert len(real) == len(own) / 2 > 0
    assert np.abs(np.subtract.outer(real, axes)).min(1).max() < 0.01


def test_each_crop_shows_its_node_in_the_middle(study):
    crops, key, _ = study
    for crop in crops:
        hu = crop.voxels * STEP_HU + BLACK_HU
        middle = np.array(hu.shape) // 2
        near = hu[tuple(slice(m - 1, m + 2) for m in middle)]
        assert near.max() > -40, (crop.name, key["cases"][crop.name])
        assert (np.array(hu.shape) % 2 == 1).all()
        assert np.array(hu.shape)[1:] @ np.ones(2) * 1.5 == pytest.approx(100, abs=6)


def test_nothing_but_the_node_tells_which_is_painted(study):
    """A classifier of all but the node, and of what files and order show, guesses."""
    crops, key, _ = study
    rows, truth, pairs = [], [], []
    for number, crop in enumerate(crops):
        case = key["cases"][crop.name]
        hu = crop.voxels * STEP_HU + BLACK_HU
        offset = np.indices(hu.shape) - (np.array(hu.shape) // 2)[:, None, None, None]
        far = np.sqrt(((offset * crop.spacing[:, None, None, None]) ** 2).sum(0))
        edge = case["long_axis_mm"] / 2 + 3.0
        rings = [hu[(far > edge + a) & (far <= edge + b)] for a, b in ((0, 6), (6, 14), (0, 99))]
        rows.append(
            [number, hu.size, *np.concatenate([[r.mean(), r.std(), (r > 0).mean()] for r in rings])]
        )
        truth.append(case["synthetic"])
        pairs.append(case["pair"])
    table, truth = np.array(rows), np.array(truth)
    found = []
    for seed in range(5):
        belief = np.zeros(len(truth))
        for train, test in GroupKFold(5, shuffle=True, random_state=seed).split(
            table, truth, pairs
        ):
            forest = RandomForestClassifier(100, min_samples_leaf=3, random_state=seed)
            forest.fit(table[train], truth[train])
            belief[test] = forest.predict_proba(table[test])[:, 1]
        found.append(roc_auc_score(truth, belief))
    assert 0.4 <= np.mean(found) <= 0.6, found


def test_the_page_does_not_hold_the_key(study):
    _, key, folder = study
    page = (folder / "reader.html").read_text("utf-8")
    assert key["study"] in page
    for word in ('"synthetic"', "pair", "long_axis_mm", "labeled", "bare"):
        assert f'"{word}"' not in page


def test_a_study_that_readers_may_have_is_not_replaced(study, cases, models):
    _, _, folder = study
    with pytest.raises(InputError, match="holds a study"):
        making.make_study(read_cases(cases), folder, 6, 1, models, SILENT)


@pytest.mark.parametrize("count", [0, 4, 7])
def test_an_odd_or_small_count_is_refused(count, cases, models, tmp_path):
    with pytest.raises(InputError, match="even number"):
        making.make_study(read_cases(cases), tmp_path / "new", count, 0, models, SILENT)


def alone(cases, folder):
    """The labeled scan alone, as a data set."""
    table, above = folder / "cases.csv", cases.parent
    table.write_text(f"image,label,id\n{above}/labeled.nii.gz,{above}/nodes.nii.gz,labeled\n")
    return table


def test_too_few_nodes_are_told(cases, models, tmp_path):
    found = read_cases(alone(cases, tmp_path))
    with pytest.raises(InputError, match="only .* or ask for -n"):
        making.make_study(found, tmp_path / "new", 60, 0, models, SILENT)
    assert not (tmp_path / "new").exists()


def test_the_command_makes_what_score_reads_and_makes_it_again(run_lngen, cases, models, tmp_path):
    folder = tmp_path / "study"
    command = f"study make --cases {cases} -n 6 --seed 5 -o {folder} --device cpu"
    code, out, err = run_lngen(command.split())
    assert code == 0 and "keep" in out and "sees all but the nodes: AUC" in out, err
    machines = f"{folder}/machine.json {folder}/surroundings.json"
    code, out, err = run_lngen(f"study score {folder} {machines}".split())
    assert code == 0 and "machine" in out and "surroundings" in out, err
    making.make_study(read_cases(cases), tmp_path / "again", 6, 5, models, SILENT)
    for name in ("reader.html", "key.json", "machine.json", "surroundings.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
