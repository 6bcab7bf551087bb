"""`lngen train` on a tiny data set: it runs, resumes, and its weights load and sample."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from training_data import TINY_STRUCTURE, TINY_TEXTURE, table, write, write_training_data

from LNGenLib import training
from LNGenLib.errors import Canceled, InputError
from LNGenLib.progress import Progress
from LNGenLib.service.protocol.requests import TrainRequest
from LNGenLib.service.worker.kinds import KINDS
from LNGenLib.service.worker.tasks import Images, Work
from LNGenLib.structure.corpus import ENOUGH
from LNGenLib.structure.descriptors import LOG_SIZE
from LNGenLib.structure.model import StructureModel
from LNGenLib.structure.networks import StructureConfig
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.method import Method
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.texture import dataset
from LNGenLib.texture.model import TextureModel
from LNGenLib.validation import from_json


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_training_data(folder)
    return folder


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A folder in which structures were trained, and the steps that were told."""
    folder, seen = tmp_path_factory.mktemp("trained"), []
    progress = Progress(lambda *step: seen.append(step))
    training.run("structure", data, folder, TINY_STRUCTURE, 0, progress)
    return folder, seen


def test_structure_trains_resumes_and_samples(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path, dirs_exist_ok=True)
    weights = tmp_path / "structure.safetensors"
    description = json.loads(weights.with_suffix(".json").read_text())
    assert description["config"]["unet_channels"] == [8, 16]
    assert description["config"]["known"] == 3 + 2  # surfaces and ovoids
    first, corpus = weights.read_bytes(), (tmp_path / "corpus.npz").read_bytes()
    (tmp_path / "joint" / "averaged.safetensors").unlink()  # as if interrupted there
    (tmp_path / "joint" / "last.ckpt").unlink(missing_ok=True)
    weights.unlink()
    assert training.run("structure", tmp_path / "gone", tmp_path, TINY_STRUCTURE, seed=0) == weights
    assert weights.read_bytes() == first
    assert (tmp_path / "corpus.npz").read_bytes() == corpus
    networks = StructureModel(weights).networks
    assert float(networks.autoencoder.latent_std.min()) > 0
    z = networks.autoencoder.encode(_tsdfs(tmp_path))
    assert abs(z.std().item() - 1) < 0.3


def test_known_shapes_are_the_surfaces_and_the_ovoids(trained):
    """Not the deformed copies between them, though the networks learn from those, too."""
    folder, _ = trained
    table = StructureModel(folder / "structure.safetensors").networks.prior.table.numpy()
    with np.load(folder / "corpus.npz") as corpus, np.load(folder / "structure.npz") as arrays:
        rows = corpus["descriptors"]
        sizes = arrays["long_axis_mm"][arrays["split"] == "train"]
    assert len(rows) == 3 + 3 + 2
    assert table == pytest.approx(rows[[0, 1, 2, 6, 7]], abs=1e-3)  # in half precision
    assert 10.0 ** table[:3, LOG_SIZE] == pytest.approx(sizes, rel=3e-3)
    assert (10.0 ** table[3:, LOG_SIZE] < ENOUGH).all()


def _tsdfs(folder):
    import torch

    with np.load(folder / "structure.npz") as arrays:
        return torch.from_numpy(
            arrays["tsdf"][arrays["split"] == "train"][:, None].astype("f4") * 5
        )


def test_texture_trains_and_loads(data, tmp_path, monkeypatch):
    prepare = dataset.prepare
    monkeypatch.setattr(dataset, "prepare", lambda *a, **k: prepare(*a, **k, per_scan=4))
    weights = training.run("texture", data, tmp_path, TINY_TEXTURE, seed=0)
    with np.load(tmp_path / "texture.npz") as arrays:
        assert set(arrays["split"]) == {"train", "validation"}
        assert arrays["hu"].shape[1:] == (32, 32, 32)
    assert TextureModel(weights).networks.config.vae_channels == 8
    (tmp_path / "again").mkdir()
    shutil.copy(tmp_path / "texture.npz", tmp_path / "again")
    again = training.run("texture", data, tmp_path / "again", TINY_TEXTURE, seed=0)
    assert again.read_bytes() == weights.read_bytes()  # the seed says all


