"""A full disk, a quota and a folder that is only read, for every command that writes.

Each ends with one line and exit code 2; inputs and what was there stay as they were, nothing of
what was begun is left, and what can go on goes on once there is room. Models are replaced by noise,
writing is not.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from segmentation_data import write_cases
from service_host import running
from service_kinds import Steps
from small_disk import FILLER, quota, small_disk
from test_cli import BALL, PHASE, RECORD

from LNGenLib.benchmark import standin
from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.splitting import split
from LNGenLib.datasets.writing import NnUNet
from LNGenLib.errors import OutputError
from LNGenLib.image.io import as_ct, like, marked_synthetic, read_image, to_array, write_image
from LNGenLib.phantom import Phantom
from LNGenLib.progress import SILENT, Progress
from LNGenLib.segmentation import nnunet
from LNGenLib.segmentation.config import SegmentationConfig
from LNGenLib.segmentation.training import train
from LNGenLib.service.client.connection import ServiceError
from LNGenLib.service.protocol.messages import JobState
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.model import Samples
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.result import SynthesisResult
from LNGenLib.validation import from_json

STRUCTURE = {"vae_channels": 8, "unet_channels": [8, 16], "vae_steps": 2, "copies": 1, "ovoids": 2}
STRUCTURE |= {"solids": 4, "batch_size": 2, "adapter_channels": 8, "solid_steps": 2}
STRUCTURE |= {"joint_steps": 2}
TEXTURE = {"vae_channels": 8, "unet_channels": [8, 16], "vae_steps": 2, "diffusion_steps": 2}
TEXTURE |= {"batch_size": 2}
SEGMENTATION = {"channels": [4, 8], "residual_units": 1, "patch": [16, 16, 16]}
SEGMENTATION |= {"epochs": 1, "steps_an_epoch": 2}


@dataclass(frozen=True)
class Command:
    """A command line, in which {i} is the folder of inputs and {o} a new folder; the rooms in KiB
    that do not suffice, and a quota in bytes that does not (None: what is printed counts, too)."""

    line: str
    rooms: tuple[int, ...]
    quota: int | None = 3000
    resumes: bool = False


CT = "{i}/ct.nii.gz"
BOX = "--region-box -30 30 -30 30 -30 30 --count 1"
TRAIN = "--data {i}/training -o {o}/m --config {i}"
COMMANDS = {
    "synthesize": Command(f"synthesize {CT} -o {{o}} {BOX}", (0, 40, 300)),
    "demo": Command("demo -o {o} --count 1", (40,)),
    "dry run": Command(f"synthesize {CT} -o {{o}} {BOX} --dry-run", (0,), None),
    "placement": Command(f"placement {CT} -o {{o}} --anatomy {{i}}/labels.nii.gz", (0, 12)),
    "structures": Command("structures -o {o} --count 4", (0, 40)),
    "segment": Command(f"segment {CT} --model {{i}}/model -o {{o}}/found.nii.gz", (0, 12)),
    "segment, NRRD": Command(f"segment {CT} --model {{i}}/model -o {{o}}/found.nrrd", (12,)),
    "segment, MHA": Command(f"segment {CT} --model {{i}}/model -o {{o}}/found.mha", (12,)),
    "segment, NIfTI": Command(f"segment {CT} --model {{i}}/model -o {{o}}/found.nii", (12,)),
    "dataset": Command("dataset --cases {i}/crops -o {o} -n 2", (0, 60, 150), resumes=True),
    "plain dataset": Command(
        "dataset --cases {i}/crops -o {o} -n 2 --layout plain", (0, 60, 150), resumes=True
    ),
    "pool": Command("pool --cases {i}/crops -o {o} -n 4", (40,)),
    "filter": Command(
        "filter {i}/made --real {i}/cases.csv --model {i}/model -o {o}", (0, 40), resumes=True
    ),
    "train structure": Command(
        f"train structure {TRAIN}/structure.json", (0, 20, 400, 1500), 200_000, True
    ),
    "train texture": Command(f"train texture {TRAIN}/texture.json", (0, 20, 900), 200_000, True),
    "train segmentation": Command(
        "train segmentation --real {i}/cases.csv -o {o}/m --config {i}/segmentation.json",
        (0, 100, 400),
        20_000,
        True,
    ),
    "evaluate": Command(
        "evaluate segmentation --real {i}/cases.csv --found {i}/labels -o {o}/f.json", (0,), None
    ),
}


@pytest.fixture(scope="module")
def inputs(phantom, crops, tmp_path_factory) -> Path:
    """What the commands take."""
    folder = tmp_path_factory.mktemp("inputs")
    write_image(phantom.ct, folder / "ct.nii.gz")
    write_image(phantom.labels, folder / "labels.nii.gz")
    (folder / "crops").symlink_to(crops)
    write_cases(folder, 4)
    (folder / "model").mkdir()
    _write_made(folder)
    _write_training(folder / "training")
    for name, config in (
        ("structure", STRUCTURE),
        ("texture", TEXTURE),
        ("segmentation", SEGMENTATION),
    ):
        (folder / f"{name}.json").write_text(json.dumps(config))
    return folder


def _write_made(folder: Path) -> None:
    """A synthetic case of the first of the cases."""
    ct = sitk.ReadImage(str(folder / "images/case0.nii.gz"))
    nodes = np.zeros(ct.GetSize()[::-1], np.uint16)
    nodes[2:6, 2:6, 2:6] = 1
    about = {"synthetic": True, "patient": "patient0", "source": "case0", "records": []}
    label = like((nodes > 0).astype(np.uint8), ct)
    made = NnUNet(folder / "made")
    made.write("made_0", {"ct": ct, "label": label, "nodes": like(nodes, ct)}, about)
    made.finish()


def _write_training(folder: Path) -> None:
    """Masks of ellipsoids, and CTs of fat with balls in it, for training and validation."""
    grid = np.indices((21, 21, 21)) - 10
    rows = {"nodes/nodes.csv": [], "splits.csv": []}
    (folder / "nodes").mkdir(parents=True)
    for k, part in enumerate(("train", "train", "validation")):
        ball = (np.moveaxis(grid, 0, -1) ** 2 / (5 + k, 6, 8) ** np.array(2)).sum(-1) <= 1
        write_image(sitk.GetImageFromArray(ball.astype(np.uint8)), folder / f"nodes/{k}.nii.gz")
        rows["nodes/nodes.csv"].append((f"{k}.nii.gz", part))
    for k, part in enumerate(("train", "validation")):
        hu = np.random.default_rng(k).normal(-100, 8, (24, 64, 64))
        hu[4:20, 12:28, 12:28] += 150
        write_image(sitk.GetImageFromArray(hu.astype(np.int16)), folder / f"ct/{k}.nii.gz")
        rows["splits.csv"].append((f"ct/{k}.nii.gz", part))
    for table, content in rows.items():
        with (folder / table).open("w", newline="") as file:
            csv.writer(file).writerows([("file", "split"), *content])


def noise(ct: sitk.Image, kind: type, top: int) -> sitk.Image:
    """On the grid of the CT, so that no compression makes it much smaller."""
    rng = np.random.default_rng(0)
    low = -top if kind is np.int16 else 0
    return marked_synthetic(like(rng.integers(low, top, ct.GetSize()[::-1]).astype(kind), ct))


def painted(scan, *_, **__) -> SynthesisResult:
    """In place of `synthesize`."""
    ct = getattr(scan, "ct", scan)
    middle = np.array(ct.GetSize()[::-1]) / 2
    node = LymphNode(BALL, 8.0, np.eye(3), middle, np.array(ct.GetSpacing()[::-1]))
    images = noise(ct, np.int16, 900), noise(ct, np.uint16, 9), noise(ct, np.uint8, 2)
    told = {"software": "LNGen", "request": {"seed": 0}}
    told["plan"] = {"refused_mm": [], "unseen_mm": [], "phase": PHASE}
    return SynthesisResult(*images, (RECORD,), told, (node,))


class Shapes:
    """In place of the structure model."""

    looks = True
    description = {"sha256": "0" * 64}

    def __init__(self, *_):
        pass

    def knows(self, *_):
        return True

    def sample(self, numbers, *_, **__):
        return Samples([BALL] * len(numbers), [False] * len(numbers))


class Finder:
    """In place of a segmentation network."""

    def segment(self, ct, *_):
        return noise(ct, np.uint8, 2)

    def probability(self, ct, *_):
        return like(to_array(noise(ct, np.float32, 2)), ct)


@pytest.fixture
def lngen(run_lngen, monkeypatch, phantom, models, inputs):
    """Runs a command into a folder, quick by what is in place of the networks."""
    from LNGenLib.texture import dataset as patches

    prepare = patches.prepare
    for place, quick in {
        "LNGenLib.phantom.pelvic_phantom": lambda *_, **__: phantom,
        "LNGenLib.synthesis.engine.synthesize": painted,
        "LNGenLib.datasets.dataset.synthesize": painted,
        "LNGenLib.structure.model.StructureModel": Shapes,
        "LNGenLib.segmentation.inference.load_segmentor": lambda *_: Finder(),
        "LNGenLib.texture.dataset.prepare": lambda *a, **k: prepare(*a, **k, per_scan=8),
    }.items():
        monkeypatch.setattr(place, quick)

    def run(command: Command, output: Path) -> tuple[int, str]:
        code, _, err = run_lngen(command.line.format(i=inputs, o=output).split())
        return code, err

    return run


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "small", 16) as disk:
        yield disk


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder but the filler, hidden ones too, by what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != FILLER
    }


def assert_refused(code: int, err: str, *words: str) -> None:
    assert code == 2 and err.startswith("lngen: ") and len(err.splitlines()) == 1, err
    assert any(word in err for word in words), err


def assert_nothing_half_written(command: Command, folder: Path) -> None:
    """Nothing at all, or of what goes on where it was only what is whole."""
    there = contents(folder)
    assert command.resumes or not there, there
    assert not [name for name in there if "writing" in name or ".lngen" in name], there
    for name in there:
        if name.endswith((".npz", ".npy")):
            with open(folder / name, "rb") as file:
                loaded = np.load(file)
                assert all(loaded[key].size for key in getattr(loaded, "files", ()))
        elif name.endswith(".nii.gz"):
            sitk.ReadImage(str(folder / name))
        elif name.endswith(".json"):
            json.loads((folder / name).read_text())


CASES = [(name, room) for name, command in COMMANDS.items() for room in command.rooms]


@pytest.mark.parametrize("name, room", CASES, ids=[f"{name}, {room} KiB" for name, room in CASES])
def test_a_full_disk(lngen, inputs, disk, name, room):
    command, given = COMMANDS[name], contents(inputs)
    disk.fill(room)
    assert_refused(*lngen(command, disk.folder / "out"), "disk is full", "is the disk full")
    assert_nothing_half_written(command, disk.folder)
    assert contents(inputs) == given
    if command.resumes and room == command.rooms[-1]:
        disk.make_room()
        assert lngen(command, disk.folder / "out") == (0, "")


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if command.quota])
def test_a_quota(lngen, tmp_path, name):
    command = COMMANDS[name]
    with quota(command.quota):
        code, err = lngen(command, tmp_path / "out")
    assert_refused(code, err, "disk is full", "is the disk full")
    assert_nothing_half_written(command, tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_is_only_read(lngen, disk, name):
    disk.close()
    assert_refused(*lngen(COMMANDS[name], disk.folder / "out"), "can't be written to")
    assert not contents(disk.folder)


def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(inputs, disk):
    """Lightning's own way writes into it, where the folder for temporary files is another disk."""
    cases = split(read_cases(inputs / "cases.csv"), 0)
    config = from_json(SegmentationConfig, SEGMENTATION | {"epochs": 3})
    folder = disk.folder / "m"

    def fill_up(stage: str, done: int, _) -> None:
        if (stage, done) == ("training", 3):  # in the second epoch
            disk.fill(8)

    with pytest.raises(OutputError, match="is the disk full.*resumes from .*last.ckpt"):
        train(*cases, folder, config, progress=Progress(fill_up))
    assert torch.load(folder / "last.ckpt", weights_only=False)["global_step"] == 2
    disk.make_room()
    assert train(*cases, folder, config)["steps"] == 6


