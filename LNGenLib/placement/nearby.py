"""Finding room in the surroundings of given spots: quick, for one lymph node in a training case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.body import inner_part, outside_of
from LNGenLib.image.grid import coarse_steps, corner, distance_to, inside_grid
from LNGenLib.image.hu import FAT, OUTSIDE
from LNGenLib.placement.candidate_region import (
    GAP,
    CandidateRegion,
    NoPlace,
    deep,
    even,
    find_region,
)
from LNGenLib.placement.fat import Fat
from LNGenLib.placement.heuristic import place_nodes
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape import Structure

NEAR = 8.0  # mm round a spot in which a center may lie
AROUND = 8.0  # mm round the node that tell whether it fits, and whether there is fat
SPOTS = 4  # tried before a node is left out


def draw_spots(
    ct: sitk.Image, anatomy: sitk.Image | None, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Centers (count, 3; z, y, x) at which lymph nodes may lie in a CT (SimpleITK): at stations by
    their weights, or, where it shows none, in all fat beneath the skin. Raises NoPlace where there
    is no fat."""
    try:
        region = find_region(ct, anatomy)
    except NoPlace:
        region = find_region(ct, anatomy, deep(ct))
    parts = [one for one in region.subregions if len(one.candidates[0])]
    if not parts:
        raise NoPlace("no fat in which lymph nodes may lie: give a CT that shows more")
    found, densities = zip(*(one.candidates for one in parts))
    voxels = np.concatenate(found)
    likely = np.concatenate(
        [one.weight * part / part.sum(dtype=float) for one, part in zip(parts, densities)]
    )
    chosen = rng.choice(len(voxels), count, p=likely / likely.sum())
    return voxels[chosen] + corner(region.box)


def free_spots(hu: np.ndarray, spacing: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Voxels (n, 3) of fat beneath the skin, off what is `taken` (above 0), on a coarse grid; from
    HU (z, y, x) alone."""
    steps = coarse_steps(spacing)
    thin = tuple(slice(None, None, step) for step in steps)
    coarse = hu[thin]
    try:
        inner = inner_part(outside_of(coarse), spacing * steps)
    except InputError:  # no body
        return np.empty((0, 3), int)
    fat = (coarse > FAT[0]) & (coarse < FAT[1])
    return np.argwhere(inner & fat & ~(taken[thin] > 0)) * steps


def place_near(
    structure: Structure,
    long_axis: float,
    spots: np.ndarray,
    hu: np.ndarray,
    taken: Sequence[np.ndarray],
    spacing: np.ndarray,
    rng: np.random.Generator,
) -> LymphNode | None:
    """The structure at its long axis (mm) near one of the `spots` (n, 3), in fat and off what is
    `taken`, arrays (z, y, x) above 0; None where the spots that are tried have no room."""
    size = np.linalg.norm(structure.vertices(long_axis), axis=1).max()
    pad = np.ceil((NEAR + size + AROUND) / spacing).astype(int) + 1
    for spot in rng.permutation(spots)[:SPOTS]:
        box = inside_grid(tuple(slice(k, k + 1) for k in spot.tolist()), hu.shape, pad)
        start = corner(box)
        near = np.ascontiguousarray(hu[box])
        occupied = np.any([mask[box] > 0 for mask in taken], axis=0)
        forbidden = (near < OUTSIDE) | (distance_to(occupied, GAP, spacing) <= GAP)
        fat = Fat(near, spacing)
        voxels = np.argwhere(fat.whole() & ~forbidden)
        voxels = voxels[np.linalg.norm((voxels + start - spot) * spacing, axis=1) <= NEAR]
        region = CandidateRegion(box, forbidden, fat, (even(voxels),))
        placed = place_nodes([structure], [long_axis], region, spacing, [rng])[0]
        if placed is not None:
            return placed.node
    return None
