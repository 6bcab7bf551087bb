"""Finding room: the whole node at its size must fit, in fat, off labels and other nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from LNGenLib.image.grid import coarse_steps, distance_to
from LNGenLib.placement.candidate_region import GAP, CandidateRegion, Subregion
from LNGenLib.placement.fat import Fat
from LNGenLib.structure.lymph_node import LymphNode, inside_grid
from LNGenLib.structure.shape import Structure

LEAST_FAT = 0.85  # share of the node's volume that replaces fat
MOST_FORBIDDEN = 0.02  # share of the node's volume on labels, as partial volume only
LEAST_FAT_AROUND = 0.7  # share of the unlabeled voxels within SHELL mm of the node
SHELL = 3.0  # mm, or one voxel where that is more
TURNS = 12
TRIES = 400  # centers a turn
WALL = 12.0  # mm round a center in which the way of its wall or vessel is seen
SCATTER = 0.03  # of the long axis about that way: some 20 degrees
MOST_SLANT = 0.25  # squared sine of the angle between long axis and wall


@dataclass(frozen=True, eq=False)
class PlacedNode:
    """A lymph node where it found room, and the station there, if there is one."""

    node: LymphNode
    station: str | None


def place_nodes(
    structures: Sequence[Structure],
    long_axes: Sequence[float],
    region: CandidateRegion,
    spacing: np.ndarray,
    rngs: Sequence[np.random.Generator],
) -> list[PlacedNode | None]:
    """A lymph node of each structure at its long axis (mm), or None where it finds no room.

    `spacing` is the CT's in mm (z, y, x). The largest are placed first. Stations, turns and centers
    are drawn by the node's own generator until the node fits; sizes are never redrawn.
    """
    start = np.array([b.start for b in region.box])
    forbidden = region.forbidden.copy()
    placed: list[PlacedNode | None] = [None] * len(structures)
    for number in np.argsort(-np.asarray(long_axes), kind="stable").tolist():
        structure, long_axis, rng = structures[number], long_axes[number], rngs[number]
        roomy = _roomy(forbidden, 0.8 * _inscribed_radius(structure, long_axis), spacing)
        for part in draw_subregions(region, number, rng):
            node = _find_room(structure, long_axis, part, region, forbidden, roomy, spacing, rng)
            if node is not None:
                placed[number] = PlacedNode(node.at(node.center + start), part.station)
                _occupy(forbidden, node)
                break
    return placed


def draw_subregions(
    region: CandidateRegion, number: int, rng: np.random.Generator
) -> Iterator[Subregion]:
    """The subregions in which node `number` may lie, in the order in which they are tried: the
    first is drawn by weight, the next by weight among the others, and so on."""
    if region.one_each:
        yield region.subregions[number]
        return
    weights = np.array([part.weight for part in region.subregions], float)
    order = rng.choice(len(weights), len(weights), replace=False, p=weights / weights.sum())
    yield from (region.subregions[k] for k in order)


def _occupy(forbidden: np.ndarray, node: LymphNode) -> None:
    """Forbid the node and the gap round it."""
    spacing = node.spacing
    box = inside_grid(node.box(np.maximum(GAP, spacing)), forbidden.shape)
    occupied = node.occupancy(box) > 0
    gap = ndimage.distance_transform_edt(~occupied, sampling=spacing) <= GAP
    forbidden[box] |= gap | ndimage.binary_dilation(occupied, np.ones((3, 3, 3)))


def _roomy(forbidden: np.ndarray, radius: float, spacing: np.ndarray) -> np.ndarray:
    """Voxels of a coarse grid (bool) in which a ball of `radius` mm may find room."""
    steps = coarse_steps(spacing)
    coarse = forbidden[tuple(slice(None, None, step) for step in steps)]
    reach = max(radius - float(np.linalg.norm(spacing * (steps - 1))), 0.0)  # less a coarse voxel
    return distance_to(coarse, reach, spacing * steps) >= reach


def _find_room(
    structure: Structure,
    long_axis: float,
    part: Subregion,
    region: CandidateRegion,
    forbidden: np.ndarray,
    roomy: np.ndarray,
    spacing: np.ndarray,
    rng: np.random.Generator,
) -> LymphNode | None:
    """The node where it fits at one of the voxels of `part`."""
    voxels, density = part.candidates
    free = roomy[tuple((voxels // coarse_steps(spacing)).T)] & ~forbidden[tuple(voxels.T)]
    candidates, density = voxels[free], density[free].astype(float)
    if not len(candidates):
        return None
    for _ in range(TURNS):
        tries = candidates[rng.choice(len(candidates), TRIES, p=density / density.sum())]
        turn = _turn(structure, _way(region, tries[0], spacing), rng)
        jitter = rng.uniform(-0.5, 0.5, 3)
        node = LymphNode(structure, long_axis, turn, jitter, spacing)
        box = node.box(np.maximum(SHELL, spacing))
        occupancy = node.occupancy(box)
        shell = _shell(occupancy > 0, spacing)
        start = np.array([b.start for b in box])
        for center in tries:
            at = start + center
            if _problem(occupancy, shell, at, region.fat, forbidden) is None:
                found = node.at(center + jitter)
                if _slant(found, _way(region, center, spacing)) <= MOST_SLANT:
                    return found
    return None


def _way(region: CandidateRegion, center: np.ndarray, spacing: np.ndarray) -> np.ndarray | None:
    """How the wall or vessel runs that a center (3,) lies beside, or None where there is none.

    The structure tensor (3, 3; array axes, trace 1) of the distance from it: its small eigenvalues
    belong to the directions along it, two of a wall and one of a vessel.
    """
    if region.wall is None:
        return None
    step = spacing * region.steps
    index = np.asarray(center) // region.steps
    reach = np.maximum(np.round(WALL / step), 1).astype(int)
    low = (index - reach).clip(0)
    part = region.wall[tuple(slice(a, b) for a, b in zip(low, index + reach + 1))]
    if min(part.shape) < 2:
        return None
    gradient = np.stack(np.gradient(part, *step), -1).reshape(-1, 3)
    gradient = gradient[np.linalg.norm(gradient, axis=1) < 1.5]  # steeper between two stations
    tensor = gradient.T @ gradient
    return tensor / np.trace(tensor) if np.trace(tensor) > 0 else None


def _turn(structure: Structure, way: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """A rotation (3, 3) that lays the long axis along a wall or vessel, with scatter."""
    turn = Rotation.random(rng=rng)
    if way is None:
        return turn.as_matrix()
    values, vectors = np.linalg.eigh(way)
    wanted = vectors @ (rng.standard_normal(3) / np.sqrt(values.clip(0) + SCATTER))
    axis = turn.apply(_long_axis(structure))
    across = np.cross(axis, wanted)
    angle = np.arctan2(np.linalg.norm(across), axis @ wanted)
    return (Rotation.from_rotvec(angle * across / np.linalg.norm(across)) * turn).as_matrix()


def _long_axis(structure: Structure) -> np.ndarray:
    ends = structure.axis_points(1.0)
    return (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])


def _slant(node: LymphNode, way: np.ndarray | None) -> float:
    """Squared sine of the angle by which the long axis leaves the wall or vessel beside it."""
    if way is None:
        return 0.0
    axis = node.rotation @ _long_axis(node.structure)
    return float(axis @ way @ axis)


def _shell(inside: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    near = ndimage.distance_transform_edt(~inside, sampling=spacing) <= SHELL
    return (near | ndimage.binary_dilation(inside)) & ~inside


def misfit(node: LymphNode, region: CandidateRegion) -> str | None:
    """What is wrong with where a lymph node lies (on the CT's grid), None where it fits."""
    start = np.array([part.start for part in region.box])
    box = node.box(float(max(SHELL, node.spacing.max())))
    occupancy = node.occupancy(box)
    shell = _shell(occupancy > 0, node.spacing)
    own = np.array([part.start for part in box]) - start
    return _problem(occupancy, shell, own, region.fat, region.forbidden)


def _problem(
    occupancy: np.ndarray, shell: np.ndarray, start: np.ndarray, fat: Fat, forbidden: np.ndarray
) -> str | None:
    stop = start + occupancy.shape
    if (start < 0).any() or (stop > np.array(fat.shape)).any():
        return "is too near to the end of the CT"
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    taken = forbidden[box]
    volume = occupancy.sum()
    if (taken & (occupancy >= 0.5)).any() or (occupancy * taken).sum() > MOST_FORBIDDEN * volume:
        return "lies on what is kept off: a labeled organ, air, or a mask to avoid"
    if (occupancy * fat[box]).sum() < LEAST_FAT * volume:
        return "does not lie in fat"
    around = fat[box][shell & ~taken]
    if not len(around) or around.mean() < LEAST_FAT_AROUND:
        return "has too little fat round it"
    return None


def _inscribed_radius(structure: Structure, long_axis: float) -> float:
    """Radius in mm of the largest sphere inside the structure."""
    inside = ndimage.distance_transform_edt(structure.tsdf < 0)
    return float(inside.max()) * structure.sample_mm(long_axis)
