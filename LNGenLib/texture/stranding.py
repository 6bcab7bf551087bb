"""Faint strands in the fat round an irregular lymph node, which blur its border.

Fine fibers of soft tissue stand on its surface in tufts; a scan shows their haze. Numbers are by
eye.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage

from LNGenLib.image.grid import Box
from LNGenLib.image.hu import FAT, OUTSIDE
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.texture.blending import (
    SLICE_BLUR,
    BlendedNode,
    Scanner,
    blur_mm,
    whole,
    within_reach,
)

LENGTH = (0.5, 1.5)  # mm
SECTION = (0.15, 0.7)  # mm2, of a fiber where it leaves the surface; it ends in a tip
TUFTS = (5, 9)
TUFT = 0.12  # long axes, SD of the distance of fibers from the middle of their tuft
DENSITY = 3.0  # fibers a mm2, in the middle of a tuft
TILT = 0.4  # SD of a fiber's direction, off the surface's normal
PARTS = 10  # of a fiber
LEAST, MOST = 0.01, 0.2  # share of a voxel that strands have


def with_strands(
    painted: BlendedNode,
    node: LymphNode,
    mean: float,
    scanner: Scanner,
    rng: np.random.Generator,
) -> BlendedNode:
    """The painted node with strands round it, of its `mean` HU; share and label stay its own.

    They lie within reach of the label, in fat alone.
    """
    share = _strands(node, painted.box, scanner.spread, rng) * (1 - painted.share)
    fat = (painted.hu > OUTSIDE) & ((painted.hu < FAT[1]) | (painted.share > 0))
    kept = within_reach(painted.label, node.spacing) & fat & (share >= LEAST)
    share = np.where(kept, share.clip(max=MOST), 0)
    fresh = np.sqrt(1 - (1 - share) ** 2) * scanner.noise.level
    fresh = fresh * scanner.noise.draw(share.shape, rng)
    hu = painted.hu + whole(share * (mean - painted.hu.astype(np.float32)) + fresh)
    hu = hu.clip(-1024, 3071).astype(painted.hu.dtype)
    return dataclasses.replace(painted, hu=hu, changed=painted.changed | kept)


def _strands(node: LymphNode, box: Box, spread: float, rng: np.random.Generator) -> np.ndarray:
    """Share of drawn strands in each voxel of `box` (z, y, x), as a scanner of this edge spread
    (mm) shows it."""
    points, volumes = _fibers(node, rng)
    index = np.floor(node.to_index(points) + 0.5).astype(int) - [part.start for part in box]
    shape = [part.stop - part.start for part in box]
    seen = ((index >= 0) & (index < shape)).all(1)
    share = np.zeros(shape, np.float32)
    np.add.at(share, tuple(index[seen].T), volumes[seen] / np.prod(node.spacing))
    sigma = blur_mm(spread, node.spacing) / node.spacing[1:]
    return ndimage.gaussian_filter(share, (SLICE_BLUR, *sigma), mode="constant")


def _fibers(node: LymphNode, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3; mm from the node's center, its structure's axes) of drawn fibers, and the
    volume (n,) in mm3 at each."""
    corners = node.structure.vertices(node.long_axis)[node.structure.faces()]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    area, roots = np.linalg.norm(normals, axis=1), corners.mean(1)
    if (normals * roots).sum() < 0:  # by the divergence theorem they point outward now
        normals = -normals
    tufts = rng.choice(roots, rng.integers(*TUFTS, endpoint=True))
    apart = np.linalg.norm(roots[:, None] - tufts, axis=-1).min(1)
    chance = area * np.exp(-((apart / (TUFT * node.long_axis)) ** 2) / 2)
    count = rng.poisson(DENSITY * chance.sum())
    own = rng.choice(len(roots), count, p=chance / chance.sum())
    way = normals[own] / area[own, None] + TILT * rng.standard_normal((count, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    length, section = rng.uniform(*LENGTH, (count, 1)), rng.uniform(*SECTION, (count, 1))
    along = (np.arange(PARTS) + 0.5) / PARTS
    points = roots[own, None] + (along * length)[..., None] * way[:, None]
    volumes = section * (1 - along) * length / PARTS
    return points.reshape(-1, 3), volumes.ravel()
