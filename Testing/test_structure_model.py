"""The shipped structure model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from LNGenLib.structure.variant import Variant
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.evaluation.shape import measure_shapes
from LNGenLib.models.store import SHIPPED
from LNGenLib.structure.descriptors import describe
from LNGenLib.structure.frame import SAMPLE
from LNGenLib.structure.model import StructureModel
from LNGenLib.structure.networks import STEPS
from LNGenLib.structure.shape_range import ShapeRange


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


def test_batches_change_nothing_and_are_all_told_of(samples):
    model, told = StructureModel(), []
    model.batch = 2  # so that there are three pools
    few = model.sample(34, seed=3, on_step=lambda *step: told.append(step))
    for a, b in zip(few.structures, samples.structures, strict=False):
        assert np.abs(a.tsdf - b.tsdf).max() < 1e-3
    assert few.redrawn == samples.redrawn[:34]
    assert any(few.redrawn)
    assert told == [(k, 17 * STEPS) for k in range(1, 17 * STEPS + 1)]


def test_bfloat16_draws_the_same_shapes():
    """But for roundings: the surfaces lie within a tenth of a sample of each other on average."""
    model, drawn = StructureModel(), {}
    for model.precision in (torch.float32, torch.bfloat16):
        drawn[model.precision] = model.draw(4, seed=3, attempts=1)
    near = np.abs(drawn[torch.float32]) < SAMPLE
    apart = np.abs(drawn[torch.float32] - drawn[torch.bfloat16])[near]
    assert 0 < apart.mean() < 0.1 * SAMPLE


@pytest.mark.parametrize("variant", Variant)
def test_variants_draw_shapes(variant):
    drawn = StructureModel(variant=variant).draw(4, seed=3, steps=5)
    assert drawn.shape == (4, 32, 32, 32)
    assert (drawn.min((1, 2, 3)) < 0).all()


def test_the_adapter_draws_the_roughness_of_surfaces(models):
    """By other noise another surface of the same shape, rougher than without the adapter."""
    smooth = StructureModel(variant=Variant.implicit).draw(8, seed=3)
    rough = models.structure.draw(8, seed=3)
    spheres = [measure_shapes(tsdf)["sphericity"] for tsdf in (smooth, rough)]
    assert (spheres[1] < spheres[0]).mean() > 0.8
    both, sizes = ((smooth < 0) & (rough < 0)).sum(), (smooth < 0).sum() + (rough < 0).sum()
    assert 2 * both / sizes > 0.85


def test_round_and_irregular_shapes_can_be_asked_for(models):
    """Descriptors measured on what is drawn follow what was asked for."""
    wishes = {
        "round": ShapeRange(axis_ratio=(0.85, 1.0)),
        "long": ShapeRange(axis_ratio=(0.0, 0.6)),
        "smooth": ShapeRange(irregularity=(0.0, 0.15)),
        "irregular": ShapeRange(irregularity=(0.35, 1.0)),
    }
    means = {}
    for name, wish in wishes.items():
        drawn = models.structure.sample(16, seed=3, shape=wish).structures
        means[name] = np.mean([describe(structure.tsdf)[:2] for structure in drawn], axis=0)
    assert means["round"][0] > means["long"][0] + 0.2
    assert means["irregular"][1] > means["smooth"][1] + 0.1


def test_shapes_nobody_has_are_refused(models):
    with pytest.raises(InputError, match="no known lymph node"):
        models.structure.sample(1, seed=0, shape=ShapeRange(axis_ratio=(0.0, 0.01)))


def test_shipped_weights_are_small_enough_and_have_cards():
    weights = sorted(SHIPPED.glob("*.safetensors"))
    assert [w.stem for w in weights] == ["explicit", "structure", "texture"]
    assert sum(w.stat().st_size for w in weights) <= 16 * 2**20
    for path in weights:
        assert path.with_suffix(".json").exists()
        assert path.with_suffix(".md").exists()
