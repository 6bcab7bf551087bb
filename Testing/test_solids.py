"""Procedural solids: they fill the frame of the TSDFs, are topologically valid, and differ."""

import numpy as np
import pytest
from scipy import ndimage, spatial
from skimage import measure

from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION
from LNGenLib.structure.solids import solids
from LNGenLib.structure.tsdf import diameter, surface, truncated_distance

COUNT = 60


@pytest.fixture(scope="module")
def some():
    return solids(COUNT, seed=0)


@pytest.fixture(scope="module")
def shapes(some):
    """Surface points (n, 3) in the frame of every solid."""
    return [(surface(t.astype(np.float32))[0] - (GRID - 1) / 2) * SAMPLE for t in some]


def test_solids_are_truncated_distances(some):
    assert some.shape == (COUNT, GRID, GRID, GRID)
    assert some.dtype == np.float16
    assert np.abs(some).max() <= np.float16(TRUNCATION)
    for tsdf in some.astype(np.float32):
        slope = np.linalg.norm(np.gradient(tsdf, SAMPLE), axis=0)[np.abs(tsdf) < TRUNCATION / 2]
        assert np.median(slope) == pytest.approx(1, abs=0.02)
        assert np.mean(np.abs(slope - 1) < 0.25) > 0.9


def test_solids_fill_the_frame(shapes):
    for points in shapes:
        assert diameter(points)[0] == pytest.approx(2, rel=0.03)
        assert np.abs(points.min(0) + points.max(0)).max() / 2 < SAMPLE


def test_solids_are_one_piece_without_cavity(some):
    for tsdf in some:
        assert ndimage.label(tsdf < 0)[1] == 1
        assert ndimage.label(tsdf >= 0)[1] == 1
        assert tsdf.min() < -SAMPLE / 2


def test_a_solid_depends_on_seed_and_number_alone(some):
    np.testing.assert_array_equal(solids(3, seed=0), some[:3])
    assert (solids(3, seed=1) != some[:3]).any(axis=(1, 2, 3)).all()
    assert len({tsdf.tobytes() for tsdf in some}) == COUNT


def test_solids_vary(some, shapes):
    """Convex, concave and ring-like ones, slender and round ones."""
    genera = [1 - measure.euler_number(tsdf < 0, connectivity=1) for tsdf in some]
    assert 0.5 * COUNT < genera.count(0) < COUNT
    assert 1 in genera
    volumes = np.sum(some < 0, axis=(1, 2, 3)) * SAMPLE**3
    hulls = np.array([spatial.ConvexHull(points).volume for points in shapes])
    assert (volumes / hulls).min() < 0.75
    assert (volumes / hulls).max() > 0.95
    assert hulls.max() > 3 * hulls.min()


def test_the_distance_to_a_ball_of_any_field_is_known():
    radius = np.linalg.norm((np.indices([GRID] * 3) - (GRID - 1) / 2) * SAMPLE, axis=0)
    wanted = np.clip(radius - 0.8, -TRUNCATION, TRUNCATION)
    np.testing.assert_allclose(truncated_distance(radius**3 - 0.8**3), wanted, atol=SAMPLE / 15)
