"""From tissue on a patch to voxels of the CT: the scanner's blur and noise, nothing outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from LNGenLib.image.edge import FEWEST_OF_NODES, border_profiles, fit_spread, reach_of
from LNGenLib.image.grid import Box
from LNGenLib.image.hu import FAT, MUSCLE
from LNGenLib.image.noise import Noise
from LNGenLib.image.pieces import Piece
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.texture.patch import sampled

LEAST_WEIGHT = 1e-3  # voxels with less of the node would change by a fraction of a HU: they stay
SLICE_BLUR = 0.25  # slices: a slice's profile is then a bell, 1.03 slices wide at half its peak
REACH = 3.0  # mm round the label beyond which nothing changes, or one voxel where that is more


@dataclass(frozen=True)
class Scanner:
    """What a scan does to every tissue: its noise, and the spread (mm) of its edges in-plane."""

    noise: Noise
    spread: float


@dataclass(frozen=True, eq=False)
class BlendedNode(Piece):
    """One painted node, and its share of each voxel of its box."""

    share: np.ndarray


def blur_mm(spread: float, spacing: np.ndarray, own: float = 0.0) -> float:
    """In-plane blur (mm) that gives the node edges of a spread (mm), as `edge_spread` measures it.

    `spacing` is in mm (z, y, x). The share of the node in each voxel is a mean over the voxel and
    brings its part of the spread; `own` (mm) is what the node brings, where that is known.
    """
    voxel = float(spacing[1:].mean())
    return np.sqrt(max(spread**2 - max(voxel**2 / 12, own**2), 0))


def own_spread(occupancy: np.ndarray, spread: float, spacing: np.ndarray) -> float:
    """The spread (mm) that a node's occupancy (z, y, x) has before any blur, by voxels and by the
    tilt and raggedness of its surface within them; 0 where too little of its border shows it.

    `spread` (mm) is that of the scan's edges, `spacing` in mm (z, y, x).
    """
    step = float(spacing[1:].min())
    shown = np.mean(FAT) + occupancy * (np.mean(MUSCLE) - np.mean(FAT))
    profiles = border_profiles(shown, occupancy >= 0.5, spacing, reach_of(spread, step))
    return fit_spread(profiles) * step if len(profiles) >= FEWEST_OF_NODES else 0.0


def label_of(share: np.ndarray) -> np.ndarray:
    """Voxels (z, y, x) that people would outline: a node's share is at least half its peak."""
    return share >= share.max() / 2


def within_reach(label: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Voxels (z, y, x) within 3 mm of the label, or adjacent to it (diagonals included)."""
    near = ndimage.distance_transform_edt(~label, sampling=spacing) <= REACH
    return near | ndimage.binary_dilation(label, np.ones((3, 3, 3)))


def scanned(node: LymphNode, box: Box, spread: float) -> np.ndarray:
    """The node's share of what a scanner of this edge spread (mm) shows in each voxel of `box`
    (z, y, x): by the profile of its slices, and blurred in-plane within reach of the label."""
    occupancy = node.occupancy(box, SLICE_BLUR)
    sigma = blur_mm(spread, node.spacing, own_spread(occupancy, spread, node.spacing))
    inplane = sigma / node.spacing[1:]
    weight = ndimage.gaussian_filter(occupancy, (0, *inplane), truncate=3)
    label = label_of(weight)
    kept = within_reach(label, node.spacing) & ((weight >= LEAST_WEIGHT) | label)
    weight = np.where(kept, weight, 0)
    return np.minimum(weight * (occupancy.sum() / weight.sum()), 1)


def voxel_offsets(node: LymphNode, box: Box) -> np.ndarray:
    """Voxel centers (3, z, y, x) of the CT's `box` in mm from the node's center, array axes."""
    grid = np.meshgrid(*(np.arange(b.start, b.stop) for b in box), indexing="ij")
    return (np.stack(grid) - node.center.reshape(3, 1, 1, 1)) * node.spacing.reshape(3, 1, 1, 1)


def whole(change: np.ndarray) -> np.ndarray:
    """Whole numbers (z, y, x) whose sum over any run of voxels is that of `change`, within one.

    Rounded each by itself, the faint rim of a small node would be lost.
    """
    total = np.floor(np.cumsum(change, dtype=float) + 0.5)
    return np.diff(total, prepend=0).reshape(change.shape)


@dataclass(frozen=True)
class Tissue:
    """Generated tissue (s, s, s) in HU on the patch of a node, with samples `step` mm apart."""

    hu: np.ndarray
    step: float

    def at(self, offset: np.ndarray) -> np.ndarray:
        """HU at offsets (3, ...) in mm from the node's center, (z, y, x)."""
        return sampled(self.hu, self.step, offset)

    def blend(
        self,
        old: np.ndarray,
        box: Box,
        node: LymphNode,
        share: np.ndarray,
        scanner: Scanner,
        rng: np.random.Generator,
    ) -> BlendedNode:
        """Paint `node` of this tissue over the HU `old` (z, y, x; not modified) of a CT's `box`.

        new = (1 - w) old + w tissue + sqrt(1 - (1 - w)^2) noise, with w the node's share of each
        voxel as the scan shows it, `share` by `scanned`. Tissue comes without grain of
        its own, so the level of the noise is the same inside, in the band and outside.
        """
        own = self.at(voxel_offsets(node, box))
        fresh = np.sqrt(1 - (1 - share) ** 2) * scanner.noise.level
        fresh = fresh * scanner.noise.draw(own.shape, rng)
        hu = old.astype(np.float32)
        new = (1 - share) * hu + share * own + fresh
        changed = share > 0
        new = np.where(changed, np.clip(hu + whole(new - hu), -1024, 3071), hu).astype(old.dtype)
        return BlendedNode(box, new, label_of(share), changed, share)