def test_nnunets_checkpoint_that_does_not_fit_leaves_the_one_before(disk, monkeypatch):
    trainer = SimpleNamespace(save_checkpoint=lambda path: torch.save(torch.rand(9000), path))
    stub = ModuleType("nnunetv2.run.run_training")
    stub.get_trainer_from_args = lambda *_, **__: trainer
    for name in ("nnunetv2", "nnunetv2.run"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, stub.__name__, stub)
    save = nnunet._trainer(SegmentationConfig(), 0, "cpu").save_checkpoint
    save(f"{disk.folder}/checkpoint_latest.pth")
    before = contents(disk.folder)
    disk.fill(8)
    with pytest.raises(OutputError, match="can't be written whole"):
        save(f"{disk.folder}/checkpoint_latest.pth")
    assert contents(disk.folder) == before


def test_a_dicom_export(disk, phantom, tmp_path, run_lngen):
    pytest.importorskip("highdicom")
    from test_dicom import write_series

    write_series(tmp_path / "series", to_array(phantom.ct)[30:40])
    ct = as_ct(read_image(tmp_path / "series"))
    voxels = hashlib.sha256(sitk.GetArrayViewFromImage(ct)).hexdigest()
    made = painted(ct)
    told = made.provenance | {"input_voxels_sha256": {"ct": voxels}}
    (tmp_path / "result").mkdir()
    dataclasses.replace(made, provenance=told).write(tmp_path / "result")
    command = f"dicom export {tmp_path}/result --like {tmp_path}/series -o {disk.folder}/out"
    for room in (0, 30):
        disk.fill(room)
        code, _, err = run_lngen(command.split())
        assert_refused(code, err, "disk is full", "is the disk full")
        assert not contents(disk.folder)


