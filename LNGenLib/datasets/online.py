"""Lymph nodes of a pool painted into a training case, as it is loaded."""

from __future__ import annotations

import numpy as np

from LNGenLib.datasets.pool import Pool
from LNGenLib.image.grid import inside_grid
from LNGenLib.placement.heuristic import PLACES
from LNGenLib.placement.nearby import free_spots, place_near
from LNGenLib.randomness import node_rng
from LNGenLib.synthesis.enhancement import draw_means
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import (
    Painting,
    blend_all,
    conspicuity,
    make_tissues,
    measure_scan,
    vary,
)


def paint_into(
    hu: np.ndarray,
    taken: np.ndarray,
    affine: np.ndarray,
    case: str,
    pool: Pool,
    count: int,
    seed: int,
    models: Models,
) -> Painting | None:
    """Paint up to `count` lymph nodes of the pool into `hu` (z, y, x), which is modified.

    `affine` (4, 4) leads from its indices to RAS mm. Lymph nodes keep off what is `taken` (above 0)
    and are left out where they find no room, or in some places could hardly be seen; None where all
    are. They lie near the spots that the pool has of the case, or, where it does not know the case,
    in any fat beneath the skin. Equal seeds give equal nodes. `models` generate the tissue where
    the pool is not painted.
    """
    spacing, least = np.linalg.norm(affine[:3, :3], axis=0), pool.least_conspicuity
    rng = node_rng(seed, 0, "choice")  # the seed's own numbers may be drawn already, by the caller
    chosen = rng.choice(len(pool), min(count, len(pool)), replace=False).tolist()
    if pool.knows(case):
        spots = _inside(pool.spots(case), affine, hu.shape)
    else:
        spots = free_spots(hu, spacing, taken)
    traits = pool.traits(case, spacing) or measure_scan(hu, spacing)
    own, nodes, means = np.zeros(hu.shape, bool), {}, {}
    for k in sorted(chosen, key=lambda k: (-pool.long_axis(k), k)):  # the largest first
        structure, long_axis = pool.structure(k), pool.long_axis(k)
        rng = node_rng(seed, k, "place")
        [means[k]] = draw_means(
            traits.phase, [k], seed, pool.enhancement(case), [pool.look(k).appearance]
        )
        for _ in range(PLACES):
            node = place_near(structure, long_axis, spots, hu, (taken, own), spacing, rng)
            if node is None:
                break
            if not least or conspicuity(hu, node, means[k], traits.edge_spread) >= least:
                nodes[k], box = node, inside_grid(node.box(0), hu.shape)
                own[box] |= node.occupancy(box) > 0
                break
    if not nodes:
        return None
    numbers, placed = list(nodes), list(nodes.values())
    wanted, looks = [means[k] for k in numbers], [pool.look(k) for k in numbers]
    if pool.painted:
        drawn = zip(numbers, placed, wanted)
        even = [pool.tissue(k, node.rotation, mean) for k, node, mean in drawn]
        tissues = vary(even, placed, seed, numbers, looks)
    else:
        tissues = make_tissues(hu, placed, wanted, seed, models.texture, numbers, looks)
    painting = blend_all(hu, placed, tissues, wanted, seed, traits, numbers, looks)
    for painted in painting.nodes:
        painted.put_into(hu[painted.box])
    return painting


def _inside(points: np.ndarray, affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The voxels (n, 3; z, y, x) of RAS points that lie in the image."""
    index = (points - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    index = np.round(index).astype(int)
    return index[((index >= 0) & (index < shape)).all(1)]
