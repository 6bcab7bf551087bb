"""What other versions of LNGen left is read, or refused by the file's and the field's name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from segmentation_data import write_cases

from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.dataset import make_dataset
from LNGenLib.datasets.drawing import make_pool
from LNGenLib.datasets.manifest import DatasetSettings
from LNGenLib.datasets.pool import Pool
from LNGenLib.datasets.splitting import split
from LNGenLib.errors import InputError
from LNGenLib.progress import SILENT
from LNGenLib.structure.sizes import Sizes

SETTINGS = DatasetSettings(seed=4, count=(1, 1), sizes=Sizes("uniform", 5.0, 9.0))


def change(file: Path, how: Callable[[dict], object]) -> None:
    content = json.loads(file.read_text())
    how(content)
    file.write_text(json.dumps(content))


@pytest.fixture
def pool(painted, tmp_path) -> Path:
    shutil.copytree(painted, tmp_path / "pool")
    return tmp_path / "pool"


FIELDS = ["long_axes_mm", "painted", "cases", "weights", "cases.crop_0.phase"]


@pytest.mark.parametrize("name", FIELDS)
def test_a_pool_without_a_field_is_refused(name, pool):
    *way, last = name.split(".")

    def drop(content: dict) -> None:
        for key in way:
            content = content[key]
        del content[last]

    change(pool / "pool.json", drop)
    with pytest.raises(InputError, match=f"pool.json lacks {name} .*make the pool anew"):
        len(Pool(pool))


@pytest.mark.parametrize("name", ["structure", "texture"])
def test_a_pool_of_other_weights_is_refused_unless_they_were_ones_own(name, pool):
    change(pool / "pool.json", lambda content: content["weights"].update({name: "0" * 64}))
    with pytest.raises(
        InputError, match=f"other {name} weights than LNGen .* ships: make the pool"
    ):
        len(Pool(pool))
    change(pool / "pool.json", lambda content: content.update(own_weights=[name]))
    assert len(Pool(pool)) == 6


def test_a_pool_of_own_weights_says_so(crops, models, tmp_path):
    from LNGenLib.models.store import SHIPPED

    for ending in ("safetensors", "json"):
        shutil.copy(SHIPPED / f"structure.{ending}", tmp_path / f"own.{ending}")
    own = replace(models, structure_weights=tmp_path / "own.safetensors")
    make_pool(read_cases(crops), tmp_path / "p", 1, SETTINGS.sizes, 0, own)
    assert Pool(tmp_path / "p").description["own_weights"] == ["structure"]


def damage(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def other_shape(file: Path) -> None:
    np.save(file, np.zeros((2, 3)))


DAMAGES = {
    "pool.json": (damage, "pool.json is not JSON"),
    "structures.npy": (damage, "structures.npy can't be read .*: make the pool anew"),
    "tissues.npy": (other_shape, r"tissues.npy holds \(2, 3\), not 6: make the pool anew"),
    "spots.npz": (damage, "spots.npz can't be read .*: make the pool anew"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_pool_is_refused(name, pool):
    spoil, words = DAMAGES[name]
    spoil(pool / name)
    with pytest.raises(InputError, match=words):
        Pool(pool).spots("crop_0")
        Pool(pool).structure(0)
        Pool(pool).tissue(0, np.eye(3), 50.0)


@pytest.fixture(scope="module")
def made(crops, models, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "d"
    make_dataset(read_cases(crops), folder, 1, SETTINGS, models)
    return folder


@pytest.fixture
def folder(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "d")
    return tmp_path / "d"


SPOILED = {
    "no sources": ("manifest.json", lambda c: c.pop("sources"), "manifest.json lacks sources "),
    "no weights": ("manifest.json", lambda c: c.pop("weights"), "manifest.json lacks weights "),
    "other": (
        "manifest.json",
        lambda c: c.update(software="LNGen 0"),
        "data set of other software",
    ),
    "no source": ("records/synthetic_00000.json", lambda c: c.pop("source"), "00000.json lacks so"),
    "no seed": (
        "records/synthetic_00000.json",
        lambda c: c["provenance"]["request"].pop("seed"),
        "synthetic_00000.json lacks provenance.request.seed .*: remove it",
    ),
    "no size": (
        "records/synthetic_00000.json",
        lambda c: c["records"][0].pop("long_axis_mm"),
        "synthetic_00000.json lacks long_axis_mm",
    ),
}


@pytest.mark.parametrize("name, how, words", SPOILED.values(), ids=SPOILED)
def test_a_data_set_of_another_version_is_refused(name, how, words, crops, models, folder):
    change(folder / name, how)
    with pytest.raises(InputError, match=words):
        make_dataset(read_cases(crops), folder, 2, SETTINGS, models)


@pytest.mark.parametrize("name", ["manifest.json", "records/synthetic_00000.json", "dataset.json"])
def test_a_damaged_file_of_a_data_set_is_named(name, crops, models, folder):
    damage(folder / name)
    with pytest.raises(InputError, match=f"{Path(name).name} is not JSON"):
        if name == "manifest.json":
            make_dataset(read_cases(crops), folder, 2, SETTINGS, models)
        read_cases(folder)


def test_numpys_integers_are_settings(made, crops, models):
    counts = np.int64(1), np.int32(1)
    settings = DatasetSettings(np.int64(4), counts, SETTINGS.sizes)
    assert settings == SETTINGS
    assert make_dataset(read_cases(crops), made, np.int64(1), settings, models) == (0, {})
    with pytest.raises(InputError, match="seed 1.5: give a whole number"):
        replace(SETTINGS, seed=1.5)


def test_numpys_integers_split_and_train(tmp_path):
    from LNGenLib.segmentation.config import SegmentationConfig
    from LNGenLib.segmentation.training import train

    cases = [replace(case, part=None) for case in read_cases(write_cases(tmp_path / "data", 3))]
    assert split(cases, np.int64(3)) == split(cases, 3)
    config = SegmentationConfig(
        channels=(4, 8), residual_units=1, patch=(16, 16, 16), epochs=1, steps_an_epoch=1
    )
    train(*split(cases, 0), tmp_path / "m", config, np.int64(3))
    assert json.loads((tmp_path / "m/training.json").read_text())["seed"] == 3


def test_a_training_of_another_version_is_named_by_the_table(tmp_path):
    from LNGenLib.benchmark.arms import Arm
    from LNGenLib.benchmark.experiment import Benchmark, Run
    from LNGenLib.segmentation.config import SegmentationConfig
    from LNGenLib.synthesis.models import Models

    table = write_cases(tmp_path / "data", 4)
    bench = Benchmark(table, tmp_path / "runs", Models("cpu"))
    run = Run(SegmentationConfig(), Arm.real, 0)
    model = bench._folder(run) / "model"
    model.mkdir(parents=True)
    (model / "training.json").write_text('{"steps": 1, "seconds": 2}')
    with pytest.raises(InputError, match="training.json lacks validation_dice .*trained again"):
        bench.do(run, (), SILENT)
