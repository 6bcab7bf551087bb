"""The prior of small lymph nodes: as round as it says, sound, in the frame, one shape a seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from LNGenLib.evaluation.shape import measure_shapes
from LNGenLib.structure.frame import SAMPLE
from LNGenLib.structure.ovoids import LOBULATED, SMOOTH, _bumps, ovoid
from LNGenLib.structure.repair import is_sound
from LNGenLib.structure.shape import Structure

COUNT = 60


@pytest.fixture(scope="module", params=[3.0, 10.0, 30.0])
def drawn(request) -> tuple[float, np.ndarray]:
    rng = np.random.default_rng(0)
    return request.param, np.stack([ovoid(request.param, rng) for _ in range(COUNT)])


def ratios(tsdf: np.ndarray) -> tuple[float, float]:
    """Middle over long and thin over middle axis of the ellipsoid of equal second moments."""
    values = np.linalg.eigvalsh(np.cov(np.argwhere(tsdf < 0).T))
    thin, middle, long = np.sqrt(values)
    return middle / long, thin / middle


def test_ovoids_are_as_round_as_their_size_says(drawn):
    """A lump moves an axis ratio by a few hundredths, either way; they are sorted, too."""
    size, tsdfs = drawn
    t = min(max(math.log10(size / 3), 0), 1)
    found = np.array([ratios(tsdf) for tsdf in tsdfs])
    assert np.median(found[:, 0]) == pytest.approx(0.86 - 0.12 * t, abs=0.05)
    assert np.median(found[:, 1]) == pytest.approx(0.86 - 0.10 * t, abs=0.05)
    assert (found.std(0) > 0.05).all() and (found.std(0) < 0.12).all()


def test_ovoids_are_sound_and_in_the_frame(drawn):
    size, tsdfs = drawn
    assert all(is_sound(tsdf) for tsdf in tsdfs)
    assert measure_shapes(tsdfs)["genus 0"].all()
    for tsdf in tsdfs:
        structure = Structure(tsdf)
        assert structure.sample_mm(2.0) == pytest.approx(SAMPLE, rel=0.02)
        points = structure.vertices(2.0)
        assert np.abs(points.min(0) + points.max(0)).max() / 2 < SAMPLE / 2


def test_ovoids_lie_in_every_direction(drawn):
    """Of a long axis turned at random the part along each axis of the frame is uniform."""
    ends = [Structure(tsdf).axis_points(1.0) for tsdf in drawn[1]]
    along = np.abs([b - a for a, b in ends])
    assert all(stats.kstest(column, "uniform").pvalue > 0.01 for column in along.T)


def test_larger_ones_are_lobulated_more_often():
    shares = []
    for size in (4.0, 8.0, 12.0):
        rng = np.random.default_rng(1)
        tsdfs = np.stack([ovoid(size, rng) for _ in range(COUNT)])
        shares.append(np.mean(measure_shapes(tsdfs)["solidity"] < 0.97))
    assert shares == sorted(shares)
    assert shares[0] < 0.2 and shares[2] > 0.25


@pytest.mark.parametrize("rms", [*SMOOTH, *LOBULATED])
def test_bumps_have_the_wanted_root_mean_square(rms):
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
