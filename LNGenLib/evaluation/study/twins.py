"""Real lymph nodes of a scan, or bodies that look like some, and for each a painted twin: about its
size and as deep in fat, elsewhere in the same scan."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage, optimize

from LNGenLib.datasets.case import Case
from LNGenLib.errors import InputError
from LNGenLib.evaluation.realism.specimens import Specimen, find_specimens, specimen_of
from LNGenLib.evaluation.segmentation.lesions import long_axis
from LNGenLib.image.components import instances
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import Box, inside_grid
from LNGenLib.image.hu import FAT, SOFT_TISSUE
from LNGenLib.image.io import like, to_array
from LNGenLib.placement.candidate_region import NoPlace, deep
from LNGenLib.progress import Progress
from LNGenLib.randomness import case_seed
from LNGenLib.scan import Scan
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.sizes import LARGEST, Sizes
from LNGenLib.synthesis.engine import paint, plan
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import enhancement_like
from LNGenLib.synthesis.realizing import draw_structures, lymph_nodes
from LNGenLib.synthesis.request import MOST_NODES, SynthesisRequest
from LNGenLib.texture.dataset import Body, LabeledScan

SMALLEST = 3.0  # mm: smaller ones can hardly be seen, real or painted
LEAST_FAT = 0.5  # share of fat round bodies that look like lymph nodes
CANDIDATES = 6  # painted ones for each twin, of which the most alike are taken
RINGS = ((2.0, 6.0), (6.0, 14.0))  # mm round a node


@dataclass(frozen=True, eq=False)
class Twins:
    """A real lymph node and its painted twin, as the CT with all that was painted shows them; the
    twin's record and the seed of its draws, as JSON takes them."""

    real: Specimen
    painted: Specimen
    record: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Painted:
    """A scan with all of its twins painted into one CT (axes LPS), so that no crop of it shows what
    another one lacks."""

    ct: sitk.Image
    twins: list[Twins]


def paint_twins(case: Case, count: int, models: Models, seed: int, progress: Progress) -> Painted:
    """Up to `count` real nodes of a case and their twins.

    Real ones are the labeled lymph nodes, or where there are no labels bodies that look like some.
    Raises InputError for a case that can't be used, and where none has a twin.
    """
    loaded = case.load()
    ct = sitk.DICOMOrient(loaded.ct, "LPS")
    nodes = None if loaded.nodes is None else sitk.DICOMOrient(loaded.nodes, "LPS")
    scan = LabeledScan(to_array(ct), array_spacing(ct), None)
    real = [one for one in _real(case.id, scan, nodes) if SMALLEST <= one.long_axis <= LARGEST]
    if not real:
        raise InputError("it shows no lymph node, or body like one, of 3 to 30 mm")
    taken = np.zeros(scan.hu.shape, np.uint8) if nodes is None else to_array(nodes)
    for one in real:
        taken[one.box] |= one.mask
    own = Scan(ct, region=like(deep(ct).astype(np.uint8), ct), avoid=like(taken, ct))
    sizes = [one.long_axis for one in real]
    request = SynthesisRequest(
        min(CANDIDATES * count, MOST_NODES),
        Sizes("uniform", min(sizes), max(sizes)),
        case_seed(seed, case.id),
        allow_fewer=True,
        enhancement=None if nodes is None else enhancement_like(ct, nodes),
    )
    try:
        drawn = plan(own, request, models, progress)
    except NoPlace as error:
        raise InputError("no painted lymph node fits into it") from error
    places = lymph_nodes(drawn, draw_structures(drawn, models.structure, progress).structures, ct)
    pairs = _match(real, [_shown_at(place, case.id, scan) for place in places])[:count]
    if not pairs:
        raise InputError("no place for a painted lymph node is like that of a real one")
    chosen = sorted((place, body) for body, place in pairs)  # as the plan lists them
    kept = dataclasses.replace(drawn, nodes=tuple(drawn.nodes[k] for k, _ in chosen))
    result = paint(own, kept, models=models, progress=progress)
    finished = LabeledScan(to_array(result.ct), scan.spacing, None)
    labels = to_array(result.nodes)
    twins = []
    for (_, k), record in zip(chosen, result.records, strict=True):
        own_box = ndimage.find_objects(labels)[record.label - 1]
        body = _body(labels[own_box] == record.label, own_box, scan.spacing)
        about = {"seed": request.seed, **dataclasses.asdict(record)}
        again = specimen_of(case.id, finished, _body_of(real[k]))
        twins.append(Twins(again, specimen_of(case.id, finished, body), about))
    return Painted(result.ct, twins)


