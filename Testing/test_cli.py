"""Tests of the command line: each bad input ends with one clear line, code 2 and nothing written.

What is recognized before the models are needed is tested without any.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from rich.console import Console

from LNGenLib.cli import main as cli
from LNGenLib.cli import synthesis as commands
from LNGenLib.image.geometry import index_to_ras
from LNGenLib.image.io import like, marked_synthetic, to_array, write_image
from LNGenLib.progress import Progress
from LNGenLib.randomness import node_rng
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.result import LymphNodeRecord, SynthesisResult

LNGEN = Path(sys.executable).with_name("lngen")
BLADDER = 21
RECORD = LymphNodeRecord(
    label=1,
    center_ras_mm=(0.0, 0.0, 0.0),
    wanted_long_axis_mm=9.0,
    long_axis_mm=9.0,
    short_axis_mm=9.0,
    recist_axis_mm=9.0,
    long_axis_ras_mm=((-4.5, 0.0, 0.0), (4.5, 0.0, 0.0)),
    volume_mm3=729.0,
    grid_volume_mm3=729.0,
    mean_hu=60.0,
    surrounding_mean_hu=None,
    noise_hu=10.0,
    structure_repaired=False,
    seed=0,
)
BALL = Structure(
    np.clip(np.linalg.norm(np.indices((32, 32, 32)) - 15.5, axis=0) * 0.075 - 1, -0.2, 0.2)
)
PHASE = {"artery_hu": 140.0, "muscle_hu": 58.0, "source": "given"}
BOX = "--region-box -30 30 -30 30 -30 30"


@pytest.fixture(scope="session")
def inputs(phantom, tmp_path_factory) -> Path:
    """A folder of good and bad files on the phantom's grid."""
    folder = tmp_path_factory.mktemp("inputs")
    ct, labels = phantom.ct, phantom.labels
    hu = to_array(ct)
    write_image(ct, folder / "ct.nii.gz")
    write_image(labels, folder / "labels.nii.gz")
    (folder / "text.nii.gz").write_text("this is no image\n")
    (folder / "empty.nii.gz").touch()
    (folder / "empty").mkdir()
    write_image(ct[:, :, 10], folder / "flat.nii.gz")
    write_image(sitk.JoinSeries([ct, ct]), folder / "series.nii.gz")
    write_image(sitk.Compose([ct, ct, ct]), folder / "color.nii.gz")
    broken = hu.astype(np.float32)
    broken[5, 5, 5] = np.nan
    write_image(like(broken, ct), folder / "nan.nii.gz")
    write_image(like((hu + 1100).astype(np.uint16), ct), folder / "offset.nii.gz")
    write_image(like(np.clip(hu / 1000, -1, 1).astype(np.float32), ct), folder / "unit.nii.gz")
    moved = sitk.Image(labels)
    moved.SetOrigin(np.add(labels.GetOrigin(), (0, 0, 3)).tolist())
    write_image(moved, folder / "moved.nii.gz")
    write_image(labels[:, :, :-1], folder / "shorter.nii.gz")
    write_image(like(to_array(labels) / np.float32(2), ct), folder / "halves.nii.gz")
    write_image(like(np.zeros(hu.shape, np.uint8), ct), folder / "zeros.nii.gz")
    bladder = np.where(to_array(labels) == BLADDER, BLADDER, 0).astype(np.uint8)
    write_image(like(bladder, ct), folder / "bladder.nii.gz")
    write_image(ct[:, :, -20:], folder / "abdomen.nii.gz")
    (folder / "points.csv").write_text("R,A,S\n0,-30,0\n10,-30,0\n")
    (folder / "damaged.safetensors").write_bytes(b"weights")
    (folder / "damaged.json").write_text(json.dumps({"sha256": "0" * 64, "config": {}}))
    (folder / "alone.safetensors").write_bytes(b"weights")
    (folder / "mute.safetensors").write_bytes(b"weights")
    (folder / "mute.json").write_text("{}")
    (folder / "bad.json").write_text("{'batch_size': 3")
    (folder / "list.json").write_text("[32]")
    (folder / "unknown.json").write_text('{"batch_size": 3, "batchsize": 3}')
    return folder


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder, hidden ones too, and what the files hold."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.fixture
def lngen(run_lngen, inputs):
    """Runs a command line, in which {i} is the folder of inputs."""
    return lambda command, **names: run_lngen(shlex.split(command.format(i=inputs, **names)))


