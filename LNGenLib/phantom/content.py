"""What fills a bowel: mottled stool with gas bubbles, and gas over a fluid level."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter, zoom

from LNGenLib.phantom.canvas import GAS, Canvas

RADII = {"stool": (15, 21), "gas": (14, 21), "fluid": (13, 18), "collapsed": (6, 9)}  # mm
EDGE, GRAIN, BUBBLES = 96, 0.6, 2500  # of a block of stool: voxels, mm, and how many


def stool_block(rng: np.random.Generator) -> sitk.Image:
    """A block of stool in HU: a fat-dense mottle in grains of 2 to 6 mm, with bubbles of gas."""

    def mottle(grain: float) -> np.ndarray:
        field = gaussian_filter(rng.standard_normal((EDGE,) * 3, np.float32), grain / GRAIN / 2.5)
        return field / field.std()

    mean = rng.uniform(-95, -20)
    hu = np.clip(mean + 30 * mottle(2.5) + 25 * mottle(5.0), -120, 60)
    gassy = mottle(9.0) > 0.2  # bubbles come in swarms
    centers = rng.uniform(4, EDGE - 5, (BUBBLES, 3))
    centers = centers[gassy[tuple(np.rint(centers).astype(int).T)]]
    for center in centers:
        radius = min(0.25 + rng.exponential(0.45), 2.0) / GRAIN  # voxels
        corner = np.rint(center).astype(int) - 4
        box = tuple(slice(c, c + 9) for c in np.clip(corner, 0, EDGE - 9))
        offset = np.ogrid[box]
        distance = np.sqrt(sum((o - c) ** 2 for o, c in zip(offset, center)))
        gas = np.clip(radius - distance + 0.5, 0, min(1, 2 * radius))
        hu[box] += gas * (rng.uniform(-900, -300) - hu[box])
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((GRAIN,) * 3)
    return image


def stool_on(canvas: Canvas, block: sitk.Image) -> np.ndarray:
    """A block of stool (HU) laid over the grid again and again, mirrored, as (z, y, x)."""
    finer = np.array(block.GetSpacing()[::-1]) / canvas.spacing[::-1]
    hu = sitk.GetArrayFromImage(block).astype(np.float32)
    hu = gaussian_filter(hu, 0.4 * np.sqrt(np.maximum(finer**-2 - 1, 0)))  # a voxel's mean
    hu = zoom(hu, np.maximum(finer, 1 / np.array(hu.shape)), order=3, grid_mode=True, mode="mirror")
    places = []
    for axis, spacing, n in zip(canvas.axes[::-1], canvas.spacing[::-1], hu.shape):
        place = np.rint(axis / spacing).astype(int) % (2 * n)
        places.append(np.minimum(place, 2 * n - 1 - place))
    return hu[np.ix_(*places)]


def under_gas(canvas: Canvas, below: np.ndarray | float, level: float, up: int) -> np.ndarray:
    """Gas over ``below`` (HU), parted at a level (template y), as (z, y, x); up is along y."""
    y = canvas.axes[1] / canvas.scale[1]
    share = np.clip(up * (y - level) / canvas.spacing[1] + 0.5, 0, 1).astype(np.float32)[:, None]
    hu = below + share * (np.float32(GAS) - below)
    return np.broadcast_to(hu, canvas.hu.shape)