def test_a_standin(disk, inputs, monkeypatch):
    monkeypatch.setattr(standin, "pelvic_phantom", lambda *_: phantom_of_fat())
    monkeypatch.setattr(standin, "NODES", 1)
    part = (standin.StandinPart("train", 2, Sizes("clinical", 3.0, 8.0), "train"),)
    arguments = inputs / "training", disk.folder / "out", 0, SILENT, part, (40, 40, 24)
    for room in (0, 60):
        disk.fill(room)
        with pytest.raises(OutputError, match="disk"):
            standin.make_standin(*arguments)
        assert not [name for name in contents(disk.folder) if "writing" in name]
    disk.make_room()
    standin.make_standin(*arguments)
    assert len(read_cases(disk.folder / "out/cases.csv")) == 2


def phantom_of_fat() -> Phantom:
    fat = np.random.default_rng(0).normal(-100, 8, (24, 40, 40)).astype(np.int16)
    ct = sitk.GetImageFromArray(fat)
    ct.SetSpacing(standin.SPACING)
    nothing = ct * 0
    return Phantom(ct, nothing, nothing + 1, nothing, nothing)


def test_uploads_and_jobs_of_a_server(disk, tmp_path):
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 9, (20, 99, 99), np.int16))
    with running(disk.folder / "data", max_jobs=4) as host:
        client = host.client()
        disk.fill(0)
        with pytest.raises(ServiceError, match="can't write to its disk") as caught:
            client.upload(image)
        assert caught.value.status == 507
        assert not list((host.data / "uploads").glob("*/*"))
        with pytest.raises(ServiceError, match="can't write to its disk"):
            client.submit("sleep", Steps())
        assert not list((host.data / "jobs").iterdir())
        disk.make_room()
        job = client.submit("sleep", Steps(20, 0.05, "x" * 10_000)).id
        disk.fill(0)
        status = [status for status in client.watch(job) if status][-1]
        assert status.state is JobState.failed and "the server's disk is full" in status.error
        assert not list((host.data / "jobs" / job).glob("*/*"))
        disk.make_room()
        assert client.run("sleep", Steps(), {"image": image})[1]


def test_a_server_does_not_start_where_it_can_not_write(disk, run_lngen):
    disk.close()
    code, _, err = run_lngen(["serve", "--data", f"{disk.folder}/data", "--port", "0"])
    assert code == 2 and err.splitlines()[-1].startswith("lngen: ")
    assert f"{disk.folder}/data" in err and "Traceback" not in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root mounts the disks of the other tests itself")
def test_the_same_in_a_namespace_of_its_own():
    own = ["unshare", "-rm", sys.executable, "-m", "pytest", "-q", __file__]
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no namespace of one's own can be made here")
    run = subprocess.run(own, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:]
