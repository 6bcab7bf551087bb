"""Making a plan, and making lymph nodes of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_axes, array_spacing, index_to_ras, ras_to_index
from LNGenLib.placement.candidate_region import CandidateRegion, NoPlace
from LNGenLib.placement.heuristic import place_nodes
from LNGenLib.progress import Progress
from LNGenLib.randomness import node_rng
from LNGenLib.structure.ellipsoids import EllipsoidModel
from LNGenLib.structure.hilum import has_hilum, with_hila
from LNGenLib.structure.lymph_node import LymphNode, inside_grid
from LNGenLib.structure.model import Samples, StructureModel
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.shape_range import ShapeRange
from LNGenLib.structure.sizes import LARGEST, SMALLEST
from LNGenLib.synthesis.plan import Plan, PlannedNode, count_by_size
from LNGenLib.synthesis.request import Point, SynthesisRequest, as_point

MOST_SHARED = 0.02  # of the smaller node's volume, in voxels that two nodes cut
NO_HILUM = 0.0
RATIO_TOLERANCE = 0.05  # of a wanted short axis over the long one


def make_plan(
    ct: sitk.Image,
    request: SynthesisRequest,
    region: CandidateRegion,
    model: StructureModel | EllipsoidModel,
    progress: Progress,
) -> tuple[Plan, Samples]:
    """Draw sizes, structures and places; the plan, and the structures of its lymph nodes.

    Raises NoPlace where lymph nodes find no room and the request allows no fewer, or none does.
    """
    numbers = range(request.count)
    sizes = [round(request.sizes.draw(node_rng(request.seed, k, "size")), 6) for k in numbers]
    shapes = [_shape(request.shape, request.short_axis_mm, size) for size in sizes]
    progress.stage("structures", request.structure_steps)
    samples = model.sample(numbers, sizes, request.seed, request.structure_steps, progress, shapes)
    share = NO_HILUM if request.hilum is None and not model.hila else request.hilum
    hila = [has_hilum(request.seed, k, sizes[k], share) for k in numbers]
    samples = _with_hila(samples, request.seed, numbers, hila)
    progress.stage("placement")
    rngs = [node_rng(request.seed, k, "place") for k in numbers]
    placed = place_nodes(samples.structures, sizes, region, array_spacing(ct), rngs)
    kept = [(k, found) for k, found in enumerate(placed) if found is not None]
    refused = tuple(sizes[k] for k, found in enumerate(placed) if found is None)
    if not kept or (refused and not request.allow_fewer):
        raise NoPlace(
            f"only {len(kept)} of {request.count} lymph nodes fit; no room for those of "
            f"{_counted(refused)}: ask for fewer or smaller ones, give a wider region, or allow "
            "fewer"
        )
    nodes = tuple(
        PlannedNode(
            number=k + 1,
            center_ras_mm=as_point(index_to_ras(ct, found.node.center), 9),
            long_axis_mm=sizes[k],
            turn=_axes(array_axes(ct) @ found.node.rotation),
            station=found.station,
            short_axis_mm=request.short_axis_mm,
            shape_mm=sizes[k],
            hilum=hila[k],
        )
        for k, found in kept
    )
    own = [k for k, _ in kept]
    return Plan(request, nodes, model.description["sha256"], refused), Samples(
        [samples.structures[k] for k in own], [samples.repaired[k] for k in own]
    )


def draw_structures(
    plan: Plan, model: StructureModel | EllipsoidModel, progress: Progress
) -> Samples:
    """The structures of a plan's lymph nodes; InputError for one that is too small or large, and
    for a plan of other weights, of which the same seeds would give other shapes."""
    if plan.weights != model.description["sha256"]:
        raise InputError(
            "the plan was drawn with other structure weights, and its lymph nodes would have other "
            "shapes now: make it anew (replan, or Preview), or give those weights"
        )
    for node in plan.nodes:
        for size in (node.long_axis_mm, node.shape_mm):
            if size is not None and not SMALLEST <= size <= LARGEST:
                raise InputError(
                    f"{_named(node)} is {size:g} mm long: give {SMALLEST:g} to {LARGEST:g} mm"
                )
    request, nodes = plan.request, plan.nodes
    progress.stage("structures", request.structure_steps)
    indices = [node.index for node in nodes]
    sizes = [node.shape_mm or node.long_axis_mm for node in nodes]
    shapes = [_shape(request.shape, node.short_axis_mm, size) for node, size in zip(nodes, sizes)]
    samples = model.sample(indices, sizes, request.seed, request.structure_steps, progress, shapes)
    return _with_hila(samples, request.seed, indices, [node.hilum for node in nodes])


def _with_hila(
    samples: Samples, seed: int, numbers: Sequence[int], hila: Sequence[bool]
) -> Samples:
    return replace(samples, structures=with_hila(samples.structures, seed, numbers, hila))


def _named(node: PlannedNode) -> str:
    """A lymph node as the panel names it."""
    return f"LN {node.number}"


def lymph_nodes(plan: Plan, structures: Sequence[Structure], ct: sitk.Image) -> list[LymphNode]:
    """The plan's lymph nodes on the CT's grid.

    Raises InputError where one leaves the grid or two of them overlap.
    """
    spacing, shape = array_spacing(ct), ct.GetSize()[::-1]
    nodes: list[LymphNode] = []
    for planned, structure in zip(plan.nodes, structures, strict=True):
        turn = np.array(planned.turn, float)
        if turn.shape != (3, 3) or not np.allclose(turn @ turn.T, np.eye(3), atol=1e-4):
            raise InputError(f"the turn of {_named(planned)} is no rotation: make a plan anew")
        center = ras_to_index(ct, np.array(planned.center_ras_mm, float))
        node = LymphNode(structure, planned.long_axis_mm, array_axes(ct).T @ turn, center, spacing)
        if inside_grid(node.box(0), shape) != node.box(0):
            raise InputError(f"{_named(planned)} leaves the CT: move it")
        for other, placed in zip(plan.nodes, nodes):
            if _overlap(node, placed):
                raise InputError(f"{_named(other)} and {_named(planned)} overlap: move one")
        nodes.append(node)
    return nodes


def _overlap(first: LymphNode, second: LymphNode) -> bool:
    """Whether more of two nodes shares voxels than partial volume explains."""
    z, y, x = (
        slice(max(a.start, b.start), min(a.stop, b.stop))
        for a, b in zip(first.box(0), second.box(0))
    )
    shared = (z, y, x)
    if any(part.start >= part.stop for part in shared):
        return False
    common = np.minimum(first.occupancy(shared), second.occupancy(shared)).sum()
    volumes = [node.structure.volume(node.long_axis) for node in (first, second)]
    return common * float(np.prod(first.spacing)) > MOST_SHARED * min(volumes)


def _shape(shape: ShapeRange, short_axis: float | None, long_axis: float) -> ShapeRange:
    """`shape`, or shapes of about the wanted axes in its stead."""
    if short_axis is None:
        return shape
    ratio = short_axis / long_axis
    low, high = ratio - RATIO_TOLERANCE, ratio + RATIO_TOLERANCE
    return replace(shape, axis_ratio=(max(low, 0.0), min(high, 1.0)))


def _counted(long_axes: Sequence[float]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in count_by_size(long_axes).items())


def _axes(rotation: np.ndarray) -> tuple[Point, Point, Point]:
    a, b, c = (as_point(row, 9) for row in rotation)
    return a, b, c
