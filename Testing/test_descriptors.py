"""Descriptors of known bodies, and wanted ranges."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from shapes import tsdf_from_mask

from LNGenLib.errors import InputError
from LNGenLib.structure.descriptors import (
    AXIS_RATIO,
    DESCRIPTORS,
    IRREGULARITY,
    LOG_SIZE,
    describe,
)
from LNGenLib.structure.shape_range import ShapeRange

Z, Y, X = np.ogrid[-30:31, -30:31, -30:31]


def described(mask: np.ndarray, long_axis: float = 10.0) -> np.ndarray:
    return describe(tsdf_from_mask(mask, (1.0, 1.0, 1.0))[0], long_axis)


@pytest.mark.parametrize("ratio", [0.4, 0.7, 1.0])
def test_axis_ratio_of_ellipsoids(ratio):
    ellipsoid = (Z / 25) ** 2 + (Y / (25 * ratio)) ** 2 + (X / (25 * ratio)) ** 2 <= 1
    found = described(ellipsoid)
    assert found[AXIS_RATIO] == pytest.approx(ratio, abs=0.05)
    assert found[IRREGULARITY] < 0.12


@pytest.mark.parametrize("long_axis", [1.7, 10.0, 30.0])
def test_the_size_is_described_and_changes_nothing_else(long_axis):
    ball = Z**2 + Y**2 + X**2 <= 400
    found = described(ball, long_axis)
    assert found.shape == (DESCRIPTORS,) and found.dtype == np.float32
    assert found[LOG_SIZE] == pytest.approx(math.log10(long_axis))
    assert np.delete(found, LOG_SIZE) == pytest.approx(np.delete(described(ball), LOG_SIZE))


def test_a_cross_is_irregular():
    bars = [(abs(a) <= 25) & (abs(b) <= 7) & (abs(c) <= 7) for a, b, c in ((Z, Y, X), (Y, X, Z))]
    assert described(bars[0] | bars[1])[IRREGULARITY] > 0.25


def test_center_and_moments_of_an_ellipsoid():
    """Of half axes a the second moments are a^2 / 5."""
    ellipsoid = (Z / 25) ** 2 + (Y / 20) ** 2 + (X / 15) ** 2 <= 1
    moments = [1 / 5, (20 / 25) ** 2 / 5, (15 / 25) ** 2 / 5]
    found = described(ellipsoid)
    assert found[3:6] == pytest.approx(0, abs=0.02)
    assert found[6:9] == pytest.approx(moments, rel=0.07)
    assert found[9:] == pytest.approx(0, abs=0.01)


@pytest.fixture(scope="module")
def bent() -> np.ndarray:
    """The TSDF of a body without any symmetry."""
    body = (Z + Y - X) ** 2 / 900 + ((Y - 5) / 12) ** 2 + (X / 18) ** 2 + X * Y * Z / 9000 <= 1
    return tsdf_from_mask(body, (1.0, 1.0, 1.0))[0]


def test_mirror_images_and_turned_shapes_differ(bent):
    """Size, axis ratio and irregularity stay; how the shape lies does not."""
    straight, others = describe(bent, 10.0), []
    for order in itertools.permutations(range(3)):
        for flip in np.ndindex(2, 2, 2):
            others.append(describe(np.flip(bent.transpose(order), np.flatnonzero(flip)), 10.0))
    others = np.stack(others)
    assert others[:, :3] == pytest.approx(np.tile(straight[:3], (48, 1)), abs=1e-3)
    assert len(np.unique(others.round(3), axis=0)) == 48


@pytest.mark.parametrize("bad", [(0.8, 0.2), (-0.1, 0.5), (0.5, 1.5), (float("nan"), 1.0)])
def test_bad_ranges_are_refused(bad):
    with pytest.raises(InputError, match="no range"):
        ShapeRange(axis_ratio=bad)
    with pytest.raises(InputError, match="no range"):
        ShapeRange(irregularity=bad)
