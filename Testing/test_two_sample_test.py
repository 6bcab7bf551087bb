"""The two-sample test of texture: what it is shown, and that it sees."""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy import ndimage
from typer.testing import CliRunner

from LNGenLib.cli.main import app
from LNGenLib.errors import InputError
from LNGenLib.evaluation.realism import fidelity, painters, pairs, texture
from LNGenLib.evaluation.realism import two_sample_test as two_sample
from LNGenLib.evaluation.realism.auc import ClassScores
from LNGenLib.evaluation.realism.cache import Cache
from LNGenLib.evaluation.realism.matched_controls import depth_in_fat, place_controls
from LNGenLib.evaluation.realism.painters import paint_by, paint_constants, paint_copies
from LNGenLib.evaluation.realism.specimens import alike, find_painted, find_specimens, match
from LNGenLib.evaluation.realism.tissue_features import tissue_features
from LNGenLib.evaluation.realism.two_sample_test import score_pairs
from LNGenLib.models.store import save_weights
from LNGenLib.progress import SILENT
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import measure_scan, paint_nodes
from LNGenLib.texture.blending import within_reach
from LNGenLib.texture.dataset import LabeledScan
from LNGenLib.texture.difftumor import DiffTumorConfig, DiffTumorNetworks

SPACING = (2.0, 1.0, 1.0)
NOISE = 8.0


