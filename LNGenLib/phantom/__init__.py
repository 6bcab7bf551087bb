"""Procedural contrast-enhanced pelvic CT with its organ labels.

The anatomy (`anatomy`) is a list of implicit shapes (`solids`) in template millimeters, LPS frame
(x to the patient's left, y posterior, z superior, origin at the middle of the field of view),
painted in order onto a canvas (`canvas`). The canvas turns a signed distance into voxel occupancy,
so that every boundary carries the partial volume of the sampled grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter1d

from LNGenLib.phantom.anatomy import paint_pelvis
from LNGenLib.phantom.canvas import LUMEN, PELVIC_FAT, UNNAMED_MUSCLE, Canvas
from LNGenLib.phantom.content import stool_block, stool_on
from LNGenLib.phantom.metal import LEAST_METAL, streaks
from LNGenLib.phantom.patient import Patient, half_width

FIELD_OF_VIEW = (380.0, 280.0, 220.0)  # mm, L4 to the ischial tuberosities
NOTHING = -1024  # HU outside a round field of view
FIRST_SEED = {"development": 10_000, "test": 50_000}  # of each set of varied pelves
THICKNESSES = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)  # mm, of their slices


@dataclass(frozen=True)
class Phantom:
    """A synthetic pelvic CT with what is true of it, on one grid in the LPS frame."""

    ct: sitk.Image  # int16, HU
    labels: sitk.Image  # uint8, TotalSegmentator v2 'total' numbering, 0 where unlabeled
    fat: sitk.Image  # uint8, 1 in fat within the walls of the pelvis, where a node could lie
    lumen: sitk.Image  # uint8, 1 in the content of bowel
    muscle: sitk.Image  # uint8, 1 in the muscles that TotalSegmentator has no label for


def pelvic_phantom(
    seed: int = 0,
    spacing: tuple[float, float, float] = (1.0, 1.0, 2.5),
    size: tuple[int, int, int] | None = None,
    patient: Patient | None = None,
    stool: sitk.Image | None = None,
) -> Phantom:
    """Paint the pelvis of ``seed`` on a grid of ``spacing`` (mm) and ``size`` (voxels; x, y, z).

    The anatomy depends on the seed only, not on the grid; the grid is centered on the LPS origin,
    and without ``size`` it covers ``FIELD_OF_VIEW``. A ``patient`` varies the anatomy and the scan;
    its bowel is filled with procedural stool, or with a block of HU, all of it ``stool``, such as
    one cut from a real colon. The rows of a prone patient are as a scanner gives them.
    """
    voxels = size or tuple(round(length / s) for length, s in zip(FIELD_OF_VIEW, spacing))
    anatomy, noise, fate, grain, metal = (np.random.default_rng([seed, part]) for part in range(5))
    scale = anatomy.uniform((0.95, 0.95, 0.96), (1.03, 1.03, 1.04))
    canvas = Canvas(voxels, spacing, scale, anatomy)
    content = stool_on(canvas, stool or stool_block(grain)) if patient else None
    paint_pelvis(canvas, anatomy, patient, content, fate)
    if (canvas.hu > LEAST_METAL).any():
        slices, added = streaks(canvas.hu, spacing, metal)
        canvas.hu[slices] += added
    ct, labels = _scan(canvas, noise, patient.noise if patient else None), canvas.labels
    if patient and patient.view:
        x, y, _ = canvas.axes
        outside = np.hypot(x, y[:, None]) > patient.view / 2
        ct[:, outside], labels[:, outside] = NOTHING, 0
    organs = labels % LUMEN
    organs[np.isin(organs, (PELVIC_FAT, UNNAMED_MUSCLE))] = 0
    masks = labels == PELVIC_FAT, labels > LUMEN, labels == UNNAMED_MUSCLE
    truth = organs, *(mask.astype(np.uint8) for mask in masks)
    prone = bool(patient and patient.prone)
    return Phantom(*(_image(array, spacing, prone) for array in (ct, *truth)))


def varied_pelvis(
    number: int, part: Literal["development", "test"], stool: sitk.Image | None = None
) -> Phantom:
    """Pelvis ``number`` (0 to 59) of the set for development or of the one for tests.

    Each has its own patient and grid: 0.7 to 0.98 mm in plane, slices of 1 to 5 mm.
    """
    seed = FIRST_SEED[part] + number
    patient, rng = Patient.drawn(seed), np.random.default_rng([seed, 11])
    half = half_width(patient.girth)
    width = patient.view or 2 * half + (190 if patient.arms else 8)
    height = min(width, 290 + 2 * max(patient.girth, 0))
    pixel = rng.uniform(max(0.7, min(width / 512, 0.98)), 0.98)
    thickness, length = rng.choice(THICKNESSES), rng.uniform(190, 235)
    spacing = (float(pixel), float(pixel), float(thickness))
    size = (min(int(width / pixel), 512), min(int(height / pixel), 512), int(length / thickness))
    return pelvic_phantom(seed, spacing, size, patient, stool)


def _scan(canvas: Canvas, rng: np.random.Generator, noise: float | None) -> np.ndarray:
    """Canvas HU seen by the scanner: in-plane point spread and correlated noise of standard
    deviation ``noise`` (HU), as int16."""
    dx, dy, dz = canvas.spacing

    def blurred(volume: np.ndarray, sigma: float) -> np.ndarray:
        return gaussian_filter1d(gaussian_filter1d(volume, sigma / dx, 2), sigma / dy, 1)

    hu = blurred(canvas.hu, 0.5)
    grain = blurred(rng.standard_normal(hu.shape, np.float32), 0.6)
    grain -= 0.6 * blurred(grain, 1.2)  # the ramp filter takes low frequencies out of CT noise
    grain *= (noise or rng.uniform(8.0, 12.0) * np.sqrt(2.5 / dz)) / grain.std()
    x, y, _ = canvas.axes
    depth = np.exp(-((x / 120) ** 2) - (y[:, None] / 90) ** 2)  # long ray paths: noisier center
    hu += grain * (0.75 + 0.5 * depth)
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)


def _image(array: np.ndarray, spacing: tuple[float, float, float], prone: bool) -> sitk.Image:
    """An image centered on the LPS origin; prone, its rows and columns run right and anterior."""
    turn = -1 if prone else 1
    image = sitk.GetImageFromArray(array[:, ::turn, ::turn])
    image.SetSpacing(spacing)
    image.SetDirection((turn, 0, 0, 0, turn, 0, 0, 0, 1))
    signs = (turn, turn, 1)
    image.SetOrigin([-i * (n - 1) / 2 * s for i, n, s in zip(signs, image.GetSize(), spacing)])
    return image
