"""Table I, small enough for a test: a stand-in of a few tiny scans, tiny networks."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk
from shapes import tsdf_from_mask

from LNGenLib import training
from LNGenLib.benchmark import standin
from LNGenLib.benchmark.augmentation import copier
from LNGenLib.benchmark.scanner import SimulatedScanner
from LNGenLib.benchmark.standin import StandinPart, make_standin
from LNGenLib.datasets.cases import read_cases
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
    """Seven a scan, of which one finds no room."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standin, "NODES", 7)
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
        assert ct.GetSpacing() == pytest.approx(standin.SPACING)
        record = json.loads((data / f"records/{case.id}.json").read_text())
        assert len(record["nodes"]) + len(record["no_room_mm"]) == standin.NODES
        assert set(np.unique(to_array(labels))) - {0} <= set(range(1, standin.NODES + 1))
        assert "SYNTHETIC" in read_image(case.image).GetMetaData("descrip")
        assert all(node["shape"].startswith(case.part.split()[0]) for node in record["nodes"])
        sources.add(record["background"])
    assert sum(source.startswith("ct/") for source in sources) == 1
    assert len(sources) == 6  # another anatomy for each scan


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
    def flat(seed, spacing, size):  # quicker than the phantom
        hu = np.random.default_rng(seed).normal(-100, 5, size[::-1]).astype(np.int16)
        ct = sitk.GetImageFromArray(hu)
        ct.SetSpacing(spacing)
        return Phantom(ct, *[ct * 0] * 3)

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
    for kind in ("images", "labels"):
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
    painted, nodes = copier(cases)(ct, real, 5)
    labels, own = to_array(nodes), to_array(real)
    assert labels.max() >= 1 and not (own[labels > 0]).any()
    again, _ = copier(cases)(ct, real, 5)
    assert (to_array(again) == to_array(painted)).all()
    changed = to_array(painted) != to_array(ct)
    assert changed[labels > 0].mean() > 0.5
    sizes = {int((to_array(c.load()[1]) == k).sum()) for c in cases for k in range(1, 12)}
    assert {int((labels == k).sum()) for k in range(1, labels.max() + 1)} <= sizes


def paint_squares(ct, real, seed):
    """A painter without networks: two cubes, a bright and a faint one."""
    hu, labels = to_array(ct), np.zeros(ct.GetSize()[::-1], np.uint16)
    for number, (at, level) in enumerate(((4, 200), (20, -60)), 1):
        hu[at : at + 4, 4:8, 4:8] = level
        labels[at : at + 4, 4:8, 4:8] = number
    return like(hu, ct), like(labels, ct)


@pytest.fixture
def bench_command(run_lngen, data, tmp_path, monkeypatch):
    """Runs `lngen benchmark table1` on the stand-in, with a quick painter in LN-Gen's place."""
    monkeypatch.setattr(
        "LNGenLib.benchmark.table1.synthesizer", lambda models, sizes: paint_squares
    )
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("LNGenLib.cli.benchmark.console.width", 400, raising=False)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))

    def run(options=""):
        command = f"benchmark table1 --data {data} -o {tmp_path}/bench --device cpu --seeds 1"
        return run_lngen(
            [*command.split(), "--config", f"{tmp_path}/config.json", *options.split()]
        )

    return run


def test_the_table_grows_run_by_run(bench_command, tmp_path):
    code, out, err = bench_command("--most 0")
    assert code == 0, err
    assert "STAND-IN" in out and out.count("not run") >= 5 and "0/1" in out
    results = lambda: sorted((tmp_path / "bench/runs").glob("*/result.json"))  # noqa: E731
    assert not results()
    code, out, err = bench_command("--most 1")
    assert code == 0 and len(results()) == 1, err
    before = [file.stat().st_mtime_ns for file in results()]
    code, out, err = bench_command()
    assert code == 0 and len(results()) == 5, err  # all but DiffTumor's, which has no weights
    assert "2] optimizer steps" in out and "test uniform" in out
    rows = [line for line in out.split("test uniform")[-1].splitlines() if "0/1" in line]
    assert len(rows) == 1 and "DiffTumor-style" in rows[0] and "not run" in rows[0]
    assert before[0] in [file.stat().st_mtime_ns for file in results()]
    stamps = [file.stat().st_mtime_ns for file in results()]
    _, out, _ = bench_command("--baseline copy-paste")
    assert stamps == [file.stat().st_mtime_ns for file in results()]
    assert "differences: to copy-paste" in out
    cells = [[cell.strip() for cell in line.split("│")] for line in out.splitlines()]
    apart = {cell[2]: cell[6] for cell in cells if len(cell) > 6}
    assert apart["copy-paste"] == "-" and " to " in apart["real only"]


def test_a_run_that_was_trained_elsewhere_is_only_scored(bench_command, tmp_path, monkeypatch):
    assert bench_command("--most 1")[0] == 0
    (result,) = (tmp_path / "bench/runs").glob("*/result.json")
    scored = json.loads(result.read_text())
    result.unlink()
    monkeypatch.delattr("LNGenLib.benchmark.table1.train")
    code, _, err = bench_command("--most 1")
    assert code == 0, err
    assert json.loads(result.read_text()) == scored


def test_several_test_parts_have_a_table_each_and_one_of_all(bench_command, data, tmp_path):
    header, *rows = csv.reader((data / "cases.csv").read_text().splitlines())
    rows = [[data / image, data / label, *about] for image, label, *about in rows]
    again = [*rows[-1][:2], "again", "another patient", "test again"]
    with (tmp_path / "cases.csv").open("w", newline="") as table:
        csv.writer(table).writerows([header, *rows, again])
    code, out, err = bench_command(f"--data {tmp_path} --most 1")
    assert code == 0, err
    titles = [
        line.strip()
        for line in out.splitlines()
        if line.strip().startswith("test") and "━" not in line
    ]
    assert titles == ["test again", "test uniform", "test again and test uniform"]


def test_the_filter_takes_a_share_of_the_synthetic_nodes_out(bench_command, tmp_path):
    assert bench_command()[0] == 0
    kept = {}
    for recipe in (tmp_path / "bench/synthetic").glob("*/recipe.json"):
        nodes = [to_array(read_image(f)) for f in sorted(recipe.parent.glob("*/nodes.nii.gz"))]
        cts = [to_array(read_image(f)) for f in sorted(recipe.parent.glob("*/ct.nii.gz"))]
        kept[json.loads(recipe.read_text())["arm"]] = nodes, cts
    assert set(kept) == {"copy-paste", "LN-Gen", "LN-Gen, clinical sizes", "LN-Gen filtered"}
    (all_nodes, painted), (some, filtered) = kept["LN-Gen"], kept["LN-Gen filtered"]
    count = [sum(len(np.unique(n)) - 1 for n in nodes) for nodes in (all_nodes, some)]
    assert count == [8, 6]
    for nodes, left, before, after in zip(all_nodes, some, painted, filtered):
        assert (before[left > 0] == after[left > 0]).all()
        gone = (nodes > 0) & (left == 0)
        assert not gone.any() or (before[gone] != after[gone]).mean() > 0.9
