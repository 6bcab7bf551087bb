"""Coordinates: RAS mm outside, (z, y, x) voxel indices inside, isotropic patches between them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
_DIGITS = 10  # of mm and cosines: SimpleITK's and Slicer's readers of one file differ by 1e-14


def array_spacing(image: sitk.Image) -> np.ndarray:
    """Spacing in mm in array order (z, y, x)."""
    return np.round(image.GetSpacing()[::-1], _DIGITS)


def array_axes(image: sitk.Image) -> np.ndarray:
    """Unit vectors of the array's axes in RAS, as columns (3, 3) in the order z, y, x."""
    return (_LPS_TO_RAS[:, None] * _direction(image))[:, ::-1]


def index_to_ras(image: sitk.Image, index: np.ndarray) -> np.ndarray:
    """RAS mm (..., 3) of continuous array indices (..., 3) in (z, y, x) order."""
    offset = (np.asarray(index) * array_spacing(image))[..., ::-1] @ _direction(image).T
    return (offset + _origin(image)) * _LPS_TO_RAS


def ras_to_index(image: sitk.Image, ras: np.ndarray) -> np.ndarray:
    """Continuous array indices (..., 3) in (z, y, x) order of RAS mm (..., 3)."""
    offset = np.asarray(ras) * _LPS_TO_RAS - _origin(image)
    return (offset @ np.linalg.inv(_direction(image)).T)[..., ::-1] / array_spacing(image)


def _direction(image: sitk.Image) -> np.ndarray:
    return np.round(image.GetDirection(), _DIGITS).reshape(3, 3)


def _origin(image: sitk.Image) -> np.ndarray:
    return np.round(image.GetOrigin(), _DIGITS)


def ras_coordinate(image: sitk.Image, axis: int) -> np.ndarray:
    """R, A or S (axis 0, 1, 2) in mm of every voxel, an array that broadcasts to (z, y, x)."""
    origin = index_to_ras(image, np.zeros(3))
    total = np.full((1, 1, 1), origin[axis])
    for k, size in enumerate(image.GetSize()[::-1]):
        step = (index_to_ras(image, np.eye(3)[k]) - origin)[axis]
        if abs(step) * size > 1e-6:
            total = total + np.moveaxis((step * np.arange(size)).reshape(-1, 1, 1), 0, k)
    return total


def ras_bounds(image: sitk.Image) -> np.ndarray:
    """The lowest and the highest R, A and S (3, 2) in mm of voxels' centers."""
    ends = ((0, size - 1) for size in image.GetSize()[::-1])
    corners = index_to_ras(image, np.array(list(itertools.product(*ends))))
    return np.stack([corners.min(0), corners.max(0)], 1)


def box_mask(image: sitk.Image, box: Sequence[float]) -> np.ndarray:
    """Voxels (z, y, x, bool) whose center lies in a box (R1, R2, A1, A2, S1, S2) in RAS mm."""
    mask = np.ones(image.GetSize()[::-1], bool)
    for axis, bounds in enumerate(np.sort(np.reshape(box, (3, 2)), axis=1)):
        coordinate = ras_coordinate(image, axis)
        mask &= (coordinate >= bounds[0] - 1e-6) & (coordinate <= bounds[1] + 1e-6)
    return mask


def extract_patch(
    array: np.ndarray, spacing: np.ndarray, center: np.ndarray, step: float, size: int
) -> np.ndarray:
    """Isotropic cube (size^3, float32) of `array` round `center`, linearly interpolated.

    `center` in continuous (z, y, x) indices, `spacing` and `step` in mm; axes along the array's
    own. Beyond the border the nearest voxel repeats.
    """
    from scipy import ndimage  # here: the client gets on without it

    offsets = (np.arange(size) - (size - 1) / 2) * step
    axes = [center[k] + offsets / spacing[k] for k in range(3)]
    low = [
        int(np.clip(np.floor(a[0]) - 1, 0, n - 1)) for a, n in zip(axes, array.shape, strict=True)
    ]
    high = [int(np.clip(np.ceil(a[-1]) + 2, 1, n)) for a, n in zip(axes, array.shape, strict=True)]
    part = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].astype(np.float32)
    grid = np.meshgrid(*(a - b for a, b in zip(axes, low, strict=True)), indexing="ij")
    return ndimage.map_coordinates(part, grid, order=1, mode="nearest")
