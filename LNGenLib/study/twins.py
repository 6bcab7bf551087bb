"""Real lymph nodes of a scan two and two alike, of which a coin says which one stays and which one
a painted one takes the place of: what lies round them is chance, and tells nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk

from LNGenLib.datasets.case import Case
from LNGenLib.errors import InputError
from LNGenLib.evaluation.realism.specimens import Specimen, specimen_of
from LNGenLib.image.geometry import array_axes, array_spacing, index_to_ras
from LNGenLib.image.grid import inside_grid
from LNGenLib.image.io import like, to_array
from LNGenLib.placement.candidate_region import find_region
from LNGenLib.placement.heuristic import misfit
from LNGenLib.progress import Progress
from LNGenLib.randomness import case_seed
from LNGenLib.scan import Scan
from LNGenLib.structure.frame import GRID
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.sizes import Sizes
from LNGenLib.study.bodies import (
    body_of,
    claim,
    erased,
    fat_of,
    find_real,
    labeled_body,
)
from LNGenLib.synthesis.appearance import draw_appearance
from LNGenLib.synthesis.engine import paint
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import enhancement_like
from LNGenLib.synthesis.plan import Plan, PlannedNode
from LNGenLib.synthesis.realizing import draw_structures
from LNGenLib.synthesis.request import SynthesisRequest, as_point
from LNGenLib.texture.blending import REACH
from LNGenLib.texture.dataset import LabeledScan

LOOKED_AT = 3  # for each one shown: some leave no room for a painted one, or have none alike
LEAST_LOOKED_AT = 24
ORIGIN, UNTURNED = (0.0, 0.0, 0.0), ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True, eq=False)
class Twins:
    """A real lymph node, and a painted one in the place of another, as the CT with all that was
    painted shows them; the painted one's record and the seed of its draws, as JSON takes them."""

    real: Specimen
    painted: Specimen
    record: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Painted:
    """A scan with all of its twins in one CT (axes LPS), so that no crop of it shows what another
    one lacks."""

    ct: sitk.Image
    twins: list[Twins]


def paint_twins(case: Case, count: int, models: Models, seed: int, progress: Progress) -> Painted:
    """Up to `count` pairs of a real node of a case and a painted one in the place of another.

    Real ones are the labeled lymph nodes, or where there are no labels bodies that look like some.
    The coin falls between two that painted ones could both take the place of. Raises InputError for
    a case that can't be used, and where there are no two such.
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
    most = max(2 * LOOKED_AT * count, LEAST_LOOKED_AT)
    claims = np.zeros(scan.hu.shape, np.int32)
    real = _apart([real[k] for k in rng.permutation(len(real))], claims)[:most]
    hu, scanner = scan.hu.copy(), fat_of(scan)
    for k, one in enumerate(real, 1):
        own = claims[one.box] == k
        hu[one.box][own] = np.rint(erased(one, scanner, rng))[own]
    bare = like(hu, ct)
    sizes = [one.long_axis for one in real]
    request = SynthesisRequest(
        len(real),
        Sizes("uniform", min(sizes), max(sizes)),
        number,
        enhancement=None if nodes is None else enhancement_like(ct, nodes),
    )
    drawn = _plan(real, claims, request, bare, models, progress)
    pairs = _pairs([real[node.index] for node in drawn.nodes])[:count]
    if not pairs:
        raise InputError(
            "it shows no two lymph nodes, or bodies like some, as large and as deep in fat, that "
            "painted ones can take the place of"
        )
    tossed = [[drawn.nodes[k] for k in rng.permutation(pair)] for pair in pairs]
    plan = replace(drawn, nodes=tuple(goes for _, goes in tossed))
    result = paint(Scan(bare), plan, models=models, progress=progress)
    own = np.isin(claims, [goes.number for goes in plan.nodes])
    finished = LabeledScan(np.where(own, to_array(result.ct), scan.hu), scan.spacing, None)
    labels, twins = to_array(result.nodes), []
    for (stays, _), record in zip(tossed, result.records, strict=True):
        again = specimen_of(case.id, finished, body_of(real[stays.index]))
        shown = specimen_of(case.id, finished, labeled_body(labels, record.label, scan.spacing))
        twins.append(Twins(again, shown, {"seed": number, **asdict(record)}))
    return Painted(like(finished.hu, ct), twins)


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
    model = models.structure
    draft = []
    for k, one in enumerate(real):
        size = round(one.long_axis, 6)
        look = draw_appearance(request, k, size, model.looks)
        draft.append(PlannedNode(k + 1, ORIGIN, size, UNTURNED, shape_mm=size, **vars(look)))
    plan = Plan(request, tuple(draft), model.description["sha256"])
    structures = draw_structures(plan, model, progress).structures
    nodes = [_in_place(*one) for one in zip(real, structures, draft, strict=True)]
    centers = [as_point(index_to_ras(bare, node.center), 9) for node in nodes]
    region, kept = find_region(bare, None, points=centers), list[PlannedNode]()
    for node, center, drawn in zip(nodes, centers, draft, strict=True):
        if misfit(node, region) is None:
            box = inside_grid(node.box(2 * REACH), claims.shape)
            if claim(claims, box, node.occupancy(box) > 0, drawn.number, node.spacing):
                a, b, c = (as_point(row, 9) for row in array_axes(bare) @ node.rotation)
                kept.append(replace(drawn, center_ras_mm=center, turn=(a, b, c)))
    return replace(plan, nodes=tuple(kept))


def _in_place(real: Specimen, structure: Structure, drawn: PlannedNode) -> LymphNode:
    """A lymph node with its middle and its axes of inertia where the real one has them."""
    body, shape = np.argwhere(real.mask), np.argwhere(structure.tsdf < 0)
    rotation = _axes(body * real.spacing) @ _axes(shape).T
    off = rotation @ (shape.mean(0) - (GRID - 1) / 2) * structure.sample_mm(drawn.long_axis_mm)
    center = body.mean(0) + real.start - off / real.spacing
    return LymphNode(structure, drawn.long_axis_mm, rotation, center, real.spacing)


def _axes(points: np.ndarray) -> np.ndarray:
    """The axes of inertia of points (n, 3) as columns of a rotation (3, 3)."""
    axes = np.linalg.eigh(np.cov(points.T))[1]
    return axes * np.sign(np.linalg.det(axes))


def _pairs(real: Sequence[Specimen]) -> list[tuple[int, int]]:
    """Pairs of bodies by their numbers, each used once, the most alike first: in size and in depth
    in fat they differ by no more than a caliper. What else lies round them the coin evens out."""
    traits = np.array([one.matched_by()[:2] for one in real]).reshape(len(real), 2)
    apart = np.abs(traits[:, None] - traits[None]).max(2)
    first, second = np.triu_indices(len(real), 1)
    pairs, used = list[tuple[int, int]](), set[int]()
    for k in apart[first, second].argsort(kind="stable").tolist():
        pair = int(first[k]), int(second[k])
        if apart[pair] <= 1 and used.isdisjoint(pair):
            pairs.append(pair)
            used.update(pair)
    return pairs
