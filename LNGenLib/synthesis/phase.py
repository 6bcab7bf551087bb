"""The contrast phase of a scan: how bright its arteries are, and its muscle."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from LNGenLib.image.components import components
from LNGenLib.image.grid import surroundings
from LNGenLib.image.hu import MUSCLE
from LNGenLib.image.noise import local_deviation
from LNGenLib.scan.totalsegmentator import NUMBERS
from LNGenLib.synthesis.plan import Phase

BLOOD = 42.0  # HU without contrast
TYPICAL_MUSCLE = 55.0  # HU, where a scan shows no muscle
MUSCLE_SLICES = 12  # looked at: more take time and change little
ARTERIES = [NUMBERS[name] for name in ("aorta", "iliac_artery_left", "iliac_artery_right")]
FEWEST, MOST_SLICES = 20, 60  # voxels off the wall of labeled arteries; slices looked at

GRID = (3.0, 1.5)  # mm between the samples in which tubes are sought, across and within slices
BRIGHTER = 25.0  # HU over muscle: a tube that is not stands for no contrast
WIDEST = 36.0  # mm: wider ones are heart, kidney or bowel
LEAST_LENGTH = 30.0  # mm along the body's axis
UNEVEN = 10.0  # HU, standard deviation along an artery: contrast in bowel varies by more
MOST_BRIGHT = 0.35  # of the ring round an artery, spine that it touches; round marrow all is cortex
INPLANE = ndimage.generate_binary_structure(3, 1) & (np.arange(3) == 1)[:, None, None]


def measure_phase(
    hu: np.ndarray,
    spacing: np.ndarray,
    labels: np.ndarray | None = None,
    artery: float | None = None,
) -> Phase:
    """The phase of the CT `hu` (z, y, x) with `spacing` (z, y, x) in mm.

    `labels` (z, y, x) are TotalSegmentator's, where they are known; `artery` is its HU if given.
    """
    muscle = muscle_level(hu)
    if artery is not None:
        return Phase(float(artery), muscle, "given")
    labeled = None if labels is None else _labeled(hu, labels)
    if labeled is not None:
        return Phase(round(labeled, 1), muscle, "labels")
    tube = _brightest_tube(hu, spacing, muscle + BRIGHTER)
    return Phase(BLOOD, muscle, "none") if tube is None else Phase(round(tube, 1), muscle, "tubes")


def muscle_level(hu: np.ndarray) -> float:
    """HU of muscle in `hu` (z, y, x): the mode of homogeneous voxels of its range, by slices."""
    hu = hu[np.unique(np.linspace(0, len(hu) - 1, MUSCLE_SLICES).round().astype(int))]
    deviation = local_deviation(hu)
    values = hu[(hu > MUSCLE[0]) & (hu < MUSCLE[1]) & (deviation < 25)]
    if len(values) < 1000:
        return TYPICAL_MUSCLE
    counts, edges = np.histogram(values, bins=np.arange(MUSCLE[0], MUSCLE[1] + 1))
    return float(edges[ndimage.gaussian_filter1d(counts.astype(float), 4).argmax()])


def _labeled(hu: np.ndarray, labels: np.ndarray) -> float | None:
    """Median HU of the labeled arteries off their wall; None where too little of them is left."""
    slices = np.linspace(0, len(hu) - 1, min(len(hu), MOST_SLICES)).round().astype(int)
    arteries = np.isin(labels[slices], ARTERIES)
    part = surroundings(arteries, 0.0, np.ones(3))
    inner = ndimage.binary_erosion(arteries[part], INPLANE)
    return float(np.median(hu[slices][part][inner])) if inner.sum() >= FEWEST else None


def _brightest_tube(hu: np.ndarray, spacing: np.ndarray, low: float) -> float | None:
    """HU of the brightest even, round tube above `low` that many slices show; None without one.

    Bone is uneven or has a bright cortex round it; organs are too wide, and excreted or swallowed
    contrast is too short, too thin or too uneven.
    """
    every, within = (max(1, round(want / s)) for want, s in zip(GRID, spacing))
    first = max(0, len(hu) // every - MOST_SLICES) // 2 * every  # the middle of a long scan
    samples = _blocks(hu[first::every][:MOST_SLICES], within)
    step = np.array([spacing[0] * every, spacing[1] * within, spacing[2] * within])
    mean = ndimage.uniform_filter(samples, (0, 3, 3))
    square = ndimage.uniform_filter(samples**2, (0, 3, 3))
    deviation = np.sqrt(np.maximum(square - mean**2, 0) * 9 / 8)
    soft = deviation[(mean > low - 2 * BRIGHTER) & (mean < low) & (deviation < 2 * BRIGHTER)]
    if not len(soft):
        return None
    even = (mean > low) & (deviation < 2 * np.median(soft))
    tubes, _ = ndimage.label(_round(samples, even, step))
    levels = []
    for number, box in enumerate(ndimage.find_objects(tubes), 1):
        if (box[0].stop - box[0].start) * step[0] >= LEAST_LENGTH:
            own = tubes[box] == number
            by_slice = [values[mask].mean() for values, mask in zip(mean[box], own)]
            if np.std(by_slice) < UNEVEN:
                levels.append(float(np.median(by_slice)))
    return max(levels, default=None)


def _blocks(hu: np.ndarray, n: int) -> np.ndarray:
    """Means (z, y / n, x / n; float32) of n x n voxels of each slice of `hu` (z, y, x)."""
    z, y, x = hu.shape
    blocks = hu[:, : y // n * n, : x // n * n].reshape(z, y // n, n, x // n, n)
    return blocks.mean((2, 4), dtype=np.float32)


def _round(samples: np.ndarray, even: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Those parts of `even` (z, y, x, bool) that are round in their slice and not in bone."""
    parts, areas = components(even, INPLANE)
    kept = np.zeros(even.shape, bool)
    for number, box in enumerate(ndimage.find_objects(parts), 1):
        area = int(areas[number])
        if area < 3:
            continue
        high, wide = ((b.stop - b.start) * s for b, s in zip(box[1:], step[1:].tolist()))
        short, long = sorted((high, wide))
        filled = area * step[1] * step[2] / (high * wide)
        if long > WIDEST or long > 1.7 * short + step[1] or filled < 0.55:
            continue
        around = (box[0], *(slice(max(b.start - 4, 0), b.stop + 4) for b in box[1:]))
        own = parts[around] == number
        ring = ndimage.binary_dilation(own, INPLANE, 4) & ~ndimage.binary_dilation(own, INPLANE, 2)
        bright = samples[around] > samples[around][own].mean() + 2 * BRIGHTER
        if (ring & bright).sum() < MOST_BRIGHT * ring.sum():
            kept[around] |= own
    return kept
