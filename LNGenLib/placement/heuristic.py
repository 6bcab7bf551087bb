"""Finding room: the whole node at its size must fit, in fat, off labels and other nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial.transform import Rotation

from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import coarse_steps, common, corner, distance_to, inside_grid
from LNGenLib.placement.candidate_region import GAP, CandidateRegion, Subregion
from LNGenLib.placement.fat import Fat
from LNGenLib.progress import SILENT, Progress
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape import Structure

LEAST_FAT = 0.85  # share of the node's volume that replaces fat, its partial volume counted
MOST_OTHER = 0.01  # share of the voxels that it more than half fills that are not fat: noise
MOST_FORBIDDEN = 0.02  # share of the node's volume on labels, as partial volume only
LEAST_FAT_AROUND = 0.7  # share of the unlabeled voxels within SHELL mm of the node
SHELL = 3.0  # mm, or one voxel where that is more
ROOM = 0.8  # of the radius of the largest ball inside a node: free round its center
TURNS = 12
TRIES = 400  # centers a turn
OUTERMOST = 100  # voxels of a node that are looked at first
WALL = 12.0  # mm round a center in which the way of its wall or vessel is seen
SCATTER = 0.03  # of the long axis about that way: some 20 degrees
MOST_SLANT = 0.25  # squared sine of the angle between long axis and wall
ROUNDS = 3  # in which all nodes are placed, before one is refused
NEAR_TUMOR = 40.0  # mm from a tumor to the largest node
PLACES = 4  # in which a node that has to suit its place is tried


@dataclass(frozen=True, eq=False)
class PlacedNode:
    """A lymph node where it found room, the station there, if there is one, and whether it suits
    the place."""

    node: LymphNode
    station: str | None
    suits: bool = True


def place_nodes(
    structures: Sequence[Structure],
    long_axes: Sequence[float],
    region: CandidateRegion,
    spacing: np.ndarray,
    rngs: Sequence[np.random.Generator],
    suits: Callable[[int, LymphNode], bool] | None = None,
    progress: Progress = SILENT,
) -> list[PlacedNode | None]:
    """A lymph node of each structure at its long axis (mm), or None where it finds no room.

    `spacing` is the CT's in mm (z, y, x). The largest are placed first, and near the region's tumor
    if it has one. Stations, turns and centers are drawn by the node's own generator until the node
    fits; sizes are never redrawn. Where one finds no room, all are placed anew, and it comes first.
    Where it has to suit its place, as `suits` says by its number and the node in the CT, some more
    places are tried; one that suits none of them leaves room to others.
    """
    order = np.argsort(-np.asarray(long_axes), kind="stable").tolist()
    largest = order[:1]
    best: list[PlacedNode | None] = [None] * len(structures)
    for _ in range(ROUNDS):
        placed: list[PlacedNode | None] = [None] * len(structures)
        forbidden = region.forbidden.copy()
        for done, number in enumerate(order):
            progress.step(done, len(order))
            own = structures[number], long_axes[number], rngs[number]
            found = _places(*own, number, number in largest, region, forbidden, spacing)
            for node, station in islice(found, PLACES):
                whole = node.at(node.center + corner(region.box))
                fine = suits is None or suits(number, whole)
                placed[number] = PlacedNode(whole, station, fine)
                if fine:
                    _occupy(forbidden, node)
                    break
        best = max(best, placed, key=lambda found: len(found) - found.count(None))
        refused = [number for number in order if placed[number] is None]
        if refused == order[: len(refused)]:  # they had the first choice
            break
        order = refused + [number for number in order if number not in refused]
    return best


def _places(
    structure: Structure,
    long_axis: float,
    rng: np.random.Generator,
    number: int,
    largest: bool,
    region: CandidateRegion,
    forbidden: np.ndarray,
    spacing: np.ndarray,
) -> Iterator[tuple[LymphNode, str | None]]:
    """Node `number` (in the region's box) where it fits, and the station there, again and again."""
    while True:
        for part in _parts(region, number, spacing, rng, largest):
            node = _find_room(structure, long_axis, rng, part, region, forbidden, spacing)
            if node is not None:
                yield node, part.station
                break
        else:
            return


def _parts(
    region: CandidateRegion,
    number: int,
    spacing: np.ndarray,
    rng: np.random.Generator,
    largest: bool,
) -> Iterator[Subregion]:
    """The subregions for node `number`, as they are tried: if it is the `largest`, first those
    parts of them that lie near the tumor."""
    drawn = list(draw_subregions(region, number, rng))
    if largest and region.tumor is not None:
        for part in drawn:
            yield replace(part, find=partial(_near_tumor, part, region.tumor, spacing))
    yield from drawn


def _near_tumor(
    part: Subregion, tumor: np.ndarray, spacing: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Those of the part's candidates that lie near a tumor (3,)."""
    voxels, density = part.candidates
    near = np.linalg.norm((voxels - tumor) * spacing, axis=1) <= NEAR_TUMOR
    return voxels[near], density[near]


def draw_subregions(
    region: CandidateRegion, number: int, rng: np.random.Generator
) -> Iterator[Subregion]:
    """The subregions in which node `number` may lie, in the order in which they are tried: the
    first is drawn by weight, the next by weight among the others, and so on; those of a station
    come together."""
    if region.one_each:
        yield region.subregions[number]
        return
    weights = np.array([part.weight for part in region.subregions], float)
    order = rng.choice(len(weights), len(weights), replace=False, p=weights / weights.sum())
    drawn = [region.subregions[k] for k in order]
    stations = [part.station for part in drawn]
    yield from sorted(drawn, key=lambda part: stations.index(part.station))


def most_room(region: CandidateRegion, ct: sitk.Image) -> list[tuple[str | None, float]]:
    """Diameter in mm of the largest ball of free fat at each station, or in the region."""
    spacing, most = array_spacing(ct), dict[str | None, float]()
    for part in region.subregions:
        voxels = part.candidates[0]
        if not len(voxels):
            continue
        pad = np.ceil(SHELL / spacing).astype(int)
        low, high = (voxels.min(0) - pad).clip(0), voxels.max(0) + pad + 1
        box = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist()))
        free = region.fat[box] & ~region.forbidden[box]
        off = ndimage.distance_transform_edt(free, sampling=spacing)[tuple((voxels - low).T)]
        room = 2 * float(off.max()) - float(spacing.min())
        most[part.station] = max(room, most.get(part.station, 0.0))
    return list(most.items())