def scan_of_balls(seed: int, rows: int = 3, quiet: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """HU of fat with `rows`^2 balls of 50 HU in it, and their labels; with `quiet` balls they are
    constant and sharp."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices((16, 22 * rows, 22 * rows))
    labels = np.zeros(z.shape, int)
    for k in range(rows**2):
        center = 11 + 22 * np.array(divmod(k, rows)) + rng.uniform(-1, 1, 2)
        apart = np.hypot(y - center[0], x - center[1])
        labels[np.hypot(apart, 2 * (z - 7.5)) < rng.uniform(4.5, 5.5)] = k + 1
    clean = np.where(labels > 0, 50.0, -100.0)
    noisy = ndimage.gaussian_filter(clean, (0, 0.8, 0.8)) + rng.normal(0, NOISE, clean.shape)
    hu = np.where(labels > 0, clean, noisy) if quiet else noisy
    return hu.round().astype(np.int16), labels


def specimens(name: str, seed: int, quiet: bool = False):
    hu, _ = scan_of_balls(seed, quiet=quiet)
    return find_specimens(name, LabeledScan(hu, np.array(SPACING), None))


def with_free_fat(hu: np.ndarray, seed: int = 1) -> np.ndarray:
    """A scan with as much fat beside it."""
    noise = np.random.default_rng(seed).normal(-100, NOISE, hu.shape).round()
    return np.concatenate([hu, noise.astype(np.int16)], 1)


def test_every_ball_is_found_and_described():
    found = specimens("a", 0)
    assert len(found) == 9
    for specimen in found:
        assert 7 <= specimen.long_axis <= 14
        assert specimen.fat > 0.9
        assert specimen.depth > 5
        assert specimen.patch.shape == (2, 32, 32, 32)
        inside = specimen.patch[0][specimen.patch[1] < -3]
        assert inside.mean() == pytest.approx(50, abs=6)


def test_only_painted_bodies_off_what_is_left_out():
    hu, labels = scan_of_balls(0)
    scan = LabeledScan(hu, np.array(SPACING), None)
    found = find_painted("a", scan, np.where(labels == 4, 2, 0))
    assert list(found) == [2]
    assert np.allclose(found[2].start + np.argwhere(found[2].mask).mean(0), [7.5, 33, 11], atol=2)
    assert not find_painted("a", scan, np.pad(labels, ((0, 0), (9, 0), (0, 0)))[:, :-9])
    assert len(find_specimens("a", scan, off=labels > 2)) == 2


def test_pairs_are_of_one_scan_each_used_once():
    ours = specimens("a", 0) + specimens("b", 1)
    theirs = specimens("a", 2) + specimens("c", 3)
    matched = match(ours, theirs)
    assert 5 <= len(matched) <= 9
    assert all(real.scan == other.scan == "a" for real, other in matched)
    assert len({id(other) for _, other in matched}) == len(matched)
    for real, other in matched:
        assert np.abs(real.matched_by() - other.matched_by()).max() <= 2


def test_features_of_a_noisy_and_of_a_constant_ball():
    noisy, flat = (tissue_features(specimens("a", 0, quiet)[4], NOISE) for quiet in (False, True))
    assert noisy.keys() == flat.keys()
    assert np.isfinite([*noisy.values(), *flat.values()]).all()
    assert noisy["deviation"] == pytest.approx(1, abs=0.35)
    assert flat["deviation"] == 0
    assert flat["mean"] == 50
    assert flat["edge slope"] > noisy["edge slope"]
    assert abs(noisy["correlation in-plane"]) < 0.4


def test_constants_are_discriminated_and_balls_of_the_same_kind_are_not(monkeypatch):
    monkeypatch.setattr(two_sample, "EPOCHS", 2)
    monkeypatch.setattr(two_sample, "FOLDS", 3)
    monkeypatch.setattr(two_sample, "INNER_FOLDS", 2)
    monkeypatch.setattr(two_sample, "TREES", 50)
    names = "abcd"
    noise = dict.fromkeys(names, NOISE)
    real = [s for k, name in enumerate(names) for s in specimens(name, k)]
    alike = [s for k, name in enumerate(names) for s in specimens(name, 100 + k)]
    flat = [s for k, name in enumerate(names) for s in specimens(name, 100 + k, quiet=True)]
    scored = [
        score_pairs(match(real, found), noise, {*"abc"}, 0, SILENT) for found in (alike, flat)
    ]
    same, other = (ClassScores(one, one.bodies).auc(0) for one in scored)
    assert same.pairs <= 3 * 9
    assert 0.25 < same.auc < 0.75
    assert other.auc > 0.95
    assert same.low <= same.auc <= same.high


@pytest.fixture(scope="module")
def controls():
    """HU of a scan of nine balls, and their matched controls in the fat beside them."""
    hu = with_free_fat(scan_of_balls(0)[0])
    scan = LabeledScan(hu, np.array(SPACING), None)
    return hu, place_controls(
        depth_in_fat(scan), find_specimens("a", scan), np.random.default_rng(0)
    )


def test_controls_lie_in_fat_apart_from_each_other_as_deep_as_their_bodies(controls):
    hu, placed = controls
    assert len(placed) >= 6
    taken = np.zeros(hu.shape, int)
    for control in placed:
        part = np.zeros(hu.shape, bool)
        part[tuple((np.argwhere(control.body.mask) + control.start).T)] = True
        assert hu[part].mean() < -80
        taken += within_reach(part, np.array(SPACING))
    assert taken.max() == 1


def test_copies_keep_tissue_and_change_nothing_else(controls):
    hu, placed = controls
    new, labels = paint_copies(hu, placed)
    for number, control in enumerate(placed, 1):
        assert np.array_equal(
            new[labels == number], control.body.hu[control.body.mask].astype(np.int16)
        )
    far = ndimage.distance_transform_edt(labels == 0, sampling=SPACING) > 4
    assert np.array_equal(new[far], hu[far])


def test_lngen_paints_controls_that_are_seen_as_their_bodies_are(controls):
    hu, placed = controls
    traits = measure_scan(hu, np.array(SPACING))
    painted = paint_by(Models().texture, hu, traits, placed, 0)
    found = find_painted("a", LabeledScan(painted[0], np.array(SPACING), None), painted[1])
    bodies = {label: placed[label - 1].body for label in found}
    assert len(found) >= 0.8 * len(placed)
    assert sum(alike(bodies[label], found[label]) for label in found) >= 0.6 * len(found)
    for label, specimen in found.items():
        body = bodies[label]
        assert specimen.mask.sum() == pytest.approx(body.mask.sum(), rel=0.25)
        cores = [one.hu[one.core].mean() for one in (body, specimen)]
        assert cores[0] == pytest.approx(cores[1], abs=12)
    flat, _ = paint_constants(hu, painted)
    labels = painted[1]
    assert all(np.ptp(flat[labels == k]) == 0 for k in np.unique(labels)[1:])
    assert np.array_equal(flat[labels == 0], hu[labels == 0])


def write_scan(seed: int, rows: int, path: Path) -> None:
    image = sitk.GetImageFromArray(with_free_fat(scan_of_balls(seed, rows)[0], seed))
    image.SetSpacing(SPACING[::-1])
    sitk.WriteImage(image, str(path))


@pytest.fixture
def data(tmp_path):
    """Four scans of four balls with room beside them."""
    (tmp_path / "ct").mkdir()
    with open(tmp_path / "splits.csv", "w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["file", "split"])
        for k, part in enumerate(("train", "train", "test", "test")):
            write_scan(k, 2, tmp_path / f"ct/{k}.nii.gz")
            writer.writerow([f"ct/{k}.nii.gz", part])
    return tmp_path


@pytest.mark.slow
def test_command_compares_the_test_scans(data, monkeypatch):
    monkeypatch.setattr(two_sample, "EPOCHS", 1)
    monkeypatch.setattr(two_sample, "TREES", 5)
    monkeypatch.setattr(two_sample, "FOLDS", 3)
    monkeypatch.setattr(two_sample, "INNER_FOLDS", 2)
    monkeypatch.setattr(pairs, "ROUNDS", 1)
    monkeypatch.setattr(texture, "HALVINGS", 1)
    for user in (painters, fidelity):
        monkeypatch.setattr(user, "paint_nodes", partial(paint_nodes, steps=2))
    for several in ("NODES", "SMALL_NODES", "AT_ONCE"):
        monkeypatch.setattr(fidelity, several, 2)
    difftumor = data / "difftumor.safetensors"
    torch.manual_seed(0)
    tiny = DiffTumorConfig(vae_channels=8, unet_channels=(8, 16))
    save_weights(DiffTumorNetworks(tiny), tiny, difftumor)
    written = data.with_name("figures.json")
    arguments = ["evaluate", "texture", "--data", str(data), "-o", str(written)]
    arguments += ["--difftumor-weights", str(difftumor), "--work", str(data / "work")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    figures = json.loads(written.read_text())
    for done in ("real_bodies", "placed", "paint_controls", "score_pairs", "measure_fidelity"):
        monkeypatch.setattr(texture, done, lambda *_: pytest.fail("done again"))
    again = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert again.exit_code == 0, again.output
    assert json.loads(written.read_text()) == figures
    with pytest.raises(InputError, match="other settings"):
        other = data.parent / "other"
        other.mkdir()
        (other / "splits.csv").write_text((data / "splits.csv").read_text())
        texture.evaluate_texture(other, Models(), 0, SILENT, work=data / "work")
    assert set(figures["auc"]) == {"LN-Gen", "DiffTumor", "copies", "constant"}
    assert all(0 <= v["low"] <= v["high"] <= 1 for v in figures["auc"].values())
    with_room = {v["pairs"] + v["missed"] for v in figures["auc"].values()}
    assert with_room == {figures["difference"]["bodies"]}  # the same for all
    assert set(figures["fidelity"]) == {"ct/2.nii.gz", "ct/3.nii.gz"}
    assert all(0 <= figures["hu"][kind] <= 1 for kind in ("LN-Gen", "copies", "real"))
    low, high = (figures["difference"][end] for end in ("low", "high"))
    assert -1 <= low <= figures["difference"]["value"] <= high <= 1
    assert sum(figures["bodies"].values()) >= 12  # of 16


def test_bodies_with_room_are_those_of_the_first_round_whoever_paints(data, monkeypatch):
    monkeypatch.setattr(pairs, "ROUNDS", 1)
    write_scan(2, 3, data / "ct/2.nii.gz")
    bodies, _ = pairs.real_bodies(data, "ct/2.nii.gz")
    painted: list[int] = []

    def blank(hu, _, controls, __):
        painted.extend(bodies.index(control.body) for control in controls)
        return hu, np.zeros(hu.shape, int)

    found, _ = pairs.paint_controls(data, "ct/2.nii.gz", bodies, blank, 3)
    assert not found
    assert len(painted) >= 6
    assert pairs.placed(data, "ct/2.nii.gz", bodies, 3) == sorted(painted)


def test_scans_without_bodies_are_refused(data):
    hu = np.full((16, 40, 40), -100, np.int16)
    for k in (2, 3):
        sitk.WriteImage(sitk.GetImageFromArray(hu), str(data / f"ct/{k}.nii.gz"))
    (data / "splits.csv").write_text("file,split\nct/2.nii.gz,test\nct/3.nii.gz,test\n")
    with pytest.raises(InputError, match="no scan of the part test"):
        texture.evaluate_texture(data, Models(), 0, SILENT)


def test_a_table_that_is_missing_or_has_other_columns_is_named(tmp_path):
    for content, words in (
        (None, "can't be read: No such file"),
        ("a,b\n1,2\n", "lacks the columns"),
    ):
        if content is not None:
            (tmp_path / "splits.csv").write_text(content)
        with pytest.raises(InputError, match=f"splits.csv {words}"):
            texture.evaluate_texture(tmp_path, Models(), 0, SILENT)


def test_what_was_kept_of_a_class_that_moved_is_made_again(tmp_path):
    cache = Cache(tmp_path)
    assert cache(["bodies"], lambda: 1) == cache(["bodies"], lambda: 2) == 1
    (file,) = tmp_path.glob("*.pkl")
    file.write_bytes(b"cLNGenLib.evaluation.specimens\nSpecimen\n.")
    assert cache(["bodies"], lambda: 3) == cache(["bodies"], lambda: 4) == 3
