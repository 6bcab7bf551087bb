"""Candidate regions from organ labels or from HU and a region the user gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_spacing, index_to_ras, ras_coordinate
from LNGenLib.image.hu import FAT
from LNGenLib.image.io import to_array
from LNGenLib.structure.lymph_node import Box

# TotalSegmentator v2, task "total"
COLON, SACRUM = 20, 25
ILIAC_VESSELS = (65, 66, 67, 68)

ALONG_VESSELS = 20.0  # mm: iliac nodes lie beside the vessels
ROUND_RECTUM = 30.0  # mm: the mesorectal envelope
RECTUM_TO_SACRUM = 60.0  # mm: the colon nearer to the sacrum, below its top, is the rectum
BELOW_SACRUM = 15.0  # mm: the pelvic floor lies a little below the sacrum's tip
OUTSIDE = -300.0  # HU
BELOW_SKIN = 25.0  # mm: no nodes in subcutaneous fat


COARSE = 3.0  # mm: landmarks, the body's outline and distances are found on such a grid
MARGIN = 36.0  # mm round the candidate centers: the largest node and its surroundings fit in


@dataclass(frozen=True)
class CandidateRegion:
    """The part `box` of a CT in which nodes may lie; arrays (z, y, x, bool) are of that part.

    `centers` are where a node's center may lie; `forbidden` voxels hold a label or lie outside the
    body; `fat` is what a node should replace.
    """

    box: Box
    centers: np.ndarray
    forbidden: np.ndarray
    fat: np.ndarray


def find_region(
    ct: sitk.Image, anatomy: sitk.Image | None, region: np.ndarray | None
) -> CandidateRegion:
    """Fat that lymph nodes may lie in.

    With `region` (z, y, x, bool) that is the fat inside it; else, from TotalSegmentator's labels
    in `anatomy` (0 is background), the fat within 20 mm of the iliac vessels or 30 mm of the
    rectum. All labels are forbidden. Raises InputError where nothing tells the place.
    """
    spacing = array_spacing(ct)
    steps = coarse_steps(spacing)
    coarse = _thinned(ct, steps)
    outside = _outside(to_array(coarse))
    if region is not None:
        if not region.any():
            raise InputError(
                "the region holds no voxel of the CT: check the mask or the box (RAS mm)"
            )
        box = surroundings(region, MARGIN, spacing)
        centers = region[box]
    elif anatomy is not None:
        labels = to_array(_thinned(anatomy, steps))
        inner = ~_within(outside, BELOW_SKIN, array_spacing(coarse))
        near = pelvic_region(coarse, labels) & inner
        small = surroundings(near, MARGIN, array_spacing(coarse))
        box = tuple(
            slice(part.start * step, min(part.stop * step, size))
            for part, step, size in zip(small, steps, ct.GetSize()[::-1])
        )
        centers = _refined(near, steps, box)
    else:
        raise InputError(
            "no place for lymph nodes is known: give --anatomy, --region-box or --region-mask"
        )
    hu = sitk.GetArrayViewFromImage(ct)[box]
    fat = _fat(hu, spacing)
    forbidden = _refined(outside, steps, box) | (hu < OUTSIDE)
    if anatomy is not None:
        forbidden |= sitk.GetArrayViewFromImage(anatomy)[box] > 0
    return CandidateRegion(box, centers & fat & ~forbidden, forbidden, fat)


def pelvic_region(ct: sitk.Image, labels: np.ndarray) -> np.ndarray:
    """Voxels near rectum and iliac vessels, from promontory to pelvic floor.

    Raises InputError where the labels have neither rectum nor iliac vessels.
    """
    spacing = array_spacing(ct)
    vessels = np.isin(labels, ILIAC_VESSELS)
    rectum = find_rectum(ct, labels)
    if not vessels.any() and not rectum.any():
        raise InputError(
            "the anatomy has neither iliac vessels (65-68) nor a rectum (colon 20 before the "
            "sacrum 25): give --region-box or --region-mask, or TotalSegmentator labels of a pelvis"
        )
    near = _within(vessels, ALONG_VESSELS, spacing) | _within(rectum, ROUND_RECTUM, spacing)
    sacrum = index_to_ras(ct, np.argwhere(labels == SACRUM))[:, 2]
    if len(sacrum):
        height = ras_coordinate(ct, 2)
        near &= (height >= sacrum.min() - BELOW_SACRUM) & (height <= sacrum.max())
    return near


def find_rectum(ct: sitk.Image, labels: np.ndarray) -> np.ndarray:
    """The colon below the top of the sacrum, near it and to the midline (z, y, x, bool).

    TotalSegmentator has no label for the rectum; this is an estimate.
    """
    sacrum, colon = labels == SACRUM, labels == COLON
    if not sacrum.any() or not colon.any():
        return np.zeros(labels.shape, bool)
    bone = index_to_ras(ct, np.argwhere(sacrum))
    points = np.argwhere(colon)
    ras = index_to_ras(ct, points)
    below = ras[:, 2] < bone[:, 2].max() - 0.25 * np.ptp(bone[:, 2])
    central = np.abs(ras[:, 0] - bone[:, 0].mean()) < 45
    near = _within(sacrum, RECTUM_TO_SACRUM, array_spacing(ct))[tuple(points.T)]
    rectum = np.zeros(labels.shape, bool)
    rectum[tuple(points[below & central & near].T)] = True
    return rectum


def _fat(hu: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Fat after smoothing by about a millimeter in-plane, so that noise makes no holes."""
    smooth = ndimage.gaussian_filter(hu.astype(np.float32), (0, *np.minimum(1 / spacing[1:], 1.5)))
    return (smooth > FAT[0]) & (smooth < FAT[1])


