"""Fat that may hold a lymph node, where no labels show what is bowel: by texture and topology.

Stool can be as dense as fat, voxel by voxel. But it holds gas, is mottled where fat is even, and
lies behind a wall. So fat counts where it is joined to a plateau of the scan's own fat, and where
no way through fat leads from it to gas nearby. Of the pelvis is what is joined by wide ways to the
space before the sacrum rather than to the fat under the skin.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.image.components import FACES, components
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import distance_to, finer, refined, surroundings
from LNGenLib.image.hu import FAT
from LNGenLib.placement.estimates import before_sacrum, behind_sacrum, estimate_rectum
from LNGenLib.placement.fat import (
    BUBBLE,
    EVEN,
    FASCIA,
    FINE,
    SHEET,
    STRAND,
    SURE,
    WALL,
    noise_in,
)
from LNGenLib.placement.landmarks import Landmarks

SAMPLE = 1.65  # mm, at most, of the blocks whose means are looked at: noise weighs less in them
# HU off the scan's fat, at least, as those that are imported:
GAS = 150.0  # below it: as dark as gas has to be
MIXED = 35.0  # below it, EVEN, or BUBBLE below it, FINE: gas, and what it is mixed with
PLATEAU = 20.0  # EVEN, on both sides
NEAR_GAS = 8.0  # mm through fat
NEAR_WALL = 3.5  # mm in which a wall shows at EVEN
LEAST_PLATEAU, LEAST_EVEN = 20000.0, 0.3  # mm3 of it in a piece of fat, and its share
LEAST_OTHER = 8.0  # mm3 of a piece in fat that is not fat
NARROW = 1.2  # mm to each side of a way by which pieces of fat are joined, at least
WAY = 3.0  # mm likewise, between the pelvis and what lies round it
PURE = 0.6  # share of fat in a voxel of the coarse grid that is fat
# The pelvis, in mm: above the promontory and below the coccyx; before and behind the sacrum; to
# each side of the midline
REACH_UP, REACH_DOWN, REACH_BEFORE, REACH_BEHIND, REACH_ASIDE = 90.0, 30.0, 110.0, 90.0, 110.0
LOWEST = 0.25  # of the way from coccyx to promontory, above which fat before the sacrum is pelvic


def known_fat(hu: np.ndarray, spacing: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Fat (z, y, x, bool) of the CT `hu` (z, y, x; `spacing` in mm) that is surely outside of
    bowel; `outside` (bool) is off the body."""
    steps = np.clip(SAMPLE / spacing, 1, hu.shape).astype(int)
    blocks, step = _means(hu, steps), spacing * steps
    body = _means(~outside, steps) > 0.99
    level = _fat_level(blocks[body])
    blocks = blocks.clip(level - GAS)  # so that gas does not shine through a wall
    fine, sheet, even = (_smoothed(blocks, sigma, step) for sigma in (FINE, SHEET, EVEN))

    def off(values: np.ndarray, least: float) -> float:
        return max(least, SURE * noise_in(values[body], level))

    gas = body & ((fine < level - off(fine, BUBBLE)) | (even < level - off(even, MIXED)))
    wall = fine > level + WALL
    fat = body & ~wall & ~gas
    fat &= ~_reached(gas, fat, step)
    fat = _with_plateau(fat, np.abs(even - level) < PLATEAU, step)
    fat &= sheet < level + off(sheet, FASCIA)
    fat &= (even < level + off(even, STRAND)) | (distance_to(wall, NEAR_WALL, step) < np.inf)
    parts, sizes = components(~fat, FACES)
    fat |= (sizes * step.prod() < LEAST_OTHER)[parts] & body
    for axis, times in enumerate(steps):
        fat = fat.repeat(times, axis)
    return np.pad(fat, [(0, n - k) for n, k in zip(hu.shape, fat.shape)], mode="edge")


