"""Table I on a reader's own data: the parts of any layout, and the command on two of them."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from LNGenLib.benchmark import experiment, parts
from LNGenLib.benchmark.augmentation import Copier
from LNGenLib.benchmark.parts import parts_of
from LNGenLib.datasets.case import Case
from LNGenLib.datasets.cases import read_cases
from LNGenLib.errors import InputError
from LNGenLib.image.components import components
from LNGenLib.image.io import to_array, write_image

EXTENT = (40.0, 36.0, 36.0)  # mm
THICK, THIN = (2.5, 0.9, 0.9), (1.25, 0.75, 0.75)  # mm
CONFIG = {
    "channels": [4, 8],
    "residual_units": 1,
    "spacing_mm": [2.0, 1.0, 1.0],
    "patch": [16, 32, 32],
    "epochs": 1,
    "steps_an_epoch": 2,
}
ARMS = ("real only", "copy-paste", "LN-Gen")
PARTS = ("train", "validation", "test", "test small")


def ball_scan(seed: int, spacing: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """HU and a 0/1 mask of noisy fat with two balls of soft tissue, 6 and 8 mm wide."""
    rng, step = np.random.default_rng(seed), np.reshape(spacing, (3, 1, 1, 1))
    shape = np.round(EXTENT / np.array(spacing)).astype(int)
    place, mask = np.indices(shape) * step, np.zeros(shape, np.uint8)
    for center, radius in (((12, 10, 10), 3), ((26, 24, 22), 4)):
        offset = place - np.reshape(center + rng.uniform(-2, 2, 3), (3, 1, 1, 1))
        mask[np.sqrt((offset**2).sum(0)) < radius] = 1
    hu = np.where(mask, 60.0, -100.0) + rng.normal(0, 8, shape)
    return hu.astype(np.int16), mask


def write_meply(folder: Path, count: int = 6) -> Path:
    """A folder as MEPLYv2: an .npz a scan, thick and thin slices in turn, and a CSV of boxes."""
    folder.mkdir(parents=True)
    boxes = [("pid", "target_index", "volume")]
    for number in range(count):
        spacing = (THICK, THIN)[number % 2]
        hu, mask = ball_scan(number, spacing)
        np.savez_compressed(folder / f"p{number}.npz", img=hu, lbl=mask > 0, spacing=spacing)
        boxes += [(f"p{number}", k, size) for k, size in enumerate(components(mask)[1][1:], 1)]
    with (folder / "boxes.csv").open("w", newline="") as table:
        csv.writer(table).writerows(boxes)
    return folder


def write_nnunet(folder: Path) -> Path:
    """An nnU-Net raw folder of two classes, test scans labeled, too; x and y run against LPS."""
    for number in range(6):
        hu, mask = ball_scan(number, THICK)
        mask *= 2
        mask[:2] = 1  # of the other class
        suffix = "Tr" if number < 4 else "Ts"
        for name, array in (
            (f"images{suffix}/n{number}_0000", hu),
            (f"labels{suffix}/n{number}", mask),
        ):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing(THICK[::-1])
            image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
            image.SetOrigin((30.0, 50.0, -700.0))
            path = folder / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(image, path)
    labels = {"background": 0, "rectum": 1, "metastasis": 2}
    about = {"channel_names": {"0": "CT"}, "labels": labels, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


@pytest.fixture(scope="module")
def meply(tmp_path_factory):
    return write_meply(tmp_path_factory.mktemp("own") / "meply")


@pytest.fixture(scope="module")
def nnunet(tmp_path_factory):
    return write_nnunet(tmp_path_factory.mktemp("own") / "nnunet")


@pytest.fixture
def table1(run_lngen, tmp_path, monkeypatch):
    """Runs some arms of `lngen benchmark table1` on data; gives its output and their scores."""
    monkeypatch.setattr(experiment, "SCANS", 1)  # of the real engine, quicker
    monkeypatch.setattr("LNGenLib.cli.benchmark.console.width", 400, raising=False)
    monkeypatch.setenv("COLUMNS", "400")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))

    def run(data, of, *options):
        command = f"benchmark table1 --data {data} -o {tmp_path}/bench --device cpu --seeds 1"
        chosen = [word for arm in of for word in ("--arm", arm)]
        config = ["--config", f"{tmp_path}/config.json"]
        code, out, err = run_lngen([*command.split(), *config, *chosen, *options])
        assert code == 0, err
        scores = {}
        for file in (tmp_path / "bench/runs").glob("*/run.json"):
            own = file.parent / "scores"
            found = {part.stem: json.loads(part.read_text()) for part in own.iterdir()}
            scores[json.loads(file.read_text())["arm"]] = found
        return out, scores

    return run


def check_table(printed: str, scores: dict, of: Sequence[str], tested: set[str]) -> None:
    """Each arm has figures of each test scan, with both balls in it."""
    rows = [[cell.strip() for cell in row.split("│")] for row in printed.splitlines()]
    shown = {row[2]: row for row in rows if len(row) > 6 and row[2] in ARMS}
    assert set(shown) == set(scores) == set(of)
    assert all("not run" not in row and " to " in row[4] for row in shown.values()), printed
    for of_arm in scores.values():
        assert {scan["id"] for scan in of_arm["test"]} == tested
        assert all(sum(scan["nodes"].values()) == 2 for scan in of_arm["test"])


def count_painted(bench: Path, arm: str) -> dict[str, int]:
    """How many lymph nodes each synthetic scan of an arm has."""
    (folder,) = (
        recipe.with_suffix("")
        for recipe in bench.glob("synthetic/*.json")
        if json.loads(recipe.read_text())["arm"] == arm
    )
    files = folder.glob("*/nodes.nii.gz")
    return {
        f.parent.name: len(np.unique(sitk.GetArrayFromImage(sitk.ReadImage(f)))) - 1 for f in files
    }


def test_a_meply_folder_gives_the_table(table1, meply, tmp_path):
    printed, scores = table1(meply, ARMS)
    tested = {case.id for case in parts_of(meply)["test"]}
    assert len(tested) == 1
    check_table(printed, scores, ARMS, tested)
    painted = {arm: count_painted(tmp_path / "bench", arm) for arm in ARMS[1:]}
    assert {len(found) for found in painted.values()} == {len(parts_of(meply)["train"])}
    assert all(sum(found.values()) > 0 for found in painted.values())


def test_an_nnunet_folder_of_several_classes_gives_the_table(table1, nnunet):
    printed, scores = table1(nnunet, ARMS[:2], "--class", "metastasis")
    check_table(printed, scores, ARMS[:2], {"n4", "n5"})
    printed, _ = table1(nnunet, ARMS[:2], "--class", "rectum", "--most", "0")
    assert printed.count("0/1") == 2  # other labels: nothing of this is done yet


def test_classes_are_asked_for_where_they_are_not_plain(run_lngen, nnunet, tmp_path):
    command = f"benchmark table1 --data {nnunet} -o {tmp_path}/bench --device cpu --most 0"
    code, _, err = run_lngen(command.split())
    assert code == 2 and "rectum, metastasis" in err and "--class" in err
    one = shutil.copytree(nnunet, tmp_path / "one")
    about = json.loads((one / "dataset.json").read_text())
    (one / "dataset.json").write_text(json.dumps(about | {"labels": {"metastasis": 2}}))
    code, out, err = run_lngen([*command.split(), "--data", str(one)])
    assert code == 0 and f"the class 'metastasis' of {one}" in out, err


def a_case(id: str, patient: str, part: str | None = None, labeled: bool = True, **more) -> Case:
    return Case(
        id, Path(f"{id}.nii.gz"), Path("label.nii.gz") if labeled else None, patient, part, **more
    )


def split_of(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """The parts of a data set that has these cases."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "read_cases", lambda data, classes: list(cases))
        return parts_of(Path("data"))


