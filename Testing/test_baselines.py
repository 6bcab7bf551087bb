"""Simple models: TSDFs in the frame, by seed and number, that follow their training shapes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from LNGenLib.benchmark.baselines import ShapeSpace, ellipsoids
from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION
from LNGenLib.structure.tsdf import diameter, surface


@pytest.fixture(scope="module")
def training() -> np.ndarray:
    """Ellipsoids whose long axis is the first one, and whose others vary in width."""
    rng = np.random.default_rng(0)
    points = (np.indices([GRID] * 3) - (GRID - 1) / 2) * SAMPLE
    shapes = []
    for _ in range(60):
        radii = np.array([1, *rng.uniform(0.5, 1, 2)]).reshape(3, 1, 1, 1)
        shapes.append((np.sqrt(((points / radii) ** 2).sum(0)) - 1) * radii.min())
    return np.clip(shapes, -TRUNCATION, TRUNCATION).astype(np.float32)


@pytest.fixture(scope="module")
def space(training) -> ShapeSpace:
    return ShapeSpace.fit(training)


@pytest.fixture(params=["gaussian", "noisy", "ellipsoids"])
def draw(request, space):
    return ellipsoids if request.param == "ellipsoids" else getattr(space, request.param)


def test_samples_are_tsdfs(draw):
    tsdf = draw(6, seed=0)
    assert tsdf.shape == (6, GRID, GRID, GRID)
    assert tsdf.dtype == np.float32
    assert np.abs(tsdf).max() <= np.float32(TRUNCATION)
    for shape in tsdf:
        points = (surface(shape)[0] - (GRID - 1) / 2) * SAMPLE
        assert diameter(points)[0] == pytest.approx(2, rel=0.1)
        assert np.abs(points.min(0) + points.max(0)).max() / 2 < SAMPLE


def test_a_sample_depends_on_seed_and_number_alone(draw):
    first = draw(4, seed=3)
    np.testing.assert_allclose(draw(2, seed=3), first[:2], atol=1e-5)
    other = draw(4, seed=4)
    assert len({tsdf.tobytes() for tsdf in (*first, *other)}) == 8


def test_ellipsoids_vary_and_are_one_piece():
    tsdf = ellipsoids(12, seed=1)
    volumes = (tsdf < 0).mean((1, 2, 3))
    assert volumes.max() > 1.5 * volumes.min()
    assert all(ndimage.label(shape < 0)[1] == 1 for shape in tsdf)


def test_the_space_keeps_the_training_shapes(training, space):
    assert len(space.axes) == 59  # one less than there are shapes
    z = space.training
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(z[:, :2].std(0), 1, rtol=1e-3)
    back = space.mean + z @ space.axes
    assert np.abs(back - training.reshape(60, -1)).mean() < 1e-4


def test_gaussian_shapes_vary_as_the_training_shapes_do(space, training):
    """Widths along two axes, in samples: mean and standard deviation."""
    drawn, real = (
        np.stack([(t < 0).any((2, 3)).sum(1), (t < 0).any((1, 3)).sum(1)], 1)
        for t in (space.gaussian(200, seed=0), training)
    )
    np.testing.assert_allclose(drawn.mean(0), real.mean(0), atol=1)
    assert drawn[:, 1].std() == pytest.approx(real[:, 1].std(), rel=0.35)


def test_noisy_shapes_lie_half_a_deviation_round_training_shapes(space, training, monkeypatch):
    far = np.abs(space.noisy(30, seed=0)[:, None] - training).mean((2, 3, 4)).min(1)
    monkeypatch.setattr("LNGenLib.benchmark.baselines.NOISE", 0.0)
    exact = np.abs(space.noisy(30, seed=0)[:, None] - training).mean((2, 3, 4))
    assert exact.min(1).max() < 1e-4
    assert len(set(exact.argmin(1))) > 10
    between = np.abs(training[:30] - training[30:]).mean()
    assert 0.05 * between < far.mean() < between
