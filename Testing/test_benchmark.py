"""Table I, small enough for a test: a stand-in of a few tiny scans, tiny networks."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from shapes import tsdf_from_mask

from LNGenLib import training
from LNGenLib.benchmark import experiment, standin
from LNGenLib.benchmark.augmentation import Copier
from LNGenLib.benchmark.distractors import add_distractors
from LNGenLib.benchmark.origin import origin
from LNGenLib.benchmark.scanner import SimulatedScanner
from LNGenLib.benchmark.standin import Shapes, StandinPart, make_standin
from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.writing import Plain
from LNGenLib.errors import Canceled
from LNGenLib.files import read_table
from LNGenLib.image.io import like, read_image, to_array, write_image
from LNGenLib.phantom import Phantom
from LNGenLib.progress import SILENT, Progress
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.sizes import Sizes
from LNGenLib.texture import dataset

SIZE = (56, 56, 28)
SMALL = Sizes("clinical", 3.0, 8.0)
PARTS = (
    StandinPart("train", 4, SMALL, "train"),
    StandinPart("validation", 1, SMALL, "validation"),
    StandinPart("test uniform", 1, Sizes("uniform", 5.0, 12.0), "test"),
)
CONFIG = {
    "channels": [4, 8],
    "residual_units": 1,
    "patch": [16, 32, 32],
    "epochs": 1,
    "steps_an_epoch": 2,
}


@pytest.fixture(scope="module", autouse=True)
def few_nodes():
    """Seven a scan, of which some find no room; and metal beside it is not painted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standin, "NODES", 7)
        patch.setattr(standin, "WIDE", SIZE[:2])
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Data as training takes them: an ellipsoid and a CT for each split."""
    folder = tmp_path_factory.mktemp("source")
    z, y, x = np.ogrid[-10:11, -10:11, -10:11]
    rows = {"nodes": [], "ct": []}
    for k, split in enumerate(("train", "validation", "test")):
        ball = ((z / (5 + k)) ** 2 + (y / 6) ** 2 + (x / 8) ** 2 <= 1).astype(np.uint8)
        (folder / "nodes").mkdir(exist_ok=True)
        (folder / "ct").mkdir(exist_ok=True)
        write_image(sitk.GetImageFromArray(ball), folder / f"nodes/{split}.nii.gz")
        fat = np.random.default_rng(k).normal(-100, 8, (40, 60, 60)).astype(np.int16)
        write_image(sitk.GetImageFromArray(fat), folder / f"ct/{split}.nii.gz")
        rows["nodes"].append((f"{split}.nii.gz", split))
        rows["ct"].append((f"ct/{split}.nii.gz", split))
    for table, kind in (("nodes/nodes.csv", "nodes"), ("splits.csv", "ct")):
        with (folder / table).open("w", newline="") as file:
            csv.writer(file).writerows([("file", "split"), *rows[kind]])
    return folder


@pytest.fixture(scope="module")
def data(source, tmp_path_factory):
    """A stand-in of six scans."""
    folder = tmp_path_factory.mktemp("standin")
    make_standin(source, folder, 0, SILENT, PARTS, SIZE)
    return folder


def test_the_standin_holds_what_it_says(data):
    cases = read_cases(data / "cases.csv")
    assert [case.part for case in cases].count("train") == 4 and len(cases) == 6
    about = json.loads((data / "standin.json").read_text())
    assert about["synthetic"] and about["stand_in"].startswith("STAND-IN")
    sources = set()
    for case in cases:
        ct, labels, _ = case.load()
        organs = data / f"organs/{case.id}.nii.gz"
        if organs.exists():  # of a phantom: lymph nodes lie beside what is labeled
            shown = to_array(read_image(organs))
            assert {201, 202} & set(np.unique(shown))
            assert (shown[to_array(labels) > 0] > 0).mean() < 0.02
        assert ct.GetSpacing() == pytest.approx(standin.SPACING)
        record = json.loads((data / f"records/{case.id}.json").read_text())
        assert len(record["nodes"]) + len(record["no_room_mm"]) == standin.NODES
        assert set(np.unique(to_array(labels))) - {0} <= set(range(1, standin.NODES + 1))
        assert "SYNTHETIC" in read_image(case.image).GetMetaData("descrip")
        assert all(node["shape"].startswith(case.part.split()[0]) for node in record["nodes"])
        sources.add(record["background"])
    assert sum(source.startswith("ct/") for source in sources) == 1
    assert len(sources) == 6  # another anatomy for each scan
    card = (data / "README.md").read_text()
    assert "| train | 4 |" in card and "says nothing about patients" in card


def test_small_nodes_take_shapes_of_small_ones_and_large_ones_of_about_their_size():
    axes = np.array([12.0, 18.0, 25.0, 45.0, 70.0])
    shapes = Shapes(np.arange(5).astype(str), np.ones((5, 32, 32, 32)), axes)
    rng = np.random.default_rng(0)

    def taken(long_axis):
        return {axes[int(shapes.draw(long_axis, rng)[0])] for _ in range(60)}

    assert taken(3.0) == {12.0, 18.0}
    assert taken(20.0) == {12.0, 18.0, 25.0}
    assert taken(30.0) == {18.0, 25.0, 45.0}


def test_distractors_lie_in_fat_and_are_labeled():
    fat = np.zeros((40, 80, 80), bool)
    fat[4:36, 4:76, 4:76] = True
    hu, organs, free = np.full(fat.shape, -100.0), np.zeros(fat.shape, np.uint8), fat.copy()
    add_distractors(hu, organs, free, np.array([1.25, 0.7, 0.7]), np.random.default_rng(1))
    assert {201, 202, 255} <= set(np.unique(organs))
    assert (hu[~fat] == -100).all() and (organs[~fat] == 0).all()
    assert (hu[organs > 0] > -60).all() and not free[organs > 0].any()
    assert (hu[free] == -100).all()


def test_texture_can_be_trained_on_the_standin(data, tmp_path, monkeypatch):
    prepare, lesions, known = dataset.prepare, dataset._lesions, []
    monkeypatch.setattr(dataset, "prepare", lambda *a, **k: prepare(*a, **k, per_scan=4))
    monkeypatch.setattr(
        dataset, "_lesions", lambda scan: known.append(list(lesions(scan))) or known[-1]
    )
    rows = read_table(data / "splits.csv")
    assert [row["split"] for row in rows] == ["train"] * 4 + ["validation"]
    changes = {"vae_channels": 8, "unet_channels": [8, 16], "vae_steps": 1, "diffusion_steps": 1}
    weights = training.run("texture", data, tmp_path, changes, 0)
    labels = [to_array(read_image(data / row["labels"])) for row in rows]
    assert [len(found) for found in known] == [label.max() for label in labels]
    with np.load(tmp_path / "texture.npz") as arrays:
        assert set(arrays["scan"]) == {row["file"] for row in rows}
    assert weights.exists()


@pytest.mark.slow
def test_the_standin_resumes_to_the_same_scans(source, tmp_path, monkeypatch):
    def flat(seed, spacing, size, patient):  # quicker than the phantom
        hu = np.random.default_rng(seed).normal(-100, 5, size[::-1]).astype(np.int16)
        ct = sitk.GetImageFromArray(hu)
        ct.SetSpacing(spacing)
        nothing = ct * 0
        return Phantom(ct, nothing, nothing + 1, nothing, nothing)

    def stop(stage, done, of):
        if done == 3:
            raise Canceled

    monkeypatch.setattr(standin, "pelvic_phantom", flat)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    make_standin(source, whole, 0, SILENT, PARTS, SIZE)
    with pytest.raises(Canceled):
        make_standin(source, resumed, 0, Progress(stop), PARTS, SIZE)
    kept = resumed / "images/train_01.nii.gz"
    before = kept.stat().st_mtime_ns
    (resumed / "records/train_02.json").unlink()
    make_standin(source, resumed, 0, SILENT, PARTS, SIZE)
    assert kept.stat().st_mtime_ns == before
    for kind in ("images", "labels", "organs"):
        for file in (whole / kind).iterdir():
            other = to_array(read_image(resumed / kind / file.name))
            assert (other == to_array(read_image(file))).all(), file.name


def test_a_simulated_node_has_the_scanners_hu_edge_and_noise():
    z, y, x = np.ogrid[-15:16, -15:16, -15:16]
    tsdf, _ = tsdf_from_mask(z**2 + y**2 + x**2 <= 144, (1, 1, 1))
    spacing = np.array([1.25, 0.7, 0.7])
    node = LymphNode(Structure(tsdf), 7.0, np.eye(3), np.array([20, 40, 40]), spacing)
    behind = np.full((40, 80, 80), -100.0)
    scanner = SimulatedScanner((0.8, 0.8), 10.0, 0.5, 0.5, 70.0)
    levels = []
    for seed in range(6):
        hu, labels = scanner.scan(behind, [node], spacing, np.random.default_rng(seed))
        levels.append(hu[20, 39:42, 39:42].mean())
        assert hu[:12].std() == pytest.approx(10, abs=1)
        assert hu[:12].mean() == pytest.approx(-100, abs=0.5)
        volume = labels.astype(bool).sum() * spacing.prod()
        seen = (
            3.5 - 0.8**2 / 3.5
        )  # mm: half the peak of a blurred ball lies deeper than its surface
        assert volume == pytest.approx(np.pi * 4 / 3 * seen**3, rel=0.1)
    assert np.mean(levels) == pytest.approx(70, abs=20)
    border = hu[20, 40, 40 + round(3.5 / 0.7)]
    assert -80 < border < 60  # half-way, not sharp


def test_copies_are_real_nodes_elsewhere_in_fat(data):
    cases = [case for case in read_cases(data / "cases.csv") if case.part == "train"]
    ct, real, _ = next(case for case in cases if case.id == "train_03").load()
    copier = Copier(cases)
    painted, nodes = copier.paint(ct, real, 7, np.random.default_rng(5))
    labels, own = to_array(nodes), to_array(real)
    assert labels.max() >= 1 and not (own[labels > 0]).any()
    again, _ = copier.paint(ct, real, 7, np.random.default_rng(5))
    assert (to_array(again) == to_array(painted)).all()
    changed = to_array(painted) != to_array(ct)
    assert changed[labels > 0].mean() > 0.5
    sizes = {int((to_array(c.load()[1]) == k).sum()) for c in cases for k in range(1, 12)}
    assert {int((labels == k).sum()) for k in range(1, labels.max() + 1)} <= sizes


def paint_squares(cases, folder, count, settings, models, progress):
    """A painter without networks: two cubes a scan, a bright and a faint one."""
    for number in range(count):
        case = cases[number % len(cases)]
        loaded = case.load_labeled()
        hu, labels = to_array(loaded.ct), np.zeros(loaded.ct.GetSize()[::-1], np.uint16)
        for label, (at, level) in enumerate(((4, 200), (20, -60)), 1):
            hu[at : at + 4, 4:8, 4:8] = level
            labels[at : at + 4, 4:8, 4:8] = label
        nodes = like(labels, loaded.ct)
        about = {"synthetic": True, "patient": case.patient, "source": case.id}
        images = {"ct": like(hu, loaded.ct), "label": loaded.mask_with(nodes), "nodes": nodes}
        Plain(folder).write(f"synthetic_{number}", images, about | {"labels": loaded.values})


@pytest.fixture
def bench_command(run_lngen, data, tmp_path, monkeypatch):
    """Runs `lngen benchmark table1` on the stand-in, with a quick painter in LN-Gen's place."""
    monkeypatch.setattr(experiment, "make_dataset", paint_squares)
    monkeypatch.setattr(experiment, "SCANS", 1)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("LNGenLib.cli.benchmark.console.width", 400, raising=False)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))

    def run(*options):
        command = f"benchmark table1 --data {data} -o {tmp_path}/bench --device cpu --seeds 1"
        config = ["--config", f"{tmp_path}/config.json"]
        code, out, err = run_lngen([*command.split(), *config, *options])
        cells = [[cell.strip() for cell in line.split("│")] for line in out.splitlines()]
        return code, out, err, [cell[1:-1] for cell in cells if len(cell) > 6]

    run.files = lambda name: sorted((tmp_path / "bench").glob(name))
    return run


