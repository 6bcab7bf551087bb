"""Laws of the long axis: their shares, their bounds, and the draws of earlier versions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from LNGenLib.datasets.manifest import DatasetSettings
from LNGenLib.errors import InputError
from LNGenLib.randomness import node_rng
from LNGenLib.service.protocol.requests import StructuresRequest
from LNGenLib.structure.sizes import LARGEST, LAWS, SMALLEST, Sizes
from LNGenLib.synthesis.request import SynthesisRequest


def drawn(sizes: Sizes, seed: int, count: int = 1000) -> np.ndarray:
    """As the command line draws them."""
    return np.array([sizes.draw(node_rng(seed, k, "size")) for k in range(count)])


@pytest.mark.parametrize("seed", range(5))
def test_uniform_sizes_are_uniform(seed):
    law = stats.uniform(SMALLEST, LARGEST - SMALLEST)
    assert stats.kstest(drawn(Sizes("uniform"), seed), law.cdf).statistic <= 0.06


def test_uniform_draws_are_the_ones_of_earlier_versions():
    wanted = [node_rng(3, k, "size").uniform(4.0, 20.0) for k in range(10)]
    assert drawn(Sizes("uniform", 4.0, 20.0), 3, 10).tolist() == wanted


@pytest.mark.parametrize("seed", range(5))
def test_most_clinical_sizes_are_of_3_to_10_mm_and_few_above(seed):
    sizes = drawn(Sizes("clinical"), seed, 4000)
    assert SMALLEST <= sizes.min() and sizes.max() <= LARGEST
    assert 0.85 <= np.mean((sizes >= 3) & (sizes <= 10)) <= 0.90
    assert 0.05 <= np.mean(sizes > 10) <= 0.08
    assert np.median(sizes) == pytest.approx(5.5, rel=0.03)


def test_sizes_are_clinical_where_nothing_else_is_said():
    assert Sizes() == Sizes("clinical", SMALLEST, LARGEST)
    assert SynthesisRequest().sizes == StructuresRequest().sizes == Sizes("clinical")
    assert SynthesisRequest.from_json({"count": 2}).sizes == Sizes("clinical")
    assert DatasetSettings().sizes == Sizes("clinical")


@pytest.mark.parametrize("law", LAWS)
def test_quantiles_are_those_of_the_draws(law):
    sizes, shares = Sizes(law, 3, 20), (0.1, 0.5, 0.9)
    expected = np.quantile(drawn(sizes, 0, 4000), shares)
    assert [sizes.quantile(share) for share in shares] == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("law", LAWS)
def test_bins_share_every_size_and_only_the_last_is_closed(law):
    """As the panel's histogram and the counts of refusals have them."""
    bins = [(1.7, 5), (5, 10), (10, 20), (20, 30)]
    for sizes in (Sizes(law), Sizes(law, 3, 12), Sizes(law, 30, 30), Sizes(law, 10, 10)):
        assert sum(sizes.share(*ends) for ends in bins) == pytest.approx(1)
    assert [Sizes(law, 30, 30).share(*ends) for ends in bins] == [0, 0, 0, 1]
    assert [Sizes(law, 10, 10).share(*ends) for ends in bins] == [0, 0, 1, 0]


def test_bounds_cut_the_clinical_law_and_keep_its_shape():
    """Where both bounds leave room, two sizes are as likely to each other as without bounds."""
    sizes, cut = drawn(Sizes("clinical"), 0, 4000), drawn(Sizes("clinical", 3, 12), 1, 4000)
    kept = sizes[(sizes >= 3) & (sizes <= 12)]
    assert 3 <= cut.min() and cut.max() <= 12
    assert stats.ks_2samp(kept, cut).statistic < 0.04


BOUND = st.floats(SMALLEST, LARGEST)


@given(st.sampled_from(LAWS), BOUND, BOUND, st.integers(0, 2**32))
def test_any_size_lies_within_any_bounds(law, one, other, seed):
    low, high = sorted((one, other))
    size = Sizes(law, low, high).draw(np.random.default_rng(seed))
    assert isinstance(size, float)
    assert low <= size <= high


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("bound", [SMALLEST, 5.0, LARGEST])
def test_equal_bounds_give_one_size(law, bound):
    assert set(drawn(Sizes(law, bound, bound), 0, 20)) == {bound}


@pytest.mark.parametrize(
    "low, high, word",
    [
        (1.6, 5.0, "within 1.7 to 30 mm"),
        (math.nextafter(SMALLEST, 0), 5.0, "within 1.7 to 30 mm"),
        (5.0, math.nextafter(LARGEST, 99), "within 1.7 to 30 mm"),
        (5.0, math.inf, "within 1.7 to 30 mm"),
        (9.0, 5.0, "MIN <= MAX"),
        (math.nan, 5.0, "long axis nan"),
        (5.0, math.nan, "to nan mm"),
    ],
)
@pytest.mark.parametrize("law", LAWS)
def test_bounds_out_of_range_are_refused(law, low, high, word):
    with pytest.raises(InputError, match=word):
        Sizes(law, low, high)


def test_an_unknown_law_is_refused():
    with pytest.raises(InputError, match="sizes normal: give uniform or clinical"):
        Sizes("normal")
