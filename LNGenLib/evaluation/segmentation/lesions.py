"""What a segmentation found of a scan's lymph nodes: voxels, and nodes one by one by size."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from LNGenLib.evaluation.segmentation.causes import count_causes
from LNGenLib.image.components import components, instances
from LNGenLib.structure.tsdf import diameter, surface

LEAST_IOU = 0.1  # of a node and what was found of it, to count as found
LEAST_SHARE = LEAST_IOU  # of a node's voxels that a finding has, to hold it
BINS = {"1.7-5 mm": 5.0, "5-10 mm": 10.0, ">10 mm": np.inf}  # long axis below


@dataclass(frozen=True)
class ScanScore:
    """Of one scan: voxels that truth and finding share and that each has; by size bin the number of
    lymph nodes, of those found, and of findings that are none.

    A node is of the bin of its own long axis, a false finding of that of its own. A finding holds
    a node when it has a tenth of its voxels: nodes that none holds are `missed`, those that several
    hold are `split`, and those that share one with another node are `merged`. A node may be both
    split and merged, and found or not; one that is neither found nor missed is held by a finding
    that is too large, or that is another node's. `causes` counts the false findings by what lies
    there, bowel, vessel, muscle or other; it is empty where the scan's organs are not known.
    """

    id: str
    patient: str
    shared: int
    truth: int
    found: int
    nodes: dict[str, int]
    detected: dict[str, int]
    false: dict[str, int]
    missed: dict[str, int]
    split: dict[str, int]
    merged: dict[str, int]
    causes: dict[str, int]


def score(
    id: str,
    patient: str,
    truth: np.ndarray,
    found: np.ndarray,
    spacing: np.ndarray,
    organs: np.ndarray | None = None,
) -> ScanScore:
    """The score of a mask `found` against `truth`, both (z, y, x), `spacing` in mm.

    Where `truth` has several values they are instances, else its 26-connected components are; so
    are those of `found`. Findings and nodes are matched one to one, so that the sum of IoU is
    largest; pairs below an IoU of 0.1 don't count (picai_eval's rule,
    https://github.com/DIAGNijmegen/picai_eval). `organs` (z, y, x), in the numbers of
    `LNGenLib.scan.totalsegmentator`, tell the `causes`.
    """
    nodes, findings = instances(truth), components(found > 0)[0]
    node_sizes, finding_sizes = (np.bincount(labels.ravel()) for labels in (nodes, findings))
    both = (nodes > 0) & (findings > 0)
    shared = np.zeros((len(node_sizes), len(finding_sizes)))
    np.add.at(shared, (nodes[both], findings[both]), 1)
    iou = shared / np.maximum(node_sizes[:, None] + finding_sizes - shared, 1)
    iou[iou < LEAST_IOU] = 0
    pairs = [(a, b) for a, b in zip(*linear_sum_assignment(-iou)) if iou[a, b] > 0]
    detected, true = ({int(pair[k]) for pair in pairs} for k in range(2))
    held = shared / np.maximum(node_sizes[:, None], 1) >= LEAST_SHARE
    kinds: dict[str, set[int]] = {
        "detected": detected,
        "missed": set(np.flatnonzero(~held.any(1))),
        "split": set(np.flatnonzero(held.sum(1) > 1)),
        "merged": set(np.flatnonzero(held[:, held.sum(0) > 1].any(1))),
    }
    counts = {name: dict.fromkeys(BINS, 0) for name in ("nodes", "false", *kinds)}
    for number, size in size_bins(nodes, spacing):
        counts["nodes"][size] += 1
        for kind, those in kinds.items():
            counts[kind][size] += number in those
    false = dict(size_bins(findings, spacing, but=true))
    for size in false.values():
        counts["false"][size] += 1
    causes = {} if organs is None else count_causes(findings, false, organs, spacing)
    shared_voxels, truth_voxels, found_voxels = (
        int(mask.sum()) for mask in (both, nodes > 0, findings > 0)
    )
    return ScanScore(
        id, patient, shared_voxels, truth_voxels, found_voxels, causes=causes, **counts
    )


def size_bins(
    labels: np.ndarray, spacing: np.ndarray, but: Collection[int] = ()
) -> Iterator[tuple[int, str]]:
    """Each of the `labels` (z, y, x) but some, and its size bin; `spacing` in mm."""
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if box is not None and number not in but:
            yield number, size_bin(labels[box] == number, spacing)


def size_bin(mask: np.ndarray, spacing: np.ndarray) -> str:
    """The bin of a mask (z, y, x) cut out to its box; measured where the box leaves a doubt."""
    extent = np.array(mask.shape) * spacing
    least, most = bin_of(float(extent.max())), bin_of(float(np.linalg.norm(extent)))
    return least if least == most else bin_of(long_axis(mask, spacing))


def bin_of(size: float) -> str:
    """The bin of a long axis in mm; smaller ones than 1.7 mm count with the smallest."""
    return next(name for name, below in BINS.items() if size < below)


def long_axis(mask: np.ndarray, spacing: np.ndarray) -> float:
    """Largest distance in mm between two points of the surface half-way out of a mask (z, y, x)."""
    distance = 0.5 - np.pad(mask, 1).astype(np.float32)
    return diameter(surface(distance, tuple(spacing))[0])[0]