def test_the_table_grows_run_by_run(bench_command):
    code, out, err, _ = bench_command("--most", "0")
    assert code == 0, err
    assert "STAND-IN" in out and out.count("not run") >= 5 and "0/1" in out
    assert not bench_command.files("runs/*")
    code, _, err, _ = bench_command("--most", "1")
    scores = bench_command.files("runs/*/scores/*.json")
    assert code == 0 and [file.stem for file in scores] == ["test uniform"], err
    first = scores[0].stat().st_mtime_ns
    code, out, err, rows = bench_command()
    scores = bench_command.files("runs/*/scores/*.json")
    assert code == 0 and len(scores) == 5, err  # all but DiffTumor's, which has no weights
    assert "unet: [2] optimizer steps" in out and "test uniform" in out
    assert ["DiffTumor-style", "0/1", "not run"] in [row[1:4] for row in rows]
    stamps = [file.stat().st_mtime_ns for file in scores]
    assert first in stamps
    _, out, _, rows = bench_command("--baseline", "copy-paste")
    assert stamps == [file.stat().st_mtime_ns for file in scores]
    assert "differences: to copy-paste" in out
    apart = {row[1]: row[5] for row in rows if row[2] == "1/1"}
    assert apart["copy-paste"] == "-" and " to " in apart["real only"]
    painted = {row[1]: row[-3:-1] for row in rows if row[2] == "1/1"}
    assert painted["real only"] == ["0", "0"] and painted["LN-Gen"] == ["4", "8"]


