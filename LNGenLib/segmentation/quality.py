"""Synthetic lymph nodes that a segmentor trained on real data finds implausible, taken out.

The share that goes is the same in each size bin: by one bar for all, the small and hard ones would
go, which are those worth learning. After FreeTumor (https://arxiv.org/abs/2406.01264).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from LNGenLib.datasets.case import Case
from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.layouts import RECORDS
from LNGenLib.datasets.writing import Plain
from LNGenLib.errors import InputError
from LNGenLib.evaluation.lesions import size_bin
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.io import like, marked_synthetic, read_image, to_array
from LNGenLib.segmentation.inference import Segmentor

DROPPED = 0.25  # of each size bin

Report = Callable[[str, int, int], None]  # stage, steps done, steps


def filter_cases(
    synthetic: Path, real: Sequence[Case], segmentor: Segmentor, output: Path, report: Report
) -> dict[str, int]:
    """Write the cases of a data set of `lngen dataset` to `output`, a folder a case, without their
    implausible lymph nodes; returns the number of `nodes` and of those `dropped`.

    `real` are the cases of which the synthetic ones were made. Raises InputError where one is
    missing.
    """
    cases, originals = read_cases(synthetic), {case.id: case for case in real}
    scores, bins = {}, {}
    for number, case in enumerate(cases):
        report("judging", number, len(cases))
        if _source(case) not in originals:
            raise InputError(
                f"{case.id} was made of {_source(case)}, which is not in the real cases"
            )
        ct, nodes = case.load()[0], _nodes(case)
        probability = to_array(segmentor.probability(ct))
        scores |= {(case.id, k): p for k, p in plausibility(probability, nodes).items()}
        bins |= {(case.id, k): size for k, size in size_bins(nodes, array_spacing(ct)).items()}
    dropped = implausible(scores, bins)
    for number, case in enumerate(cases):
        report("writing", number, len(cases))
        if not (output / case.id).exists():
            own = {label for id, label in dropped if id == case.id}
            _write_filtered(case, originals[_source(case)], own, Plain(output))
    return {"nodes": len(scores), "dropped": len(dropped)}


def _write_filtered(case: Case, source: Case, dropped: set[int], writer: Plain) -> None:
    started = time.monotonic()
    (original, real), ct, about = source.load(), case.load()[0], _about(case)
    hu, nodes = without_nodes(to_array(ct), to_array(original), _nodes(case), dropped)
    label = nodes > 0 if real is None else (nodes > 0) | (to_array(real) > 0)
    arrays = hu, label.astype(np.uint8), nodes
    ct, label, nodes = (marked_synthetic(like(array, ct)) for array in arrays)
    records = [record for record in about.get("records", []) if record["label"] not in dropped]
    seconds = round(about.get("seconds", 0) + time.monotonic() - started, 2)
    about |= {"records": records, "dropped": sorted(dropped), "seconds": seconds}
    writer.write(case.id, ct, label, about, nodes)


def _beside(case: Case) -> tuple[Path, Path]:
    """The instance labels of a synthetic case, and what is told about it."""
    folder = case.image.parent
    if (folder / "nodes.json").exists():
        return folder / "nodes.nii.gz", folder / "nodes.json"
    name, above = case.id, folder.parent
    return above / "nodes" / f"{name}.nii.gz", above / RECORDS / f"{name}.json"


def _nodes(case: Case) -> np.ndarray:
    return to_array(read_image(_beside(case)[0])).astype(np.uint16)


def _about(case: Case) -> dict[str, Any]:
    try:
        return json.loads(_beside(case)[1].read_text())
    except OSError as error:
        raise InputError(f"{case.image} was not written by lngen dataset: {error}") from error


def _source(case: Case) -> str:
    return _about(case).get("source", case.patient)


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
