"""Lymph nodes of a pool painted into a training case, as it is loaded."""

from __future__ import annotations

import numpy as np

from LNGenLib.datasets.pool import Pool
from LNGenLib.placement.nearby import free_spots, place_near
from LNGenLib.progress import Progress
from LNGenLib.randomness import node_rng, node_seed
from LNGenLib.structure.lymph_node import LymphNode, inside_grid
from LNGenLib.synthesis.engine import Models
from LNGenLib.synthesis.enhancement import Enhancement, draw_means
from LNGenLib.synthesis.painting import (
    Painting,
    ScanTraits,
    inpaint_all,
    measure_scan,
)
from LNGenLib.texture.inpainting import inpaint


def paint_into(
    hu: np.ndarray,
    taken: np.ndarray,
    spacing: np.ndarray,
    pool: Pool,
    count: int,
    seed: int,
    models: Models,
    spots: np.ndarray | None = None,
    traits: ScanTraits | None = None,
    enhancement: Enhancement | None = None,
) -> Painting | None:
    """Paint up to `count` lymph nodes of the pool into `hu` (z, y, x), which is modified.

    They keep off what is `taken` (above 0) and are left out where they find no room; None where
    all are. They lie near `spots` (n, 3; indices), or, without them, in any fat beneath the skin;
    `traits` are those of `measure_scan`, where they are known, `enhancement` is that of
    `draw_means`. Equal seeds give equal nodes. `models` generate the tissue where the pool is not
    painted.
    """
    rng = node_rng(seed, 0, "choice")  # the seed's own numbers may be drawn already, by the caller
    chosen = rng.choice(len(pool), min(count, len(pool)), replace=False).tolist()
    if spots is None:
        spots = free_spots(hu, spacing, taken)
    nodes = _placed(hu, taken, spacing, pool, chosen, seed, spots)
    if not nodes:
        return None
    numbers = list(nodes)
    traits = traits or measure_scan(hu, spacing)
    means = draw_means(traits.phase, numbers, seed, enhancement)
    if pool.painted:
        brush = inpaint
        tissues = [
            pool.tissue(k, node.rotation, mean) for (k, node), mean in zip(nodes.items(), means)
        ]
    else:
        seeds = [node_seed(seed, k, "texture") for k in numbers]
        brush = models.texture.inpaint
        tissues = models.texture.sample(hu, list(nodes.values()), means, seeds)
    return inpaint_all(
        hu, list(nodes.values()), tissues, means, seed, traits, numbers, brush, Progress()
    )


def _placed(
    hu: np.ndarray,
    taken: np.ndarray,
    spacing: np.ndarray,
    pool: Pool,
    chosen: list[int],
    seed: int,
    spots: np.ndarray,
) -> dict[int, LymphNode]:
    """The lymph nodes of the pool that find room, the largest first."""
    own, nodes = np.zeros(hu.shape, bool), {}
    for k in sorted(chosen, key=lambda k: (-pool.long_axis(k), k)):
        rng = node_rng(seed, k, "place")
        structure, long_axis = pool.structure(k), pool.long_axis(k)
        node = place_near(structure, long_axis, spots, hu, (taken, own), spacing, rng)
        if node is not None:
            nodes[k] = node
            box = inside_grid(node.box(0), hu.shape)
            own[box] |= node.occupancy(box) > 0
    return nodes
