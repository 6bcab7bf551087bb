"""What makes generated tissue uneven: patches a little brighter or darker, a necrotic core."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.texture.blending import Tissue
from LNGenLib.texture.patch import patch_distance

CORRELATION = 1 / 3  # of the long axis, the distance at which correlation falls to 1/e
MOST = 2.5  # SDs
CORE_HU, CORE_PART = (15.0, 35.0), (0.4, 0.6)  # of a necrosis, and of the node's diameter
EDGE = 0.07  # over which a core goes over into its rim, in the node's largest depth
RAGGED = 0.1  # of the core's edge, by the unevenness


def uneven(
    tissue: Tissue, node: LymphNode, deviation: float, necrosis: bool, rng: np.random.Generator
) -> Tissue:
    """The tissue of `node`, varied within it by a smooth random field of this SD (HU), with a
    necrotic core or without; its mean stays, as the rim is brighter where the core is dark."""
    sdf = patch_distance(node.structure, node.rotation, node.long_axis)
    inside = sdf <= max(sdf.min(), 0)
    # white noise blurred by s is correlated by exp(-d^2 / 4 s^2)
    sigma = CORRELATION / 2 * node.long_axis / tissue.step
    field = ndimage.gaussian_filter(rng.standard_normal(sdf.shape), sigma, mode="wrap")
    field = (field - field[inside].mean()) / max(field[inside].std(), 1e-6)
    field = field.clip(-MOST, MOST)
    mean, core = tissue.hu[inside].mean(), np.zeros(sdf.shape)
    if necrosis:
        depth = sdf / min(sdf.min(), -1) + RAGGED * field  # 1 in the middle, 0 at the surface
        core = 1 / (1 + np.exp((1 - rng.uniform(*CORE_PART) - depth) / EDGE))
    level = min(rng.uniform(*CORE_HU), mean)
    hu = (1 - core) * (tissue.hu + deviation * field) + core * level
    rim = (1 - core) / (1 - core)[inside].mean()
    return Tissue((hu + (mean - hu[inside].mean()) * rim).astype(np.float32), tissue.step)
