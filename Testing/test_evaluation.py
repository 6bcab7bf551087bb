"""Tests of the evaluation of structures: known answers, the reference package, the command."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk
from prdc import compute_prdc
from scipy import ndimage
from shapes import tsdf_from_mask

from LNGenLib.errors import InputError
from LNGenLib.evaluation.distribution import (
    Estimate,
    Manifold,
    indicators,
    nearest_neighbor_accuracy,
)
from LNGenLib.evaluation.features import Features
from LNGenLib.evaluation.shape import FORM, TOPOLOGY, measure_shapes
from LNGenLib.evaluation.structures import RealShapes, Reference
from LNGenLib.image.io import read_image, to_array, write_image
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.tsdf import tsdf_from_distance

FRAME = 1.2 * (2 * np.arange(32) - 31) / 32  # samples of the frame, in half long axes
Z, Y, X = np.meshgrid(FRAME, FRAME, FRAME, indexing="ij")


def clamped(distance: np.ndarray) -> np.ndarray:
    return np.clip(distance, -0.2, 0.2).astype(np.float32)


def ball(radius: float, center=(0.0, 0.0, 0.0)) -> np.ndarray:
    return np.sqrt((Z - center[0]) ** 2 + (Y - center[1]) ** 2 + (X - center[2]) ** 2) - radius


def blobs(count: int, seed: int) -> np.ndarray:
    """TSDFs of dented ellipsoids, no two alike, each of one component."""
    rng = np.random.default_rng(seed)
    shapes = []
    for _ in range(count):
        radii = rng.uniform(0.5, 0.8, 3)
        level = np.sqrt((Z / radii[0]) ** 2 + (Y / radii[1]) ** 2 + (X / radii[2]) ** 2) - 1
        noise = ndimage.gaussian_filter(rng.normal(size=(32,) * 3), 3)
        shapes.append(clamped(level * radii.min() + 0.1 * noise / noise.std()))
    return np.stack(shapes)


SPLIT = np.array(["train"] * 50 + ["validation"] * 5 + ["test"] * 25)


@pytest.fixture(scope="module")
def real() -> RealShapes:
    return RealShapes(blobs(80, 0), SPLIT)


@pytest.fixture(scope="module")
def reference(real) -> Reference:
    return Reference(real)


def measures(distance: np.ndarray) -> dict:
    return {name: values[0] for name, values in measure_shapes(clamped(distance)[None]).items()}


def test_a_ball_is_sound_and_round():
    found = measures(ball(0.9))
    assert all(found[name] for name in TOPOLOGY)
    assert [found[name] for name in FORM] == pytest.approx([1] * 5, abs=0.03)


def test_an_ellipsoid_has_the_ratios_and_the_volume_of_its_axes():
    level = np.sqrt((Z / 0.3) ** 2 + (Y / 0.9) ** 2 + (X / 0.6) ** 2) - 1
    found = measures(0.3 * level)
    assert all(found[name] for name in TOPOLOGY)
    assert found["elongation"] == pytest.approx(2 / 3, abs=0.02)
    assert found["flatness"] == pytest.approx(1 / 3, abs=0.02)
    assert found["volume fraction"] == pytest.approx(0.6 * 0.3 / 0.9**2, abs=0.02)
    assert found["sphericity"] == pytest.approx(0.836, abs=0.02)  # by the area's elliptic integral
    assert found["solidity"] > 0.97


def test_a_torus_is_one_piece_without_cavity_but_not_of_genus_0():
    found = measures(np.hypot(np.hypot(Y, X) - 0.7, Z) - 0.25)
    assert found["one component, no holes"] and found["watertight"] and not found["genus 0"]
    torus, cylinder = 2 * np.pi**2 * 0.7 * 0.25**2, np.pi * 0.95**2 * 0.5
    assert torus / cylinder < found["solidity"] < 0.75


def test_two_balls_are_two_components():
    found = measures(np.minimum(ball(0.4, (0, 0, -0.5)), ball(0.4, (0, 0, 0.5))))
    assert not found["one component"] and not found["one component, no holes"]
    assert found["no holes"] and found["watertight"] and not found["genus 0"]


def test_a_hollow_ball_has_a_hole():
    found = measures(np.maximum(ball(0.9), -ball(0.4)))
    assert found["one component"] and not found["no holes"]
    assert not found["one component, no holes"] and not found["genus 0"]


def test_a_shape_cut_by_the_border_is_closed():
    found = measures(ball(0.8, (0, 0, 0.8)))
    assert found["watertight"] and found["genus 0"]


def test_indicators_are_those_of_the_reference_package():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(150, 6)), rng.normal(0.4, 0.8, size=(110, 6))
    found = indicators(Manifold(a), Manifold(b))
    wanted = compute_prdc(a, b, nearest_k=3)
    assert {name: values.mean() for name, values in found.items()} == pytest.approx(wanted)
    assert 0.1 < wanted["recall"] < wanted["precision"] < 1
    assert [len(found[name]) for name in ("precision", "recall")] == [110, 150]


def test_samples_apart_share_nothing_and_halves_of_one_can_not_be_told_apart():
    points = np.random.default_rng(4).normal(size=(1000, 3))
    found = indicators(Manifold(points[:500]), Manifold(points[500:] + 100))
    assert not any(values.any() for values in found.values())
    assert nearest_neighbor_accuracy(points[:500], points[500:] + 100) == 1
    assert nearest_neighbor_accuracy(points[:500], points[500:]) == pytest.approx(0.5, abs=0.06)


def test_the_interval_is_that_of_the_mean():
    values = np.arange(400) % 2
    found = Estimate.of(values, np.random.default_rng(0))
    assert found.value == 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.5 / 20, rel=0.15)
    assert found == Estimate.of(values, np.random.default_rng(0))


def test_features_keep_distances_and_know_every_orientation(real):
    features = Features.fit(real.tsdf)
    points = features.of(real.tsdf)
    whole = np.linalg.norm(real.tsdf[0] - real.tsdf[1])
    assert 0.9 * whole < np.linalg.norm(points[0] - points[1]) <= whole
    turned = np.flip(real.tsdf[:3].transpose(0, 3, 1, 2), 2)
    copies = features.of_symmetric(turned)
    assert copies.shape == (48, 3, 64)
    distances = np.linalg.norm(copies - points[:3], axis=2)
    assert distances.min(0) == pytest.approx(0, abs=1e-4)
    assert ((distances < 1e-3).sum(0) == 1).all()


def test_the_real_shapes_themselves_score_best_but_are_no_news(reference, real):
    scores = reference.score(real.tsdf)
    assert (scores.precision.value, scores.recall.value, scores.coverage.value) == (1, 1, 1)
    assert scores.nearest_neighbor_accuracy == 0
    assert all(form.ks == 0 for form in scores.form.values())
    assert scores.memorization == pytest.approx(0, abs=1e-4)
    assert reference.score(real.tsdf[SPLIT != "train"]).memorization == pytest.approx(1)


def test_mirrored_and_turned_training_shapes_are_copies(reference, real):
    train = real.tsdf[SPLIT == "train"]
    mirrored = reference.mirrored(70)
    used = {round(shape.sum(dtype=float), 6) for shape in mirrored[:50]}
    assert len(mirrored) == 70 and len(used) == 50
    assert np.array_equal(mirrored, reference.mirrored(70))
    turned = train.transpose(0, 2, 3, 1)[:, ::-1]
    assert reference.score(turned).memorization == pytest.approx(0, abs=1e-4)


def test_shapes_of_another_kind_are_told_apart(reference):
    corner = [clamped(ball(radius, (0.8, 0.8, 0.8))) for radius in np.linspace(0.2, 0.4, 20)]
    scores = reference.score(np.stack(corner))
    assert (scores.precision.value, scores.coverage.value, scores.recall.value) == (0, 0, 0)
    assert scores.nearest_neighbor_accuracy == 1
    assert scores.form["sphericity"].ks > 0.7
    assert all(estimate.value == 0 for estimate in scores.held_out.values())


def test_more_shapes_of_the_same_kind_are_as_new_as_the_held_out(reference):
    report = reference.report(blobs(80, 1))
    assert report.real == {"test": 25, "train": 50, "validation": 5}
    assert report.generated.memorization == pytest.approx(1, abs=0.1)
    assert report.mirrored.memorization == pytest.approx(0, abs=1e-4)
    assert report.mirrored.count == report.generated.count == 80
    assert abs(report.generated.nearest_neighbor_accuracy - 0.5) < 0.15
    gap = report.generated.held_out["coverage"].value - report.training_held_out["coverage"].value
    assert abs(gap) < 0.2


def test_another_seed_takes_others_of_the_shapes(reference, real):
    generated, again = blobs(80, 1), reference.by_seed(3)
    assert again.held_out(generated) == Reference(real, 3).score(generated).held_out
    assert again.held_out(generated) != reference.held_out(generated)
    assert reference.held_out(generated) == reference.score(generated).held_out


def test_too_few_shapes_are_refused(real, reference):
    with pytest.raises(InputError, match="64 real shapes are too few .* at least 65"):
        Reference(RealShapes(real.tsdf[:64], SPLIT[:64]))
    same = np.repeat(real.tsdf[:30], 3, axis=0)
    with pytest.raises(InputError, match="90 real shapes are too few or too alike"):
        Reference(RealShapes(same, np.full(90, "train")))
    with pytest.raises(InputError, match="3 generated shapes are too few: give at least 4"):
        reference.score(real.tsdf[:3])


def round_trip(tsdf: np.ndarray, long_axis: float) -> tuple[np.ndarray, float]:
    image = Structure(tsdf).as_image(long_axis)
    return tsdf_from_distance(to_array(image), image.GetSpacing()[::-1])


def test_a_real_shape_comes_back_from_its_distance_image(shared):
    folder = shared / "nodes"
    with open(folder / "nodes.csv", newline="") as table:
        names = [row["file"] for row in csv.DictReader(table)][::80]
    for name in names:
        image = read_image(folder / name)
        tsdf, _ = tsdf_from_mask(to_array(image) > 0, image.GetSpacing()[::-1])
        again, long_axis = round_trip(tsdf, 12.0)
        assert long_axis == pytest.approx(12, abs=0.15)
        assert np.abs(again - tsdf).mean() < 0.006
        assert again.shape == (32, 32, 32) and again.dtype == np.float32


def test_distances_are_moved_and_scaled_into_the_frame():
    tsdf, long_axis = round_trip(clamped(ball(0.7, (0.1, -0.2, 0.05))), 9.0)
    assert long_axis == pytest.approx(9, abs=0.1)
    assert np.abs(tsdf - clamped(ball(1.0))).mean() < 0.01


def test_a_jump_far_from_the_surface_makes_no_island():
    tsdf = clamped(ball(0.6))
    tsdf[0, 0, 0] = 0.18  # taken for near the surface
    again, _ = round_trip(tsdf, 10.0)
    assert ndimage.label(again < 0)[1] == 1


@pytest.mark.parametrize("value", [1.0, -1.0])
def test_distances_of_one_sign_hold_no_shape(value):
    with pytest.raises(ValueError, match="no inside or no outside"):
        tsdf_from_distance(np.full((5, 5, 5), value), (1, 1, 1))


def write_mask(mask: np.ndarray, path) -> None:
    write_image(sitk.GetImageFromArray(mask.astype(np.uint8)), path)


@pytest.fixture(scope="module")
def data(real, tmp_path_factory):
    """real/nodes/ with nodes.csv, masks/ without, generated/ of distances, and files to refuse."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("real/nodes", "masks", "generated", "few", "empty", "odd", "table", "none"):
        (folder / name).mkdir(parents=True)
    rows = []
    for k, (tsdf, split) in enumerate(zip(real.tsdf, real.split)):
        name = f"node_{k}.nii.gz"
        for parent in ("real/nodes", "masks"):
            write_mask(tsdf < 0, folder / parent / name)
        rows.append(f"{name},{split}\n")
    (folder / "real" / "nodes" / "nodes.csv").write_text("file,split\n" + "".join(rows))
    for k, tsdf in enumerate(blobs(12, 5)):
        write_image(Structure(tsdf).as_image(10.0), folder / "generated" / f"s_{k}.nrrd")
    (folder / "generated" / "structures.json").write_text("{}")
    write_mask(real.tsdf[0] < 0, folder / "few" / "one.nii.gz")
    write_mask(np.zeros((9, 9, 9)), folder / "none" / "zeros.nii.gz")
    (folder / "odd" / "text.nii.gz").write_text("no image")
    (folder / "table" / "nodes.csv").write_text("name,split\na,train\n")
    (folder / "text.npz").write_text("no arrays")
    np.savez(folder / "flat.npz", tsdf=np.zeros((4, 8)), split=np.full(4, "train"))
    np.savez(folder / "real.npz", tsdf=real.tsdf.astype(np.float16), split=real.split)
    return folder


