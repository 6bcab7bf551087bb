"""Edge spread, on discs of soft tissue in fat with known blur and noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from LNGenLib.image.edge import (
    BORDER,
    REACH,
    TYPICAL_SPREAD,
    border_profiles,
    edge_spread,
    fit_spread,
)

FINE = 4  # samples a voxel


def discs(
    blur: float, noise: float, seed: int = 0, radii: tuple[float, float] = (8, 14)
) -> np.ndarray:
    """Three slices of 96^2 voxels with twelve discs of `radii`, blurred by `blur` voxels."""
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[: 96 * FINE, : 96 * FINE]
    inside = np.zeros((96 * FINE, 96 * FINE))
    for _ in range(12):
        (cy, cx), radius = rng.uniform(10, 86, 2) * FINE, rng.uniform(*radii) * FINE
        inside[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = 1
    hu = -100 + 160 * ndimage.gaussian_filter(inside, blur * FINE)[::FINE, ::FINE]
    return hu + noise * rng.standard_normal((3, 96, 96))


@pytest.mark.parametrize("blur", [0.5, 0.8, 1.2, 2.0])
@pytest.mark.parametrize("noise, tolerance", [(0, 0.08), (10, 0.08), (25, 0.15)])
def test_blur_is_found(blur, noise, tolerance):
    hu = discs(blur, noise)
    profiles = border_profiles(hu, discs(blur, 0) > BORDER, np.array([5.0, 1.0, 1.0]), REACH)
    assert fit_spread(profiles) == pytest.approx(blur, rel=tolerance)


@pytest.mark.parametrize("blur", [0.5, 0.7, 1.2, 2.0])
def test_blur_is_found_by_profiles_as_short_as_holds_the_edge(blur):
    assert edge_spread(discs(blur, 10), (3.0, 1.0, 1.0)) == pytest.approx(blur, rel=0.1)


def test_borders_that_bend_within_large_voxels_are_not_smeared():
    bodies = discs(0.4, 5, radii=(3, 4))
    assert edge_spread(bodies, (3.0, 3.0, 3.0)) == pytest.approx(1.2, rel=0.15)


def test_spread_is_in_mm():
    assert edge_spread(discs(1.0, 5), (1.0, 0.7, 0.7)) == pytest.approx(0.7, rel=0.05)


def test_without_edges_it_is_a_typical_one():
    fat = np.full((4, 40, 40), -100, np.int16)
    assert edge_spread(fat, (5.0, 0.8, 0.8)) == TYPICAL_SPREAD
    assert edge_spread(fat, (3.0, 3.0, 3.0)) == pytest.approx(1.2)


def test_slices_that_are_looked_at_do_not_mix():
    """Their borders are not at the same place, as those of slices centimeters apart."""
    slices = np.concatenate([np.roll(discs(0.8, 10), 2 * k, axis=2) for k in range(8)])
    assert edge_spread(slices, (5.0, 1.0, 1.0)) == pytest.approx(0.8, rel=0.08)
