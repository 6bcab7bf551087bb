"""The judge of texture: what it is shown, and that it sees."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from typer.testing import CliRunner

from LNGenLib.cli import app
from LNGenLib.errors import InputError
from LNGenLib.evaluation import judge as judging
from LNGenLib.evaluation import texture
from LNGenLib.evaluation.judge import judge
from LNGenLib.evaluation.painters import as_constants, paint_copies
from LNGenLib.evaluation.specimens import find_specimens, match
from LNGenLib.evaluation.tissue_features import tissue_features
from LNGenLib.image.io import to_array
from LNGenLib.synthesis.engine import Models
from LNGenLib.texture.dataset import Scan, find_bodies

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
    hu, labels = scan_of_balls(seed, quiet=quiet)
    return find_specimens(name, Scan(hu, np.array(SPACING), None), labels)


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
    scan = Scan(hu, np.array(SPACING), None)
    assert len(find_specimens("a", scan, np.where(labels == 4, 1, 0))) == 1
    assert len(find_specimens("a", scan, off=labels > 2)) == 2


def test_pairs_are_of_one_scan_each_used_once():
    ours = specimens("a", 0) + specimens("b", 1)
    theirs = specimens("a", 2) + specimens("c", 3)
    pairs = match(ours, theirs)
    assert 5 <= len(pairs) <= 9
    assert all(real.scan == other.scan == "a" for real, other in pairs)
    assert len({id(other) for _, other in pairs}) == len(pairs)
    for real, other in pairs:
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


def test_judge_tells_constants_and_not_balls_of_the_same_kind(monkeypatch):
    monkeypatch.setattr(judging, "EPOCHS", 4)
    names = "abcd"
    noise = dict.fromkeys(names, NOISE)
    real = [s for k, name in enumerate(names) for s in specimens(name, k)]
    alike = [s for k, name in enumerate(names) for s in specimens(name, 100 + k)]
    flat = [s for k, name in enumerate(names) for s in specimens(name, 100 + k, quiet=True)]
    same, other = (
        judge(match(real, found), noise, {*"abc"}, 0, lambda *_: None) for found in (alike, flat)
    )
    assert same.pairs <= 3 * 9
    assert 0.25 < same.auc < 0.75
    assert other.auc > 0.95
    assert same.low <= same.auc <= same.high


def test_copies_keep_tissue_and_change_nothing_else():
    hu, labels = scan_of_balls(0)
    hu = np.pad(hu, ((0, 0), (0, 60), (0, 0)), mode="wrap")
    hu[:, 66:] = np.random.default_rng(1).normal(-100, NOISE, hu[:, 66:].shape)  # free fat
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(SPACING[::-1])
    bodies = find_bodies(Scan(hu, np.array(SPACING), None))
    new, painted = paint_copies(image, hu < -30, bodies, 4, 0)
    assert len(np.unique(painted)) > 2
    assert new[painted > 0].mean() == pytest.approx(hu[:, :66][labels > 0].mean(), abs=12)
    far = ndimage.distance_transform_edt(painted == 0, sampling=SPACING) > 6
    assert np.array_equal(new[far], hu[far])
    flat, _ = as_constants(image, (new, painted))
    assert all(np.ptp(flat[painted == k]) == 0 for k in np.unique(painted)[1:])
    assert np.array_equal(flat[painted == 0], to_array(image)[painted == 0])


@pytest.fixture
def data(tmp_path):
    """Three scans of balls with room beside them."""
    (tmp_path / "ct").mkdir()
    with open(tmp_path / "splits.csv", "w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["file", "split"])
        for k, part in enumerate(("train", "test", "test")):
            hu, _ = scan_of_balls(k)
            free = np.random.default_rng(k).normal(-100, NOISE, hu.shape).round()
            image = sitk.GetImageFromArray(np.concatenate([hu, free.astype(np.int16)], 1))
            image.SetSpacing(SPACING[::-1])
            sitk.WriteImage(image, str(tmp_path / f"ct/{k}.nii.gz"))
            writer.writerow([f"ct/{k}.nii.gz", part])
    return tmp_path


def test_command_judges_the_test_scans(data, monkeypatch):
    monkeypatch.setattr(judging, "EPOCHS", 1)
    monkeypatch.setattr(texture, "MOST_ROUNDS", 1)
    monkeypatch.setattr(texture, "HALVINGS", 1)
    arguments = ["evaluate", "texture", "--data", str(data), "-o", str(data / "figures.json")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    figures = json.loads((data / "figures.json").read_text())
    assert set(figures["verdicts"]) == {"LN-Gen", "copies", "constant"}
    assert all(0 <= v["low"] <= v["high"] <= 1 for v in figures["verdicts"].values())
    assert sum(figures["bodies"].values()) >= 20  # of 27


def test_scans_without_bodies_are_refused(data):
    hu = np.full((16, 40, 40), -100, np.int16)
    for k in (1, 2):
        sitk.WriteImage(sitk.GetImageFromArray(hu), str(data / f"ct/{k}.nii.gz"))
    (data / "splits.csv").write_text("file,split\nct/1.nii.gz,test\nct/2.nii.gz,test\n")
    with pytest.raises(InputError, match="no scan of the part test"):
        texture.evaluate_texture(data, Models(), 0, lambda *_: None)
