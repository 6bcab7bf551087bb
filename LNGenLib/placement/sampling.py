"""Finding room: the whole node at its size must fit, in fat, off labels and other nodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from LNGenLib.errors import InputError
from LNGenLib.placement.anatomy import CandidateRegion, coarse_steps
from LNGenLib.structure.lymph_node import LymphNode, inside_grid
from LNGenLib.structure.shape import Structure

LEAST_FAT = 0.85  # share of the node's volume that replaces fat
MOST_FORBIDDEN = 0.02  # share of the node's volume on labels, as partial volume only
LEAST_FAT_AROUND = 0.7  # share of the unlabeled voxels within SHELL mm of the node
SHELL = 3.0  # mm, or one voxel where that is more
GAP = 2.0  # mm between nodes
TURNS = 12
TRIES = 400  # places a turn


def place(
    structures: Sequence[Structure],
    long_axes: Sequence[float],
    region: CandidateRegion,
    spacing: np.ndarray,
    rngs: Sequence[np.random.Generator],
) -> list[LymphNode]:
    """A place for each structure at its long axis (mm), the largest first.

    Turns and places are drawn by the node's own generator until the node fits; sizes are never
    redrawn. Raises InputError, naming how many fit, where one finds no room.
    """
    start = np.array([b.start for b in region.box])
    forbidden = region.forbidden.copy()
    centers = np.argwhere(region.centers)
    room = _room(forbidden, centers, spacing)
    placed: dict[int, LymphNode] = {}
    for number in np.argsort(-np.asarray(long_axes), kind="stable"):
        structure, long_axis = structures[number], long_axes[number]
        roomy = centers[room >= 0.8 * _inscribed_radius(structure, long_axis)]
        node = _find_room(structure, long_axis, region.fat, forbidden, roomy, spacing, rngs[number])
        if node is None:
            raise InputError(
                f"only {len(placed)} of {len(structures)} lymph nodes fit; the next is "
                f"{long_axis:.1f} mm long: ask for fewer, for smaller ones, or give a "
                "wider region"
            )
        placed[int(number)] = node
        box = inside_grid(node.box(float(max(GAP, spacing.max()))), forbidden.shape)
        occupied = node.occupancy(box) > 0
        gap = ndimage.distance_transform_edt(~occupied, sampling=spacing) <= GAP
        forbidden[box] |= gap | ndimage.binary_dilation(occupied, np.ones((3, 3, 3)))
        room[forbidden[tuple(centers.T)]] = 0
    return [placed[number].at(placed[number].center + start) for number in range(len(structures))]


def _room(forbidden: np.ndarray, centers: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance in mm of `centers` (n, 3) to what is forbidden, at most a coarse voxel too great."""
    steps = coarse_steps(spacing)
    coarse = forbidden[tuple(slice(None, None, step) for step in steps)]
    distance = ndimage.distance_transform_edt(~coarse, sampling=spacing * steps)
    return distance[tuple((centers // steps).T)] + np.linalg.norm(spacing * (steps - 1))


def _find_room(
    structure: Structure,
    long_axis: float,
    fat: np.ndarray,
    forbidden: np.ndarray,
    candidates: np.ndarray,
    spacing: np.ndarray,
    rng: np.random.Generator,
) -> LymphNode | None:
    """The node at one of the `candidates` (n, 3) where it fits."""
    if not len(candidates):
        return None
    for _ in range(TURNS):
        turn = Rotation.random(rng=rng).as_matrix()
        jitter = rng.uniform(-0.5, 0.5, 3)
        node = LymphNode(structure, long_axis, turn, jitter, spacing)
        box = node.box(float(max(SHELL, spacing.max())))
        occupancy = node.occupancy(box)
        shell = _shell(occupancy > 0, spacing)
        start = np.array([b.start for b in box])
        for place in candidates[rng.integers(len(candidates), size=TRIES)]:
            if _fits(occupancy, shell, start + place, fat, forbidden):
                return node.at(place + jitter)
    return None


def _shell(inside: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    near = ndimage.distance_transform_edt(~inside, sampling=spacing) <= SHELL
    return (near | ndimage.binary_dilation(inside)) & ~inside


def _fits(
    occupancy: np.ndarray,
    shell: np.ndarray,
    start: np.ndarray,
    fat: np.ndarray,
    forbidden: np.ndarray,
) -> bool:
    stop = start + occupancy.shape
    if (start < 0).any() or (stop > np.array(fat.shape)).any():
        return False
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    taken = forbidden[box]
    volume = occupancy.sum()
    return (
        not (taken & (occupancy >= 0.5)).any()
        and (occupancy * taken).sum() <= MOST_FORBIDDEN * volume
        and (occupancy * fat[box]).sum() >= LEAST_FAT * volume
        and _share(fat[box], shell & ~taken) >= LEAST_FAT_AROUND
    )


def _share(what: np.ndarray, where: np.ndarray) -> float:
    return float(what[where].mean()) if where.any() else 0.0


def _inscribed_radius(structure: Structure, long_axis: float) -> float:
    """Radius in mm of the largest sphere inside the structure."""
    inside = ndimage.distance_transform_edt(structure.tsdf < 0)
    return float(inside.max()) * structure.sample_mm(long_axis)