def pelvic_fat(
    marks: Landmarks, ct: sitk.Image, outside: np.ndarray, inner: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """Fat (z, y, x, bool) of the pelvis in a whole CT, as far as it is surely outside of bowel; of
    the rectum, where it is not known, an estimate is added to `marks`.

    `outside` the body, and `inner`, deeper than the skin, are bool on the grid of `marks`, which is
    that of the CT thinned out by `steps`.
    """
    found = np.zeros(ct.GetSize()[::-1], bool)
    if "sacrum" not in marks.masks:
        return found
    near = surroundings(_round_pelvis(marks), 0, marks.spacing)
    box = finer(near, steps, found.shape)
    hu = sitk.GetArrayViewFromImage(ct)[box]
    found[box] = known_fat(hu, array_spacing(ct), refined(outside, steps, box))
    thin = tuple(slice(None, None, step) for step in steps.tolist())
    estimate_rectum(marks, found[thin])
    fat = np.zeros(marks.shape, bool)
    share = ndimage.uniform_filter(found[box].astype(np.float32), steps.tolist())
    fat[near] = share[thin] > PURE
    found[box] &= refined(pelvic_part(marks, fat, inner), steps, box)
    return found


def pelvic_part(marks: Landmarks, fat: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Where `fat` (z, y, x, bool) is of the pelvis rather than round it; everywhere, where the
    sacrum is not known. `inner` (bool) is deeper than the skin."""
    if "sacrum" not in marks.masks:
        return np.ones(marks.shape, bool)
    low, high = marks.heights["coccyx"], marks.heights["promontory"]
    inside = before_sacrum(marks) & marks.above(low + LOWEST * (high - low))
    other = ~inner | behind_sacrum(marks)
    near, own = surroundings(_round_pelvis(marks), 0, marks.spacing), np.zeros(marks.shape, bool)
    own[near] = parted(fat[near], inside[near], other[near], marks.spacing)
    return own


def parted(
    fat: np.ndarray, inside: np.ndarray, outside: np.ndarray, spacing: np.ndarray
) -> np.ndarray:
    """Where `fat` (z, y, x, bool; `spacing` in mm) belongs to what is surely `inside` rather than
    to what is surely `outside`: they part where the ways between them are narrowest."""
    from skimage.segmentation import watershed

    depth = ndimage.distance_transform_edt(fat, sampling=spacing)
    core = depth > WAY
    markers = np.where(inside & core, 1, np.where(outside & core, 2, 0))
    own = watershed(-depth, markers, mask=core) == 1
    own_off, other_off = (distance_to(part, 1.5 * WAY, spacing) for part in (own, core & ~own))
    return own_off < other_off


def _round_pelvis(marks: Landmarks) -> np.ndarray:
    """A box (z, y, x, bool) round the pelvis, and what stations reach above it."""
    r, a, s = marks.ras
    sacrum = marks.points("sacrum")
    low, high = marks.heights["coccyx"], marks.heights["promontory"]
    inside = (s > low - REACH_DOWN) & (s < high + REACH_UP)
    inside = (
        inside & (a < sacrum[:, 1].max() + REACH_BEFORE) & (a > sacrum[:, 1].max() - REACH_BEHIND)
    )
    return inside & (np.abs(r - marks.midline) < REACH_ASIDE)


def _means(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Means (float32) of whole blocks of so many voxels (z, y, x)."""
    for axis, step in enumerate(steps.tolist()):
        size = values.shape[axis] // step
        values = values[(slice(None),) * axis + (slice(size * step),)]
        shape = (*values.shape[:axis], size, step, *values.shape[axis + 1 :])
        values = values.reshape(shape).mean(axis + 1, dtype=np.float32)
    return values


def _smoothed(blocks: np.ndarray, sigma: float, step: np.ndarray) -> np.ndarray:
    """Blocks (z, y, x), `step` mm large, smoothed by `sigma` mm, what they are by themselves
    included."""
    return ndimage.gaussian_filter(blocks, np.sqrt(np.maximum(sigma**2 - step**2 / 12, 0)) / step)


def _fat_level(hu: np.ndarray) -> float:
    """The most frequent HU of fat among values (n,)."""
    counts, edges = np.histogram(hu, 60, FAT)
    return float(edges[ndimage.gaussian_filter1d(counts.astype(float), 2).argmax()])


def _reached(start: np.ndarray, through: np.ndarray, step: np.ndarray) -> np.ndarray:
    """What lies within NEAR_GAS mm of `start` (z, y, x, bool; `step` in mm) on a way `through` fat:
    so many steps in plane, and so many rounds of them upward and downward."""
    upright, cross, square = np.zeros((3, 3, 3, 3), bool)
    upright[:, 1, 1] = True
    cross[1], square[1] = ndimage.generate_binary_structure(2, 1), True
    way, reached = through | start, start
    rounds = max(round(NEAR_GAS / step[0]), 1)
    ends = np.round(np.arange(rounds + 1) * NEAR_GAS / step[1:].mean() / rounds).astype(int)
    for first, last in zip(ends, ends[1:]):
        for number in range(first, last):  # in turn, so that they make an octagon
            reached = ndimage.binary_dilation(reached, (cross, square)[number % 2]) & way
        reached = ndimage.binary_dilation(reached, upright) & way
    return reached


def _with_plateau(fat: np.ndarray, plateau: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Those pieces of `fat` (z, y, x, bool; `step` in mm), joined by ways that are not narrow, of
    which enough is a plateau."""
    neighbors = FACES.copy()
    neighbors[[0, 2]] &= step[0] <= SAMPLE
    times = round(NARROW / step[1:].mean())
    core = ndimage.binary_erosion(fat, neighbors, times) if times else fat
    pieces, sizes = components(core, FACES)
    even = np.bincount(pieces[plateau], minlength=len(sizes)) * step.prod()
    even[0] = 0
    kept = ((even >= LEAST_PLATEAU) & (even >= LEAST_EVEN * sizes * step.prod()))[pieces]
    return ndimage.binary_dilation(kept, neighbors, times + 1, mask=fat) if times else kept
