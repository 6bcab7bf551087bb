"""Real lymph nodes of a scan, or bodies that look like some, and for each a painted twin: about its
size and as deep in fat, elsewhere in the same scan."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.datasets.case import Case
from LNGenLib.errors import InputError
from LNGenLib.evaluation.realism.matched_controls import depth_in_fat
from LNGenLib.evaluation.realism.specimens import (
    SURROUNDINGS,
    Specimen,
    find_specimens,
    specimen_of,
)
from LNGenLib.evaluation.segmentation.lesions import long_axis
from LNGenLib.image.components import instances
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import Box, inside_grid
from LNGenLib.image.hu import FAT, SOFT_TISSUE
from LNGenLib.image.io import like, to_array
from LNGenLib.placement.candidate_region import NoPlace, deep, find_region
from LNGenLib.progress import Progress
from LNGenLib.randomness import case_seed
from LNGenLib.scan import Scan
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.sizes import LARGEST, Sizes
from LNGenLib.synthesis.engine import paint, plan
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import enhancement_like
from LNGenLib.synthesis.realizing import draw_structures, lymph_nodes
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.texture.dataset import Body, LabeledScan

SMALLEST = 3.0  # mm: smaller ones can hardly be seen, real or painted
LEAST_FAT = 0.7  # share of fat just round bodies that look like lymph nodes
LEAST_ROUND = 0.2  # of a ball of their long axis, which vessels and sheets do not fill
NEAR, LEAST_KNOWN = (4.0, 7.0), 0.2  # mm, and the share there that is known to be fat of the body
CANDIDATES = 6  # painted ones for each twin, of which the most alike are taken
CANDIDATES_IN_ALL = (24, 300)
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
    body = deep(ct)
    found = _bodies(case.id, scan, ct, body) if nodes is None else _labeled(case.id, scan, nodes)
    real = [one for one in found if SMALLEST <= one.long_axis <= LARGEST]
    if not real:
        raise InputError("it shows no lymph node, or body like one, of 3 to 30 mm")
    taken = np.zeros(scan.hu.shape, np.uint8) if nodes is None else to_array(nodes)
    for one in real:
        taken[one.box] |= one.mask
    region = body & (depth_in_fat(scan) <= np.percentile([_room(one) for one in real], 90))
    own = Scan(ct, region=like(region.astype(np.uint8), ct), avoid=like(taken, ct))
    sizes = [one.long_axis for one in real]
    request = SynthesisRequest(
        int(np.clip(CANDIDATES * min(count, len(real)), *CANDIDATES_IN_ALL)),
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
        box = ndimage.find_objects(labels)[record.label - 1]
        shown = _body(labels[box] == record.label, box, scan.spacing)
        about = {"seed": request.seed, **dataclasses.asdict(record)}
        again = specimen_of(case.id, finished, _body_of(real[k]))
        twins.append(Twins(again, specimen_of(case.id, finished, shown), about))
    return Painted(result.ct, twins)


def _bodies(name: str, scan: LabeledScan, ct: sitk.Image, inside: np.ndarray) -> list[Specimen]:
    """What looks like a lymph node: bodies with fat round them that a painted one could lie in, and
    not stool, say."""
    region = find_region(ct, None, inside)
    free = np.zeros(scan.hu.shape, bool)
    free[region.box] = region.fat.whole() & ~region.forbidden
    found = []
    for one in find_specimens(name, scan):
        far = ndimage.distance_transform_edt(~one.mask, sampling=one.spacing)
        ring = free[one.box][(far > NEAR[0]) & (far <= NEAR[1])]
        body = _body_of(one)
        volume, ball = body.mask.sum() * one.spacing.prod(), np.pi / 6 * body.long_axis**3
        if one.fat >= LEAST_FAT and ring.mean() >= LEAST_KNOWN and volume >= LEAST_ROUND * ball:
            found.append(specimen_of(name, scan, body))
    return found


def _labeled(name: str, scan: LabeledScan, nodes: sitk.Image) -> list[Specimen]:
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


def _room(one: Specimen) -> float:
    """mm from the middle of a node to what is neither fat nor the node."""
    near = ndimage.binary_dilation(one.mask, np.ones((3, 3, 3)))
    other = ~LabeledScan(one.hu, one.spacing, None).between(FAT[0], SOFT_TISSUE[0]) & ~near
    middle = np.argwhere(one.mask).mean(0)
    far = (np.argwhere(other) - middle) * one.spacing
    return float(np.linalg.norm(far, axis=1).min(initial=SURROUNDINGS))


def _shown_at(place: LymphNode, name: str, scan: LabeledScan) -> Specimen:
    """What lies round a lymph node that is not painted yet."""
    box = inside_grid(place.box(0), scan.hu.shape)
    occupancy = place.occupancy(box)
    mask = occupancy >= min(0.5, occupancy.max())
    return specimen_of(name, scan, _body(mask, box, scan.spacing))


def _match(real: list[Specimen], places: list[Specimen]) -> list[tuple[int, int]]:
    """Pairs of a real node and a place, by their numbers, each used once, the most alike first.

    In size, in depth in fat and in the fat just round them they differ by no more than a caliper;
    the nearest in what surrounds them come first, so that it tells nothing.
    """
    ours, theirs = (np.stack([one.matched_by() for one in group]) for group in (real, places))
    allowed = np.abs(ours[:, None] - theirs[None]).max(2) <= 1
    ours, theirs = (np.stack([_surroundings(one) for one in group]) for group in (real, places))
    spread = np.vstack([ours, theirs]).std(0) + 1e-6
    apart = np.sqrt((((ours[:, None] - theirs[None]) / spread) ** 2).mean(2))
    pairs: dict[int, int] = {}
    for i, j in zip(
        *(axis.tolist() for axis in np.unravel_index(apart.argsort(None), apart.shape))
    ):
        if allowed[i, j] and i not in pairs and j not in pairs.values():
            pairs[i] = j
    return list(pairs.items())


def _surroundings(one: Specimen) -> np.ndarray:
    """What rings round a node show: shares of fat and of what is denser than fat, mean HU."""
    hu = ndimage.gaussian_filter(one.hu, (0, 1, 1))
    far = ndimage.distance_transform_edt(~one.mask, sampling=one.spacing)
    found = [one.depth, one.fat]
    for inner, outer in RINGS:
        ring = hu[(far > inner) & (far <= outer)]
        found += [(ring < FAT[1]).mean(), (ring > SOFT_TISSUE[0]).mean(), ring.mean().clip(-200)]
    return np.array(found)
