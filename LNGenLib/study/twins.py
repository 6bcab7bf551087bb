"""Real lymph nodes of a scan, or bodies that look like some, and for each a painted one in its
place: what lies round them is the same, and tells nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.datasets.case import Case
from LNGenLib.errors import InputError
from LNGenLib.evaluation.realism.specimens import Specimen, specimen_of
from LNGenLib.image.geometry import array_axes, array_spacing, index_to_ras
from LNGenLib.image.grid import Box, inside_grid
from LNGenLib.image.io import like, to_array
from LNGenLib.placement.heuristic import misfit
from LNGenLib.progress import Progress
from LNGenLib.randomness import case_seed
from LNGenLib.scan import Scan
from LNGenLib.structure.frame import GRID
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.sizes import Sizes
from LNGenLib.study.bodies import claim, erased, fat_of, find_real, labeled_body
from LNGenLib.synthesis.appearance import draw_appearance
from LNGenLib.synthesis.engine import paint
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import enhancement_like
from LNGenLib.synthesis.plan import UPRIGHT, Plan, PlannedNode
from LNGenLib.synthesis.planning import as_turn
from LNGenLib.synthesis.realizing import draw_structures
from LNGenLib.synthesis.region import region_at
from LNGenLib.synthesis.request import MOST_NODES, SynthesisRequest, as_point
from LNGenLib.texture.blending import REACH
from LNGenLib.texture.dataset import LabeledScan

LOOKED_AT = 3  # bodies for each pair wanted: some leave no room for a painted one
LEAST_LOOKED_AT = 24
TRIES = 4  # structures that are tried in a place
ORIGIN = (0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Twins:
    """A real lymph node, and the painted one in its place, as `hu` (z, y, x) show it in the `box`
    of the scan; the painted one's record and the seed of its draws, as JSON takes them."""

    real: Specimen
    painted: Specimen
    box: Box
    hu: np.ndarray
    record: dict[str, Any]

    def painted_into(self, ct: sitk.Image) -> sitk.Image:
        """The scan `ct` with the painted one in the place of the real one."""
        hu = to_array(ct).copy()
        hu[self.box] = self.hu
        return like(hu, ct)

    @property
    def middle(self) -> np.ndarray:
        """The voxel (3,) of the scan in which the real one has its middle, and about the painted
        one."""
        return np.rint(np.argwhere(self.real.mask).mean(0) + self.real.start).astype(int)

    @property
    def radius(self) -> float:
        """mm from the middle to the farthest voxel of either."""
        both = [np.argwhere(one.mask) + one.start for one in (self.real, self.painted)]
        off = (np.concatenate(both) - self.middle) * self.real.spacing
        return float(np.linalg.norm(off, axis=1).max())


@dataclass(frozen=True, eq=False)
class PaintedScan:
    """A scan (axes LPS) as it was, and its twins."""

    ct: sitk.Image
    twins: list[Twins]


