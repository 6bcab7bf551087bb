"""Classes of a data set: lymph nodes, others, and what is to be ignored, from reading to scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from segmentation_data import write_cases

from LNGenLib.datasets.cases import Case, read_cases
from LNGenLib.datasets.dataset import make_dataset
from LNGenLib.datasets.label_values import Meaning, read_meaning
from LNGenLib.datasets.manifest import DatasetSettings
from LNGenLib.errors import InputError
from LNGenLib.image.io import like, read_image, to_array, write_image
from LNGenLib.progress import SILENT
from LNGenLib.segmentation import nnunet
from LNGenLib.segmentation.config import SegmentationConfig
from LNGenLib.segmentation.patches import Patches
from LNGenLib.segmentation.preparing import prepare
from LNGenLib.segmentation.scoring import score_cases
from LNGenLib.segmentation.training import SegmentationTask
from LNGenLib.structure.sizes import Sizes

CONFIG = SegmentationConfig(
    channels=(4, 8), residual_units=1, patch=(16, 16, 16), epochs=1, steps_an_epoch=2
)
BESIDE_IGNORE = {"background": 0, "lymph node": 1, "ignore": 2}
SEVERAL = {"background": 0, "colon": 1, "lymph_nodes": 2}


def rewrite(folder: Path, labels: dict, values: dict[int, int]) -> Path:
    """An nnU-Net data set of three scans, each of a ball of label 1 and one of label 2, which get
    other `values`."""
    table = write_cases(folder / "balls", 3)
    for case in read_cases(table):
        image = read_image(case.image)
        label = np.vectorize(lambda k: values.get(k, k))(to_array(read_image(case.label)))
        for name, part in (
            (f"imagesTr/{case.id}_0000.nii.gz", image),
            (f"labelsTr/{case.id}.nii.gz", like(label.astype(np.uint8), image)),
        ):
            (folder / name).parent.mkdir(exist_ok=True)
            write_image(part, folder / name)
    content = {"channel_names": {"0": "CT"}, "labels": labels, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def ignoring(tmp_path_factory) -> Path:
    """One ball is a lymph node, the other is to be ignored."""
    return rewrite(tmp_path_factory.mktemp("ignoring"), BESIDE_IGNORE, {})


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> Path:
    """One ball is colon, the other a lymph node."""
    return rewrite(tmp_path_factory.mktemp("several"), SEVERAL, {})


MEANINGS = {
    "nnU-Net": (BESIDE_IGNORE, (), Meaning((1,), 2, (), "lymph node")),
    "several": (SEVERAL, (), Meaning((2,), None, (1,), "lymph_nodes")),
    "MSD": ({"0": "background", "1": "liver", "2": "LN"}, (), Meaning((2,), None, (1,), "LN")),
    "regions": (
        {"background": 0, "node": [1, 2], "fat": 3},
        (),
        Meaning((1, 2), None, (3,), "node"),
    ),
    "by name": ({"benign": 1, "Malign": 2}, ["malign"], Meaning((2,), None, (1,), "Malign")),
    "by names": ({"a": 1, "b": 2, "c": 3}, ["a", "c"], Meaning((1, 3), None, (2,))),
    "one alone": ({"background": 0, "lesion": 1}, (), Meaning((1,), None, (), "lesion")),
    "none told": ({}, (), Meaning()),
}


@pytest.mark.parametrize("labels, wanted, meaning", MEANINGS.values(), ids=MEANINGS)
def test_lymph_nodes_are_told_from_the_names_of_classes(labels, wanted, meaning):
    assert read_meaning(labels, wanted, Path("dataset.json")) == meaning


REFUSED = {
    "none is one": ({"liver": 1, "colon": 2}, (), r"the classes liver, colon: .*--class NAME"),
    "two are": ({"LN": 1, "node": 2}, (), "the classes LN, node: say which"),
    "unknown": (SEVERAL, ["spleen"], "has no class spleen: it has colon, lymph_nodes"),
    "nothing": ({"background": 0}, ["a"], "names no class but the background"),
    "no numbers": ({"node": "x y"}, (), "dataset.json: labels are no"),
    "a fraction": ({"node": 1.5}, (), "dataset.json: labels are no"),
    "a list": (["node"], (), "dataset.json: labels are no"),
}


@pytest.mark.parametrize("labels, wanted, words", REFUSED.values(), ids=REFUSED)
def test_what_is_not_told_is_asked_for(labels, wanted, words):
    with pytest.raises(InputError, match=words):
        read_meaning(labels, wanted, Path("dataset.json"))


def test_other_classes_and_what_is_ignored_are_no_lymph_nodes(ignoring, several):
    case = read_cases(ignoring)[0]
    values = to_array(read_image(case.label))
    _, nodes, ignored = case.load()
    assert (to_array(nodes) == (values == 1)).all() and (to_array(ignored) == (values == 2)).all()
    _, nodes, ignored = read_cases(several)[0].load()
    assert (to_array(nodes) == (values == 2)).all() and ignored is None
    _, nodes, _ = read_cases(several, ["colon"])[0].load()
    assert (to_array(nodes) == (values == 1)).all()


def test_a_value_without_a_class_is_named(several):
    case = replace(read_cases(several)[0], meaning=Meaning((1,), None, ()))
    with pytest.raises(
        InputError, match=r"case0.nii.gz holds 2, which dataset.json gives no class"
    ):
        case.load()


def test_training_has_no_loss_where_it_ignores(ignoring, tmp_path):
    (one, *_), _ = prepare(read_cases(ignoring), CONFIG.spacing_mm, tmp_path, SILENT)
    assert set(np.unique(one.mask)) == {0, 1, 2} and len(one.nodes) == 1
    task = SegmentationTask(CONFIG)
    task.network = torch.nn.Identity()  # what is given as image is what was found
    found, label = torch.randn(2, 2, 16, 16, 16), (torch.rand(2, 1, 16, 16, 16) > 0.8).float()
    ignored = torch.zeros_like(label, dtype=torch.bool)
    ignored[:, :, :8] = True
    loss = task.criterion(found[:, :, 8:], label[:, :, 8:]).item()
    label[ignored] = 2
    for other in (found, torch.where(ignored, -found, found)):
        assert task.loss({"image": other, "label": label}).item() == pytest.approx(loss, rel=1e-5)
    assert task.loss({"image": found, "label": torch.full_like(label, 2.0)}) == 0


def test_patches_and_what_is_painted_into_them_keep_what_is_ignored(ignoring, tmp_path):
    prepared, _ = prepare(read_cases(ignoring), CONFIG.spacing_mm, tmp_path, SILENT)
    config = replace(CONFIG, patch=(24, 40, 40))
    for online in (None, lambda item: item):
        patches = Patches(prepared, config, 0, online)
        assert {float(v) for k in range(4) for v in patches[k]["label"].unique()} == {0, 1, 2}


def test_nnunet_is_told_what_to_ignore(ignoring, tmp_path):
    cases = read_cases(ignoring)
    nnunet._write_raw(cases[:2], cases[2:], tmp_path, SILENT)
    raw = tmp_path / "nnunet/raw" / nnunet.DATASET
    assert json.loads((raw / "dataset.json").read_text())["labels"] == BESIDE_IGNORE
    written = to_array(read_image(raw / "labelsTr/train_case0.nii.gz"))
    assert (written == to_array(read_image(cases[0].label))).all()


def test_what_is_found_where_it_is_ignored_does_not_count(ignoring, several, tmp_path):
    for file in (ignoring / "labelsTr").iterdir():
        image = read_image(file)
        write_image(like((to_array(image) > 0).astype(np.uint8), image), tmp_path / file.name)
    ((score, *_),) = score_cases(read_cases(ignoring), [tmp_path]).scans
    assert score.truth == score.found == score.shared > 0
    assert sum(score.nodes.values()) == sum(score.detected.values()) == 1
    assert sum(score.false.values()) == 0
    with pytest.raises(InputError, match="case0.nii.gz holds 2, a class of its own.*give 1"):
        score_cases(read_cases(several), [several / "labelsTr"])


@pytest.mark.parametrize("layout", ["nnunet", "plain"])
def test_a_data_set_keeps_what_is_ignored_and_keeps_off_it(layout, crops, models, tmp_path):
    ct = read_image(crops / "crop_0.nii.gz")
    values = np.zeros(ct.GetSize()[::-1], np.uint8)
    values[..., :18] = 2
    write_image(like(values, ct), tmp_path / "label.nii.gz")
    meaning = Meaning((1,), 2)
    case = Case("a", crops / "crop_0.nii.gz", tmp_path / "label.nii.gz", "a", meaning=meaning)
    settings = DatasetSettings(3, (1, 2), Sizes("uniform", 5.0, 9.0), layout=layout)
    make_dataset([case], tmp_path / "d", 1, settings, models)
    (made,) = read_cases(tmp_path / "d")
    painted, nodes, ignored = map(to_array, made.load())
    assert (ignored == (values == 2)).all() and nodes.any() and not nodes[ignored > 0].any()
    change = np.abs(painted.astype(int) - to_array(ct))
    assert change[..., :17].max() == 0 and change[nodes > 0].any()
    if layout == "nnunet":
        content = json.loads((tmp_path / "d/dataset.json").read_text())
        assert content["labels"] == BESIDE_IGNORE


def test_commands_ask_for_the_class_and_take_it(run_lngen, tmp_path):
    folder = rewrite(tmp_path / "data", {"background": 0, "colon": 1, "lesion": 2}, {})
    for file in (folder / "labelsTr").iterdir():
        image = read_image(file)
        (tmp_path / "found").mkdir(exist_ok=True)
        found = like((to_array(image) == 2).astype(np.uint8), image)
        write_image(found, tmp_path / "found" / file.name)
    command = f"evaluate segmentation --real {folder} --found {tmp_path / 'found'}".split()
    code, _, err = run_lngen(command)
    assert code == 2 and "has the classes colon, lesion: say which are lymph nodes" in err
    code, out, err = run_lngen([*command, "--class", "lesion", "-o", f"{tmp_path}/f.json"])
    figures = json.loads((tmp_path / "f.json").read_text())["figures"]
    assert code == 0 and figures["dice"]["value"] == 1, err
    commands = (
        f"dataset --cases {folder} -o {tmp_path}/d -n 1",
        f"pool --cases {folder} -o {tmp_path}/p -n 1",
        f"train segmentation --real {folder} -o {tmp_path}/m",
    )
    for command in commands:
        code, _, err = run_lngen(command.split())
        assert code == 2 and "--class NAME" in err
        code, _, err = run_lngen([*command.split(), "--class", "no"])
        assert code == 2 and "has no class no: it has colon, lesion" in err


def test_one_class_of_another_name_is_told(run_lngen, tmp_path):
    folder = rewrite(tmp_path / "data", {"background": 0, "cancer": [1, 2]}, {})
    command = f"evaluate segmentation --real {folder} --found {folder}/labelsTr".split()
    code, out, _ = run_lngen(command)
    assert code == 0 and "lymph nodes: the class 'cancer'" in out


@pytest.mark.parametrize("name", ["Dataset002_Ignore", "Dataset003_Multi"])
def test_classes_of_real_data_sets(name, shared):
    folder = shared.parent / "cases/12_ignore_and_other_classes_become_nodes" / name
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}")
    (case,) = read_cases(folder)
    values, (_, nodes, ignored) = to_array(read_image(case.label)), case.load()
    wanted = 1 if name == "Dataset002_Ignore" else 2
    assert (to_array(nodes) == (values == wanted)).all() and (values == wanted).any()
    assert (ignored is None) == (name == "Dataset003_Multi")
