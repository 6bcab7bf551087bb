"""The shipped structure model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.evaluation.shape.descriptors import measure_shapes
from LNGenLib.models.store import SHIPPED
from LNGenLib.progress import Progress
from LNGenLib.structure.descriptors import AXIS_RATIO, IRREGULARITY, LOG_SIZE, describe
from LNGenLib.structure.frame import SAMPLE
from LNGenLib.structure.model import StructureModel
from LNGenLib.structure.networks import STEPS
from LNGenLib.structure.shape_range import ShapeRange

COUNT = 48
SIZES = np.geomspace(3.0, 30.0, COUNT).tolist()  # mm


@pytest.fixture(scope="module")
def samples(models):
    return models.structure.sample(range(COUNT), SIZES, seed=3)


def apart(first, second) -> float:
    """Largest difference of two lists of structures' TSDFs."""
    return max(np.abs(a.tsdf - b.tsdf).max() for a, b in zip(first, second, strict=True))


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
    assert 0.6 < np.mean(ratios) < 0.9


def test_smaller_structures_are_rounder_and_smoother(samples):
    """Those to 6 mm and those from 14 mm; real nodes have a sphericity of 0.94 below 15 mm, 0.89
    above 20 mm."""
    drawn = np.stack([structure.tsdf for structure in samples.structures])
    parts = measure_shapes(drawn[:16]), measure_shapes(drawn[-16:])
    small, large = ({k: v.mean() for k, v in part.items()} for part in parts)
    assert small["sphericity"] > large["sphericity"] + 0.02
    assert small["solidity"] > large["solidity"] + 0.01
    assert small["elongation"] > large["elongation"]


def test_a_structure_depends_on_seed_number_and_size_alone(models, samples):
    model = models.structure
    two = model.sample([7, 2], [SIZES[7], SIZES[2]], seed=3).structures
    assert apart(two, [samples.structures[7], samples.structures[2]]) < 1e-3
    for number, size, seed in ((7, SIZES[7], 4), (7, 1.5 * SIZES[7], 3), (8, SIZES[7], 3)):
        other = model.sample([number], [size], seed).structures
        assert apart(other, two[:1]) > 0.01


def test_batches_change_nothing_and_are_all_reported(samples):
    model, seen = StructureModel(), []
    model.batch = 3
    progress = Progress(lambda _, *step: seen.append(step))
    few = model.sample(range(8), SIZES[:8], 3, progress=progress)
    assert apart(few.structures, samples.structures[:8]) < 1e-3
    assert few.repaired == samples.repaired[:8]
    assert seen == [(k, 3 * STEPS) for k in range(1, 3 * STEPS + 1)]


def test_each_may_be_of_a_range_of_its_own(models):
    """As one asked for alone: the others' ranges change nothing."""
    ranges = [ShapeRange(axis_ratio=(0.85, 1.0)), ShapeRange(axis_ratio=(0.0, 0.65))]
    both = models.structure.sample([4, 5], [16.0, 16.0], 3, shapes=ranges).structures
    alone = models.structure.sample([5], [16.0], 3, shapes=ranges[1]).structures
    assert apart(both[1:], alone) < 1e-3


def test_bfloat16_draws_the_same_shapes():
    """But for roundings: the surfaces lie within a tenth of a sample of each other on average."""
    model, drawn = StructureModel(), {}
    for model.precision in (torch.float32, torch.bfloat16):
        drawn[model.precision] = model.draw(range(4), [5.0, 9.0, 14.0, 22.0], seed=3)
    near = np.abs(drawn[torch.float32]) < SAMPLE
    apart = np.abs(drawn[torch.float32] - drawn[torch.bfloat16])[near]
    assert 0 < apart.mean() < 0.1 * SAMPLE


def test_the_adapter_restores_what_the_decoder_leaves(models):
    """The same shapes, but not the same samples."""
    model, sizes = models.structure, SIZES[::6]
    decoded = model.draw(range(8), sizes, 3, adapted=False)
    adapted = model.draw(range(8), sizes, 3)
    a, b = decoded < 0, adapted < 0
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.95
    assert 0 < np.abs(decoded - adapted)[np.abs(adapted) < SAMPLE].mean() < SAMPLE / 2


WISHES = {
    "round": ShapeRange(axis_ratio=(0.85, 1.0)),
    "long": ShapeRange(axis_ratio=(0.0, 0.6)),
    "smooth": ShapeRange(irregularity=(0.0, 0.04)),
    "irregular": ShapeRange(irregularity=(0.12, 1.0)),
}


@pytest.fixture(scope="module")
def wished(models):
    """16 structures of each of the wishes."""
    numbers, sizes = range(16), [20.0] * 16
    return {
        name: models.structure.sample(numbers, sizes, seed=3, shapes=wish).structures
        for name, wish in WISHES.items()
    }


def test_round_and_irregular_shapes_can_be_asked_for(wished):
    """Descriptors measured on what is drawn follow what was asked for."""
    means = {
        name: np.mean([describe(structure.tsdf, 20.0) for structure in drawn], axis=0)
        for name, drawn in wished.items()
    }
    assert means["round"][AXIS_RATIO] > means["long"][AXIS_RATIO] + 0.2
    assert means["irregular"][IRREGULARITY] > means["smooth"][IRREGULARITY] + 0.08


@pytest.mark.parametrize("size", [1.7, 3.0, 6.0, 12.0, 30.0])
def test_the_shapes_that_the_readme_names_are_known_at_every_size(models, size):
    for wish in (ShapeRange(axis_ratio=(0.85, 1.0)), ShapeRange(irregularity=(0.03, 1.0))):
        drawn = models.structure.networks.prior.draw(size, wish, 3, 0)
        assert wish.axis_ratio[0] <= drawn[AXIS_RATIO] and drawn[LOG_SIZE] < np.log10(2.2 * size)


def test_round_shapes_are_round_in_every_plane(wished):
    """A disk is round in one: here the thinnest principal axis counts."""
    thickness = []
    for structure in wished["round"]:
        variances = np.linalg.eigvalsh(np.cov(np.argwhere(structure.tsdf < 0).T))
        thickness.append(np.sqrt(variances[0] / variances[2]))
    assert np.mean(thickness) > 0.72


def test_shapes_nobody_has_are_refused(models):
    with pytest.raises(InputError, match="no known lymph node"):
        models.structure.sample([0], [9.0], 0, shapes=ShapeRange(axis_ratio=(0.0, 0.01)))


def test_a_model_that_draws_nothing_says_so(models, monkeypatch):
    model = StructureModel()
    monkeypatch.setattr(model, "draw", lambda *_: np.full((1, 32, 32, 32), 0.2, np.float32))
    with pytest.raises(InputError, match="train it longer"):
        model.sample([0], [9.0], 0)


def test_shipped_weights_are_small_enough_and_have_cards():
    weights = sorted(SHIPPED.glob("*.safetensors"))
    assert [w.stem for w in weights] == ["structure", "texture"]
    assert (SHIPPED / "structure.safetensors").stat().st_size <= 6 * 2**20
    assert sum(w.stat().st_size for w in weights) <= 10 * 2**20
    for path in weights:
        assert path.with_suffix(".json").exists()
        assert path.with_suffix(".md").exists()
