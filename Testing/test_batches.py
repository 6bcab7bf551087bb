"""Networks sample in batches beside one another; what they draw does not depend on that."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from LNGenLib.errors import Canceled
from LNGenLib.image.io import to_array
from LNGenLib.latent.batches import in_batches
from LNGenLib.latent.convolution import quickest_precision
from LNGenLib.progress import SILENT, Progress
from LNGenLib.scan import Scan
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.request import SynthesisRequest

FIVE = SynthesisRequest(5, Sizes("uniform", 4.0, 14.0), 11)


@pytest.fixture
def threads():
    """Sets how many threads torch has."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("count, most, most_threads", [(1, 8, 4), (5, 8, 2), (9, 2, 3), (3, 1, 1)])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_samples_come_in_order_from_batches_as_even_as_they_can_be(
    threads, count, most, most_threads, device
):
    threads(most_threads)
    sizes = []

    def draw(part, progress):
        sizes.append(part.stop - part.start)
        return list(range(part.start, part.stop))

    assert in_batches(draw, count, most, device, SILENT) == list(range(count))
    assert max(sizes) <= most and max(sizes) - min(sizes) <= 1
    wanted = -(-count // most)
    assert len(sizes) == (max(wanted, min(most_threads, count)) if device == "cpu" else wanted)


def test_a_batch_has_one_thread_and_torch_keeps_its_own(threads):
    threads(3)
    seen = in_batches(lambda *_: [torch.get_num_threads()], 3, 1, "cpu", SILENT)
    assert seen == [1, 1, 1] and torch.get_num_threads() == 3
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [3]


def test_steps_of_all_batches_count_and_a_cancellation_ends_them(threads):
    threads(2)
    steps = []
    progress = Progress(lambda *step: steps.append(step), lambda: len(steps) > 10)
    progress.stage("structures")

    def draw(part, own):
        for k in range(4):
            own.step(k + 1, 4)
        return [part]

    in_batches(draw, 2, 1, "cpu", progress)
    assert steps[-1] == ("structures", 8, 8) and [s[1] for s in steps[1:]] == sorted(range(1, 9))
    with pytest.raises(Canceled):
        in_batches(draw, 4, 1, "cpu", progress)


def test_a_fault_in_a_batch_is_raised(threads):
    threads(2)

    def draw(part, _):
        if part.start:
            raise ValueError("of the second")
        return [0]

    with pytest.raises(ValueError, match="of the second"):
        in_batches(draw, 2, 1, "cpu", SILENT)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_nodes_do_not_depend_on_what_is_sampled_beside_them(phantom, threads, precision):
    """One at a time, and all of them on several threads: the same to the last bit."""
    if precision is torch.bfloat16 and quickest_precision("cpu") is torch.float32:
        pytest.skip("this CPU has no instructions for bfloat16, in which it is used")
    models, results = Models("cpu"), []
    for model in (models.structure, models.texture):
        model.precision = precision
    for most, count in ((1, 1), (None, 2)):
        models.limit_batches(most)
        threads(count)
        results.append(synthesize(Scan(phantom.ct, phantom.labels), FIVE, models))
    slow, fast = results
    for name in ("nodes", "ct"):
        assert np.array_equal(to_array(getattr(slow, name)), to_array(getattr(fast, name)))


def test_bfloat16_paints_what_single_precision_does(phantom, models):
    """But for roundings, far below any scan's noise."""
    own, painted = Models("cpu"), {}
    own.structure.precision = torch.float32
    for own.texture.precision in (torch.float32, torch.bfloat16):
        result = synthesize(Scan(phantom.ct, phantom.labels), FIVE, own)
        painted[own.texture.precision] = to_array(result.ct).astype(int), to_array(result.nodes)
    (single, nodes), (half, same) = painted.values()
    assert np.array_equal(nodes, same)
    apart = (single - half)[nodes > 0]
    assert apart.any() and np.sqrt((apart**2).mean()) < 1.5
