"""Fat that may hold a lymph node, where no labels show what is bowel: by texture and topology.

Stool can be as dense as fat, voxel by voxel. But it holds gas, is mottled where fat is even, and
lies behind a wall. So fat counts where it reaches, past no wall, a plateau of the scan's own fat,
and no gas.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from LNGenLib.image.components import FACES, components
from LNGenLib.image.grid import distance_to
from LNGenLib.image.hu import FAT

SAMPLE = 1.65  # mm, at most, of the blocks whose means are looked at: noise weighs less in them
EVEN = 2.0  # mm over which fat is even
SURE = 2.5  # times its spread by noise that a value is off
WALL = 55.0  # HU above the scan's fat from which tissue walls off
FASCIA = 15.0  # HU above it, of thin sheets and vessels, which a node does not cut
GAS = 35.0  # HU below it, over EVEN mm: gas, or what is mixed with it
BUBBLE = 80.0  # HU below it, in a block
NEAR_GAS = 8.0  # mm
PLATEAU = 20.0  # HU off the scan's fat, over EVEN mm
LEAST_PLATEAU = 2000.0  # mm3 of it in a piece of fat
WAY = 3.0  # mm to each side of a way between the pelvis and what is round it, at least
NARROW = 1.2  # mm to each side of a way by which pieces of fat are joined


def known_fat(hu: np.ndarray, spacing: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Fat (z, y, x, bool) of the CT `hu` (z, y, x; `spacing` in mm) outside of all bowel;
    `outside` (bool) is off the body."""
    steps = np.maximum(SAMPLE / spacing, 1).astype(int)
    blocks, step = _means(hu, steps), spacing * steps
    body = _means(~outside, steps) > 0.99
    # smoothed by about 1 mm in-plane, so that noise makes no holes in fat
    smooth = ndimage.gaussian_filter(blocks, np.sqrt(np.maximum(1 - step**2 / 12, 0)) / step)
    even = ndimage.gaussian_filter(blocks, EVEN / step)
    level = _fat_level(even[body])
    below = body & ((even < level - _sure(even[body], level, GAS)) | (smooth < level - _sure(smooth[body], level, BUBBLE)))
    fat = body & (smooth < level + WALL) & ~below
    fat &= ~_reached(below, fat, step)
    kept = _with_plateau(fat, np.abs(even - level) < PLATEAU, step)
    sheet = ndimage.gaussian_filter(blocks, np.sqrt(np.maximum(1.4**2 - step**2 / 12, 0)) / step)
    kept &= sheet < level + _sure(sheet[body], level, FASCIA)
    wall = distance_to(smooth > level + WALL, 4.5, step) < np.inf
    kept &= (even < level + _sure(even[body], level, 8.0)) | wall
    for axis, times in enumerate(steps):
        kept = kept.repeat(times, axis)
    return np.pad(kept, [(0, n - k) for n, k in zip(hu.shape, kept.shape)], mode="edge")


def _sure(values: np.ndarray, level: float, least: float) -> float:
    """HU below the fat's level that noise does not reach, `least` at least; of values (n,)."""
    lower = values[(values < level) & (values > level - BUBBLE)]
    return max(least, SURE * 1.48 * float(level - np.median(lower))) if len(lower) else least


def _means(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Means (float32) of whole blocks of so many voxels (z, y, x)."""
    for axis, step in enumerate(steps.tolist()):
        size = values.shape[axis] // step
        parts = values.take(np.arange(size * step), axis) if values.shape[axis] % step else values
        shape = (*parts.shape[:axis], size, step, *parts.shape[axis + 1 :])
        values = parts.reshape(shape).mean(axis + 1, dtype=np.float32)
    return values


def _fat_level(hu: np.ndarray) -> float:
    """The most frequent HU of fat among values (n,)."""
    counts, edges = np.histogram(hu, 60, FAT)
    return float(edges[ndimage.gaussian_filter1d(counts.astype(float), 2).argmax()])


def _reached(start: np.ndarray, through: np.ndarray, step: np.ndarray) -> np.ndarray:
    """What lies within NEAR_GAS mm of `start` (z, y, x, bool) on a way `through` fat."""
    cross, square = np.zeros((2, 3, 3, 3), bool)
    cross[1], square[1] = ndimage.generate_binary_structure(2, 1), True
    upright = np.zeros((3, 3, 3), bool)
    upright[:, 1, 1] = True
    way, reached = through | start, start
    rounds = max(round(NEAR_GAS / step[0]), 1)
    inplane = NEAR_GAS / step[1:].mean() / rounds
    for k in range(rounds):
        for number in range(round(k * inplane), round((k + 1) * inplane)):
            reached = ndimage.binary_dilation(reached, (cross, square)[number % 2]) & way
        reached = ndimage.binary_dilation(reached, upright) & way
    return reached


def _with_plateau(fat: np.ndarray, plateau: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The pieces of `fat` (z, y, x, bool), joined by ways that are not narrow, in which enough is
    a plateau."""
    neighbors = FACES.copy()
    neighbors[[0, 2]] &= step[0] <= SAMPLE
    times = round(NARROW / step[1:].mean())
    core = ndimage.binary_erosion(fat, neighbors, times) if times else fat
    pieces, sizes = components(core, FACES)
    even = np.bincount(pieces[plateau], minlength=len(sizes)) * step.prod()
    even[0] = 0
    kept = (even >= LEAST_PLATEAU)[pieces]
    return ndimage.binary_dilation(kept, neighbors, times + 1, mask=fat) if times else kept


def cavity(
    fat: np.ndarray, inside: np.ndarray, outside: np.ndarray, spacing: np.ndarray
) -> np.ndarray:
    """Where `fat` (z, y, x, bool; `spacing` in mm) belongs to what is surely `inside` rather than
    to what is surely `outside`: they part where the ways between them are narrowest."""
    from skimage.segmentation import watershed

    depth = ndimage.distance_transform_edt(fat, sampling=spacing)
    core = depth > WAY
    markers = np.where(inside & core, 1, np.where(outside & core, 2, 0))
    parts = watershed(-depth, markers, mask=core)
    return distance_to(parts == 1, 1.5 * WAY, spacing) < distance_to(core & (parts != 1), 1.5 * WAY, spacing)