def beside(region: CandidateRegion, nodes: Sequence[LymphNode]) -> CandidateRegion:
    """The region without lymph nodes (on the CT's grid) that lie in it, and the gap round them."""
    forbidden = region.forbidden.copy()
    whole = tuple(slice(0, size) for size in forbidden.shape)
    for node in nodes:
        own = node.at(node.center - corner(region.box))
        if common(own.box(np.maximum(GAP, own.spacing)), whole):
            _occupy(forbidden, own)
    return replace(region, forbidden=forbidden)


def _occupy(forbidden: np.ndarray, node: LymphNode) -> None:
    """Forbid the node and the gap round it."""
    spacing = node.spacing
    box = inside_grid(node.box(np.maximum(GAP, spacing)), forbidden.shape)
    occupied = node.occupancy(box) > 0
    gap = ndimage.distance_transform_edt(~occupied, sampling=spacing) <= GAP
    forbidden[box] |= gap | ndimage.binary_dilation(occupied, np.ones((3, 3, 3)))


def _find_room(
    structure: Structure,
    long_axis: float,
    rng: np.random.Generator,
    part: Subregion,
    region: CandidateRegion,
    forbidden: np.ndarray,
    spacing: np.ndarray,
) -> LymphNode | None:
    """The node where it fits at one of the voxels of `part`."""
    voxels, density = part.candidates
    if not len(voxels):
        return None
    steps = coarse_steps(spacing)
    pad = np.ceil(long_axis / spacing).astype(int) + steps
    low = (voxels.min(0) - pad).clip(0) // steps * steps
    near = tuple(slice(a, b) for a, b in zip(low.tolist(), (voxels.max(0) + pad).tolist()))
    free = region.fat[near] & ~forbidden[near]
    roomy = _roomy(free, ROOM * _inscribed_radius(structure, long_axis), spacing)
    fits = free[tuple((voxels - low).T)] & roomy[tuple(((voxels - low) // steps).T)]
    candidates, density = voxels[fits], density[fits].astype(float)
    if not len(candidates):
        return None
    for _ in range(TURNS):
        drawn = rng.choice(len(candidates), TRIES, p=density / density.sum())
        tries = candidates[list(dict.fromkeys(drawn.tolist()))]  # each but once, in that order
        turn = _turn(structure, _way(region, tries[0], spacing), rng)
        jitter = rng.uniform(-0.5, 0.5, 3)
        node = LymphNode(structure, long_axis, turn, jitter, spacing)
        box = node.box(np.maximum(SHELL, spacing))
        occupancy = node.occupancy(box)
        shell = _shell(occupancy > 0, spacing)
        inside = occupancy >= occupancy.max() / 2
        rim = ndimage.binary_dilation(occupancy > 0) & ~inside
        start = corner(box)
        for center in tries[_may_fit(occupancy, tries + start - low, free, spacing)]:
            at = start + center
            if _problem(occupancy, shell, at, region.fat, forbidden) is not None:
                continue
            found = node.at(center + jitter)
            own = tuple(slice(a, b) for a, b in zip(at.tolist(), at + occupancy.shape))
            slant = _slant(found, _way(region, center, spacing))
            # a point is the user's own: along the wall there is wished, not asked
            if (region.one_each or slant <= MOST_SLANT) and not region.fat.is_cut(own, inside, rim):
                return found
    return None


def _roomy(free: np.ndarray, radius: float, spacing: np.ndarray) -> np.ndarray:
    """Voxels of a coarse grid (bool) at which a ball of `radius` mm may lie in what is `free`."""
    steps = coarse_steps(spacing)
    coarse = free[tuple(slice(None, None, step) for step in steps)]
    reach = max(radius - float(np.linalg.norm(spacing * (steps - 1))), 0.0)  # less a coarse voxel
    return distance_to(~coarse, reach, spacing * steps) >= reach


def _may_fit(
    occupancy: np.ndarray, starts: np.ndarray, free: np.ndarray, spacing: np.ndarray
) -> np.ndarray:
    """Whether a node's outermost voxels are free fat (n, bool), where the box of its occupancy
    begins at these voxels (n, 3): much faster than a look at all of it."""
    within = np.argwhere(occupancy >= 0.5)
    off = np.linalg.norm((within - within.mean(0)) * spacing, axis=1) if len(within) else []
    rim = within[np.argsort(off)[-OUTERMOST:]]
    at = (starts[:, None] + rim).clip(0, np.array(free.shape) - 1)
    return (~free[tuple(np.moveaxis(at, 2, 0))]).sum(1) <= MOST_OTHER * len(within)


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
    box = node.box(float(max(SHELL, node.spacing.max())))
    occupancy = node.occupancy(box)
    shell = _shell(occupancy > 0, node.spacing)
    own = corner(box) - corner(region.box)
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
    within = occupancy >= 0.5
    if (taken & within).any() or (occupancy * taken).sum() > MOST_FORBIDDEN * volume:
        return (
            "lies on what is kept off: a labeled organ, air, another lymph node or a mask to avoid"
        )
    other = (within & ~fat[box]).sum() > MOST_OTHER * within.sum()
    if other or (occupancy * fat[box]).sum() < LEAST_FAT * volume:
        return "does not lie in fat"
    around = fat[box][shell & ~taken]
    if not len(around) or around.mean() < LEAST_FAT_AROUND:
        return "has too little fat round it"
    return None


def _inscribed_radius(structure: Structure, long_axis: float) -> float:
    """Radius in mm of the largest sphere inside the structure."""
    inside = ndimage.distance_transform_edt(structure.tsdf < 0)
    return float(inside.max()) * structure.sample_mm(long_axis)
