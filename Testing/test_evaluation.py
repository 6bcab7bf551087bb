"""Tests of the evaluation of surfaces: known answers, the reference package, the command."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from prdc import compute_prdc
from scipy import ndimage
from shapes import tsdf_from_mask

from LNGenLib.evaluation.shape import loading
from LNGenLib.evaluation.shape.comparison import compare
from LNGenLib.evaluation.shape.descriptors import FORM, TOPOLOGY, measure_shapes
from LNGenLib.evaluation.shape.features import Features, turned
from LNGenLib.evaluation.shape.precision_recall import closeness
from LNGenLib.evaluation.shape.reference import Reference
from LNGenLib.evaluation.shape.surfaces import BINS, RealSurfaces, Surfaces
from LNGenLib.image.io import read_image, to_array, write_image
from LNGenLib.structure.preparing import read_surface
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


def ellipsoids(count: int, seed: int, thinnest: float, thickest: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    radii = np.stack([np.ones(count), *rng.uniform(thinnest, thickest, (2, count))], 1)
    return np.stack(
        [
            clamped((np.sqrt((Z / a) ** 2 + (Y / b) ** 2 + (X / c) ** 2) - 1) * min(a, b, c))
            for a, b, c in radii
        ]
    )


SPLIT = np.array(["train"] * 50 + ["validation"] * 5 + ["test"] * 25)


def as_real(tsdf: np.ndarray, long_axis: float, split: np.ndarray) -> RealSurfaces:
    count = len(tsdf)
    return RealSurfaces(
        tsdf,
        np.full(count, long_axis),
        valid=np.full(count, True),
        single=np.full(count, True),
        split=split,
        dice=np.linspace(0.8, 1, count),
        volume_ratio=np.linspace(0.98, 1.04, count),
    )


def as_drawn(tsdf: np.ndarray, long_axis: float) -> Surfaces:
    count = len(tsdf)
    return Surfaces(tsdf, np.full(count, long_axis), np.arange(count) >= count / 4)


@pytest.fixture(scope="module")
def real() -> RealSurfaces:
    return as_real(blobs(80, 0), 17.0, SPLIT)


@pytest.fixture(scope="module")
def reference(real) -> Reference:
    return Reference(real, seed=0)


def measures(distance: np.ndarray) -> dict:
    return {name: values[0] for name, values in measure_shapes(clamped(distance)[None]).items()}


def test_a_ball_is_valid_and_round():
    found = measures(ball(0.9))
    assert all(found[name] for name in TOPOLOGY)
    assert [found[name] for name in FORM] == pytest.approx([1] * 4, abs=0.03)


def test_an_ellipsoid_has_the_ratios_and_the_volume_of_its_axes():
    level = np.sqrt((Z / 0.3) ** 2 + (Y / 0.9) ** 2 + (X / 0.6) ** 2) - 1
    found = measures(0.3 * level)
    assert all(found[name] for name in TOPOLOGY)
    assert found["elongation"] == pytest.approx(2 / 3, abs=0.02)
    assert found["flatness"] == pytest.approx(1 / 3, abs=0.02)
    assert found["sphericity"] == pytest.approx(0.836, abs=0.02)  # by the area's elliptic integral
    assert found["solidity"] > 0.97


def test_a_torus_is_one_piece_without_cavity_but_not_of_genus_0():
    found = measures(np.hypot(np.hypot(Y, X) - 0.7, Z) - 0.25)
    assert found["one component"] and found["no holes"] and not found["genus 0"]
    torus, cylinder = 2 * np.pi**2 * 0.7 * 0.25**2, np.pi * 0.95**2 * 0.5
    assert torus / cylinder < found["solidity"] < 0.75


def test_two_balls_are_two_components():
    found = measures(np.minimum(ball(0.4, (0, 0, -0.5)), ball(0.4, (0, 0, 0.5))))
    assert not found["one component"] and found["no holes"] and not found["genus 0"]


def test_a_hollow_ball_has_a_hole():
    found = measures(np.maximum(ball(0.9), -ball(0.4)))
    assert found["one component"] and not found["no holes"] and not found["genus 0"]


def test_a_shape_cut_by_the_border_is_closed():
    assert measures(ball(0.8, (0, 0, 0.8)))["genus 0"]


def test_closeness_is_that_of_the_reference_package():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(150, 6)), rng.normal(0.4, 0.8, size=(110, 6))
    wanted = compute_prdc(a, b, nearest_k=3)
    assert closeness(a, b) == pytest.approx(
        [wanted[n] for n in ("precision", "recall", "coverage")]
    )
    assert 0.1 < wanted["recall"] < wanted["precision"] < 1
    assert closeness(a, b + 100) == (0, 0, 0)


def test_features_keep_distances_and_know_every_orientation(real):
    features = Features.fit(real.tsdf, np.random.default_rng(0))
    points = features.of(real.tsdf)
    whole = np.linalg.norm(real.tsdf[0] - real.tsdf[1])
    assert points.shape == (48, 80, 64)
    assert 0.8 * whole < np.linalg.norm(points[0, 0] - points[0, 1]) <= whole
    copies = features.of(np.flip(real.tsdf[:3].transpose(0, 3, 1, 2), 2))
    distances = np.linalg.norm(copies - points[0, :3], axis=2)
    assert distances.min(0) == pytest.approx(0, abs=1e-3)
    assert ((distances < 1e-2).sum(0) == 1).all()


def test_features_of_balls_are_those_that_balls_have():
    balls = np.stack([clamped(ball(radius)) for radius in np.linspace(0.4, 0.9, 20)])
    features = Features.fit(balls, np.random.default_rng(0))
    assert len(features.components) < 20
    assert np.ptp(features.of(balls), axis=0) == pytest.approx(0, abs=1e-3)


def test_each_surface_is_in_the_bins_of_its_own_long_axis():
    sizes = np.array([6.0, 12, 14, 14.5, 15, 15.1, 17, 20, 20.1, 25, 31, 32])
    surfaces = Surfaces(np.zeros((12, 1)), sizes, np.full(12, True))
    found = [surfaces.within(bounds).long_axis.tolist() for bounds in BINS.values()]
    assert found == [
        [6, 12, 14, 14.5, 15],
        [14.5, 15, 15.1, 17, 20],
        [20.1, 25, 31],
        [32],
    ]


def test_shapes_alike_in_all_orientations_and_their_copies_are_one():
    balls = np.stack([clamped(ball(radius)) for radius in np.linspace(0.4, 0.9, 60)])
    found = compare(as_real(balls, 17.0, np.full(60, "")), as_drawn(balls, 17.0))
    close = found.bins["14-20 mm"].closeness["generated"]
    assert close.number == 60
    for estimate in (close.precision, close.recall, close.coverage):
        assert (estimate.low, estimate.value, estimate.high) == (1, 1, 1)


def test_a_copy_of_the_real_surfaces_is_as_close_as_their_halves_but_no_news(reference, real):
    points = reference.points(turned(real.tsdf, np.random.default_rng(1)))
    copy, halves = reference.closeness(points), reference.halves(100)
    assert (copy.number, halves.number) == (80, 40)
    for name in ("precision", "recall", "coverage"):
        one, other = getattr(copy, name), getattr(halves, name)
        assert one.value == pytest.approx(other.value, abs=0.1)
        assert one.low <= one.value <= one.high and one.low < one.high
    train = turned(real.tsdf[SPLIT == "train"], np.random.default_rng(2))
    assert reference.memorization(reference.points(train)) == pytest.approx(0, abs=1e-3)
    held_out = reference.points(real.tsdf[SPLIT != "train"])
    assert reference.memorization(held_out) == pytest.approx(1)
    assert reference.memorization(reference.mirrored()) == pytest.approx(0, abs=1e-3)


def test_more_surfaces_of_the_same_kind_are_as_new_as_the_held_out(real):
    found = compare(real, as_drawn(blobs(80, 1), 17.0)).bins["14-20 mm"]
    assert found.memorization["generated"] == pytest.approx(1, abs=0.1)
    assert found.memorization["mirrored training"] == pytest.approx(0, abs=1e-3)
    assert {name: close.number for name, close in found.closeness.items()} == {
        "generated": 80,
        "real halves": 40,
        "generated, to test": 25,
        "training, to test": 25,
    }
    for name in ("precision", "recall", "coverage"):
        drawn, training = (
            getattr(found.closeness[kind], name).value
            for kind in ("generated, to test", "training, to test")
        )
        assert drawn == pytest.approx(training, abs=0.15)


def test_balls_and_ellipsoids_are_apart():
    real = as_real(ellipsoids(60, 0, 0.35, 0.5), 17.0, np.full(60, ""))
    balls = ellipsoids(60, 1, 0.97, 1.0)
    found = compare(real, as_drawn(balls, 17.0)).bins["14-20 mm"]
    close = found.closeness["generated"]
    assert (close.precision.value, close.recall.value, close.coverage.value) == (0, 0, 0)
    assert found.closeness["real halves"].precision.value > 0.5
    assert found.generated.sphericity == pytest.approx(1, abs=0.02)
    assert found.generated.thin_long > 0.95
    assert found.real.sphericity < 0.9
    assert 0.3 < found.real.thin_long_5 < found.real.thin_long < found.real.mid_long < 0.52
    assert (found.real.valid, found.generated.valid) == (1, 0.75)


def test_the_seed_alone_decides_which_surfaces_are_taken(real, reference):
    points = reference.points(blobs(40, 1))
    assert reference.closeness(points) == Reference(real, 0).closeness(points)
    other = Reference(real, 3)
    assert other.closeness(other.points(blobs(40, 1))) != reference.closeness(points)


def test_what_is_no_single_node_and_what_is_rare_is_left_out(real):
    single = np.arange(80) < 50
    some = replace(real, long_axis=np.where(np.arange(80) < 25, 12.0, 25.0), single=single)
    found = compare(some, as_drawn(blobs(19, 1), 12.0))
    counts = {name: bin_.real and bin_.real.count for name, bin_ in found.bins.items()}
    assert list(counts.values()) == [25, None, 25, None]
    assert all(bin_.generated is None for bin_ in found.bins.values())
    assert not any(bin_.closeness or bin_.memorization for bin_ in found.bins.values())
    enough = compare(some, as_drawn(blobs(20, 1), 12.0)).bins["up to 15 mm"]
    assert enough.generated.count == 20
    assert set(enough.closeness) == {"generated"}  # halves are of 12, and there is no test patient
    assert not enough.memorization


def test_the_report_says_what_cleaning_did(real):
    single = np.arange(80) >= 3
    some = replace(real, single=single)
    found = compare(some, as_drawn(real.tsdf[:1], 17.0)).cleaning
    assert (found.masks, found.not_single) == (80, 3)
    assert (found.dice, found.dice_5) == pytest.approx((0.9, 0.81))
    assert found.volume_ratio == pytest.approx(1.01)
    assert found.volume_ratio_extremes == pytest.approx((0.98, 1.04))


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
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing((0.6, 0.6, 0.6))
    write_image(image, path)


@pytest.fixture(scope="module")
def data(real, tmp_path_factory):
    """real/nodes/ with nodes.csv, masks/ without, generated/ of distances, and files to refuse."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("real/nodes", "masks", "generated", "empty", "odd", "table", "none", "distances"):
        (folder / name).mkdir(parents=True)
    rows = []
    for k, tsdf in enumerate(ellipsoids(22, 0, 0.5, 0.8)):
        name = f"node_{k}.nii.gz"
        for parent in ("real/nodes", "masks"):
            write_mask(np.pad(tsdf < 0, 2), folder / parent / name)
        rows.append(f"{name},{'test' if k == 21 else 'train'}\n")
    (folder / "real" / "nodes" / "nodes.csv").write_text("file,split\n" + "".join(rows))
    for k, tsdf in enumerate(ellipsoids(40, 5, 0.5, 0.8)):
        size = 6.0 if k < 10 else 12.0 if k < 20 else 17.0
        image = Structure(tsdf).as_image(size)
        if k == 39:
            image[16, 16, 16] = 1.0  # hollow
        write_image(image, folder / "generated" / f"s_{k:02d}.nrrd")
    (folder / "generated" / "structures.json").write_text("{}")
    write_image(Structure(real.tsdf[0]).as_image(9.0), folder / "distances" / "distances.nii.gz")
    write_mask(np.zeros((9, 9, 9)), folder / "none" / "zeros.nii.gz")
    (folder / "odd" / "text.nii.gz").write_text("no image")
    (folder / "table" / "nodes.csv").write_text("name,split\na,train\n")
    (folder / "text.npz").write_text("no arrays")
    np.savez(folder / "flat.npz", tsdf=np.zeros((4, 8)), split=np.full(4, "train"))
    arrays = {"single": real.single, "dice": real.dice, "volume_ratio": real.volume_ratio}
    tsdf = real.tsdf.astype(np.float16)
    np.savez(
        folder / "real.npz", tsdf=tsdf, split=real.split, long_axis_mm=real.long_axis, **arrays
    )
    return folder