@pytest.fixture
def evaluate(run_lngen, data):
    """Runs `lngen evaluate structures` on two of the data's parts."""

    def run(real: str, generated: str, *more) -> tuple[int, str, str]:
        sets = ["--real", str(data / real), "--generated", str(data / generated)]
        return run_lngen(["evaluate", "structures", *sets, *map(str, more)])

    return run


@pytest.mark.parametrize("source", ["real", "real.npz"])
def test_the_command_prints_tables_and_writes_the_figures(evaluate, tmp_path, source):
    file = tmp_path / "new" / "figures.json"
    code, out, err = evaluate(source, "generated", "-o", file)
    assert (code, err) == (0, "")
    for word in ("precision", "memorization", "against test", "genus 0", "sphericity"):
        assert word in out
    figures = json.loads(file.read_text())
    assert figures["generated"]["count"] == figures["mirrored"]["count"] == 12
    assert figures["generated"]["topology"]["one component"] == 1
    assert figures["generated"]["memorization"] > 0.8
    assert figures["real"] == {"test": 25, "train": 50, "validation": 5}
    assert [path.name for path in file.parent.iterdir()] == ["figures.json"]


def test_masks_without_a_table_are_all_real(evaluate, tmp_path):
    file = tmp_path / "figures.json"
    code, out, _ = evaluate("masks", "generated", "-o", file)
    assert code == 0
    assert "no split into train and test is known" in out and "against test" not in out
    figures = json.loads(file.read_text())
    assert figures["real"] == {"all": 80}
    assert set(figures["generated"]["precision"]) == {"value", "low", "high"}
    assert figures["generated"]["memorization"] is figures["mirrored"] is None


