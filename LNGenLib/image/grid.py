"""A coarse grid, on which landmarks and distances are found; and boxes on grids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

Box = tuple[slice, ...]  # (z, y, x)

COARSE = 3.0  # mm


def coarse_steps(spacing: np.ndarray) -> np.ndarray:
    """Voxels (z, y, x) of a grid with `spacing` in mm (z, y, x) to one of the coarse grid."""
    return np.maximum(np.round(COARSE / spacing), 1).astype(int)


def thinned(image: sitk.Image, steps: np.ndarray) -> sitk.Image:
    """Every so many voxels of an image; `steps` (z, y, x)."""
    z, y, x = steps.tolist()
    return image[::x, ::y, ::z]


def finer(box: Box, steps: np.ndarray, shape: Sequence[int]) -> Box:
    """The box of a grid thinned out by `steps` (3,) on the grid itself, of `shape` (z, y, x)."""
    return tuple(
        slice(part.start * step, min(part.stop * step, size))
        for part, step, size in zip(box, steps.tolist(), shape)
    )


def refined(coarse: np.ndarray, steps: np.ndarray, box: Box) -> np.ndarray:
    """The part `box` of the grid of which `coarse` (z, y, x) is thinned out, by nearest voxels."""
    nearest = _nearest(coarse, steps, box)
    for axis in (2, 1, 0):  # so that whole slices are copied last, of all orders the fastest
        coarse = coarse.take(nearest[axis], axis)
    return coarse


def refined_at(coarse: np.ndarray, steps: np.ndarray, box: Box, voxels: np.ndarray) -> np.ndarray:
    """Values (n,) of `refined` at some voxels (n, 3) of the part."""
    nearest = _nearest(coarse, steps, box)
    return coarse[tuple(own[index] for own, index in zip(nearest, voxels.T))]


def _nearest(coarse: np.ndarray, steps: np.ndarray, box: Box) -> list[np.ndarray]:
    """Index into `coarse` of each slice, row and column of the part `box` of the fine grid."""
    return [
        np.round(np.arange(part.start, part.stop) / step).astype(int).clip(max=size - 1)
        for part, step, size in zip(box, steps, coarse.shape, strict=True)
    ]


def voxels_of(mask: np.ndarray) -> np.ndarray:
    """Indices (n, 3) of a mask (z, y, x), as np.argwhere gives them, in a fraction of its time."""
    return np.stack(np.unravel_index(np.flatnonzero(mask), mask.shape), 1)


def surroundings(mask: np.ndarray, margin: float, spacing: np.ndarray) -> Box:
    """The box of a mask (z, y, x) and `margin` mm round it in the grid; the grid where it is empty.

    `spacing` is in mm (z, y, x).
    """
    box = []
    for axis, size in enumerate(mask.shape):
        others = tuple(k for k in range(3) if k != axis)
        found = np.flatnonzero(mask.any(others))
        low, high = (found[0], found[-1] + 1) if len(found) else (0, size)
        pad = int(np.ceil(margin / spacing[axis]))
        box.append(slice(max(int(low) - pad, 0), min(int(high) + pad, size)))
        mask = mask[(slice(None),) * axis + (slice(low, high),)]
    return tuple(box)


def inside_grid(box: Box, shape: tuple[int, ...], pad: np.ndarray | int = 0) -> Box:
    """The part of `box`, with `pad` voxels more on each side, that lies in a grid of `shape`."""
    pads = np.broadcast_to(pad, 3).tolist()
    z, y, x = (
        slice(max(b.start - p, 0), min(b.stop + p, n))
        for b, p, n in zip(box, pads, shape, strict=True)
    )
    return z, y, x


def common(first: Box, second: Box) -> Box | None:
    """The part that two boxes have in common, None where they have none."""
    z, y, x = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second))
    return (z, y, x) if all(part.start < part.stop for part in (z, y, x)) else None


def corner(box: Box) -> np.ndarray:
    """Index (3,) of the first voxel of a box."""
    return np.array([part.start for part in box])


def shifted(box: Box, by: np.ndarray) -> Box:
    """The box, `by` so many voxels (3,) farther."""
    z, y, x = (slice(part.start + k, part.stop + k) for part, k in zip(box, by.tolist()))
    return z, y, x


def distance_to(mask: np.ndarray, reach: float, spacing: np.ndarray) -> np.ndarray:
    """Distance in mm (float32) to a mask (z, y, x), infinite beyond `reach` mm; `spacing` is in mm
    (z, y, x). The smaller the reach, the faster."""
    distance = np.full(mask.shape, np.inf, np.float32)
    if mask.any():
        box = surroundings(mask, reach, spacing)
        square = np.where(mask[box], np.float32(0), np.float32(np.inf))
        for axis, step in enumerate(spacing.tolist()):
            before = np.moveaxis(square.copy(), axis, 0)
            after = np.moveaxis(square, axis, 0)
            for k in range(1, int(reach / step) + 1):
                np.minimum(after[k:], before[:-k] + (k * step) ** 2, out=after[k:])
                np.minimum(after[:-k], before[k:] + (k * step) ** 2, out=after[:-k])
        distance[box] = np.where(square <= reach**2, np.sqrt(square), np.inf)
    return distance