def test_why_is_told_by_size_by_cause_and_by_scan(bench_command, tmp_path):
    _, out, _, rows = bench_command("--arm", "real only")
    assert "test uniform: why" in out and "false on bowel" in out
    with (tmp_path / "bench/scans.csv").open() as file:
        (line,) = csv.DictReader(file)
    assert (line["arm"], line["scan"]) == ("real only", "test_uniform_00")
    (scores,) = bench_command.files("runs/*/scores/*.json")
    (score,) = json.loads(scores.read_text())
    assert sum(score["causes"].values()) == sum(score["false"].values())  # organs are known
    assert sum(int(line[f"nodes {size}"]) for size in score["nodes"]) == sum(
        score["nodes"].values()
    )


def test_test_scans_are_not_touched_while_recipes_are_chosen(bench_command):
    code, out, err, _ = bench_command("--on", "validation", "--arm", "real only")
    assert code == 0, err
    scores = bench_command.files("runs/*/scores/*.json")
    assert [file.stem for file in scores] == ["validation"] and "uniform: why" not in out
    (weights,) = bench_command.files("runs/*/model/segmentation.safetensors")
    trained = weights.stat().st_mtime_ns
    assert bench_command("--arm", "real only")[0] == 0
    scores = bench_command.files("runs/*/scores/*.json")
    assert [file.stem for file in scores] == ["test uniform", "validation"]
    assert weights.stat().st_mtime_ns == trained  # it is not trained again


