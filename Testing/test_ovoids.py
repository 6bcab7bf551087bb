"""The prior of small lymph nodes: as round as it says, valid, in the frame, one shape a seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation

from LNGenLib.evaluation.shape.descriptors import measure_shapes
from LNGenLib.structure import ovoids
from LNGenLib.structure.frame import SAMPLE
from LNGenLib.structure.ovoids import LOBULATED, SMOOTH, _bumps, _ovoid, ovoid
from LNGenLib.structure.repair import is_valid
from LNGenLib.structure.shape import Structure


@pytest.fixture
def asked(monkeypatch):
    """Radii, rms of the harmonics and turn of 1,500 ovoids of a size, of which none is made."""
    calls = []

    def record(radii, rms, turn, _rng):
        calls.append((radii, rms, turn))

    def draw(size: float):
        calls.clear()
        rng = np.random.default_rng(0)
        for _ in range(1500):
            ovoid(size, rng)
        return [np.array(column) for column in zip(*calls)]

    monkeypatch.setattr(ovoids, "_ovoid", record)
    monkeypatch.setattr(ovoids, "is_valid", lambda _: True)
    return draw


@pytest.mark.parametrize("size, t", [(1.7, 0), (3, 0), (10, math.log10(10 / 3)), (30, 1), (90, 1)])
def test_ovoids_are_as_round_as_their_size_says(asked, size, t):
    radii, _, _ = asked(size)
    long, middle, thin = radii.T
    assert (long == 1).all() and (thin <= middle).all() and (middle <= long).all()
    assert np.median(middle) == pytest.approx(0.86 - 0.12 * t, abs=0.01)
    assert np.median(thin / middle) == pytest.approx(0.86 - 0.10 * t, abs=0.01)
    spread = np.subtract(*np.percentile(middle, (50, 15.9)))  # above 1 they are cut off
    assert spread == pytest.approx(0.09, rel=0.1)


@pytest.mark.parametrize("size, share", [(4.9, 0.08), (5.0, 0.18), (9.9, 0.18), (10.0, 0.40)])
def test_larger_ones_are_lobulated_more_often(asked, size, share):
    _, rms, _ = asked(size)
    lobulated = rms > SMOOTH[1]
    assert lobulated.mean() == pytest.approx(share, abs=0.03)
    for part, (low, high) in ((rms[~lobulated], SMOOTH), (rms[lobulated], LOBULATED)):
        assert part.min() >= low and part.max() <= high


def test_ovoids_lie_in_every_direction(asked):
    """The part of a direction turned at random along each axis of the frame is uniform."""
    _, _, turns = asked(5.0)
    for row in np.abs(turns[:, :, 0]).T:
        assert stats.kstest(row, "uniform").pvalue > 0.01


def test_an_ovoid_without_harmonics_is_the_ellipsoid():
    """Its long axis where the turn puts the first, its second moments those of the radii."""
    radii = np.array([1.0, 0.8, 0.55])
    for seed in range(5):
        turn = Rotation.random(random_state=seed).as_matrix()
        tsdf = _ovoid(radii, 1e-6, turn, np.random.default_rng(seed))
        ends = Structure(tsdf).axis_points(2.0)
        assert abs((ends[1] - ends[0]) / 2 @ turn[:, 0]) > 0.99
        moments = np.cov((np.argwhere(tsdf < 0) - 15.5).T * SAMPLE)
        assert moments == pytest.approx(turn @ np.diag(radii**2 / 5) @ turn.T, abs=0.006)


@pytest.mark.parametrize("size", [2.0, 11.0])
def test_ovoids_are_valid_and_in_the_frame(size):
    rng = np.random.default_rng(0)
    tsdfs = np.stack([ovoid(size, rng) for _ in range(20)])
    assert all(is_valid(tsdf) for tsdf in tsdfs)
    assert measure_shapes(tsdfs)["genus 0"].all()
    for tsdf in tsdfs:
        structure = Structure(tsdf)
        assert structure.sample_mm(2.0) == pytest.approx(SAMPLE, rel=0.02)
        points = structure.vertices(2.0)
        assert np.abs(points.min(0) + points.max(0)).max() / 2 < SAMPLE / 2


@pytest.mark.parametrize("rms", [*SMOOTH, *LOBULATED])
def test_harmonics_have_the_wanted_root_mean_square(rms):
    directions = np.random.default_rng(0).standard_normal((20000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for seed in range(3):
        bumps = _bumps(directions, rms, np.random.default_rng(seed))
        assert np.sqrt(np.mean(bumps**2)) == pytest.approx(rms, rel=0.05)
        assert np.mean(bumps) == pytest.approx(0, abs=0.05 * rms)


def test_a_seed_gives_one_shape():
    first, same, other = (ovoid(5.0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert np.abs(first - other).max() > SAMPLE / 2
