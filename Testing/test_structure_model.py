"""The shipped structure model."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from LNGenLib.models.store import SHIPPED


@pytest.fixture(scope="module")
def samples(models):
    return models.structure.sample(48, seed=3)


def test_structures_are_one_component_without_holes(samples):
    for structure in samples.structures:
        inside = structure.tsdf < 0
        assert ndimage.label(inside, np.ones((3, 3, 3)))[1] == 1
        assert np.array_equal(ndimage.binary_fill_holes(inside), inside)
    assert np.mean(samples.repaired) <= 0.05


def test_structures_are_of_many_shapes(samples):
    """Elongation and volume vary between structures as they do between nodes."""
    ratios = [s.short_axis(10.0) / 10 for s in samples.structures]
    volumes = [s.volume(10.0) for s in samples.structures]
    assert np.std(ratios) > 0.05
    assert np.std(volumes) / np.mean(volumes) > 0.2
    assert 0.35 < np.mean(ratios) < 0.9


def test_noise_of_a_structure_depends_on_seed_and_number_alone(models, samples):
    few = models.structure.sample(2, seed=3)
    for a, b in zip(few.structures, samples.structures, strict=False):
        assert np.abs(a.tsdf - b.tsdf).max() < 1e-3
    other = models.structure.sample(2, seed=4)
    assert np.abs(other.structures[0].tsdf - few.structures[0].tsdf).max() > 0.01


def test_shipped_weights_are_small_enough_and_have_cards():
    weights = sorted(SHIPPED.glob("*.safetensors"))
    assert [w.stem for w in weights] == ["structure", "texture"]
    assert sum(w.stat().st_size for w in weights) <= 16 * 2**20
    for path in weights:
        assert path.with_suffix(".json").exists()
        assert path.with_suffix(".md").exists()
