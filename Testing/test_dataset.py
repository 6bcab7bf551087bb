"""Data sets are made whole: resumed, by many, in both layouts; each case as if it were alone."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dataset_tasks import Task

from LNGenLib.datasets.cases import Case, read_cases
from LNGenLib.datasets.dataset import make_dataset
from LNGenLib.datasets.manifest import DatasetSettings
from LNGenLib.datasets.running import in_processes, on_ray, run_here
from LNGenLib.errors import InputError
from LNGenLib.image import io
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.io import read_image, to_array, write_image
from LNGenLib.progress import Progress
from LNGenLib.structure.sizes import Sizes
from LNGenLib.texture.blending import within_reach

SETTINGS = DatasetSettings(seed=4, count=(1, 2), sizes=Sizes("uniform", 5.0, 9.0))
COUNT = 3


@pytest.fixture(scope="module")
def made(crops, models, tmp_path_factory) -> Path:
    """Three synthetic cases, made in one go."""
    folder = tmp_path_factory.mktemp("made") / "data"
    assert make_dataset(read_cases(crops), folder, COUNT, SETTINGS, models) == (COUNT, {})
    return folder


def check_equal(folder: Path, other: Path) -> None:
    """The same cases: labels equal, HU within 1, records of the same nodes."""
    first, second = read_cases(folder), read_cases(other)
    assert [case.id for case in first] == [case.id for case in second]
    for one, two in zip(first, second):
        (ct, label, _), (other_ct, other_label, _) = one.load(), two.load()
        assert np.array_equal(to_array(label), to_array(other_label))
        assert np.abs(to_array(ct).astype(int) - to_array(other_ct)).max() <= 1
    manifests = [json.loads((one / "manifest.json").read_text()) for one in (folder, other)]
    assert manifests[0] == manifests[1]


def test_cases_are_their_sources_with_lymph_nodes(made, crops):
    cases = read_cases(made)
    assert [case.id for case in cases] == [f"synthetic_{k:05d}" for k in range(COUNT)]
    manifest = json.loads((made / "manifest.json").read_text())
    assert manifest["synthetic"] is True
    assert {row["source"] for row in manifest["cases"]} == {"crop_0", "crop_1"}
    assert len({row["seed"] for row in manifest["cases"]}) == COUNT
    for case, row in zip(cases, manifest["cases"]):
        assert case.synthetic and case.patient == row["source"]
        ct, label, _ = case.load()
        nodes = to_array(read_image(made / f"nodes/{case.id}.nii.gz"))
        assert nodes.max() == len(row["long_axes_mm"])
        assert np.array_equal(to_array(label), nodes > 0)
        before = read_image(crops / f"{row['source']}.nii.gz")
        changed = to_array(ct) != to_array(before)
        assert changed[nodes > 0].mean() > 0.8
        assert not changed[~within_reach(nodes > 0, array_spacing(ct))].any()
        for file in (case.image, case.label):
            assert read_image(file).GetMetaData("descrip").startswith("SYNTHETIC")


def test_nnunet_finds_what_it_looks_for(made):
    description = json.loads((made / "dataset.json").read_text())
    assert description["numTraining"] == COUNT
    assert description["channel_names"] == {"0": "CT"}
    assert description["labels"] == {"background": 0, "lymph node": 1}
    ending = description["file_ending"]
    names = sorted(file.name for file in (made / "imagesTr").iterdir())
    assert names == [f"synthetic_{k:05d}_0000{ending}" for k in range(COUNT)]
    for name in names:
        label = read_image(made / "labelsTr" / (name.removesuffix(f"_0000{ending}") + ending))
        assert label.GetPixelID() == sitk.sitkUInt8
        assert set(np.unique(to_array(label))) == {0, 1}


class Killed(BaseException):
    pass


def killed_after(count: int):
    """A runner that is killed when it has done some tasks and has half done another."""

    def run(task, numbers, done):
        run_here(task, numbers[:count], done)
        half = task.output / "imagesTr/.writing-x"
        half.mkdir()
        (half / "left.nii.gz").write_text("half")
        orphan = task.output / "imagesTr/synthetic_00002_0000.nii.gz"
        write_image(read_image(task.cases[0].image), orphan)
        raise Killed

    return run


def test_an_interrupted_run_goes_on_where_it_was(made, crops, models, tmp_path):
    cases, told = read_cases(crops), []
    with pytest.raises(Killed):
        make_dataset(cases, tmp_path / "d", COUNT, SETTINGS, models, run=killed_after(1))
    assert len(json.loads((tmp_path / "d/manifest.json").read_text())["cases"]) == 1
    progress = Progress(lambda _, *step: told.append(step))
    assert make_dataset(cases, tmp_path / "d", COUNT, SETTINGS, models, progress=progress) == (
        2,
        {},
    )
    assert told == [(1, COUNT), (2, COUNT), (3, COUNT)]
    assert not list(tmp_path.rglob(".writing-*"))
    check_equal(made, tmp_path / "d")
    assert make_dataset(cases, tmp_path / "d", COUNT, SETTINGS, models) == (0, {})


def test_processes_make_the_same_cases(made, crops, models, tmp_path):
    make_dataset(read_cases(crops), tmp_path / "d", COUNT, SETTINGS, models, run=in_processes(2))
    check_equal(made, tmp_path / "d")


def test_what_a_lost_process_left_is_done_again(tmp_path):
    told = []
    in_processes(2)(Task(tmp_path, 2), [0, 1, 3], told.append)
    assert told == [1, 2, 3] and all((tmp_path / str(number)).exists() for number in (0, 1, 3))


def test_processes_that_are_always_lost_end_the_run(tmp_path):
    with pytest.raises(InputError, match="is the memory full.*: give fewer workers"):
        in_processes(1)(Task(tmp_path, 99), [1], print)


def test_a_task_s_error_ends_the_run(tmp_path):
    with pytest.raises(InputError, match="number 2 can't be made"):
        in_processes(2)(Task(tmp_path, 0), [2, *range(3, 40)], print)
    assert len(list(tmp_path.iterdir())) < 37


@pytest.mark.slow
def test_ray_makes_the_same_cases(made, crops, models, tmp_path):
    pytest.importorskip("ray", reason="the cluster extra is not installed")
    folder = tmp_path / "d"
    make_dataset(read_cases(crops), folder, COUNT, SETTINGS, models, run=on_ray("local"))
    check_equal(made, folder)
    with pytest.raises(TypeError, match="has no len"):  # a task's own error
        on_ray("local")(len, [3], print)


def test_real_lymph_nodes_stay_and_are_labeled(crops, models, tmp_path):
    """In the folder layout; half of the crop is marked as real lymph nodes."""
    ct = read_image(crops / "crop_0.nii.gz")
    real = sitk.Image(ct.GetSize(), sitk.sitkUInt8)
    real.CopyInformation(ct)
    real[:18] = 1
    write_image(real, tmp_path / "real.nii.gz")
    case = Case("one", crops / "crop_0.nii.gz", tmp_path / "real.nii.gz", "patient")
    settings = replace(SETTINGS, layout="plain", count=(1, 1))
    make_dataset([case], tmp_path / "d", 1, settings, models)
    (synthetic,) = read_cases(tmp_path / "d")
    assert synthetic.patient == "patient"
    painted, label = map(to_array, synthetic.load()[:2])
    nodes = to_array(read_image(synthetic.image.parent / "nodes.nii.gz")) > 0
    inside = to_array(real) > 0
    assert np.array_equal(label > 0, nodes | inside)
    assert nodes.any() and not (nodes & inside).any()
    assert np.array_equal(painted[inside], to_array(ct)[inside])


def test_cases_kept_for_test_get_no_lymph_nodes(crops, models, tmp_path):
    cases = [replace(case, part="test") for case in read_cases(crops)]
    with pytest.raises(InputError, match="synthetic or for validation and test"):
        make_dataset(cases, tmp_path / "d", 1, SETTINGS, models)
    assert not (tmp_path / "d").exists()


def test_another_data_set_is_not_mixed_in(made, crops, models, tmp_path):
    with pytest.raises(InputError, match="holds a data set of other settings"):
        make_dataset(read_cases(crops), made, COUNT, replace(SETTINGS, seed=5), models)
    more = [*read_cases(crops), replace(read_cases(crops)[0], id="another")]
    with pytest.raises(InputError, match="holds a data set of other sources"):
        make_dataset(more, made, COUNT, SETTINGS, models)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        make_dataset(read_cases(crops), tmp_path, COUNT, SETTINGS, models)


def test_a_full_disk_is_told_and_the_cases_before_it_stay(
    made, crops, models, tmp_path, monkeypatch
):
    write, written = io.write_image, []

    def until_full(image, path):
        written.append(path)
        if len(written) > 4:  # in the second case
            raise OSError(errno.ENOSPC, "No space left on device")
        write(image, path)

    monkeypatch.setattr(io, "write_image", until_full)
    with pytest.raises(InputError, match="can't be written to .*: make room, and run the same"):
        make_dataset(read_cases(crops), tmp_path / "d", COUNT, SETTINGS, models)
    assert [case.id for case in read_cases(tmp_path / "d")] == ["synthetic_00000"]
    monkeypatch.undo()
    make_dataset(read_cases(crops), tmp_path / "d", COUNT, SETTINGS, models)
    check_equal(made, tmp_path / "d")


def test_lymph_nodes_that_fit_nowhere_are_reported(crops, models, tmp_path):
    settings = replace(SETTINGS, sizes=Sizes("uniform", 30, 30), count=(1, 1))
    air = read_image(crops / "crop_0.nii.gz") * 0 + 40
    air[:2] = -1000
    write_image(air, tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match="no lymph node fits into a, or none .*: ask for other"):
        make_dataset(read_cases(tmp_path), tmp_path / "d", 1, settings, models)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--gpus", "1"], "--gpus is Ray's: give the --ray address"),
        (["--ray", "local", "--workers", "2"], "leave out --workers or --ray"),
        (["--count", "3", "1"], "count 3 to 1: give MIN <= MAX"),
        (["--long-axis", "1", "5"], "long axis 1 to 5 mm"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(run_lngen, crops, tmp_path, arguments, message):
    run = ["dataset", "--cases", str(crops), "-o", str(tmp_path / "d"), "-n", "1", *arguments]
    code, _, err = run_lngen(run)
    assert code == 2 and err.startswith("lngen: ") and message in err
    assert not (tmp_path / "d").exists()


def test_the_command_makes_cases(run_lngen, crops, made, tmp_path):
    out = tmp_path / "d"
    options = ["--seed", "4", "--count", "1", "2", "--sizes", "uniform", "--long-axis", "5", "9"]
    run = ["dataset", "--cases", str(crops), "-o", str(out), "-n", "1", *options]
    code, shown, err = run_lngen(run)
    assert (code, err) == (0, "")
    assert "1 SYNTHETIC cases made, 0 were there" in shown.replace("\n", " ")
    labels = [to_array(read_cases(folder)[0].load()[1]) for folder in (out, made)]
    assert np.array_equal(*labels)
