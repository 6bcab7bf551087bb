"""Repair of topologically invalid TSDFs, on bodies whose faults are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage import measure

from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION
from LNGenLib.structure.repair import is_valid, repair, valid_body
from LNGenLib.structure.tsdf import surface

GRID_POINTS = (np.stack(np.meshgrid(*[np.arange(GRID)] * 3, indexing="ij"), -1) - 15.5) * SAMPLE


def tsdf(distance: np.ndarray) -> np.ndarray:
    return np.clip(distance, -TRUNCATION, TRUNCATION).astype(np.float32)


def ball(radius: float, center=(0.0, 0.0, 0.0)) -> np.ndarray:
    return np.linalg.norm(GRID_POINTS - center, axis=-1) - radius


def torus(radius: float, thickness: float) -> np.ndarray:
    z, y, x = np.moveaxis(GRID_POINTS, -1, 0)
    return np.hypot(np.hypot(y, x) - radius, z) - thickness


def euler(distance: np.ndarray) -> int:
    """Euler characteristic of the zero level set: 2 for one closed surface without tunnels."""
    vertices, faces = surface(np.pad(distance, 1, constant_values=TRUNCATION))
    edges = np.unique(np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1), axis=0)
    return len(vertices) - len(edges) + len(faces)


def test_a_valid_body_is_left_alone():
    whole = tsdf(ball(0.8))
    repaired, changed = repair(whole)
    assert not changed
    assert np.array_equal(repaired, whole)
    assert is_valid(whole)


FAULTS = {
    "island": np.minimum(ball(0.6), ball(0.12, (0.95, 0.95, 0.0))),
    "hole": np.maximum(ball(0.8), -ball(0.2)),
    "tunnel": np.maximum(ball(0.7), SAMPLE - np.hypot(*np.moveaxis(GRID_POINTS, -1, 0)[:2])),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_mended(fault):
    faulty = tsdf(FAULTS[fault])
    assert euler(faulty) != 2
    assert not is_valid(faulty)
    repaired, changed = repair(faulty)
    assert changed
    assert euler(repaired) == 2
    assert is_valid(repaired)
    same = (faulty < 0) == (repaired < 0)
    assert np.array_equal(repaired[same], faulty[same])
    assert np.abs(repaired[~same]).max() <= SAMPLE / 2


def test_a_body_cut_by_the_border_is_closed():
    cut = tsdf(ball(0.8, (0.9, 0.0, 0.0)))
    assert not is_valid(cut)
    repaired, changed = repair(cut)
    assert changed
    assert repaired[-1].min() > 0
    assert euler(repaired) == 2


def test_a_wide_ring_stays_a_ring():
    """Only what a closing or an opening mends is changed, not the shape at large."""
    ring = tsdf(torus(0.7, 0.25))
    repaired, changed = repair(ring)
    assert not changed
    assert not is_valid(ring)
    assert np.array_equal(repaired, ring)


def test_random_bodies_become_one_component_without_holes():
    rng = np.random.default_rng(0)
    for _ in range(10):
        noise = ndimage.gaussian_filter(rng.standard_normal((GRID,) * 3), 1.2)
        body = valid_body(noise < -ball(0.7))
        if not body.any():
            continue
        assert ndimage.label(body)[1] == 1
        assert measure.label(~body, connectivity=1).max() == 1


def test_no_body_stays_none():
    assert not valid_body(np.zeros((GRID,) * 3, bool)).any()
    assert not is_valid(np.ones((GRID,) * 3))