BAD = {
    "missing": ("nowhere", "generated", "is no folder"),
    "generated is missing": ("real.npz", "nowhere", "is no folder"),
    "empty": ("real.npz", "empty", "holds no images"),
    "not an image": ("real.npz", "odd", "text.nii.gz is not an image"),
    "empty mask": ("real.npz", "none", "zeros.nii.gz holds no shape (the mask is empty)"),
    "no arrays": ("text.npz", "generated", "not the structure.npz of lngen train"),
    "other arrays": ("flat.npz", "generated", "not the structure.npz of lngen train"),
    "table lacks columns": ("table", "generated", "nodes.csv lacks rows with file and split"),
    "few real": ("few", "generated", "give at least 65"),
    "few generated": ("real.npz", "few", "give at least 4"),
}


@pytest.mark.parametrize(("source", "generated", "words"), BAD.values(), ids=BAD)
def test_bad_input_ends_with_one_line(evaluate, tmp_path, source, generated, words):
    code, _, err = evaluate(source, generated, "-o", tmp_path / "figures.json")
    assert code == 2
    assert err.startswith("lngen: ") and len(err.splitlines()) == 1 and words in err
    assert not list(tmp_path.iterdir())


def test_the_figures_do_not_go_where_a_folder_is(evaluate, tmp_path):
    code, _, err = evaluate("real.npz", "generated", "-o", tmp_path)
    assert code == 2 and "is a folder" in err
