"""One bad case is named and left out, and the work goes on: with it mended, or without it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from segmentation_data import write_cases
from test_dataset import check_equal

from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.dataset import make_dataset
from LNGenLib.datasets.drawing import make_pool
from LNGenLib.datasets.manifest import DatasetSettings
from LNGenLib.datasets.running import run_here
from LNGenLib.errors import InputError
from LNGenLib.image.io import read_image, write_image
from LNGenLib.progress import SILENT
from LNGenLib.structure.sizes import Sizes

SETTINGS = DatasetSettings(seed=4, count=(1, 1), sizes=Sizes("uniform", 5.0, 9.0), texture_steps=2)
COUNT = 3


@pytest.fixture
def cases(crops, tmp_path) -> Path:
    """Three scans, of which b is no CT."""
    folder = tmp_path / "cases"
    folder.mkdir()
    for name, crop in (("a", 0), ("c", 1)):
        write_image(read_image(crops / f"crop_{crop}.nii.gz"), folder / f"{name}.nii.gz")
    write_image(sitk.Image(8, 8, 8, sitk.sitkInt16) + 40, folder / "b.nii.gz")
    return folder


def sources(folder: Path) -> list[str]:
    return [row["source"] for row in json.loads((folder / "manifest.json").read_text())["cases"]]


def test_a_data_set_goes_on_without_it(cases, crops, models, tmp_path):
    made = make_dataset(read_cases(cases), tmp_path / "d", COUNT, SETTINGS, models)
    assert made.cases == COUNT and list(made.left_out) == ["b"]
    assert "b.nii.gz is not in HU" in made.left_out["b"]
    assert json.loads((tmp_path / "d/manifest.json").read_text())["left_out"] == made.left_out
    assert set(sources(tmp_path / "d")) == {"a", "c"}
    # in whatever order they are made
    backwards = lambda task, numbers, done: run_here(task, numbers[::-1], done)  # noqa: E731
    make_dataset(read_cases(cases), tmp_path / "e", COUNT, SETTINGS, models, run=backwards)
    check_equal(tmp_path / "d", tmp_path / "e")
    (cases / "b.nii.gz").unlink()
    told = make_dataset(read_cases(cases), tmp_path / "d", COUNT + 3, SETTINGS, models)
    assert told.cases == 3 and "no longer among the cases" in told.left_out["b"]
    assert len(sources(tmp_path / "d")) == COUNT + 3


def test_a_mended_case_takes_its_turn_again(cases, crops, models, tmp_path):
    first = make_dataset(read_cases(cases), tmp_path / "d", COUNT, SETTINGS, models)
    before = sources(tmp_path / "d")
    write_image(read_image(crops / "crop_0.nii.gz"), cases / "b.nii.gz")
    again = make_dataset(read_cases(cases), tmp_path / "d", 2 * COUNT, SETTINGS, models)
    assert list(first.left_out) == ["b"] and again == (COUNT, {})
    assert sources(tmp_path / "d")[:COUNT] == before
    assert sorted(sources(tmp_path / "d")[COUNT:]) == ["a", "b", "c"]


def test_without_any_usable_case_the_reason_is_told(cases, models, tmp_path):
    bad = [case for case in read_cases(cases) if case.id == "b"]
    with pytest.raises(InputError, match="no case can be used; b: .*not in HU"):
        make_dataset(bad, tmp_path / "d", 1, SETTINGS, models)
    with pytest.raises(InputError, match="no case can be used; b: .*not in HU"):
        make_pool(bad, tmp_path / "p", 1, SETTINGS.sizes, 0, models)
    assert not (tmp_path / "p").exists()


def test_what_was_left_out_stands_at_the_end(run_lngen, cases, tmp_path):
    options = "-n 3 --seed 4 --count 1 1 --sizes uniform --long-axis 5 9".split()
    command = ["dataset", "--cases", str(cases), "-o", str(tmp_path / "d"), *options]
    code, out, err = run_lngen(command)
    assert (code, err) == (0, "")
    *_, named, last = out.strip().splitlines()
    assert named.startswith("left out: b: ") and "not in HU" in named
    assert "3 SYNTHETIC cases made" in last and "1 of the cases left out" in last
    command = ["pool", "--cases", str(cases), "-o", str(tmp_path / "p"), "-n", "2", "--painted"]
    code, out, err = run_lngen([*command, "--long-axis", "5", "9"])
    assert (code, err) == (0, "")
    *_, named, last = out.strip().splitlines()
    assert named.startswith("left out: b: ") and "places in 2 CTs (1 of the cases" in last
    told = json.loads((tmp_path / "p/pool.json").read_text())
    assert list(told["left_out"]) == ["b"] and sorted(told["cases"]) == ["a", "c"]
    assert np.abs(np.load(tmp_path / "p/tissues.npy")).max(axis=(1, 2, 3)).min() > 0


def test_scores_are_those_of_the_others(run_lngen, tmp_path):
    table = write_cases(tmp_path / "data", 4)
    labels = table.parent / "labels"
    (table.parent / "images/case0.nii.gz").write_bytes(b"no image")
    (tmp_path / "found").mkdir()
    for file in labels.iterdir():
        (tmp_path / "found" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "found/case1.nii.gz").write_bytes(b"no image")
    command = f"evaluate segmentation --real {table} --found {tmp_path}/found -o {tmp_path}/f.json"
    code, out, err = run_lngen(command.split())
    assert (code, err) == (0, "")
    assert "left out: case0: " in out and "left out: case1: " in out
    assert "2 of 4 cases scored (2 of the cases left out)" in out
    told = json.loads((tmp_path / "f.json").read_text())
    assert list(told["left_out"]) == ["case0", "case1"] and len(told["scans"]) == 2


def test_a_baseline_is_compared_on_what_both_found(run_lngen, tmp_path):
    table = write_cases(tmp_path / "data", 3)
    (tmp_path / "other").mkdir()
    for name in ("case0.nii.gz", "case1.nii.gz"):
        (tmp_path / "other" / name).write_bytes((table.parent / "labels" / name).read_bytes())
    command = f"evaluate segmentation --real {table} --found {table.parent}/labels"
    code, out, err = run_lngen([*command.split(), "--baseline", str(tmp_path / "other")])
    assert (code, err) == (0, "")
    assert "left out: case2: " in out and "other holds no label image case2.nii.gz" in out


def test_a_missing_file_of_a_training_case_is_named(tmp_path):
    from LNGenLib.segmentation.preparing import prepare

    one, two = read_cases(write_cases(tmp_path / "data", 2))
    gone = replace(one, image=tmp_path / "gone.nii.gz")
    prepared, left_out = prepare([gone, two], (1.25, 0.7, 0.7), tmp_path / "c", SILENT)
    assert [case.id for case in prepared] == [two.id] and "gone.nii.gz" in left_out[one.id]


def test_a_filter_takes_the_others(tmp_path):
    from LNGenLib.datasets.writing import Plain
    from LNGenLib.image.io import like, to_array
    from LNGenLib.segmentation.quality import filter_cases

    class Sure:
        def probability(self, ct, progress=SILENT):
            return like(np.ones(ct.GetSize()[::-1], np.float32), ct)

    real = read_cases(write_cases(tmp_path / "data", 2))
    real[1].image.write_bytes(b"no image")
    made = {"s_0": "case0", "s_1": "case1", "s_2": "elsewhere", "s_3": "case0"}
    for id, source in made.items():
        ct, nodes, _ = real[0].load()
        if id == "s_3":
            ct, nodes = ct[2:], nodes[2:]
        about = {"synthetic": True, "patient": source, "source": source, "records": []}
        label = like((to_array(nodes) > 0).astype(np.uint8), ct)
        images = {"ct": ct, "label": label, "nodes": nodes}
        Plain(tmp_path / "made").write(id, images, about)
    told = filter_cases(tmp_path / "made", real, Sure(), tmp_path / "kept", SILENT)
    assert sorted(told.left_out) == ["s_1", "s_2", "s_3"] and told.nodes == 2
    assert "case1.nii.gz is not an image" in told.left_out["s_1"]
    assert "made of elsewhere, which is not" in told.left_out["s_2"]
    assert "has another geometry than the CT" in told.left_out["s_3"]
    assert [case.id for case in read_cases(tmp_path / "kept")] == ["s_0"]
