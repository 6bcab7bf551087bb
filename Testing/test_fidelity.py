"""What is measured of painted nodes against their scan, where noise and edges are known."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.evaluation.realism import fidelity
from LNGenLib.evaluation.realism.fidelity import measure_fidelity
from LNGenLib.progress import SILENT

NOISE = 10.0
SPACING = (2.0, 1.0, 1.0)


def scan(shape=(30, 120, 120), soft=30) -> sitk.Image:
    """Fat beside a block of muscle, blurred in-plane and noisy."""
    clean = np.full(shape, -100.0)
    clean[:, :soft] = 60
    rng = np.random.default_rng(0)
    hu = ndimage.gaussian_filter(clean, (0, 1, 1)) + rng.normal(0, NOISE, shape)
    image = sitk.GetImageFromArray(hu.round().astype(np.int16))
    image.SetSpacing(SPACING[::-1])
    return image


@pytest.fixture(scope="module")
def found(models):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fidelity, "NODES", 6)
        patch.setattr(fidelity, "SMALL_NODES", 12)
        patch.setattr(fidelity, "AT_ONCE", 6)
        return measure_fidelity(scan(), models, 0, SILENT)


def test_noise_and_edges_are_those_of_the_scan(found):
    assert found.nodes == 6
    assert 0.7 < found.noise[1] < 1.4
    assert found.edge == pytest.approx(1, abs=0.25)


def test_small_nodes_keep_their_contrast(found):
    assert found.small_nodes == 12
    assert found.slope == pytest.approx(1, abs=0.2)


def test_half_the_noise_is_half(models, monkeypatch):
    def quieter(*arguments, **named):
        painting, rng = paint(*arguments, **named), np.random.default_rng(0)
        inside = painting.labels > 0
        painting.hu[inside] = np.round(60 + rng.normal(0, NOISE / 2, inside.sum()))
        return painting

    paint = fidelity.paint_nodes
    for several in ("NODES", "SMALL_NODES", "AT_ONCE"):
        monkeypatch.setattr(fidelity, several, 4)
    monkeypatch.setattr(fidelity, "paint_nodes", quieter)
    found = measure_fidelity(scan(), models, 0, SILENT)
    for lag in (1, 2):
        assert found.noise[lag] == pytest.approx(0.5, abs=0.1)


def test_constant_nodes_have_no_noise_and_sharp_ones_narrow_edges(models, monkeypatch):
    def blocks(*arguments, **named):
        painting = paint(*arguments, **named)
        painting.hu[painting.labels > 0] = 50
        painting.hu[(painting.changed > 0) & (painting.labels == 0)] = -100
        return painting

    paint = fidelity.paint_nodes
    for several in ("NODES", "SMALL_NODES", "AT_ONCE"):
        monkeypatch.setattr(fidelity, several, 4)
    monkeypatch.setattr(fidelity, "paint_nodes", blocks)
    found = measure_fidelity(scan(), models, 0, SILENT)
    assert found.noise[1] == 0
    assert found.edge < 0.75
    assert found.deviation == 0


def test_a_scan_without_room_is_refused(models, monkeypatch):
    monkeypatch.setattr(fidelity, "MOST_TURNS", 2)
    monkeypatch.setattr(fidelity, "AT_ONCE", 2)
    with pytest.raises(InputError):
        measure_fidelity(scan((10, 30, 30), soft=26), models, 0, SILENT)