@pytest.fixture
def evaluate(run_lngen, data):
    """Runs `lngen evaluate structures` on two of the data's parts."""

    def run(real: str, generated: str, *more) -> tuple[int, str, str]:
        sets = ["--real", str(data / real), "--generated", str(data / generated)]
        return run_lngen(["evaluate", "structures", *sets, *map(str, more)])

    return run


def test_the_command_prints_tables_and_writes_the_figures(evaluate, tmp_path):
    file = tmp_path / "new" / "figures.json"
    code, out, err = evaluate("real.npz", "generated", "-o", file)
    assert (code, err) == (0, "")
    for words in ("precision", "memorization", "generated, to test", "genus 0", "sphericity"):
        assert words in out
    assert "surfaces of 80 real masks: Dice 0.900 (5 %: 0.810)" in out
    bins = json.loads(file.read_text())["bins"]
    assert [bins[name]["generated"] and bins[name]["generated"]["count"] for name in BINS] == [
        20,
        20,
        None,
        None,
    ]
    assert bins["14-20 mm"]["generated"]["valid"] == 0.95
    assert bins["14-20 mm"]["real"]["count"] == 80 and bins["up to 15 mm"]["real"] is None
    assert set(bins["14-20 mm"]["closeness"]["generated"]["recall"]) == {"value", "low", "high"}
    assert bins["14-20 mm"]["memorization"]["mirrored training"] == pytest.approx(0, abs=1e-3)
    assert [path.name for path in file.parent.iterdir()] == ["figures.json"]


