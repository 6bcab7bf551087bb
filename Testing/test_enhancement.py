"""How bright lymph nodes are: measured of a scan's own, asked for, and as usual."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.dataset import make_dataset
from LNGenLib.datasets.manifest import DatasetSettings
from LNGenLib.image.io import read_image, to_array, write_image
from LNGenLib.scan import Scan
from LNGenLib.structure.shape_range import ShapeRange
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.appearance import draw_appearance
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.enhancement import (
    MEANS,
    UPTAKES,
    draw_means,
    measure_enhancement,
    offsets,
)
from LNGenLib.synthesis.plan import Phase
from LNGenLib.synthesis.request import SynthesisRequest

SPACING = np.array([1.25, 0.7, 0.7])
MUSCLE = 50.0
PORTAL = Phase(137.0, MUSCLE, "given")


def balls(diameters, hu_inside, spread, noise=0.0):
    """Balls in fat as a scanner shows them, and their labels: HU and labels (z, y, x)."""
    shape = np.array([28, 52, 52])
    mm = np.moveaxis(np.indices(shape * (1, 1, len(diameters))), 0, -1) * SPACING
    labels = np.zeros(mm.shape[:3], np.uint16)
    for k, diameter in enumerate(diameters):
        middle = (shape / 2 + (0, 0, k * shape[2])) * SPACING
        labels[np.linalg.norm(mm - middle, axis=-1) <= diameter / 2] = k + 1
    hu = -90 + (hu_inside + 90) * ndimage.gaussian_filter(
        (labels > 0).astype(float), spread / SPACING
    )
    return hu + noise * np.random.default_rng(0).standard_normal(hu.shape), labels


@given(st.floats(0, 120), st.floats(6, 20), st.floats(0.5, 1.0))
def test_the_hu_of_a_ball_is_found_through_the_blur(hu_inside, diameter, spread):
    hu, labels = balls([diameter], hu_inside, spread)
    low, high = measure_enhancement(hu, labels, SPACING, spread, MUSCLE)
    assert (low + high) / 2 + MUSCLE == pytest.approx(hu_inside, abs=6)


def test_large_lymph_nodes_count_more_than_small_ones_and_noise():
    hu, labels = balls([4, 16, 4], 80, 0.7, noise=25)
    hu[labels == 1] -= 60
    low, high = measure_enhancement(hu, labels > 0, SPACING, 0.7, MUSCLE)
    assert (low + high) / 2 + MUSCLE == pytest.approx(80, abs=6)


def test_what_is_too_small_to_tell_tells_nothing():
    hu, labels = balls([8], 60, 0.7)
    assert measure_enhancement(hu, labels * 0, SPACING, 0.7, MUSCLE) is None
    labels[:] = 0
    labels[10, 20, 20] = 1
    assert measure_enhancement(hu, labels, SPACING, 1.5, MUSCLE) is None


@given(st.integers(0, 2**40), st.floats(-100, 100), st.floats(0, 50))
def test_means_lie_between_the_bounds_and_within_what_is_trained(seed, low, width):
    means = np.array(draw_means(PORTAL, range(20), seed, (low, low + width)))
    ends = np.clip([MUSCLE + low, MUSCLE + low + width], *MEANS)
    assert ends[0] - 1e-9 <= means.min() and means.max() <= ends[1] + 1e-9
    assert draw_means(PORTAL, [7], seed, (low, low + width))[0] == means[7]


@pytest.mark.parametrize(
    "artery, benign, suspicious, deviation",
    [
        (137, 45, 30, 18),
        (89.5, 22.5, 15, 9),
        (160, 45 * 118 / 95, 30 * 118 / 95, 18 * 118 / 95),
        (42, 0, 0, 2.5),
        (20, 0, 0, 2.5),
    ],
)
def test_means_follow_the_phase_and_the_appearance(artery, benign, suspicious, deviation):
    phase, numbers = Phase(artery, MUSCLE, "given"), range(4000)
    assert offsets(phase) == {
        "benign": pytest.approx((benign, deviation), abs=0.01),
        "suspicious": pytest.approx((suspicious, deviation), abs=0.01),
    }
    for name, mean in (("benign", benign), ("suspicious", suspicious)):
        own = np.array(draw_means(phase, numbers, 3, None, [name] * 4000)) - MUSCLE
        assert own.mean() == pytest.approx(mean, abs=0.1 * deviation)
        assert own.std() == pytest.approx(deviation, rel=0.06)


def test_in_the_arterial_phase_they_are_not_brighter_still():
    assert offsets(Phase(350, MUSCLE, "tubes")) == offsets(Phase(200, MUSCLE, "tubes"))


def test_a_lymph_nodes_mean_does_not_depend_on_the_others():
    assert draw_means(PORTAL, [5], 3)[0] == draw_means(PORTAL, range(9), 3)[5]
    assert draw_means(PORTAL, range(9), 3) != draw_means(PORTAL, range(9), 4)


def test_records_and_provenance_tell_how_bright_lymph_nodes_were_to_be(phantom, models):
    quick = {"texture_steps": 2, "structure_steps": 4}
    request = SynthesisRequest(4, Sizes("uniform", 5, 6), 5, artery_hu=137, **quick)
    result = synthesize(Scan(phantom.ct, phantom.labels), request, models)
    phase = Phase(**result.provenance["plan"]["phase"])
    assert (phase.artery_hu, phase.source) == (137, "given")
    assert result.provenance["enhancement_hu"] == offsets(phase) == UPTAKES
    numbers = [record.label - 1 for record in result.records]
    assert [r.wanted_mean_hu for r in result.records] == pytest.approx(
        draw_means(phase, numbers, 5, None, [r.appearance for r in result.records]), abs=0.01
    )
    looks = [draw_appearance(request, number, 5.5) for number in numbers]
    assert [r.appearance for r in result.records] == [look.appearance for look in looks]
    assert {look.appearance for look in looks} == {"benign", "suspicious"}
    asked = dataclasses.replace(request, artery_hu=None, enhancement=(10.0, 20.0))
    other = synthesize(Scan(phantom.ct, phantom.labels), asked, models)
    assert other.provenance["plan"]["phase"]["source"] == "labels"
    assert other.provenance["enhancement_hu"] == (10.0, 20.0)
    assert [r.appearance for r in other.records] == [look.appearance for look in looks]
    over = [record.wanted_mean_hu - phase.muscle_hu for record in other.records]
    assert all(10 <= value <= 20 for value in over)


def test_lymph_nodes_are_as_bright_as_asked_for(phantom, models):
    compact = ShapeRange((0.7, 1.0), (0.0, 0.25))  # partial volume takes more from ragged ones
    request = SynthesisRequest(3, Sizes("uniform", 12, 14), 5, shape=compact, enhancement=(40, 40))
    bright, dark = (
        synthesize(Scan(phantom.ct, phantom.labels), asked, models)
        for asked in (request, dataclasses.replace(request, enhancement=(-30, -30)))
    )
    assert np.array_equal(to_array(bright.nodes), to_array(dark.nodes))
    apart = [one.mean_hu - two.mean_hu for one, two in zip(bright.records, dark.records)]
    assert all(45 < difference < 75 for difference in apart)  # partial volume takes some away


def test_a_data_sets_lymph_nodes_are_as_bright_as_the_real_ones(crops, models, tmp_path):
    ct = read_image(crops / "crop_0.nii.gz")
    settings = DatasetSettings(count=(2, 2), sizes=Sizes("uniform", 9.0, 9.0))
    brightness = []
    for name, hu_inside in (("dark", 10), ("bright", 110)):
        hu, label = to_array(ct), np.zeros(ct.GetSize()[::-1], np.uint8)
        label[10:14, 10:15, 10:15] = 1
        share = ndimage.gaussian_filter(label.astype(float), (0, 0.4, 0.4))
        hu[:] = np.rint(hu + share * (hu_inside - hu))
        for kind, array in (("imagesTr/a_0000", hu), ("labelsTr/a", label)):
            path = tmp_path / name / f"{kind}.nii.gz"
            path.parent.mkdir(parents=True)
            image = sitk.GetImageFromArray(array)
            image.CopyInformation(ct)
            write_image(image, path)
        description = '{"channel_names": {"0": "CT"}, "labels": {"background": 0, "node": 1}}'
        (tmp_path / name / "dataset.json").write_text(description)
        made = tmp_path / f"{name} made"
        make_dataset(read_cases(tmp_path / name), made, 1, settings, models)
        (case,) = read_cases(made)
        painted = to_array(read_image(made / f"nodes/{case.id}.nii.gz")) > 0
        brightness.append(to_array(case.load()[0])[painted].mean())
    assert 45 < brightness[1] - brightness[0] < 110  # partial volume takes some away