def patients_of(split: dict[str, list[Case]]) -> dict[str, list[str]]:
    return {part: sorted({case.patient for case in cases}) for part, cases in split.items()}


@st.composite
def chosen_cases(draw) -> list[Case]:
    """Cases of up to 12 patients, each of a part, of which one now and then is in another."""
    names = st.sampled_from([None, *PARTS])
    of_patient = draw(st.lists(names, min_size=1, max_size=12))
    stray = draw(st.integers(0, 60))
    cases = []
    for k, patient in enumerate(draw(st.lists(st.integers(0, len(of_patient) - 1), max_size=24))):
        part = draw(names) if k == stray else of_patient[patient]
        labeled, synthetic = draw(st.integers(0, 5)) > 0, draw(st.integers(0, 5)) == 0
        cases.append(a_case(f"case{k}", f"p{patient}", part, labeled, synthetic=synthetic))
    return cases


@settings(max_examples=300, deadline=None)
@given(chosen_cases(), st.randoms())
def test_parts_are_whole_and_apart_or_refused(cases, random):
    usable = [case for case in cases if case.label and not case.synthetic]
    named = {part: {c.patient for c in usable if (c.part or "train") == part} for part in PARTS}
    shared = sum(map(len, named.values())) > len(set().union(*named.values()))
    tests = [part for part in PARTS[2:] if named[part]]
    needed = 1 + (not named["validation"]) + (not tests)
    if shared or len(named["train"]) < needed:
        with pytest.raises(InputError, match="is in|at least"):
            split_of(cases)
        return
    split = split_of(cases)
    assert list(split) == ["train", "validation", *(tests or ["test"])]
    assert all(split.values())
    found = [case for part in split.values() for case in part]
    assert sorted(case.id for case in found) == sorted(case.id for case in usable)
    patients = patients_of(split)
    assert sum(map(len, patients.values())) == len(set().union(*patients.values()))
    for part in PARTS[1:]:  # what is named stays
        assert not named[part] or patients[part] == sorted(named[part])
    random.shuffle(cases)
    assert patients_of(split_of(cases)) == patients


