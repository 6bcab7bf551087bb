"""Real bodies of a reader study: whose place is whose, how they are taken out, and a machine that
reads what lies round them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from LNGenLib.evaluation.realism.specimens import specimen_of
from LNGenLib.image.noise import Noise
from LNGenLib.study.bodies import claim, erased, labeled_body
from LNGenLib.study.machine import read_surroundings
from LNGenLib.texture.blending import Scanner
from LNGenLib.texture.dataset import LabeledScan

SPACING = np.ones(3)
NOISE = Noise(10.0, (0.0, 0.5, 0.5))


def ball(shape, center, radius):
    offset = np.indices(shape) - np.reshape(center, (3, 1, 1, 1))
    return np.sqrt((offset**2).sum(0)) <= radius


@pytest.fixture(scope="module")
def scene():
    """A ball of 12 mm in noisy fat, 3 mm off a muscle: HU and the ball's label."""
    shape = (41, 41, 41)
    node, muscle = ball(shape, (20, 20, 20), 6), np.zeros(shape, bool)
    muscle[:, :, 30:] = True
    hu = np.where(node | muscle, 50.0, -100.0)
    return hu + NOISE.level * NOISE.draw(shape, np.random.default_rng(0)), node


def test_an_erased_body_leaves_fat_and_all_else(scene):
    hu, node = scene
    scan = LabeledScan(hu.astype(np.float32), SPACING, None)
    one = specimen_of("a", scan, labeled_body(node.astype(int), 1, SPACING))
    new = hu.copy()
    new[one.box] = erased(one, Scanner(NOISE, 0.6), np.random.default_rng(1))
    assert new[node].mean() == pytest.approx(-100, abs=3)
    assert new[node].std() == pytest.approx(NOISE.level, rel=0.15)
    assert np.abs(new - hu)[:, :, 32:].max() < 1  # muscle, but for its edge, which is made anew
    far = ~ball(hu.shape, (20, 20, 20), 12)
    assert np.abs(new - hu)[far].max() < 1


def test_a_claim_is_refused_where_another_one_lies_within_reach():
    claims, box = np.zeros((40, 40, 40), np.int32), (slice(0, 40),) * 3
    one, near, far = (ball(claims.shape, (20, 20, x), 3) for x in (8, 18, 30))
    assert claim(claims, box, one, 1, SPACING)
    before = claims.copy()
    assert not claim(claims, box, near, 2, SPACING) and (claims == before).all()
    assert claim(claims, box, far, 2, SPACING)
    assert claim(claims, box, ball(claims.shape, (20, 20, 9), 3), 1, SPACING)  # one's own
    assert (claims[one] == 1).all() and (claims[far] == 2).all()


@pytest.mark.parametrize(("told", "least", "most"), [(0, 0.3, 0.7), (40, 0.9, 1.0)])
def test_a_machine_reads_what_surroundings_tell(told, least, most):
    """Crops of noise, those of painted ones with as many more gray values beyond the node."""
    rng, shape = np.random.default_rng(2), (31, 31, 31)
    outside = ~ball(shape, (15, 15, 15), 8)
    crops = [rng.normal(100, 20, shape) + told * (k % 2) * outside for k in range(40)]
    crops = [crop.clip(0, 255).astype(np.uint8) for crop in crops]
    belief = read_surroundings(crops, [1.6 * SPACING] * 40, [5.0] * 40, 0)
    assert least <= roc_auc_score(np.arange(40) % 2, belief) <= most


def test_the_machine_does_not_see_the_nodes():
    """Crops of noise two and two the same, but for what the second shows near the middle."""
    rng, shape = np.random.default_rng(3), (31, 31, 31)
    middle = ball(shape, (15, 15, 15), 4.9)  # of 8 mm, as far as 3 mm round a node of 5 mm
    noise = [rng.normal(100, 20, shape) for _ in range(20)]
    crops = [noise[k // 2] + 100 * (k % 2) * middle for k in range(40)]
    crops = [crop.clip(0, 255).astype(np.uint8) for crop in crops]
    belief = read_surroundings(crops, [1.6 * SPACING] * 40, [5.0] * 40, 0)
    assert (belief[::2] == belief[1::2]).all()