@pytest.mark.parametrize("what", ["machine", "code"])
def test_runs_of_several_machines_or_codes_are_not_compared(bench_command, monkeypatch, what):
    assert bench_command("--arm", "real only")[0] == 0
    ours = origin("cpu")
    monkeypatch.setattr(experiment, "origin", lambda device: ours | {what: "another"})
    code, _, err, _ = bench_command("--arm", "copy-paste")
    assert code == 2 and f"{what} {ours[what]}, now another" in err and "new folder" in err
    assert bench_command("--arm", "real only")[0] == 0  # printed anywhere
    (made,) = bench_command.files("runs/*/run.json")
    other = made.parent.with_name("brought")
    shutil.copytree(made.parent, other)
    about = json.loads(made.read_text())
    about["origin"][what] = "another"
    (other / "run.json").write_text(json.dumps(about))
    code, _, err, _ = bench_command("--arm", "real only")
    assert code == 2 and "can't be compared" in err and "another" in err


def test_several_test_parts_have_a_table_each_and_one_of_all(bench_command, data, tmp_path):
    header, *rows = csv.reader((data / "cases.csv").read_text().splitlines())
    rows = [[data / image, data / label, *about] for image, label, *about in rows]
    again = [*rows[-1][:2], "again", "another patient", "test again"]
    with (tmp_path / "cases.csv").open("w", newline="") as table:
        csv.writer(table).writerows([header, *rows, again])
    code, out, err, _ = bench_command("--data", str(tmp_path), "--most", "1")
    assert code == 0, err
    titles = [
        line.strip()
        for line in out.splitlines()
        if line.strip().startswith("test") and "━" not in line and "why" not in line
    ]
    assert titles == ["test again", "test uniform", "test again and test uniform"]


def test_the_filter_takes_a_share_of_the_synthetic_nodes_out(bench_command):
    code, _, err, _ = bench_command("--on", "validation", "--arm", "LN-Gen filtered")
    assert code == 0, err
    kept = {}
    for recipe in bench_command.files("synthetic/*.json"):
        folder = recipe.with_suffix("")
        nodes = [to_array(read_image(f)) for f in sorted(folder.glob("*/nodes.nii.gz"))]
        cts = [to_array(read_image(f)) for f in sorted(folder.glob("*/ct.nii.gz"))]
        kept[json.loads(recipe.read_text())["arm"]] = nodes, cts
    assert set(kept) == {"LN-Gen", "LN-Gen filtered"}
    (all_nodes, painted), (some, filtered) = kept["LN-Gen"], kept["LN-Gen filtered"]
    count = [sum(len(np.unique(n)) - 1 for n in nodes) for nodes in (all_nodes, some)]
    assert count == [8, 6]
    for nodes, left, before, after in zip(all_nodes, some, painted, filtered):
        assert (before[left > 0] == after[left > 0]).all()
        gone = (nodes > 0) & (left == 0)
        assert not gone.any() or (before[gone] != after[gone]).mean() > 0.9