def paint_twins(
    case: Case, count: int, models: Models, seed: int, progress: Progress
) -> PaintedScan:
    """Up to `count` real nodes of a case, and for each a painted one in its place.

    Real ones are the labeled lymph nodes, or where there are no labels bodies that look like some.
    Raises InputError for a case that can't be used, and where painted ones fit in no place.
    """
    loaded = case.load()
    ct = sitk.DICOMOrient(loaded.ct, "LPS")
    nodes = None if loaded.nodes is None else sitk.DICOMOrient(loaded.nodes, "LPS")
    scan = LabeledScan(to_array(ct), array_spacing(ct), None)
    number = case_seed(seed, case.id)
    rng = np.random.default_rng(number)
    real = find_real(case.id, scan, ct, nodes)
    if not real:
        raise InputError("it shows no lymph node, or body like one, of 3 to 30 mm")
    most = min(max(LOOKED_AT * count, LEAST_LOOKED_AT), MOST_NODES // TRIES)
    claims = np.zeros(scan.hu.shape, np.int32)
    real = _apart([real[k] for k in rng.permutation(len(real))], claims)[:most]
    hu, scanner = scan.hu.copy(), fat_of(scan)
    for k, one in enumerate(real, 1):
        own = claims[one.box] == k
        hu[one.box][own] = np.rint(erased(one, scanner, rng))[own]
    bare = like(hu, ct)
    sizes = [one.long_axis for one in real]
    request = SynthesisRequest(
        TRIES * len(real),
        Sizes("uniform", min(sizes), max(sizes)),
        number,
        enhancement=None if nodes is None else enhancement_like(ct, nodes),
    )
    plan = _plan(real, claims, request, bare, models, progress)
    plan = replace(plan, nodes=plan.nodes[:count])
    if not plan.nodes:
        raise InputError("none of its lymph nodes, or bodies like some, could be painted over")
    result = paint(Scan(bare), plan, models=models, progress=progress)
    new, labels, twins = to_array(result.ct), to_array(result.nodes), []
    boxes = ndimage.find_objects(claims)
    for record in result.records:
        k = (record.label - 1) % len(real)
        box = boxes[k]
        alone = scan.hu.copy()
        alone[box] = np.where(claims[box] == k + 1, new[box], scan.hu[box])
        body = labeled_body(labels, record.label, scan.spacing)
        shown = specimen_of(case.id, LabeledScan(alone, scan.spacing, None), body)
        twins.append(
            Twins(real[k], shown, box, alone[box].copy(), {"seed": number, **asdict(record)})
        )
    return PaintedScan(ct, twins)


def _apart(bodies: Sequence[Specimen], claims: np.ndarray) -> list[Specimen]:
    """Those of the bodies that have room of their own, each with its claim by its number from 1."""
    kept = list[Specimen]()
    for one in bodies:
        if claim(claims, one.box, one.mask, len(kept) + 1, one.spacing):
            kept.append(one)
    return kept


def _plan(
    real: Sequence[Specimen],
    claims: np.ndarray,
    request: SynthesisRequest,
    bare: sitk.Image,
    models: Models,
    progress: Progress,
) -> Plan:
    """Lymph nodes in the place of the real ones, as long and turned like them, of those that fit
    into the CT without these, `bare`, and have room of their own, which they claim."""
    model, count = models.structure, len(real)
    sizes = [round(one.long_axis, 6) for one in real] * TRIES
    looks = [draw_appearance(request, k, size, model.looks) for k, size in enumerate(sizes)]
    draft = [
        PlannedNode(k + 1, ORIGIN, sizes[k], UPRIGHT, shape_mm=sizes[k], **vars(look))
        for k, look in enumerate(looks)
    ]
    plan = Plan(request, tuple(draft), model.description["sha256"])
    structures = draw_structures(plan, model, progress).structures
    each = zip([*real] * TRIES, structures, sizes, strict=True)
    nodes = [_in_place(*one) for one in each]
    centers = [as_point(index_to_ras(bare, node.center), 9) for node in nodes]
    region, kept = region_at(Scan(bare), centers, 0), dict[int, PlannedNode]()
    for k, node in enumerate(nodes):
        place = k % count
        if place in kept or misfit(node, region) is not None:
            continue
        box = inside_grid(node.box(2 * REACH), claims.shape)
        if claim(claims, box, node.occupancy(box) > 0, place + 1, node.spacing):
            turn = as_turn(array_axes(bare) @ node.rotation)
            kept[place] = replace(draft[k], center_ras_mm=centers[k], turn=turn)
    return replace(plan, nodes=tuple(kept.values()))


def _in_place(real: Specimen, structure: Structure, size: float) -> LymphNode:
    """A lymph node with its middle and its axes of inertia where the real one has them."""
    body, shape = np.argwhere(real.mask), np.argwhere(structure.tsdf < 0)
    rotation = _axes(body * real.spacing) @ _axes(shape).T
    off = rotation @ (shape.mean(0) - (GRID - 1) / 2) * structure.sample_mm(size)
    center = body.mean(0) + real.start - off / real.spacing
    return LymphNode(structure, size, rotation, center, real.spacing)


def _axes(points: np.ndarray) -> np.ndarray:
    """The axes of inertia of points (n, 3) as columns of a rotation (3, 3)."""
    axes = np.linalg.eigh(np.cov(points.T, ddof=0))[1]
    return axes * np.sign(np.linalg.det(axes))
