"""Tests of noise: drawn as wanted, measured as it is."""

import numpy as np
import pytest

from LNGenLib.image.noise import TYPICAL_LEVEL, Noise, local_deviation, measure_noise

SHAPE = (30, 90, 90)
SMOOTH = [(0.0, 0.0, 0.0), (0.0, 0.6, 0.6), (0.0, 0.8, 0.8), (0.0, 1.0, 1.0), (0.8, 1.0, 1.0)]


def neighbor_correlation(field: np.ndarray) -> list[float]:
    """Correlation of neighbors along each axis."""
    pairs = ((np.moveaxis(field, k, 0)[1:], np.moveaxis(field, k, 0)[:-1]) for k in range(3))
    return [float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in pairs]


def noisy_tissue(level: float, sigma: tuple[float, ...], seed: int = 0) -> np.ndarray:
    """int16 HU of muscle with known noise."""
    field = Noise(1.0, sigma).draw(SHAPE, np.random.default_rng(seed))
    return np.round(55 + level * field).astype(np.int16)


@pytest.mark.parametrize("sigma", [*SMOOTH, (1.5, 0.3, 2.0)])
def test_drawn_noise_has_unit_deviation_and_no_offset(sigma):
    field = Noise(25.0, sigma).draw(SHAPE, np.random.default_rng(1))
    assert field.shape == SHAPE
    assert field.std() == pytest.approx(1, abs=0.03)
    assert abs(field.mean()) < 0.05


def test_drawn_noise_is_as_strong_at_the_border_as_in_the_middle():
    field = Noise(1.0, (1.0, 1.0, 1.0)).draw((40, 40, 400), np.random.default_rng(2))
    edges = np.concatenate([field[0].ravel(), field[-1].ravel(), field[:, 0].ravel()])
    assert edges.std() == pytest.approx(field[5:-5, 5:-5].std(), rel=0.05)


@pytest.mark.parametrize("sigma", [(0.0, 0.8, 0.8), (0.0, 1.0, 1.0), (0.8, 1.0, 1.5)])
def test_drawn_noise_has_the_neighbor_correlation_of_a_gaussian_filter(sigma):
    field = Noise(1.0, sigma).draw(SHAPE, np.random.default_rng(3))
    wanted = [np.exp(-1 / (4 * s**2)) if s else 0.0 for s in sigma]
    assert neighbor_correlation(field) == pytest.approx(wanted, abs=0.03)


def test_same_rng_seed_gives_the_same_field_and_another_another():
    noise = Noise(12.0, (0.0, 0.7, 0.7))
    first, again, other = (
        noise.draw((5, 20, 20), np.random.default_rng(seed)) for seed in (4, 4, 5)
    )
    assert np.array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("level", [5.0, 12.0, 30.0])
def test_level_of_known_noise_is_recovered(level):
    hu = noisy_tissue(level, (0.0, 0.6, 0.6))
    assert measure_noise(hu, np.ones(SHAPE, bool)).level == pytest.approx(level, rel=0.15)


@pytest.mark.parametrize("sigma", SMOOTH)
def test_level_is_recovered_whatever_the_kernel(sigma):
    hu = noisy_tissue(15.0, sigma)
    assert measure_noise(hu, np.ones(SHAPE, bool)).level == pytest.approx(15, rel=0.15)


@pytest.mark.parametrize("sigma", SMOOTH)
def test_noise_drawn_as_measured_is_as_correlated_as_the_scan(sigma):
    hu = noisy_tissue(15.0, sigma)
    drawn = measure_noise(hu, np.ones(SHAPE, bool)).draw(SHAPE, np.random.default_rng(6))
    assert neighbor_correlation(drawn) == pytest.approx(neighbor_correlation(hu), abs=0.12)


def test_axes_are_measured_apart():
    hu = noisy_tissue(15.0, (1.0, 0.0, 0.0))
    sigma = measure_noise(hu, np.ones(SHAPE, bool)).sigma
    assert sigma[0] > 0.6
    assert max(sigma[1:]) < 0.35  # neighbors correlate by less than 0.04


def test_edges_between_tissues_do_not_count_as_noise():
    hu = noisy_tissue(10.0, (0.0, 0.5, 0.5))
    hu[:, :, ::18] += 150  # vessels
    level = measure_noise(hu, np.ones(SHAPE, bool)).level
    assert level == pytest.approx(10, rel=0.2)


def test_only_the_tissue_is_measured():
    hu = noisy_tissue(10.0, (0.0, 0.5, 0.5))
    hu[:, :45] = noisy_tissue(40.0, (0.0, 0.5, 0.5), seed=1)[:, :45]
    tissue = np.zeros(SHAPE, bool)
    tissue[:, 50:] = True
    assert measure_noise(hu, tissue).level == pytest.approx(10, rel=0.15)


def test_too_little_tissue_gives_the_typical_level():
    tissue = np.zeros(SHAPE, bool)
    assert measure_noise(noisy_tissue(40, SMOOTH[0]), tissue).level == TYPICAL_LEVEL
    tissue[3, 10:20, 10:15] = True
    assert measure_noise(noisy_tissue(40, SMOOTH[0]), tissue).level == TYPICAL_LEVEL


def test_noiseless_tissue_gives_finite_noise():
    noise = measure_noise(np.full(SHAPE, 55, np.int16), np.ones(SHAPE, bool))
    assert np.isfinite(noise.level) and noise.level >= 0
    assert np.isfinite(noise.draw((4, 8, 8), np.random.default_rng(0))).all()


def test_local_deviation_of_white_noise_and_of_a_constant():
    assert local_deviation(noisy_tissue(20, SMOOTH[0])).mean() == pytest.approx(20, rel=0.03)
    assert local_deviation(np.full((3, 9, 9), -100, np.int16)).max() == pytest.approx(0, abs=0.1)