def test_the_split_is_the_same_everywhere():
    cases = [a_case(f"scan{k}", f"p{k % 10}") for k in range(20)]
    patients = patients_of(split_of(cases))
    assert patients["test"] == ["p7", "p8"] and patients["validation"] == ["p1", "p4"]
    more = [a_case("named", "q", "validation")]
    assert patients_of(split_of(cases + more))["test"] == patients["test"]


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([None] * 2, "of 2 patients to train on, and to hold out for test and validation: .* of 3"),
        (["train", "test"], "of 1 patients to train on, and to hold out for validation: .* of 2"),
        (["validation", "test"], "of 0 patients to train on: give those of 1"),
        ([], "of 0 patients"),
    ],
)
def test_too_few_patients_are_refused(parts, told):
    with pytest.raises(InputError, match=told):
        split_of([a_case(f"c{k}", f"p{k}", part) for k, part in enumerate(parts)])


def test_a_patient_in_two_parts_is_refused():
    cases = [a_case("a", "one", "train"), a_case("b", "one", "test"), a_case("c", "two")]
    with pytest.raises(InputError, match="patient one is in train and in test"):
        split_of(cases)


def test_a_test_part_without_labels_is_none(nnunet, tmp_path):
    folder = shutil.copytree(nnunet, tmp_path / "unlabeled")
    shutil.rmtree(folder / "labelsTs")
    split = parts_of(folder, ["metastasis"])
    assert [len(split[part]) for part in ("train", "validation", "test")] == [2, 1, 1]
    assert all(case.part == "train" for cases in split.values() for case in cases)


def test_a_cases_csv_in_the_folder_tells_the_parts(meply):
    folder = meply.parent / "table"
    folder.mkdir()
    rows = [
        (f"../meply/p{k}.npz", part) for k, part in enumerate(["train", "validation", "test b"])
    ]
    with (folder / "cases.csv").open("w", newline="") as table:
        csv.writer(table).writerows([("image", "part"), *rows])
    split = parts_of(folder)
    assert {part: [case.id for case in cases] for part, cases in split.items()} == {
        "train": ["p0"],
        "validation": ["p1"],
        "test b": ["p2"],
    }


def volumes(labels: sitk.Image) -> np.ndarray:
    """mm³ of each label."""
    return np.bincount(to_array(labels).ravel())[1:] * np.prod(labels.GetSpacing())


@pytest.mark.parametrize("source", [0, 1], ids=["thick", "thin"])
def test_copies_are_single_nodes_of_their_own_size_in_mm(meply, source):
    cases = read_cases(meply)
    ct, real, _ = cases[1].load()
    own = components(to_array(cases[source].load()[1]))[1][1:] * np.prod((THICK, THIN)[source])
    copier = Copier(cases[source : source + 1])
    nodes = [copier.paint(ct, real, 11, np.random.default_rng(seed))[1] for seed in range(3)]
    found = np.concatenate([volumes(labels) for labels in nodes])
    assert len(found) >= 6
    apart = np.abs(np.log(found[:, None] / own)).min(1)
    assert (apart < 0.25).all()


def test_nothing_is_copied_where_there_is_no_node_or_no_fat(meply, tmp_path):
    (case, *_) = read_cases(meply)
    ct, real, _ = case.load()
    copier = Copier([case])

    def copies(ct):
        return to_array(copier.paint(ct, real * 0, 11, np.random.default_rng(0))[1])

    assert not copies(ct * 0 + 50).any()
    hu, mask = ball_scan(0, THICK)
    np.savez(tmp_path / "bare.npz", img=hu, lbl=mask * 0, spacing=THICK)
    assert copies(ct).any()
    with pytest.raises(InputError, match="no lymph node to copy"):
        Copier(read_cases(tmp_path))