def test_every_labeled_lesion_of_a_scan_is_learned_from(tmp_path):
    hu = np.full((30, 60, 60), -100, np.int16)
    labels = np.zeros(hu.shape, np.uint8)
    for label, corner in enumerate(((5, 5, 5), (15, 40, 40)), 1):
        labels[tuple(slice(c, c + 6) for c in corner)] = label
    hu[labels > 0] = 40
    write(hu, tmp_path / "ct.nii.gz")
    write(labels, tmp_path / "ct_mask.nii.gz")
    write(np.zeros_like(labels), tmp_path / "elsewhere/none.nii.gz")
    _, beside = dataset.read_scan(tmp_path / "ct.nii.gz")
    lesions = list(dataset._lesions(beside))
    assert [body.long_axis for body in lesions] == [6, 6]
    assert [body.start for body in lesions] == [(5, 5, 5), (15, 40, 40)]
    assert all(body.mask.all() for body in lesions)
    _, named = dataset.read_scan(tmp_path / "ct.nii.gz", tmp_path / "elsewhere/none.nii.gz")
    assert not list(dataset._lesions(named))


def test_a_ct_or_labels_that_do_not_fit_are_refused(tmp_path):
    write(np.full((10, 10, 10), -100, np.int16), tmp_path / "ct.nii.gz")
    write(np.full((10, 10, 10), 100, np.int16), tmp_path / "scaled.nii.gz")
    write(np.ones((9, 10, 10), np.uint8), tmp_path / "ct_mask.nii.gz")
    for name, words in (("ct", "ct_mask.nii.gz has another geometry"), ("scaled", "is not in HU")):
        with pytest.raises(InputError, match=words):
            dataset.read_scan(tmp_path / f"{name}.nii.gz")


def test_difftumor_style_baseline_trains_and_paints(data, scan, tmp_path, monkeypatch):
    prepare = dataset.prepare
    monkeypatch.setattr(dataset, "prepare", lambda *a, **k: prepare(*a, **k, per_scan=4))
    weights = training.run("difftumor", data, tmp_path, TINY_TEXTURE, seed=0)
    with np.load(tmp_path / "difftumor.npz") as arrays:
        assert arrays["hu"].shape[1:] == (64, 64, 64)
        assert (arrays["sdf"] < 127).any((1, 2, 3)).all()  # a shape in every patch
    models = Models("cpu", texture_weights=weights, method=Method.difftumor)
    request = SynthesisRequest(2, Sizes("uniform", 8, 15), 3, texture_steps=2)
    result = synthesize(scan, request, models)
    images = scan.ct, result.ct, result.nodes, result.changed
    before, after, nodes, changed = map(sitk.GetArrayFromImage, images)
    assert set(np.unique(nodes)) == {0, 1, 2}
    assert np.array_equal(before[changed == 0], after[changed == 0])
    assert (before != after).any()
    assert result.provenance["method"] == "difftumor"
    with pytest.raises(InputError, match="ellipsoids have no shape"):
        synthesize(scan, replace(request, short_axis_mm=5.0), models)
    with pytest.raises(InputError, match="other networks"):
        Models("cpu", texture_weights=weights).texture  # noqa: B018


def test_no_weights_of_the_baseline_ship():
    with pytest.raises(InputError, match="lngen train difftumor"):
        Models("cpu", method=Method.difftumor).texture  # noqa: B018


def test_unknown_configuration_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="colour"):
        training.run("structure", data, tmp_path, {"colour": 1}, seed=0)


def test_the_documentation_has_configurations_and_figures_as_they_are():
    page = (Path(__file__).parents[1] / "docs" / "training.md").read_text()
    configs = re.findall(r"> trial-(\w+)\.json <<END\n(.*?)\nEND", page, re.DOTALL)
    assert [part for part, _ in configs] == ["structure", "texture"]
    for part, config in configs:
        networks = training.MODELS[part].load_networks()
        from_json(networks.CONFIG, json.loads(config))
    config = StructureConfig()
    stages = config.solid_steps, config.vae_steps, config.joint_steps
    rows = re.findall(r"^\| (solids|vae|joint) .* \| ([\d,]+) \|$", page, re.MULTILINE)
    assert rows == [(name, f"{n:,}") for name, n in zip(("solids", "vae", "joint"), stages)]
    assert f"{config.solids:,} procedural solids" in page and f"{config.ovoids:,} ovoids" in page


