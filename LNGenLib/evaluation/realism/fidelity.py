"""How painted lymph nodes compare with their own scan: noise, edges, HU, partial volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.image.edge import FEWEST_OF_NODES, border_profiles, fit_spread, reach_of
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import inside_grid
from LNGenLib.image.hu import FAT, MUSCLE
from LNGenLib.image.io import to_array
from LNGenLib.placement.candidate_region import find_region
from LNGenLib.placement.heuristic import place_nodes
from LNGenLib.progress import Progress
from LNGenLib.randomness import node_rng
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import Painting, ScanTraits, measure_scan, paint_nodes
from LNGenLib.texture.blending import SLICE_BLUR, blur_mm
from LNGenLib.texture.dataset import LabeledScan

NODES, SIZES = 50, Sizes("uniform", 10, 30)
SMALL_NODES, SMALL_SIZES = 200, Sizes("uniform", 2, 2)
AT_ONCE = 10
MOST_TURNS = 40  # paintings of a scan, AT_ONCE nodes each or as many as fit
LAGS = (1, 2, 4)  # voxels
FEWEST_PAIRS = 50  # of voxels, in all lymph nodes or in the muscle round one
AROUND = 8  # voxels round a node, into which the profiles across its border reach
SURROUNDINGS = 40.0  # mm


@dataclass(frozen=True)
class Fidelity:
    """Of lymph nodes of 10 to 30 mm painted into one scan.

    `noise` are ratios of the noise inside to that of the muscle round it, at LAGS: of the medians
    of |differences| of voxels so far apart in-plane, which hold what the noise power spectrum does.
    `edge` is the spread of the nodes' borders over that of the scan's own. Both are taken over the
    pairs and profiles of all nodes together: in thick slices one node alone has too few. `mean` and
    `deviation` are of the nodes' mean HU. `slope` is that of the change of HU regressed on the one
    predicted from occupancy, in-plane blur and wanted HU, over nodes of 2 mm. None: too few voxels.
    """

    nodes: int
    noise: dict[int, float | None]
    edge: float | None
    mean: float
    deviation: float
    small_nodes: int
    slope: float


def measure_fidelity(ct: sitk.Image, models: Models, seed: int, progress: Progress) -> Fidelity:
    """Paint lymph nodes into the fat of `ct` and compare them with the scan.

    Raises InputError where they do not find room, however they are turned.
    """
    hu, spacing = to_array(ct), array_spacing(ct)
    traits = measure_scan(hu, spacing)
    reach = reach_of(traits.edge_spread, spacing[1:].min())
    noise: dict[int, list[np.ndarray]] = {lag: [] for lag in LAGS}
    profiles, means = [], []
    for painting, k, _ in _painted(ct, traits, SIZES, NODES, models, seed, progress):
        for lag, found in _noise_ratios(hu, painting, k, spacing).items():
            noise[lag].append(found)
        profiles.append(_profiles(painting, k, spacing, reach))
        means.append(painting.hu[painting.labels == k + 1].mean())
    small = _painted(ct, traits, SMALL_SIZES, SMALL_NODES, models, seed + 1, progress)
    changes = [_changes(hu, painting, k, node, traits.edge_spread) for painting, k, node in small]
    predicted, found = np.concatenate(changes, axis=1)
    pairs = {lag: np.concatenate(ratios) for lag, ratios in noise.items()}
    borders = np.concatenate(profiles)
    enough = len(borders) >= FEWEST_OF_NODES
    return Fidelity(
        len(means),
        {lag: float(np.median(p)) if len(p) >= FEWEST_PAIRS else None for lag, p in pairs.items()},
        fit_spread(borders) * spacing[1:].min() / traits.edge_spread if enough else None,
        float(np.mean(means)),
        float(np.std(means)),
        SMALL_NODES,
        float((predicted * found).sum() / (predicted**2).sum()),
    )


def _painted(
    ct: sitk.Image,
    traits: ScanTraits,
    sizes: Sizes,
    count: int,
    models: Models,
    seed: int,
    progress: Progress,
) -> Iterator[tuple[Painting, int, LymphNode]]:
    """Painting, number in it and lymph node, `count` times."""
    hu, spacing = to_array(ct), array_spacing(ct)
    fat = LabeledScan(hu, spacing, None).between(*FAT)
    region = find_region(ct, None, fat)
    made = 0
    for turn in range(MOST_TURNS):
        turn_seed = seed * MOST_TURNS + turn
        rngs = [node_rng(turn_seed, k, "fidelity") for k in range(AT_ONCE)]
        long_axes = [sizes.draw(rng) for rng in rngs]
        structures = models.structure.sample(range(AT_ONCE), long_axes, turn_seed).structures
        part = slice(count - made)
        placed = place_nodes(structures[part], long_axes[part], region, spacing, rngs[part])
        nodes = [found.node for found in placed if found is not None]
        if not nodes:
            continue
        painting = paint_nodes(hu, nodes, turn_seed, models.texture, traits=traits)
        for k, node in enumerate(nodes):
            yield painting, k, node
        made += len(nodes)
        progress.step(made, count)
        if made == count:
            return
    raise InputError(
        f"only {made} of {count} lymph nodes fit into the fat of the scan: give a larger one"
    )


def _noise_ratios(
    hu: np.ndarray, painting: Painting, k: int, spacing: np.ndarray
) -> dict[int, np.ndarray]:
    """|Differences| of voxels inside over the median of those of the muscle round it, at each lag;
    none where there is no muscle."""
    inside = painting.nodes[k]
    core = ndimage.binary_erosion(inside.label, np.ones((1, 3, 3))) & (inside.share > 0.99)
    box = inside_grid(inside.box, hu.shape, np.ceil(SURROUNDINGS / spacing).astype(int))
    muscle = LabeledScan(hu[box], spacing, None).between(*MUSCLE)
    muscle = ndimage.binary_erosion(muscle, np.ones((1, 3, 3)))
    ratios = {}
    for lag in LAGS:
        own = _differences(painting.hu[inside.box], core, lag)
        other = _differences(hu[box], muscle, lag)
        known = len(other) >= FEWEST_PAIRS and np.median(other) > 0
        ratios[lag] = own / np.median(other) if known else own[:0]
    return ratios


def _differences(hu: np.ndarray, where: np.ndarray, lag: int) -> np.ndarray:
    """|Differences| of voxels `lag` apart in-plane, both in `where`."""
    found = []
    for axis in (1, 2):
        values = np.moveaxis(hu.astype(np.float32), axis, 0)
        known = np.moveaxis(where, axis, 0)
        found.append(np.abs(values[lag:] - values[:-lag])[known[lag:] & known[:-lag]])
    return np.concatenate(found)


def _profiles(painting: Painting, k: int, spacing: np.ndarray, reach: int) -> np.ndarray:
    """Profiles (n, 2 reach + 1) across the border of a painted node."""
    painted = painting.nodes[k]
    box = inside_grid(painted.box, painting.hu.shape, AROUND)
    own = painting.labels[box] == k + 1
    return border_profiles(painting.hu[box], own, spacing, reach)


def _changes(
    hu: np.ndarray, painting: Painting, k: int, node: LymphNode, spread: float
) -> np.ndarray:
    """Predicted and found change of HU (2, n) of the voxels round a node."""
    box = painting.nodes[k].box
    sigma = blur_mm(spread, node.spacing) / node.spacing
    share = ndimage.gaussian_filter(node.occupancy(box, SLICE_BLUR), (0, sigma[1], sigma[2]))
    old = hu[box].astype(float)
    return np.stack([(share * (painting.means[k] - old)).ravel(), (painting.hu[box] - old).ravel()])
