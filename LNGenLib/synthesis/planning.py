"""Making a plan: sizes, structures and places are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from statistics import NormalDist
from typing import NoReturn

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import Canceled, InputError
from LNGenLib.image.geometry import array_axes, array_spacing, index_to_ras
from LNGenLib.placement.candidate_region import CandidateRegion, NoPlace
from LNGenLib.placement.heuristic import most_room, place_nodes
from LNGenLib.progress import Progress
from LNGenLib.randomness import node_rng
from LNGenLib.structure.ellipsoids import EllipsoidModel
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.model import Samples, StructureModel
from LNGenLib.synthesis.appearance import Appearance, draw_appearance
from LNGenLib.synthesis.enhancement import draw_means
from LNGenLib.synthesis.painting import ScanTraits, conspicuity
from LNGenLib.synthesis.plan import Plan, PlannedNode, count_by_size
from LNGenLib.synthesis.realizing import sample_structures
from LNGenLib.synthesis.request import MIXED, Point, SynthesisRequest, as_point

USUAL_COUNT = (4, 8)  # lymph nodes a patient
ALIKE = 0.3  # correlation of the sizes of one patient


class HardlySeen(NoPlace):
    """All lymph nodes would be too faint at their places."""


def make_plan(
    ct: sitk.Image,
    request: SynthesisRequest,
    finding: Future[CandidateRegion],
    model: StructureModel | EllipsoidModel,
    progress: Progress,
    traits: Callable[[], ScanTraits],
) -> tuple[Plan, Samples]:
    """Draw sizes, structures and places; the plan, and the structures of its lymph nodes.

    The region may still be looked for while structures are drawn. `traits` gives those of
    `measure_scan`, where nodes have to be seen. Raises NoPlace where lymph nodes find no room and
    the request allows no fewer, or none does, and where none can be seen.
    """
    if not model.looks and (request.appearance != MIXED or request.necrosis is not None):
        raise InputError(
            "DiffTumor's lymph nodes all look alike: ask for no appearance, nor necrosis"
        )
    sizes = [round(size, 6) for size in _long_axes(request)]
    numbers = range(len(sizes))
    looks = [draw_appearance(request, k, sizes[k], model.looks) for k in numbers]
    asked = [request.shape.with_axes(request.short_axis_mm, size) for size in sizes]
    progress.stage("structures", request.structure_steps)
    with _while_found(finding, progress) as own:
        samples = sample_structures(request, model, numbers, sizes, looks, asked, own)
    progress.stage("anatomy")
    region = finding.result()
    progress.stage("placement", len(sizes))
    rngs = [node_rng(request.seed, k, "place") for k in numbers]
    seen = partial(_is_seen, ct, request, looks, traits) if request.least_conspicuity else None
    given = samples.structures, sizes, region, array_spacing(ct), rngs
    placed = place_nodes(*given, seen, progress)
    kept = [(k, found) for k, found in enumerate(placed) if found is not None and found.suits]
    refused = tuple(sizes[k] for k, found in enumerate(placed) if found is None)
    unseen = tuple(sizes[k] for k, found in enumerate(placed) if found and not found.suits)
    if not kept or (refused and not request.allow_fewer):
        _complain(request, region, ct, len(sizes), refused, unseen)
    nodes = tuple(
        PlannedNode(
            number=k + 1,
            center_ras_mm=as_point(index_to_ras(ct, found.node.center), 9),
            long_axis_mm=sizes[k],
            turn=as_turn(array_axes(ct) @ found.node.rotation),
            station=found.station,
            short_axis_mm=request.short_axis_mm,
            shape_mm=sizes[k],
            **vars(looks[k]),
        )
        for k, found in kept
    )
    plan = Plan(request, nodes, model.description["sha256"], refused, unseen_mm=unseen)
    drawn = [(samples.structures[k], samples.repaired[k]) for k, _ in kept]
    return plan, Samples(*map(list, zip(*drawn)))


@contextmanager
def _while_found(finding: Future[CandidateRegion], progress: Progress) -> Iterator[Progress]:
    """Progress of work that ends as soon as no region is found, with the reason."""

    def is_lost() -> bool:
        return finding.done() and finding.exception() is not None

    own = progress.parts(1)[0]
    own.canceled = is_lost
    try:
        yield own
    except Canceled:
        lost = finding.exception() if is_lost() else None
        if lost is None:
            raise
        raise lost from None  # of which nobody canceled anything


def _complain(
    request: SynthesisRequest,
    region: CandidateRegion,
    ct: sitk.Image,
    count: int,
    refused: Sequence[float],
    unseen: Sequence[float],
) -> NoReturn:
    """Say why of `count` lymph nodes too few are placed: those `refused` found no room, those
    `unseen` are too faint (long axes in mm)."""
    if unseen and not refused:
        raise HardlySeen(
            f"none of {count} lymph nodes would reach a conspicuity of "
            f"{request.least_conspicuity:g}: ask for larger ones, or for a lower least conspicuity"
        )
    room = ", ".join(f"{name or 'there'} {mm:.0f} mm" for name, mm in most_room(region, ct))
    raise NoPlace(
        f"only {count - len(refused)} of {count} lymph nodes fit; no room for those of "
        f"{_counted(refused)} (the largest balls of free fat: {room or 'none'}): ask for fewer "
        "or smaller ones, give a wider region, or allow fewer"
    )


def _is_seen(
    ct: sitk.Image,
    request: SynthesisRequest,
    looks: Sequence[Appearance],
    traits: Callable[[], ScanTraits],
    number: int,
    node: LymphNode,
) -> bool:
    """Whether a lymph node is as conspicuous in the CT as asked for."""
    found, look, hu = traits(), looks[number].appearance, sitk.GetArrayViewFromImage(ct)
    [mean] = draw_means(found.phase, [number], request.seed, request.enhancement, [look])
    return conspicuity(hu, node, mean, found.edge_spread) >= request.least_conspicuity


def _long_axes(request: SynthesisRequest) -> list[float]:
    """Long axes in mm, each drawn alone; or, without a count, as many as a patient may have, and
    alike: normal numbers with a part in common make even ones that are distributed as ever."""
    if request.count is not None:
        return [request.sizes.draw(node_rng(request.seed, k, "size")) for k in range(request.count)]
    patient = node_rng(request.seed, 0, "patient")
    count, common = patient.integers(*USUAL_COUNT, endpoint=True), patient.standard_normal()
    own = [node_rng(request.seed, k, "size").standard_normal() for k in range(count)]
    normal = ALIKE**0.5 * common + (1 - ALIKE) ** 0.5 * np.array(own)
    return [request.sizes.quantile(NormalDist().cdf(value)) for value in normal.tolist()]


def _counted(long_axes: Sequence[float]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in count_by_size(long_axes).items())


def as_turn(rotation: np.ndarray) -> tuple[Point, Point, Point]:
    """A rotation (3, 3) as plans hold it."""
    a, b, c = (as_point(row, 9) for row in rotation)
    return a, b, c