def _outside(hu: np.ndarray) -> np.ndarray:
    """Air and everything not connected to the body (table, clothes)."""
    body = ndimage.binary_opening(hu > -250, iterations=1)
    labels, count = ndimage.label(body)
    if not count:
        raise InputError("the CT holds no body (no voxels above -250 HU): check its HU")
    body = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return ~np.stack([ndimage.binary_fill_holes(part) for part in body])


def coarse_steps(spacing: np.ndarray) -> np.ndarray:
    """Voxels (z, y, x) of a grid to one of the coarse grid."""
    return np.maximum(np.round(COARSE / spacing), 1).astype(int)


def _thinned(image: sitk.Image, steps: np.ndarray) -> sitk.Image:
    """Every so many voxels of an image; `steps` (z, y, x)."""
    z, y, x = steps.tolist()
    return image[::x, ::y, ::z]


def _refined(coarse: np.ndarray, steps: np.ndarray, box: Box) -> np.ndarray:
    """The part `box` of the grid of which `coarse` is thinned out, from the nearest voxels."""
    nearest = [
        np.round(np.arange(part.start, part.stop) / step).astype(int).clip(max=size - 1)
        for part, step, size in zip(box, steps, coarse.shape, strict=True)
    ]
    return coarse[np.ix_(*nearest)]


def _within(mask: np.ndarray, reach: float, spacing: np.ndarray) -> np.ndarray:
    """Voxels within `reach` mm of a mask."""
    if not mask.any():
        return np.zeros(mask.shape, bool)
    near, box = np.zeros(mask.shape, bool), surroundings(mask, reach, spacing)
    near[box] = ndimage.distance_transform_edt(~mask[box], sampling=spacing) <= reach
    return near


def surroundings(mask: np.ndarray, margin: float, spacing: np.ndarray) -> Box:
    """The box of a mask and `margin` mm round it, within the grid; the grid where it is empty."""
    box = []
    for axis, size in enumerate(mask.shape):
        others = tuple(k for k in range(3) if k != axis)
        found = np.flatnonzero(mask.any(others))
        low, high = (found[0], found[-1] + 1) if len(found) else (0, size)
        pad = int(np.ceil(margin / spacing[axis]))
        box.append(slice(max(int(low) - pad, 0), min(int(high) + pad, size)))
    return tuple(box)
