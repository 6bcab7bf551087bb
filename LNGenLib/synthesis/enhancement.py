"""How bright lymph nodes are: by the scan's phase, as asked for, or as those that labels show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from LNGenLib.image.hu import FAT
from LNGenLib.randomness import node_rng
from LNGenLib.synthesis.phase import BLOOD
from LNGenLib.synthesis.plan import Phase
from LNGenLib.synthesis.request import BENIGN, SUSPICIOUS
from LNGenLib.texture.blending import REACH

# HU over muscle, mean and standard deviation over lymph nodes, where arteries have 95 HU of iodine:
# portal-venous, of which they take up .64 +- .17 and .47 +- .18, muscle about 6 HU (node-wise, 55
# patients: "Evaluation of dual-energy spectral CT ... rectal cancer: initial experience"; medians
# .61 and .47: https://doi.org/10.3892/mco.2019.1834)
UPTAKES = {BENIGN: (45.0, 18.0), SUSPICIOUS: (30.0, 18.0)}  # these as metastatic ones
IODINE = 95.0  # HU
# HU of an artery: brighter ones are of the arterial phase, and nodes have not taken that up yet
BRIGHTEST = 200.0
LEAST_SCATTER = 2.5  # HU: unenhanced lymph nodes are within 5 HU of muscle
SCATTER = 5.0  # HU, standard deviation of the lymph nodes of one scan round their middle: assumed
MEANS = (0.0, 170.0)  # HU: what the tissue model meets (Testing/benchmarks/brightness.py)
LEAST_SHARE = 0.5  # of a voxel, below which it tells too little of the lymph node in it

Enhancement = tuple[float, float]  # HU over muscle between which the means of lymph nodes lie


def offsets(phase: Phase) -> dict[str, tuple[float, float]]:
    """HU over muscle of benign and of suspicious lymph nodes: mean and standard deviation."""
    scale = max(min(phase.artery_hu, BRIGHTEST) - BLOOD, 0) / IODINE
    return {
        name: (round(mean * scale, 2), round(max(deviation * scale, LEAST_SCATTER), 2))
        for name, (mean, deviation) in UPTAKES.items()
    }


def draw_means(
    phase: Phase,
    numbers: Sequence[int],
    seed: int,
    enhancement: Enhancement | None = None,
    appearances: Sequence[str | None] | None = None,
) -> list[float]:
    """Mean HU of the lymph nodes of these numbers in a scan of this phase.

    Even between the bounds of `enhancement` over muscle; without it by their `appearances`, as
    benign ones where these are not told.
    """
    over_muscle, means = offsets(phase), []
    for number, appearance in zip(numbers, appearances or [None] * len(numbers), strict=True):
        rng = node_rng(seed, number, "enhancement")
        if enhancement is None:
            over = rng.normal(*over_muscle[appearance or BENIGN])
        else:
            over = rng.uniform(*enhancement)
        means.append(float(np.clip(phase.muscle_hu + over, *MEANS)))
    return means


def measure_enhancement(
    hu: np.ndarray, labels: np.ndarray, spacing: np.ndarray, spread: float, muscle: float
) -> Enhancement | None:
    """The enhancement of the lymph nodes that `labels` (z, y, x; not 0) show in the CT `hu`.

    `spacing` (z, y, x) and `spread`, that of the scan's edges, are in mm. The deepest quarter of a
    lymph node's voxels tells its mean; the share of fat that the scanner's blur leaves there is
    allowed for. The middle is the median over lymph nodes, larger ones count more; they scatter
    little round it. None where no lymph node is large enough to tell.
    """
    means = sorted(_means(hu, labels, spacing, spread))
    if not means:
        return None
    weights = np.cumsum([weight for _, weight in means])
    middle = means[int(np.searchsorted(weights, weights[-1] / 2))][0] - muscle
    half = np.sqrt(3) * SCATTER  # even within it, with that deviation
    return round(float(middle - half), 2), round(float(middle + half), 2)


def _means(
    hu: np.ndarray, labels: np.ndarray, spacing: np.ndarray, spread: float
) -> Iterator[tuple[float, float]]:
    """Mean HU of each lymph node, and how much it counts."""
    components, _ = ndimage.label(labels, np.ones((3, 3, 3)))
    pad = np.ceil(REACH / spacing).astype(int)
    sigma, fat = spread / spacing, float(np.mean(FAT))
    for number, box in enumerate(ndimage.find_objects(components), 1):
        wide = tuple(slice(max(b.start - p, 0), b.stop + p) for b, p in zip(box, pad))
        mask = components[wide] == number
        share = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
        core = mask & (share >= max(LEAST_SHARE, np.quantile(share[mask], 0.75)))
        if core.any():
            own = share[core].mean()
            yield fat + (hu[wide][core].mean() - fat) / own, own**2 * np.sqrt(core.sum())
