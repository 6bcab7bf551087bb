"""Matched controls of real bodies: the same shape and mean HU at another place of the scan, for
painters to fill, so that nothing but the tissue distinguishes them from the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from LNGenLib.evaluation.realism.specimens import CALIPER, SURROUNDINGS, Specimen
from LNGenLib.image.grid import inside_grid
from LNGenLib.image.hu import FAT, SOFT_TISSUE
from LNGenLib.placement.heuristic import LEAST_FAT
from LNGenLib.structure.frame import GRID, SAMPLE
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.surface import node_surface
from LNGenLib.texture.blending import REACH, scanned, within_reach
from LNGenLib.texture.dataset import LabeledScan

GROWTH = np.arange(1, 1.41, 0.05)  # of a body over the mask in which the finder sees it
TRIES = 600


@dataclass(frozen=True, eq=False)
class MatchedControl:
    """A real body and the voxel (z, y, x) at which the box of its mask starts elsewhere."""

    body: Specimen
    start: np.ndarray

    def lymph_node(self, spread: float) -> tuple[LymphNode, float]:
        """What in a scan of this edge spread (mm) shows as the body does, at the new place, and its
        mean HU."""
        node, mean = shown_as(self.body, spread)
        return node.at(self.start + node.center), mean


@lru_cache(4096)  # a body's controls are painted at one place after the other
def shown_as(body: Specimen, spread: float) -> tuple[LymphNode, float]:
    """What in a scan of this edge spread (mm) shows as the body does: a lymph node of the mask's
    shape, somewhat larger, in the body's box; and its mean HU.

    The mask is the body as the finder sees it, its mean HU is that of voxels shared with fat: both
    are smaller than the body's own.
    """
    fat = float(np.mean(FAT))
    shape = node_surface(body.mask, tuple(body.spacing))
    samples = np.argwhere(shape.tsdf < 0).mean(0) - (GRID - 1) / 2
    middle, seen = np.argwhere(body.mask).mean(0), body.hu[body.core].mean()
    fits = []
    for size in shape.long_axis * GROWTH:
        center = middle - samples * SAMPLE * size / 2 / body.spacing
        node = LymphNode(Structure(shape.tsdf), size, np.eye(3), center, body.spacing)
        box = inside_grid(node.box(REACH), body.mask.shape)  # beyond it is fat
        weight = scanned(node, box, spread)
        mean = fat + (seen - fat) / weight[body.core[box]].mean()
        clean = LabeledScan(fat + weight * (mean - fat), body.spacing, None)
        missing = abs(clean.between(*SOFT_TISSUE).sum() - body.mask.sum())
        fits.append((missing, node, mean))
    return min(fits, key=lambda fit: fit[0])[1:]


def depth_in_fat(scan: LabeledScan) -> np.ndarray:
    """How deep in fat each voxel (z, y, x) of a scan lies, in mm, 0 outside it."""
    fat = scan.between(FAT[0], SOFT_TISSUE[0])
    return ndimage.distance_transform_edt(fat, sampling=scan.spacing).clip(max=SURROUNDINGS)


def place_controls(
    depth: np.ndarray, bodies: Sequence[Specimen], rng: np.random.Generator
) -> list[MatchedControl]:
    """A control of each body, the largest first, where there is room as deep in fat and with as
    much fat round it; those without such a place have none. `depth` (z, y, x) is that of
    `depth_in_fat`."""
    fat = depth > 0
    places, taken, controls = np.argwhere(fat), np.zeros(fat.shape, bool), []
    for body in sorted(bodies, key=lambda body: -body.mask.sum()):
        inside = np.argwhere(body.mask)
        shell = np.argwhere(ndimage.binary_dilation(body.mask, np.ones((3, 3, 3))) & ~body.mask)
        middle = inside.mean(0).round().astype(int)
        tries = places[rng.integers(len(places), size=TRIES)] - middle
        low, high = shell.min(0), shell.max(0)
        tries = tries[((tries + low >= 0) & (tries + high < fat.shape)).all(1)]
        roomy = [
            start
            for start in tries
            if fat[_at(inside, start)].mean() >= LEAST_FAT and not taken[_at(inside, start)].any()
        ]
        if not roomy:
            continue
        wanted = np.array([body.depth, body.fat])
        likeness = [
            np.abs([depth[_at(shell, start)].mean(), fat[_at(shell, start)].mean()] - wanted)
            / CALIPER[1:]
            for start in roomy
        ]
        best = np.max(likeness, axis=1).argmin()
        if np.max(likeness[best]) > 1:
            continue
        controls.append(MatchedControl(body, roomy[best]))
        _take(taken, controls[-1])
    return controls


def _at(voxels: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple((voxels + start).T)


def _take(taken: np.ndarray, control: MatchedControl) -> None:
    """Where painting another control could change the CT where painting this one may."""
    pad = np.ceil(2 * REACH / control.body.spacing).astype(int) + 1
    mask = np.pad(control.body.mask, [(p, p) for p in pad])
    near = within_reach(within_reach(mask, control.body.spacing), control.body.spacing)
    voxels = np.argwhere(near) + control.start - pad
    voxels = voxels[((voxels >= 0) & (voxels < taken.shape)).all(1)]
    taken[tuple(voxels.T)] = True
