"""Procedural contrast-enhanced pelvic CT with its organ labels.

The anatomy (`anatomy`) is a list of implicit shapes (`solids`) in template millimeters, LPS frame
(x to the patient's left, y posterior, z superior, origin at the middle of the field of view),
painted in order onto a canvas (`canvas`). The canvas turns a signed distance into voxel occupancy,
so that every boundary carries the partial volume of the sampled grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter1d

from LNGenLib.phantom.anatomy import paint_pelvis
from LNGenLib.phantom.canvas import Canvas

FIELD_OF_VIEW = (380.0, 280.0, 220.0)  # mm, L4 to the ischial tuberosities


@dataclass(frozen=True)
class Phantom:
    """A synthetic pelvic CT and its organ labels, on one grid in the LPS frame."""

    ct: sitk.Image  # int16, HU
    labels: sitk.Image  # uint8, TotalSegmentator v2 'total' numbering, 0 where unlabeled


def pelvic_phantom(
    seed: int = 0,
    spacing: tuple[float, float, float] = (1.0, 1.0, 2.5),
    size: tuple[int, int, int] | None = None,
) -> Phantom:
    """Paint the pelvis of ``seed`` on a grid of ``spacing`` (mm) and ``size`` (voxels; x, y, z).

    The anatomy depends on the seed only, not on the grid; the grid is centered on the LPS origin,
    and without ``size`` it covers ``FIELD_OF_VIEW``.
    """
    voxels = size or tuple(round(length / s) for length, s in zip(FIELD_OF_VIEW, spacing))
    anatomy, noise = (np.random.default_rng([seed, stream]) for stream in range(2))
    scale = anatomy.uniform((0.95, 0.95, 0.96), (1.03, 1.03, 1.04))
    canvas = Canvas(voxels, spacing, scale, anatomy)
    paint_pelvis(canvas, anatomy)
    return Phantom(_image(_scan(canvas, noise), spacing), _image(canvas.labels, spacing))


def _scan(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Canvas HU seen by the scanner: in-plane point spread and correlated noise, as int16."""
    dx, dy, dz = canvas.spacing

    def blurred(volume: np.ndarray, sigma: float) -> np.ndarray:
        return gaussian_filter1d(gaussian_filter1d(volume, sigma / dx, 2), sigma / dy, 1)

    hu = blurred(canvas.hu, 0.5)
    grain = blurred(rng.standard_normal(hu.shape, np.float32), 0.6)
    grain -= 0.6 * blurred(grain, 1.2)  # the ramp filter takes low frequencies out of CT noise
    grain *= rng.uniform(8.0, 12.0) * np.sqrt(2.5 / dz) / grain.std()
    x, y, _ = canvas.axes
    depth = np.exp(-((x / 120) ** 2) - (y[:, None] / 90) ** 2)  # long ray paths: noisier center
    hu += grain * (0.75 + 0.5 * depth)
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)


def _image(array: np.ndarray, spacing: tuple[float, float, float]) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin([-(n - 1) / 2 * s for n, s in zip(image.GetSize(), spacing)])
    return image
