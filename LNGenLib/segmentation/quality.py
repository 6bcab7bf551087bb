"""Synthetic lymph nodes that a segmentor trained on real data finds implausible, taken out.

The share that goes is the same in each size bin: by one bar for all, the small and hard ones would
go, which are those worth learning. After FreeTumor (https://arxiv.org/abs/2406.01264).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.datasets.case import Case
from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.layouts import RECORDS
from LNGenLib.datasets.writing import Plain
from LNGenLib.errors import InputError
from LNGenLib.evaluation.segmentation.lesions import size_bins
from LNGenLib.files import read_json
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.io import check_same_geometry, like, marked_synthetic, read_labels, to_array
from LNGenLib.progress import Progress
from LNGenLib.segmentation.inference import Segmentor

DROPPED = 0.25  # of each size bin


class Filtered(NamedTuple):
    """How many lymph nodes were scored and taken out, and why cases were left out."""

    nodes: int
    dropped: int
    left_out: dict[str, str]


def filter_cases(
    synthetic: Path, real: Sequence[Case], segmentor: Segmentor, output: Path, progress: Progress
) -> Filtered:
    """Write the cases of a data set of `lngen dataset` to `output`, a folder a case, without their
    implausible lymph nodes.

    `real` are the cases of which the synthetic ones were made. A case that can't be used, or whose
    source can't, is left out. Raises InputError where none can be used.
    """
    cases, originals = read_cases(synthetic), {case.id: case for case in real}
    scores: dict[tuple[str, int], float] = {}
    bins: dict[tuple[str, int], str] = {}
    usable, left_out = [], {}
    for number, case in enumerate(cases):
        progress.advance("judging", number, len(cases))
        try:
            ct, record = case.load().ct, _record(case)
            source = _source(case, record, originals)
            original = source.load().ct  # shares are of those that are written
            check_same_geometry(original, ct, str(case.image))
            nodes = _nodes(case, ct)
            probability = to_array(segmentor.probability(ct))
        except InputError as error:
            left_out[case.id] = str(error)
            continue
        scores |= {(case.id, k): p for k, p in plausibility(probability, nodes).items()}
        bins |= {(case.id, k): size for k, size in size_bins(nodes, array_spacing(ct))}
        usable.append((case, source, record))  # voxels of all cases would fill the memory
    if not usable:
        raise InputError(f"no case can be used; {next(iter(left_out.values()))}")
    dropped = implausible(scores, bins)
    for number, (case, source, record) in enumerate(usable):
        progress.advance("writing", number, len(usable))
        if not (output / case.id).exists():
            own = {label for id, label in dropped if id == case.id}
            _write_filtered(case, source, record, own, Plain(output))
    return Filtered(len(scores), len(dropped), left_out)


def _write_filtered(
    case: Case, source: Case, record: dict[str, Any], dropped: set[int], writer: Plain
) -> None:
    started = time.monotonic()
    original, ct = source.load(), case.load().ct
    hu, nodes = without_nodes(to_array(ct), to_array(original.ct), _nodes(case, ct), dropped)
    images = {"ct": marked_synthetic(like(hu, ct)), "nodes": marked_synthetic(like(nodes, ct))}
    images["label"] = original.mask_with(images["nodes"])
    about = record | {
        "records": [one for one in record.get("records", []) if one["label"] not in dropped],
        "dropped": sorted(dropped),
        "seconds": round(record.get("seconds", 0) + time.monotonic() - started, 2),
        "labels": original.values,
    }
    writer.write(case.id, images, about)


def _beside(case: Case) -> tuple[Path, Path]:
    """The files of a synthetic case's instance labels, and of its record."""
    folder = case.image.parent
    if (folder / "nodes.json").exists():
        return folder / "nodes.nii.gz", folder / "nodes.json"
    name, above = case.id, folder.parent
    return above / "nodes" / f"{name}.nii.gz", above / RECORDS / f"{name}.json"


def _nodes(case: Case, ct: sitk.Image) -> np.ndarray:
    return to_array(read_labels(_beside(case)[0], ct))


def _record(case: Case) -> dict[str, Any]:
    file = _beside(case)[1]
    if not file.exists():
        raise InputError(f"{case.image} was not written by lngen dataset: {file} is missing")
    return read_json(file)


def _source(case: Case, record: Mapping[str, Any], originals: Mapping[str, Case]) -> Case:
    """The real case of which a synthetic one was made."""
    name = record.get("source", case.patient)
    if name not in originals:
        raise InputError(f"{case.id} was made of {name}, which is not in the real cases")
    return originals[name]


def plausibility(probability: np.ndarray, nodes: np.ndarray) -> dict[int, float]:
    """Mean probability of a lymph node inside each label of `nodes`, both (z, y, x)."""
    labels = np.unique(nodes[nodes > 0])
    means = ndimage.mean(probability, nodes, labels) if len(labels) else []
    return {int(label): float(mean) for label, mean in zip(labels, means)}


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
