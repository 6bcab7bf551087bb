"""Baselines: TSDFs in the frame, drawn by seed and number, that follow their training shapes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.latent.convolution import quick_alone
from LNGenLib.structure.baselines import Baseline, Components, Ellipsoids, Flow, Gaussian
from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION
from LNGenLib.structure.networks import (
    ExplicitConfig,
    ExplicitNetworks,
    StructureConfig,
    StructureNetworks,
)
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
def fitted(training) -> dict[str, Baseline]:
    return {
        "ellipsoids": Ellipsoids.fit(training),
        "gaussian": Gaussian.fit(training, components=4),
        "flow": Flow.fit(training, components=4, steps=300),
    }


@pytest.fixture(params=["ellipsoids", "gaussian", "flow"])
def baseline(request, fitted):
    return fitted[request.param]


def test_samples_are_tsdfs(baseline):
    tsdf = baseline.sample(6, seed=0)
    assert tsdf.shape == (6, GRID, GRID, GRID)
    assert tsdf.dtype == np.float32
    assert np.abs(tsdf).max() <= np.float32(TRUNCATION)
    for shape in tsdf:
        points = (surface(shape)[0] - (GRID - 1) / 2) * SAMPLE
        assert diameter(points)[0] == pytest.approx(2, rel=0.1)
        assert np.abs(points.min(0) + points.max(0)).max() / 2 < SAMPLE


def test_a_sample_depends_on_seed_and_number_alone(baseline):
    first = baseline.sample(4, seed=3)
    np.testing.assert_allclose(baseline.sample(2, seed=3), first[:2], atol=1e-5)
    other = baseline.sample(4, seed=4)
    assert len({tsdf.tobytes() for tsdf in (*first, *other)}) == 8


def test_ellipsoids_vary_and_are_one_piece():
    tsdf = Ellipsoids().sample(12, seed=1)
    volumes = (tsdf < 0).mean((1, 2, 3))
    assert volumes.max() > 1.5 * volumes.min()
    assert all(ndimage.label(shape < 0)[1] == 1 for shape in tsdf)


@pytest.mark.parametrize("count", [2, 59])
def test_components_keep_the_training_shapes(training, count):
    space = Components(training, count)
    z = space.coordinates(training)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(z[:, :2].std(0), 1, rtol=1e-3)
    error = np.abs(space.tsdf(z) - training).mean()
    assert error < (0.01 if count == 2 else 1e-4)


def test_more_components_than_shapes_are_refused(training):
    with pytest.raises(InputError, match="60 training shapes are too few: give more than 60"):
        Components(training, 60)


@pytest.mark.parametrize("kind", ["gaussian", "flow"])
def test_learned_shapes_vary_as_the_training_shapes_do(fitted, training, kind):
    """Widths along two axes, in samples: mean and standard deviation."""
    drawn, real = (
        np.stack([(t < 0).any((2, 3)).sum(1), (t < 0).any((1, 3)).sum(1)], 1)
        for t in (fitted[kind].sample(200, seed=0), training)
    )
    np.testing.assert_allclose(drawn.mean(0), real.mean(0), atol=1)
    assert drawn[:, 1].std() == pytest.approx(real[:, 1].std(), rel=0.35)


def test_a_flow_is_trained_by_its_seed_without_touching_the_global_one(training):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (Flow.fit(training, 4, steps=3, seed=s) for s in (0, 0, 1))
    assert torch.equal(torch.rand(3), wanted)
    np.testing.assert_array_equal(one.sample(2, 0), same.sample(2, 0))
    assert (one.sample(2, 0) != other.sample(2, 0)).any()


def test_the_variants_training_compute_is_alike_and_fully_counted(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent / "benchmarks")
    from structure_ablation import training_tflops

    explicit, implicit = ExplicitNetworks(ExplicitConfig()), StructureNetworks(StructureConfig())
    tflops = training_tflops(implicit)
    assert training_tflops(explicit) == pytest.approx(tflops, rel=0.05)
    assert training_tflops(quick_alone(implicit, "cpu")) == tflops
