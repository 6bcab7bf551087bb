"""A hip prosthesis, and the streaks that its metal throws over the slices it lies in."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import zoom

from LNGenLib.phantom.canvas import Canvas
from LNGenLib.phantom.solids import bowl, capsule, ellipsoid, tube

METAL, LEAST_METAL = 8000.0, 2500.0  # HU
HEAD = (91, -2, -60)
STREAK = 200.0  # HU, which one voxel in fifty of the body exceeds
PIXEL, SLAB, ANGLES = 2.0, 4.0, 200  # of the streaks: mm in plane and across, directions
BIN = PIXEL / 10  # cm, of a projection


def paint_prosthesis(canvas: Canvas, side: int, femur: int, hip: int) -> None:
    """Cup, liner, head, neck and stem, with the labels of the bones that they replace."""
    stem = tube((118, 9, -80, 9), (125, 10, -96, 9), (124, 8, -120, 7), (122, 6, -150, 6))
    canvas.paint([bowl(HEAD, 27, (0.85, -0.2, -0.45))], (0, METAL, hip), side=side)
    canvas.paint([ellipsoid(HEAD, (23, 23, 23))], (0, 60, hip), side=side)
    neck = capsule((*HEAD, 7), (118, 9, -80, 8))
    canvas.paint([ellipsoid(HEAD, (15, 15, 15)), neck, *stem], (0, METAL, femur), side=side)


def streaks(
    hu: np.ndarray, spacing: tuple[float, ...], rng: np.random.Generator
) -> tuple[slice, np.ndarray]:
    """Slices with metal in ``hu`` (z, y, x), and what its streaks add there, in HU.

    The rays through metal count too little (beam hardening) and are noisy (few photons). What
    filtered back projection makes of that error is the streaks.
    """
    z = np.flatnonzero((hu > LEAST_METAL).any((1, 2)))
    slices = slice(int(z[0]), int(z[-1]) + 1)
    steps = [max(1, round(size / s)) for size, s in zip((PIXEL, PIXEL, SLAB), spacing)][::-1]
    coarse = hu[slices][tuple(slice(None, None, step) for step in steps)]
    metal, body = coarse > LEAST_METAL, np.clip(coarse / 1000 + 1, 0, 2)
    y, x = (
        (np.arange(n) - (n - 1) / 2) * step * s / 10  # cm
        for n, step, s in zip(coarse.shape[1:], steps[1:], spacing[1::-1])
    )
    half = int(np.hypot(x[-1], y[-1]) / BIN) + 2  # bins of a projection
    ramp = np.abs(np.fft.rfftfreq(4 * half))
    added = np.zeros((len(coarse), coarse[0].size), np.float32)
    for angle in np.arange(ANGLES) * np.pi / ANGLES:
        ray = ((x * np.cos(angle) + y[:, None] * np.sin(angle)) / BIN + half).ravel()
        low, part = ray.astype(int), (ray % 1).astype(np.float32)
        through, water = (_paths(volume, low, part, 2 * half) for volume in (metal, body))
        error = -(through**2) - 0.08 * through * water
        error += rng.standard_normal(error.shape) * np.sqrt(through) * np.exp(water / 30) / 30
        filtered = np.fft.irfft(np.fft.rfft(error, 4 * half) * ramp)[:, : 2 * half]
        added += filtered[:, low] * (1 - part) + filtered[:, low + 1] * part
    added = added.reshape(coarse.shape)
    added *= STREAK / np.percentile(np.abs(added[(body > 0.5) & ~metal]), 98)
    shape = hu[slices].shape
    fine = zoom(added, np.divide(shape, coarse.shape), order=1, grid_mode=True, mode="nearest")
    return slices, np.where(hu[slices] > LEAST_METAL, 0, fine)


def _paths(volume: np.ndarray, low: np.ndarray, part: np.ndarray, bins: int) -> np.ndarray:
    """Path lengths (slices, bins) in cm through a volume (z, y, x), of whose pixels ``part`` falls
    to the bin after ``low`` and the rest to ``low``."""
    flat = volume.reshape(len(volume), -1)
    first = (low + np.arange(len(flat))[:, None] * bins).ravel()
    paths = np.bincount(first, (flat * (1 - part)).ravel(), len(flat) * bins)
    paths += np.bincount(first + 1, (flat * part).ravel(), len(flat) * bins)
    return paths.reshape(len(flat), bins) * PIXEL**2 / 100 / BIN