def assert_refused(lngen, inputs, tmp_path, command: str, *words: str) -> str:
    """Exit code 2, one line that holds `words`, nothing written; returns stdout."""
    before, given = contents(tmp_path), sorted(contents(inputs))
    code, out, err = lngen(command, tmp=tmp_path)
    assert code == 2
    assert err.startswith("lngen: ") and err.endswith("\n")
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err
    assert contents(tmp_path) == before
    assert sorted(contents(inputs)) == given
    return out


NEW = "-o {tmp}/new/out"

BAD_IMAGES = {
    "missing": ("{i}/nowhere.nii.gz", "nowhere.nii.gz does not exist", "check the path"),
    "not an image": ("{i}/text.nii.gz", "text.nii.gz is not an image", "give NIfTI"),
    "empty file": ("{i}/empty.nii.gz", "empty.nii.gz is not an image", "give NIfTI"),
    "2D": ("{i}/flat.nii.gz", "flat.nii.gz has the size", "one 3D volume"),
    "4D": ("{i}/series.nii.gz", "series.nii.gz has the size", "one 3D volume"),
    "RGB": ("{i}/color.nii.gz", "color.nii.gz has several values", "scalar"),
}
NO_SERIES = ("{i}/empty", "no DICOM series", "folder of a CT's slices")
BAD_CTS = BAD_IMAGES | {
    "folder without DICOM": NO_SERIES,
    "NaN": ("{i}/nan.nii.gz", "nan.nii.gz has NaN", "replace"),
    "all values >= 0": ("{i}/offset.nii.gz", "offset.nii.gz is not in HU", "before any rescaling"),
    "all values in -1..1": ("{i}/unit.nii.gz", "unit.nii.gz is not in HU", "before any rescaling"),
}
BAD_LABELS = BAD_IMAGES | {
    "another origin": ("{i}/moved.nii.gz", "moved.nii.gz has another geometry", "resample"),
    "another size": ("{i}/shorter.nii.gz", "shorter.nii.gz has another geometry", "resample"),
    "fractions": ("{i}/halves.nii.gz", "halves.nii.gz is not a label map", "whole numbers"),
}


@pytest.mark.parametrize("path, problem, way_out", BAD_CTS.values(), ids=BAD_CTS)
def test_a_bad_ct_is_refused(lngen, inputs, tmp_path, path, problem, way_out):
    command = f"synthesize {path} {BOX} {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, problem, way_out)


@pytest.mark.parametrize("option", ["--anatomy", "--region-mask"])
@pytest.mark.parametrize("path, problem, way_out", BAD_LABELS.values(), ids=BAD_LABELS)
def test_bad_labels_are_refused(lngen, inputs, tmp_path, option, path, problem, way_out):
    command = f"synthesize {{i}}/ct.nii.gz {option} {path} {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, problem, way_out)


@pytest.mark.parametrize(
    "option, problem, way_out",
    [("--anatomy", "holds no masks", "TotalSegmentator's"), ("--region-mask", *NO_SERIES[1:])],
)
def test_a_folder_without_labels_is_refused(lngen, inputs, tmp_path, option, problem, way_out):
    command = f"synthesize {{i}}/ct.nii.gz {option} {{i}}/empty {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, problem, way_out)


BAD_REQUESTS = {
    "sizes too small": ("--long-axis 1.6 5", "long axis 1.6 to 5 mm", "within 1.7 to 30"),
    "sizes too large": ("--long-axis 5 31", "long axis 5 to 31 mm", "within 1.7 to 30"),
    "sizes reversed": ("--long-axis 9 5", "long axis 9 to 5 mm", "MIN <= MAX"),
    "size not a number": ("--long-axis nan 5", "long axis nan", "within 1.7 to 30"),
    "count 0": ("--count 0", "count 0", "1 to 1000"),
    "count too large": ("--count 1001", "count 1001", "1 to 1000"),
    "negative seed": ("--seed -1", "seed -1", "from 0 up"),
    "no steps": ("--steps 0", "steps 0", "1 to 1000"),
    "flat box": ("--region-box 0 0 -9 9 -9 9", "flat", "two different values along each axis"),
    "endless box": ("--region-box -inf inf -9 9 -9 9", "region box", "six values"),
}