def test_a_folder_holds_one_training(data, trained):
    folder, _ = trained
    for changes, seed in ((TINY_STRUCTURE | {"joint_steps": 4}, 0), (TINY_STRUCTURE, 1)):
        with pytest.raises(InputError, match="give these, or a new folder"):
            training.run("structure", data, folder, changes, seed)
    with pytest.raises(InputError, match="other settings"):
        training.run("texture", data, folder, {}, seed=0)


@pytest.mark.parametrize("missing", ["train", "validation"])
def test_a_part_without_cases_is_named(data, tmp_path, missing):
    (there,) = {"train", "validation"} - {missing}
    table(tmp_path / "nodes.csv", [("0.nii.gz", there), ("1.nii.gz", "test")])
    with pytest.raises(InputError, match=f"no row with the split {missing}"):
        training.run("structure", tmp_path, tmp_path / "out", {}, seed=0)
    assert not (tmp_path / "out").exists()


def test_a_table_without_rows_or_columns_is_named(tmp_path):
    (tmp_path / "nodes.csv").write_text("file,split\n")
    with pytest.raises(InputError, match="no row with the split train"):
        training.run("structure", tmp_path, tmp_path / "out", {}, seed=0)
    for content in ("", "file;part\nx;y\n"):
        (tmp_path / "nodes.csv").write_text(content)
        with pytest.raises(InputError, match="nodes.csv lacks the columns file and split: see"):
            training.run("structure", tmp_path, tmp_path / "out", {}, seed=0)


def test_every_stage_is_reported(trained):
    _, seen = trained
    stages = list(dict.fromkeys(stage for stage, _, _ in seen))
    corpus = ["deformations", "ovoids", "descriptors"]
    assert stages == ["masks", *corpus, "solids", "vae", "joint"]
    assert [step for step in seen if step[0] == "masks"] == [("masks", k, 4) for k in range(4)]


def test_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nodes\.csv"):
        training.run("structure", tmp_path, tmp_path / "out", {}, seed=0)


@pytest.fixture
def train_job(data, tmp_path):
    """Does a train job of the service on the data set `mine`."""
    for part in ("datasets", "result", "scratch"):
        (tmp_path / part).mkdir()
    (tmp_path / "datasets" / "mine").symlink_to(data)

    def train(progress, dataset="mine"):
        request = TrainRequest("structure", dataset, TINY_STRUCTURE)
        folders = (tmp_path / part for part in ("result", "scratch", "datasets"))
        return KINDS["train"].run(Work(request, Images(), progress, None, *folders))

    return train


def test_a_train_job_reports_its_steps_and_leaves_weights(train_job, tmp_path):
    seen = []
    train_job(Progress(lambda *step: seen.append(step)))
    assert seen[0] == ("preparing", 0, 1)
    assert [step for step in seen if step[0] == "joint"][-3:] == [
        ("joint", k, 3) for k in (1, 2, 3)
    ]
    files = {path.name for path in (tmp_path / "result").iterdir()}
    assert files == {"structure.safetensors", "structure.json"}
    StructureModel(tmp_path / "result" / "structure.safetensors")


def test_a_train_job_is_canceled_at_its_next_step(train_job, tmp_path):
    seen = []
    with pytest.raises(Canceled):
        train_job(Progress(lambda *step: seen.append(step), lambda: ("joint", 2, 3) in seen))
    assert seen[-1] == ("joint", 2, 3)
    assert not list((tmp_path / "result").iterdir())


@pytest.mark.parametrize("name", ["", "..", "theirs"])
def test_a_train_job_finds_no_data_set_but_those_put_there(train_job, name):
    with pytest.raises(InputError, match="no data set"):
        train_job(Progress(), name)


@pytest.mark.parametrize("part", ["structure", "texture", "difftumor"])
def test_a_configuration_of_another_type_is_refused_before_work(part, tmp_path):
    with pytest.raises(InputError, match='batch_size "x" is no int'):
        training.run(part, tmp_path, tmp_path / "out", {"batch_size": "x"}, 0)
    assert not (tmp_path / "out").exists()
