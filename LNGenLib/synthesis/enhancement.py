"""How bright lymph nodes are: as usual, as asked for, or as those that a scan's labels show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from LNGenLib.image.hu import FAT
from LNGenLib.randomness import node_rng
from LNGenLib.texture.inpainting import REACH

USUAL = (8.0, 5.0)  # HU over muscle: mean and standard deviation over lymph nodes
MEANS = (0.0, 130.0)  # HU: what the tissue model was trained on
LEAST_SHARE = 0.5  # of a voxel, below which it tells too little of the lymph node in it

Enhancement = tuple[float, float]  # HU over muscle between which the means of lymph nodes lie


def draw_means(
    muscle: float, numbers: Sequence[int], seed: int, enhancement: Enhancement | None = None
) -> list[float]:
    """Mean HU of the lymph nodes of these numbers in a scan with muscle of `muscle` HU.

    Even between the bounds of `enhancement`; without it as in portal-venous CT, as far as is known:
    muscle and somewhat more.
    """
    means = []
    for number in numbers:
        rng = node_rng(seed, number, "enhancement")
        over = rng.normal(*USUAL) if enhancement is None else rng.uniform(*enhancement)
        means.append(float(np.clip(muscle + over, *MEANS)))
    return means


def measure_enhancement(
    hu: np.ndarray, labels: np.ndarray, spacing: np.ndarray, spread: float, muscle: float
) -> Enhancement | None:
    """The enhancement of the lymph nodes that `labels` (z, y, x; not 0) show in the CT `hu`.

    `spacing` (z, y, x) and `spread`, that of the scan's edges, are in mm. The deepest quarter of a
    lymph node's voxels tells its mean; the share of fat that the scanner's blur leaves there is
    allowed for. The middle is the median over lymph nodes, larger ones count more; they scatter
    round it as usual. None where no lymph node is large enough to tell.
    """
    means = sorted(_means(hu, labels, spacing, spread))
    if not means:
        return None
    weights = np.cumsum([weight for _, weight in means])
    middle = means[int(np.searchsorted(weights, weights[-1] / 2))][0] - muscle
    half = np.sqrt(3) * USUAL[1]  # even within it, with the usual deviation
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