@pytest.mark.parametrize("options, problem, way_out", BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_request_out_of_range_is_refused(lngen, inputs, tmp_path, options, problem, way_out):
    command = f"synthesize {{i}}/ct.nii.gz --anatomy {{i}}/labels.nii.gz {options} {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, problem, way_out)


def test_two_places_are_refused(lngen, inputs, tmp_path):
    command = f"synthesize {{i}}/ct.nii.gz {BOX} --region-mask {{i}}/labels.nii.gz {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, "give one of")
    command = f"synthesize {{i}}/ct.nii.gz {BOX} --stations mesorectal {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, "give one of")


BAD_PLACES = {
    "unknown station": ("--stations axillary", "no station axillary", "para-aortic"),
    "points missing": ("--points {i}/nowhere.csv", "nowhere.csv holds no points", "R,A,S"),
    "points no table": ("--points {i}/text.nii.gz", "text.nii.gz holds no points", "R,A,S"),
    "points no markups": ("--points {i}/list.json", "list.json holds no points", ".mrk.json"),
    "other count than points": ("--points {i}/points.csv --count 3", "3 lymph nodes at 2", "ask"),
    "tolerance": ("--points {i}/points.csv --tolerance -1", "tolerance -1", "give 0 to 100"),
    "short axis": ("--short-axis 20 --long-axis 5 9", "short axis 20 mm", "smallest long axis"),
    "no plan": ("--plan {i}/nowhere.json", "nowhere.json can't be read", "No such file"),
    "another plan": ("--plan {i}/unknown.json", "Plan has no field", "batchsize"),
    "two plans": ("--plan {i}/list.json --dry-run", "--dry-run", "give one"),
}


@pytest.mark.parametrize("options, problem, way_out", BAD_PLACES.values(), ids=BAD_PLACES)
def test_bad_places_are_refused(lngen, inputs, tmp_path, options, problem, way_out):
    command = f"synthesize {{i}}/ct.nii.gz {options} {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, problem, way_out)


COMMANDS = {
    "synthesize": f"synthesize {{i}}/ct.nii.gz {BOX}",
    "demo": "demo",
    "structures": "structures",
    "train": "train structure --data {i}",
}


@pytest.mark.parametrize("output", ["taken", "taken/out"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_an_output_that_is_a_file_is_refused(lngen, inputs, tmp_path, command, output):
    (tmp_path / "taken").write_text("results of last week")
    command = f"{command} -o {{tmp}}/{output}"
    out = assert_refused(lngen, inputs, tmp_path, command, "taken is a file", "give a folder")
    assert out == ""


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_an_output_that_can_not_be_written_is_refused(
    lngen, inputs, tmp_path, monkeypatch, command
):
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK or path != tmp_path)
    out = assert_refused(lngen, inputs, tmp_path, f"{command} {NEW}", "can't be written to", "give")
    assert out == ""


@pytest.mark.parametrize("options, word", [("--count 0", "count 0"), ("--seed -1", "seed -1")])
@pytest.mark.parametrize("command", ["demo", "structures"])
def test_bad_numbers_are_refused_before_any_work(lngen, inputs, tmp_path, command, options, word):
    assert assert_refused(lngen, inputs, tmp_path, f"{command} {options} {NEW}", word) == ""


@pytest.mark.parametrize("size", ["50 50", "0 5", "1.69 1.69", "-3 3"])
def test_structures_of_a_size_out_of_range_are_refused(lngen, inputs, tmp_path, size):
    command = f"structures --long-axis {size} {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, "long axis", "within 1.7 to 30")


BAD_WEIGHTS = {
    "missing": ("{i}/nowhere.safetensors", "no model file", "lngen train"),
    "without description": ("{i}/alone.safetensors", "no model file", "alone.json"),
    "damaged": ("{i}/damaged.safetensors", "does not match the SHA-256", "get it again"),
    "with a bad description": ("{i}/mute.safetensors", "mute.json is no description", "again"),
}


@pytest.mark.parametrize("path, problem, way_out", BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
@pytest.mark.parametrize(
    "command",
    [
        "structures --device cpu --weights",
        f"synthesize {{i}}/ct.nii.gz {BOX} --device cpu --structure-weights",
    ],
)
def test_bad_weights_are_refused(lngen, inputs, tmp_path, command, path, problem, way_out):
    assert_refused(lngen, inputs, tmp_path, f"{command} {path} {NEW}", problem, way_out)


def test_weights_of_the_other_model_are_refused(lngen, inputs, tmp_path):
    from torch import nn

    from LNGenLib.models.store import save_weights
    from LNGenLib.texture.networks import TextureConfig

    save_weights(nn.Linear(2, 2), TextureConfig(), tmp_path / "texture.safetensors")
    command = f"structures --device cpu --weights {{tmp}}/texture.safetensors {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, "another model", "texture weights for texture")


@pytest.mark.parametrize("command", ["synthesize {i}/ct.nii.gz " + BOX, "structures"])
def test_cuda_without_a_cuda_device_is_refused(lngen, inputs, tmp_path, command):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    command = f"{command} --device cuda {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, "no CUDA device", "take the CPU")


def test_a_region_box_outside_the_ct_is_refused(lngen, inputs, tmp_path, models):
    box = "--region-box 2000 2100 2000 2100 2000 2100"
    command = f"synthesize {{i}}/ct.nii.gz {box} --device cpu {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, "no voxel of the CT", "R -", "A -", "S -")


def test_an_empty_region_mask_is_refused(lngen, inputs, tmp_path, models):
    mask = "--region-mask {i}/zeros.nii.gz"
    command = f"synthesize {{i}}/ct.nii.gz {mask} --device cpu {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, "region holds no voxel")


def test_a_ct_without_a_pelvis_is_refused_with_the_reasons(lngen, inputs, tmp_path, models):
    command = f"synthesize {{i}}/abdomen.nii.gz --device cpu {NEW}"
    words = "no place", "no rectum is known", "no sacrum", "give the anatomy", "a box (RAS mm), a"
    assert_refused(lngen, inputs, tmp_path, command, *words)


def test_more_nodes_than_fit_are_refused(lngen, inputs, tmp_path, phantom, models):
    """Three nodes of 30 mm with their centers in a box of 8 mm beside an iliac vessel."""
    vessel = np.argwhere(np.isin(to_array(phantom.labels), (65, 66, 67, 68))).mean(0)
    center = index_to_ras(phantom.ct, vessel)
    box = " ".join(f"{c - 4:.1f} {c + 4:.1f}" for c in center)
    command = (
        f"synthesize {{i}}/ct.nii.gz --anatomy {{i}}/labels.nii.gz --region-box {box} "
        f"--count 3 --long-axis 30 30 --device cpu {NEW}"
    )
    assert_refused(lngen, inputs, tmp_path, command, "of 3 lymph nodes fit", "ask for fewer")


BAD_CONFIGS = {
    "missing": ("{i}/nowhere.json", "nowhere.json can't be read", "No such file"),
    "bad JSON": ("{i}/bad.json", "bad.json is not JSON", "line 1"),
    "no object": ("{i}/list.json", "list.json holds no JSON object", "give one that does"),
    "unknown key": ("{i}/unknown.json", "no batchsize:", "batch_size"),
}


@pytest.mark.parametrize("part", ["structure", "texture"])
@pytest.mark.parametrize("path, problem, way_out", BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_bad_training_configuration_is_refused(
    lngen, inputs, tmp_path, part, path, problem, way_out
):
    command = f"train {part} --data {{i}} --config {path} {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, problem, way_out)


@pytest.mark.parametrize("data", ["empty", "nowhere"])
@pytest.mark.parametrize("part", ["structure", "texture"])
def test_training_data_without_a_table_is_refused(lngen, inputs, tmp_path, part, data):
    command = f"train {part} --data {{i}}/{data} {NEW}"
    words = f"{data} holds no nodes.csv", "file, split", "docs/training.md"
    assert_refused(lngen, inputs, tmp_path, command, *words)


USAGE = {
    "no CT": ("synthesize -o {tmp}/out", "Missing argument"),
    "no output": ("synthesize {i}/ct.nii.gz", "Missing option"),
    "count is no number": ("demo --count many -o {tmp}/out", "--count"),
    "unknown device": ("demo --device abacus -o {tmp}/out", "--device"),
    "box of five": ("synthesize {i}/ct.nii.gz -o {tmp}/out --region-box 1 2 3 4 5", "--region-box"),
    "unknown law": ("structures --sizes normal -o {tmp}/out", "--sizes"),
    "unknown option": ("demo --colour red -o {tmp}/out", "--colour"),
    "unknown command": ("paint", "No such command"),
    "removed model": ("train explicit --data {i} -o {tmp}/out", "explicit"),
    "unknown model": ("train placement --data {i} -o {tmp}/out", "placement"),
}


@pytest.mark.parametrize("command, word", USAGE.values(), ids=USAGE)
def test_wrong_usage_exits_with_2_and_writes_nothing(lngen, tmp_path, command, word):
    code, _, err = lngen(command, tmp=tmp_path)
    assert code == 2
    assert word in err
    assert "Traceback" not in err
    assert contents(tmp_path) == {}


def test_the_message_holds_a_path_as_it_is(lngen, inputs, tmp_path):
    name = "{tmp}/[bold]/:smile:.nii.gz"
    command = f"synthesize {name} {BOX} {NEW}"
    assert_refused(lngen, inputs, tmp_path, command, f"{tmp_path}/[bold]/:smile:.nii.gz does not")


@pytest.fixture
def synthesized(monkeypatch, phantom):
    """`synthesize` without networks: the CT as it is and a label of one cube in its middle."""
    from LNGenLib.synthesis import engine

    def unchanged(scan, request, models, progress: Progress):
        ct = scan.ct
        progress.stage("texture", 2)
        progress.step(1, 2)
        nodes = np.zeros(to_array(ct).shape, np.uint16)
        nodes[tuple(slice(n // 2 - 1, n // 2 + 2) for n in nodes.shape)] = 1
        images = (
            marked_synthetic(sitk.Image(image))
            for image in (ct, like(nodes, ct), like(nodes.astype(np.uint8), ct))
        )
        middle = np.array(nodes.shape) / 2
        ball = LymphNode(BALL, 8.0, np.eye(3), middle, np.array(ct.GetSpacing()[::-1]))
        return SynthesisResult(
            *images, (RECORD,), {"plan": {"refused_mm": [21.5], "phase": PHASE}}, (ball,)
        )

    monkeypatch.setattr(engine, "synthesize", unchanged)


RUN = "synthesize {i}/ct.nii.gz --anatomy {i}/labels.nii.gz -o {tmp}/out"
FILES = {"ct.nii.gz", "nodes.nii.gz", "changed.nii.gz", "nodes.json", "preview.png"}


SIZES = {
    "": Sizes("clinical", 1.7, 30.0),
    "--long-axis 8 8": Sizes("clinical", 8.0, 8.0),
    "--sizes uniform": Sizes("uniform", 1.7, 30.0),
    "--sizes clinical --long-axis 3 12": Sizes("clinical", 3.0, 12.0),
}


@pytest.mark.parametrize("options, sizes", SIZES.items())
def test_sizes_are_asked_for(lngen, tmp_path, monkeypatch, options, sizes):
    from LNGenLib.synthesis import engine

    def asked(ct, request, *_):
        raise cli.InputError(str(request.sizes))

    monkeypatch.setattr(engine, "synthesize", asked)
    assert lngen(f"{RUN} {options}", tmp=tmp_path)[2] == f"lngen: {sizes}\n"


@pytest.mark.parametrize("options, sizes", SIZES.items())
def test_structures_have_the_sizes_asked_for(lngen, tmp_path, monkeypatch, options, sizes):
    from LNGenLib.structure import model

    asked = []

    class Balls:
        description = {"sha256": "0" * 64}

        def __init__(self, *_):
            pass

        def sample(self, numbers, long_axes, *_, **__):
            asked.extend(zip(numbers, long_axes, strict=True))
            return model.Samples([BALL] * len(numbers), [False] * len(numbers))

    monkeypatch.setattr(model, "StructureModel", Balls)
    command = f"structures {options} --count 2 --seed 3 --device cpu -o {{tmp}}/out"
    assert lngen(command, tmp=tmp_path)[0] == 0
    content = json.loads((tmp_path / "out" / "structures.json").read_text())
    assert Sizes(**content["sizes"]) == sizes
    drawn = [sizes.draw(node_rng(3, k, "size")) for k in range(2)]
    assert asked == [(0, drawn[0]), (1, drawn[1])]
    assert [row["long_axis_mm"] for row in content["structures"]] == [round(d, 3) for d in drawn]


def test_results_join_what_a_folder_holds_already(lngen, tmp_path, synthesized):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    (tmp_path / "out" / "nodes.json").write_text('{"synthetic": true, "week": "last"}')
    code, out, err = lngen(RUN, tmp=tmp_path)
    assert (code, err) == (0, "")
    assert "SYNTHETIC" in out
    after = contents(tmp_path)
    assert set(after) == {"out", "out/notes.txt"} | {f"out/{name}" for name in FILES}
    assert after["out/notes.txt"] == b"mine"
    assert json.loads(after["out/nodes.json"])["synthetic"] is True


def test_files_of_others_are_replaced_where_it_is_asked_for(lngen, tmp_path, synthesized):
    (tmp_path / "out").mkdir()
    for name in FILES:
        (tmp_path / "out" / name).write_text("mine")
    before = contents(tmp_path)
    code, _, err = lngen(RUN, tmp=tmp_path)
    assert code == 2 and "does not say that it is LNGen's" in err and contents(tmp_path) == before
    for options in (" --overwrite", ""):  # the second time they are LNGen's
        assert lngen(RUN + options, tmp=tmp_path)[::2] == (0, "")
    assert set(contents(tmp_path)) == {"out"} | {f"out/{name}" for name in FILES}


def test_nothing_is_written_beside_an_existing_output(lngen, tmp_path, monkeypatch, synthesized):
    """So that a mounted volume can be the output, whatever it is mounted in."""
    (tmp_path / "out").mkdir()
    beside = []
    write = SynthesisResult.write

    def watched(self, folder):
        write(self, folder)
        beside.extend(path.name for path in tmp_path.iterdir())

    monkeypatch.setattr(SynthesisResult, "write", watched)
    assert lngen(RUN, tmp=tmp_path)[0] == 0
    assert beside == ["out"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES


def test_missing_parents_of_the_output_are_made(lngen, tmp_path, synthesized):
    assert lngen(RUN + "/[a]/b", tmp=tmp_path)[0] == 0
    assert {p.name for p in (tmp_path / "out" / "[a]" / "b").iterdir()} == FILES


def test_the_output_is_named_as_it_is(lngen, tmp_path, synthesized):
    assert f"written to {tmp_path}/out/[a]/b" in lngen(RUN + "/[a]/b", tmp=tmp_path)[1]


def interrupted_synthesis(monkeypatch, failure) -> None:
    from LNGenLib.synthesis import engine

    def stopped(scan, request, models, progress):
        progress.stage("texture", 10)
        progress.step(3, 10)
        raise failure

    monkeypatch.setattr(engine, "synthesize", stopped)


def interrupted_writing(monkeypatch, failure) -> None:
    write = SynthesisResult.write

    def stopped(self, folder):
        write(self, folder)
        raise failure

    monkeypatch.setattr(SynthesisResult, "write", stopped)


def interrupted_preview(monkeypatch, failure) -> None:
    from LNGenLib.synthesis import preview

    def stopped(*_):
        raise failure

    monkeypatch.setattr(preview, "render_preview", stopped)


INTERRUPTED = [interrupted_synthesis, interrupted_writing, interrupted_preview]


@pytest.mark.parametrize("interrupt", INTERRUPTED)
def test_an_interrupt_writes_nothing(lngen, tmp_path, monkeypatch, synthesized, interrupt):
    interrupt(monkeypatch, KeyboardInterrupt())
    code, out, err = lngen(RUN, tmp=tmp_path)
    assert code == 130
    assert "Traceback" not in out + err
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("interrupt", INTERRUPTED)
def test_a_failed_run_leaves_earlier_results_as_they_were(
    lngen, tmp_path, monkeypatch, synthesized, interrupt
):
    assert lngen(RUN, tmp=tmp_path)[0] == 0
    before = contents(tmp_path)
    interrupt(monkeypatch, cli.InputError("stopped here: try again"))
    code, _, err = lngen(RUN, tmp=tmp_path)
    assert (code, err) == (2, "lngen: stopped here: try again\n")
    assert contents(tmp_path) == before


def test_a_terminated_run_writes_nothing(lngen, tmp_path, monkeypatch, synthesized):
    def terminated(self, folder):
        (folder / "ct.nii.gz").write_text("half")
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal was not taken")

    monkeypatch.setattr(SynthesisResult, "write", terminated)
    code, _, _ = lngen(RUN, tmp=tmp_path)
    assert code == 143
    assert contents(tmp_path) == {}


def test_the_installed_command_prints_one_line_and_no_traceback(tmp_path):
    out = tmp_path / "out"
    command = [LNGEN, "synthesize", tmp_path / "no.nii.gz", *BOX.split(), "-o", out]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr == f"lngen: {tmp_path}/no.nii.gz does not exist: check the path\n"
    assert run.stdout == ""
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("redirect", [">&-", "| cat"])
def test_an_output_that_holds_no_umlauts_or_is_closed_is_no_fault(tmp_path, redirect):
    out = tmp_path / "F\u00fclle"
    code = "from LNGenLib.cli.main import main; main()"
    command = f"{sys.executable} -c '{code}' structures --count 1 -o '{out}' {redirect}"
    ascii = os.environ | {"PYTHONIOENCODING": "ascii"}
    run = subprocess.run(command, shell=True, capture_output=True, text=True, env=ascii)
    assert run.stderr == ""
    assert (out / "structures.json").exists()


EARLY = {
    "missing CT": f"synthesize {{i}}/nowhere.nii.gz {BOX}",
    "CT not in HU": f"synthesize {{i}}/offset.nii.gz {BOX}",
    "no station": "synthesize {i}/ct.nii.gz --stations axillary",
    "labels of another grid": "synthesize {i}/ct.nii.gz --anatomy {i}/moved.nii.gz",
    "size out of range": "structures --long-axis 50 50",
    "bad configuration": "train texture --data {i} --config {i}/bad.json",
}
SCRIPT = """
import sys
from LNGenLib.cli.main import main
try:
    main()
except SystemExit as end:
    print(end.code, [name for name in ("torch", "monai", "skimage") if name in sys.modules])
"""


@pytest.mark.parametrize("command", EARLY.values(), ids=EARLY)
def test_bad_input_is_refused_before_torch_loads(inputs, tmp_path, command):
    arguments = shlex.split(command.format(i=inputs)) + ["-o", str(tmp_path / "out")]
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
    )
    assert run.stdout == "2 []\n"
    assert run.stderr.startswith("lngen: ")


def test_the_table_of_lymph_nodes_fits_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(commands, "console", Console(width=80))
    figures = {"long_axis_mm": 14.1, "mean_hu": -17.0, "surrounding_mean_hu": -108.0}
    figures |= {"recist_axis_mm": 13.6, "recist_short_axis_mm": 11.2, "conspicuity": 12.3}
    node = replace(RECORD, center_ras_mm=(-114.0, -155.0, -44.0), **figures)
    commands._print_records([replace(node, station=s) for s in ("mesorectal", "superior rectal")])
    told = capsys.readouterr().out
    lengths = ("14.1 x", "9.0", "13.6 x", "11.2", "729")
    assert all(part in told for part in ("mesorectal", "-155", *lengths, "-17", "-108", "12.3"))
    assert all(line[-1] in "┓┃┩│┘" for line in told.splitlines()), "the last column is cut"


def test_the_table_shows_older_lymph_nodes(monkeypatch, capsys):
    """Whose records do not tell their in-plane short axis."""
    monkeypatch.setattr(commands, "console", Console(width=120))
    commands._print_records([replace(RECORD, recist_axis_mm=7.5)])
    assert " 7.5 " in capsys.readouterr().out