def _real(name: str, scan: LabeledScan, nodes: sitk.Image | None) -> list[Specimen]:
    """The labeled lymph nodes of a scan, or what looks like some."""
    if nodes is None:
        bodies = [one for one in find_specimens(name, scan) if one.fat >= LEAST_FAT]
        return [specimen_of(name, scan, _body_of(one)) for one in bodies]
    labels = instances(to_array(nodes))
    boxes = enumerate(ndimage.find_objects(labels), 1)
    masks = [(labels[box] == k, box) for k, box in boxes if box is not None]
    return [specimen_of(name, scan, _body(*each, scan.spacing)) for each in masks]


def _body(mask: np.ndarray, box: Box, spacing: np.ndarray) -> Body:
    """A body of a mask, with the long axis of its surface."""
    return Body(mask, box, long_axis(mask, spacing))


def _body_of(one: Specimen) -> Body:
    (inner,) = ndimage.find_objects(one.mask.astype(np.uint8))
    z, y, x = (slice(b.start + s, b.stop + s) for b, s in zip(inner, one.start.tolist()))
    return _body(one.mask[inner], (z, y, x), one.spacing)


def _shown_at(place: LymphNode, name: str, scan: LabeledScan) -> Specimen:
    """What lies round a lymph node that is not painted yet."""
    box = inside_grid(place.box(0), scan.hu.shape)
    occupancy = place.occupancy(box)
    mask = occupancy >= min(0.5, occupancy.max())
    return specimen_of(name, scan, Body(mask, box, place.long_axis))


def _match(real: list[Specimen], places: list[Specimen]) -> list[tuple[int, int]]:
    """Pairs of a real node and a place, by their numbers, each used once, the most alike first.

    In size, in depth in fat and in the fat just round them they differ by no more than a caliper;
    of those with the same surroundings as far as these go, so that these tell nothing.
    """
    ours, theirs = (np.stack([one.matched_by() for one in group]) for group in (real, places))
    allowed = np.abs(ours[:, None] - theirs[None]).max(2) <= 1
    ours, theirs = (np.stack([_surroundings(one) for one in group]) for group in (real, places))
    spread = np.vstack([ours, theirs]).std(0) + 1e-6
    apart = np.sqrt((((ours[:, None] - theirs[None]) / spread) ** 2).mean(2))
    rows, columns = optimize.linear_sum_assignment(np.where(allowed, apart, 1e3))
    pairs = [(int(i), int(j)) for i, j in zip(rows, columns) if allowed[i, j]]
    return sorted(pairs, key=lambda pair: apart[pair])


def _surroundings(one: Specimen) -> np.ndarray:
    """What rings round a node show: shares of fat and of what is denser than fat, mean HU."""
    hu = ndimage.gaussian_filter(one.hu, (0, 1, 1))
    far = ndimage.distance_transform_edt(~one.mask, sampling=one.spacing)
    found = [one.depth]
    for inner, outer in RINGS:
        ring = hu[(far > inner) & (far <= outer)]
        found += [(ring < FAT[1]).mean(), (ring > SOFT_TISSUE[0]).mean(), ring.mean().clip(-200)]
    return np.array(found)
