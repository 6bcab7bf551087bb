"""Making lymph nodes of a plan: their structures, and where they lie on the CT's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_axes, array_spacing, ras_to_index
from LNGenLib.image.grid import Box, common, inside_grid
from LNGenLib.progress import Progress
from LNGenLib.randomness import node_rng
from LNGenLib.structure.border import lobulated
from LNGenLib.structure.ellipsoids import EllipsoidModel
from LNGenLib.structure.hilum import cut_hilum
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.model import Samples, StructureModel
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.shape_range import ShapeRange
from LNGenLib.structure.sizes import LARGEST, SMALLEST
from LNGenLib.synthesis.appearance import AXIS_RATIO, SMOOTH, Appearance
from LNGenLib.synthesis.plan import Plan, PlannedNode, Surface
from LNGenLib.synthesis.request import SynthesisRequest

MOST_SHARED = 0.02  # of the smaller node's volume, in voxels that two nodes cut


def shape_of(
    look: Appearance,
    asked: ShapeRange,
    long_axis: float,
    model: StructureModel | EllipsoidModel,
) -> ShapeRange:
    """The shapes to draw a lymph node by: what is `asked` for, within it those that look like
    it, as far as the model knows such ones of that long axis (mm)."""
    if look.appearance is None:
        return asked
    ratio = AXIS_RATIO[look.appearance]
    for like in (ShapeRange(ratio, SMOOTH), ShapeRange(irregularity=SMOOTH), ShapeRange(ratio)):
        wanted = asked.filled(like)
        if model.knows(long_axis, wanted):
            return wanted
    return asked


def sample_structures(
    request: SynthesisRequest,
    model: StructureModel | EllipsoidModel,
    numbers: Sequence[int],
    long_axes: Sequence[float],
    looks: Sequence[Appearance],
    asked: Sequence[ShapeRange],
    progress: Progress,
) -> Samples:
    """The structures of lymph nodes `numbers` of these long axes (mm), drawn as they look and as
    is `asked` for, then lobulated where they are irregular and cut where they have a hilum."""
    seed, steps = request.seed, request.structure_steps
    shapes = [shape_of(*one, model) for one in zip(looks, asked, long_axes, strict=True)]
    samples = model.sample(numbers, long_axes, seed, steps, progress, shapes)
    each = zip(samples.structures, numbers, looks, strict=True)
    return replace(samples, structures=[shaped(*one, seed) for one in each])


def shaped(structure: Structure, number: int, look: Appearance, seed: int) -> Structure:
    """The structure drawn for lymph node `number`, lobulated and cut as it looks."""
    if look.irregular:
        structure = lobulated(structure, node_rng(seed, number, "border"))
    if look.hilum:
        structure = cut_hilum(structure, node_rng(seed, number, "notch"))
    return structure


def draw_structures(
    plan: Plan, model: StructureModel | EllipsoidModel, progress: Progress
) -> Samples:
    """The structures of a plan's lymph nodes; InputError as `check_drawable`."""
    check_drawable(plan, model)
    request, nodes = plan.request, plan.nodes
    progress.stage("structures", request.structure_steps)
    indices = [node.index for node in nodes]
    sizes = [node.shape_mm or node.long_axis_mm for node in nodes]
    asked = [request.shape.with_axes(node.short_axis_mm, size) for node, size in zip(nodes, sizes)]
    looks = [node.look for node in nodes]
    return sample_structures(request, model, indices, sizes, looks, asked, progress)


def surface_of(structure: Structure) -> Surface:
    """What a lymph node of this structure looks like."""
    return Surface(structure.vertices(1.0).astype(np.float32), structure.faces().astype(np.int32))


def check_drawable(plan: Plan, model: StructureModel | EllipsoidModel) -> None:
    """Raise InputError for a plan of other weights, of which the same seeds give other shapes, and
    for a lymph node that is too small or large."""
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


def lymph_nodes(plan: Plan, structures: Sequence[Structure], ct: sitk.Image) -> list[LymphNode]:
    """The plan's lymph nodes on the CT's grid.

    Raises InputError where one leaves the grid or two of them overlap.
    """
    each = zip(plan.nodes, structures, strict=True)
    nodes = [lymph_node(planned, structure, ct) for planned, structure in each]
    check_apart(plan, nodes)
    return nodes


def lymph_node(planned: PlannedNode, structure: Structure, ct: sitk.Image) -> LymphNode:
    """A planned lymph node on the CT's grid; InputError where it leaves that."""
    turn = np.array(planned.turn, float)
    if turn.shape != (3, 3) or not np.allclose(turn @ turn.T, np.eye(3), atol=1e-4):
        raise InputError(f"the turn of {_named(planned)} is no rotation: make a plan anew")
    center = ras_to_index(ct, np.array(planned.center_ras_mm, float))
    own = structure, planned.long_axis_mm, array_axes(ct).T @ turn
    node = LymphNode(*own, center, array_spacing(ct))
    if inside_grid(node.box(0), ct.GetSize()[::-1]) != node.box(0):
        raise InputError(f"{_named(planned)} leaves the CT: move it")
    return node


def check_apart(plan: Plan, nodes: Sequence[LymphNode]) -> None:
    """Raise InputError where two of the plan's lymph nodes, which these are, overlap."""
    boxes = [node.box(0) for node in nodes]
    for (one, first, near), (two, second, far) in combinations(zip(plan.nodes, nodes, boxes), 2):
        box = common(near, far)
        if box is not None and _overlap(first, second, box):
            raise InputError(f"{_named(one)} and {_named(two)} overlap: move one")


def _overlap(first: LymphNode, second: LymphNode, box: Box) -> bool:
    """Whether more of two nodes shares voxels, which lie in `box`, than partial volume explains."""
    shared = np.minimum(first.occupancy(box), second.occupancy(box)).sum()
    volumes = [node.structure.volume(node.long_axis) for node in (first, second)]
    return shared * float(np.prod(first.spacing)) > MOST_SHARED * min(volumes)


def _named(node: PlannedNode) -> str:
    """A lymph node as the panel names it."""
    return f"LN {node.number}"
