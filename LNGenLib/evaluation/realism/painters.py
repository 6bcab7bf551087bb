"""Ways to fill the matched controls of real bodies: a texture model, the copy of the body, and a
constant HU.

Each takes HU (z, y, x) and gives new ones, with labels of the controls from 1 on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy import ndimage

from LNGenLib.evaluation.realism.matched_controls import MatchedControl
from LNGenLib.synthesis.painting import ScanTraits, paint_nodes
from LNGenLib.texture.model import TextureModel

Painted = tuple[np.ndarray, np.ndarray]
# of HU, traits of the scan, controls to fill, and a seed
ControlPainter = Callable[[np.ndarray, ScanTraits, Sequence[MatchedControl], int], Painted]
SMALLEST_BAND = 1.0  # mm round a copy over which it passes into what was there


def painters(model: TextureModel, baseline: TextureModel | None) -> dict[str, ControlPainter]:
    """Ways to fill controls, by class."""
    by_model: dict[str, ControlPainter] = {"LN-Gen": partial(paint_by, model)}
    if baseline is not None:
        by_model["DiffTumor"] = partial(paint_by, baseline)
    return by_model | {
        "copies": lambda hu, traits, controls, seed: paint_copies(hu, controls),
        "constant": lambda hu, traits, controls, seed: paint_constants(
            hu, paint_by(model, hu, traits, controls, seed)
        ),
    }


def paint_by(
    model: TextureModel,
    hu: np.ndarray,
    traits: ScanTraits,
    controls: Sequence[MatchedControl],
    seed: int,
) -> Painted:
    """A texture model at its defaults, of the body's shape and (where it can) mean HU."""
    nodes, means = zip(*(control.lymph_node(traits.edge_spread) for control in controls))
    painting = paint_nodes(hu, nodes, seed, model, means=means, traits=traits)
    return painting.hu, painting.labels


def paint_constants(hu: np.ndarray, painted: Painted) -> Painted:
    """The controls painted into `hu` (z, y, x), but as their mean HU without noise or edge.

    A two-sample test that does not see these sees nothing.
    """
    new, labels = painted
    means = ndimage.mean(new, labels, range(1, labels.max() + 1))
    return np.where(labels > 0, np.append(0, means)[labels].round(), hu).astype(hu.dtype), labels


def paint_copies(hu: np.ndarray, controls: Sequence[MatchedControl]) -> Painted:
    """`hu` (z, y, x) with the bodies as they are, and a band round them."""
    new, labels = hu.copy(), np.zeros(hu.shape, np.uint16)
    for number, control in enumerate(controls, 1):
        body = control.body
        paste(new, labels, number, body.hu, body.mask, control.start, body.spacing)
    return new, labels


def paste(
    hu: np.ndarray,
    labels: np.ndarray,
    number: int,
    body: np.ndarray,
    mask: np.ndarray,
    start: np.ndarray,
    spacing: np.ndarray,
) -> None:
    """Paste a body (HU and mask (z, y, x)) at voxel `start` into `hu`, as `number` into `labels`;
    over a band round it the body's own surroundings pass into what was there."""
    band = np.maximum(np.round(SMALLEST_BAND / spacing), 1).astype(int)
    wide = ndimage.binary_dilation(mask, np.ones(2 * band + 1))
    weight = ndimage.uniform_filter(wide.astype(np.float32), 3) * wide
    weight[mask] = 1
    # the box reaches farther than the band, and may leave the grid there
    inner = tuple(
        slice(max(-s, 0), min(n, size - s)) for s, n, size in zip(start, mask.shape, hu.shape)
    )
    at = tuple(slice(s + i.start, s + i.stop) for s, i in zip(start, inner))
    weight = weight[inner]
    hu[at] = np.round(weight * body[inner] + (1 - weight) * hu[at])
    labels[at][mask[inner]] = number
