"""Synthetic lymph nodes that a segmentor trained on real data finds implausible, taken out.

The share that goes is the same in each size bin: by one bar for all, the small and hard ones would
go, which are those worth learning. After FreeTumor (https://arxiv.org/abs/2406.01264).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from LNGenLib.evaluation.lesions import size_bin

DROPPED = 0.25  # of each size bin


def plausibility(probability: np.ndarray, nodes: np.ndarray) -> dict[int, float]:
    """Mean probability of a lymph node inside each label of `nodes`, both (z, y, x)."""
    labels = np.unique(nodes[nodes > 0])
    means = ndimage.mean(probability, nodes, labels) if len(labels) else []
    return {int(label): float(mean) for label, mean in zip(labels, means)}


def size_bins(nodes: np.ndarray, spacing: np.ndarray) -> dict[int, str]:
    """The size bin of each label of `nodes` (z, y, x); `spacing` in mm."""
    boxes = enumerate(ndimage.find_objects(nodes), 1)
    return {
        label: size_bin(nodes[box] == label, spacing) for label, box in boxes if box is not None
    }


def implausible(
    scores: Mapping[tuple[str, int], float], bins: Mapping[tuple[str, int], str]
) -> set[tuple[str, int]]:
    """Of nodes, each a case and a label, the least plausible quarter of each size bin."""
    dropped = set()
    for size in set(bins.values()):
        own = sorted((node for node in scores if bins[node] == size), key=lambda n: (scores[n], n))
        dropped.update(own[: int(len(own) * DROPPED)])
    return dropped


def without_nodes(
    hu: np.ndarray, original: np.ndarray, nodes: np.ndarray, dropped: set[int]
) -> tuple[np.ndarray, np.ndarray]:
    """HU and labels (z, y, x) with the dropped nodes undone: voxels nearest to them are those of
    the original again."""
    nearest = ndimage.distance_transform_edt(
        nodes == 0, return_distances=False, return_indices=True
    )
    undone = np.isin(nodes[tuple(nearest)], list(dropped)) & (hu != original)
    kept = np.where(np.isin(nodes, list(dropped)), 0, nodes)
    return np.where(undone, original, hu), kept
