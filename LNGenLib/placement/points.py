"""Where lymph nodes may lie that a user puts at points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import Box, coarse_steps, corner, inside_grid, shifted
from LNGenLib.image.hu import FAT
from LNGenLib.placement.candidate_region import (
    MARGIN,
    CandidateRegion,
    Subregion,
    free_voxels,
    inside_ct,
    tissue,
)
from LNGenLib.placement.fat import Fat

NEAR = 0.5  # tolerances: SD of the distance from a point at which its node is tried


def at_points(
    ct: sitk.Image,
    anatomy: sitk.Image | None,
    points: Sequence[Sequence[float]],
    tolerance: float,
    outside: np.ndarray,
) -> CandidateRegion:
    """A region of one node each within `tolerance` mm of `points` (RAS mm), as near as may be, and
    along the wall or vessel beside it.

    `anatomy` holds TotalSegmentator's labels (0 is background), off which nodes keep; `outside`
    (z, y, x, bool) is what lies outside the body, on the grid thinned out by `coarse_steps`. Raises
    InputError for a point outside of the CT.
    """
    spacing, shape = array_spacing(ct), ct.GetSize()[::-1]
    tolerance = max(tolerance, float(np.linalg.norm(spacing)) / 2)  # the nearest voxel's center
    centers = [inside_ct(ct, point) for point in points]
    parts = [_round(center, tolerance / spacing, shape) for center in centers]
    ends = np.array([[(axis.start, axis.stop) for axis in part] for part in parts])
    low, high = ends[..., 0].min(0).tolist(), ends[..., 1].max(0).tolist()
    pad = np.ceil(MARGIN / spacing).astype(int)
    box = inside_grid(tuple(map(slice, low, high)), shape, pad)
    steps = coarse_steps(spacing)
    forbidden, fat = tissue(ct, anatomy, outside, steps, box)
    near = tuple(
        _near(center - corner(box), shifted(part, -corner(box)), tolerance, spacing, fat, forbidden)
        for center, part in zip(centers, parts)
    )
    wall = _wall(sitk.GetArrayViewFromImage(ct)[box], steps, spacing)
    return CandidateRegion(box, forbidden, fat, near, one_each=True, wall=wall, steps=steps)


def _round(center: np.ndarray, reach: np.ndarray, shape: tuple[int, ...]) -> Box:
    """The voxels within `reach` voxels (3,) of a continuous index (3,)."""
    low, high = np.floor(center - reach).astype(int), np.ceil(center + reach).astype(int) + 1
    return inside_grid(tuple(map(slice, low.tolist(), high.tolist())), shape)


def _near(
    center: np.ndarray,
    part: Box,
    tolerance: float,
    spacing: np.ndarray,
    fat: Fat,
    forbidden: np.ndarray,
) -> Subregion:
    """The free fat of a `part` of the region's box, the likelier the nearer to a center (3,)."""
    everywhere = np.ones([axis.stop - axis.start for axis in part], bool)
    voxels = free_voxels(everywhere, part, fat, forbidden)
    off = np.linalg.norm((voxels - center) * spacing, axis=1)
    voxels, off = voxels[off <= tolerance], off[off <= tolerance]
    density = np.exp(-((off / (NEAR * tolerance)) ** 2) / 2).astype(np.float32)
    return Subregion(lambda: (voxels, density))


def _wall(hu: np.ndarray, steps: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance in mm (float32) to what is no fat, on the grid of `hu` (z, y, x) thinned out by
    `steps`, by the mean of the voxels round each of its own: so noise makes no walls."""
    z, y, x = steps.tolist()
    mean = ndimage.uniform_filter(hu.astype(np.float32), (z, y, x))[::z, ::y, ::x]
    fat = (mean > FAT[0]) & (mean < FAT[1])
    return ndimage.distance_transform_edt(fat, sampling=spacing * steps).astype(np.float32)
