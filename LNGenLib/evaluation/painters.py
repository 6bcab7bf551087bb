"""Ways to put a body where there is none, which the judge compares: LN-Gen, the copy of a real
body, and a constant HU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.hu import FAT, SOFT_TISSUE
from LNGenLib.image.io import like, to_array
from LNGenLib.randomness import node_rng
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import Models, synthesize
from LNGenLib.synthesis.records import SynthesisRequest
from LNGenLib.texture.dataset import Body, Scan

# HU and labels (z, y, x) of a scan with some nodes painted; None where not one fits
Painted = tuple[np.ndarray, np.ndarray] | None


def paint_lngen(
    ct: sitk.Image, region: np.ndarray, sizes: Sizes, count: int, seed: int, models: Models
) -> Painted:
    """LN-Gen at its defaults; where `count` nodes do not fit, half of them, and so on."""
    mask = like(region.astype(np.uint8), ct)
    while count:
        try:
            made = synthesize(ct, SynthesisRequest(count, sizes, seed), None, mask, models)
            return to_array(made.ct), to_array(made.nodes)
        except InputError:
            count //= 2
    return None


def as_constants(ct: sitk.Image, painted: Painted) -> Painted:
    """The painted nodes as their mean HU, without noise or edge: a judge that does not see these
    sees nothing."""
    if painted is None:
        return None
    hu, labels = painted
    means = ndimage.mean(hu, labels, range(1, labels.max() + 1))
    flat = np.where(labels > 0, np.append(0, means)[labels].round(), to_array(ct))
    return flat.astype(np.int16), labels


def paint_copies(
    ct: sitk.Image, region: np.ndarray, bodies: Sequence[Body], count: int, seed: int
) -> Painted:
    """Bodies of the scan and a voxel round them, as they are, copied into fat elsewhere."""
    hu = to_array(ct)
    new, labels = hu.copy(), np.zeros(hu.shape, np.uint16)
    spacing = array_spacing(ct)
    free = Scan(hu, spacing, None).between(FAT[0], SOFT_TISSUE[0])
    rng = node_rng(seed, 0, "copies")
    pad = np.maximum(np.round(1.0 / spacing), 1).astype(int)
    places = np.argwhere(region)
    for number in range(count):
        body = bodies[rng.integers(len(bodies))]
        mask = np.pad(body.mask, [(p, p) for p in pad])
        start = np.array(body.start) - pad
        if (start < 0).any() or (start + mask.shape > hu.shape).any():
            continue
        wide = ndimage.binary_dilation(mask, np.ones(2 * pad + 1))
        source = hu[tuple(slice(s, s + n) for s, n in zip(start, mask.shape))]
        for place in places[rng.integers(len(places), size=400)]:
            low = place - np.array(mask.shape) // 2
            if (low < 0).any() or (low + mask.shape > hu.shape).any():
                continue
            at = tuple(slice(a, a + n) for a, n in zip(low, mask.shape))
            if free[at][wide].mean() < 0.85:
                continue
            weight = np.where(mask, 1, ndimage.uniform_filter(wide.astype(np.float32), 3) * wide)
            new[at] = np.round(weight * source + (1 - weight) * new[at])
            labels[at][mask] = number + 1
            free[at][wide] = False
            break
    return (new, labels) if labels.any() else None