@pytest.fixture(scope="module")
def cleaned_once():
    """The real masks and those taken for generated are the same: each is cleaned once."""
    known = {}

    def read(file):
        if file.name not in known:
            known[file.name] = read_surface(file)
        return known[file.name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "read_surface", read)
        yield


@pytest.mark.usefixtures("cleaned_once")
@pytest.mark.parametrize("source", ["real", "masks"])
def test_masks_become_surfaces_first(evaluate, data, tmp_path, source):
    file = tmp_path / "figures.json"
    code, out, _ = evaluate(source, "masks", "-o", file)
    assert code == 0 and "surfaces of 22 real masks" in out
    figures = json.loads(file.read_text())
    assert figures["cleaning"]["dice"] > 0.9 and figures["cleaning"]["not_single"] == 0
    found = figures["bins"]["14-20 mm"]  # 32 / 1.2 samples of 0.6 mm
    assert found["real"] == pytest.approx(found["generated"]) and found["real"]["count"] == 22
    assert found["memorization"] == {}


BAD = {
    "missing": ("nowhere", "generated", "is no folder"),
    "generated is missing": ("real.npz", "nowhere", "is no folder"),
    "empty": ("real.npz", "empty", "holds no images"),
    "not an image": ("real.npz", "odd", "text.nii.gz is not an image"),
    "empty mask": ("real.npz", "none", "zeros.nii.gz outlines no lymph node (the mask is empty)"),
    "distances": (
        "distances",
        "generated",
        "distances.nii.gz outlines no lymph node (its values are no mask's)",
    ),
    "no arrays": ("text.npz", "generated", "not the structure.npz of lngen train"),
    "other arrays": ("flat.npz", "generated", "not the structure.npz of lngen train"),
    "table lacks columns": ("table", "generated", "nodes.csv lacks rows with file and split"),
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
