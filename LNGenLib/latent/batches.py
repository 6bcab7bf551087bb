"""Sampling in batches: on the CPU beside one another, each on a thread of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from LNGenLib.progress import Progress

T = TypeVar("T")


def most_together(most: int, device: str, precision: torch.dtype) -> int:
    """Samples a batch, of at most `most`, so that on the CPU each is what it would be alone.

    oneDNN's convolutions in bfloat16 give a sample the same numbers in any batch. In single
    precision they do not, and one at a time takes no longer.
    """
    return 1 if device == "cpu" and precision is torch.float32 else most


def in_batches(
    draw: Callable[[slice, Progress], list[T]],
    count: int,
    most: int,
    device: str,
    progress: Progress,
) -> list[T]:
    """What `draw` gives of each slice of `count` samples, at most `most` of them, with the progress
    of its own, one after the other.

    On the CPU each batch is computed on one thread, and as many at a time as torch has threads.
    Several threads for one batch would wait for one another at every layer, which takes long where
    one of them has to share its CPU. What the threads raise is raised here.
    """
    threads = torch.get_num_threads()
    batches = max(math.ceil(count / most), min(threads if device == "cpu" else 1, count))
    ends = [count * k // batches for k in range(batches + 1)]
    parts = [slice(start, stop) for start, stop in zip(ends, ends[1:])]
    own = progress.parts(batches)
    if device != "cpu":
        return [sample for part in zip(parts, own) for sample in draw(*part)]
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return [sample for drawn in pool.map(draw, parts, own) for sample in drawn]
    finally:
        torch.set_num_threads(threads)  # what it was for threads that begin later
