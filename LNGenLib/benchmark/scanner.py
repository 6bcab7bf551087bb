"""The stand-in's physics: lymph-node tissue, a scanner's point spread and its noise.

None of it comes from LN-Gen: no network, no measure of a scan, and ranges that LN-Gen was never
given. A CT's reconstruction is linear, so that a node adds its own image to what lies behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from LNGenLib.image.grid import inside_grid
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.texture.blending import label_of

OWN_SPREAD = 0.5  # mm, taken as the point spread (sigma) that a background comes with
BEHIND = 1.5  # mm, over which what lies behind a node is averaged: its noise stays
HILUM = (6.0, 0.35)  # nodes longer than this (mm) have a fatty hilum at this rate
RIM = (8.0, 0.15)  # the same of a rim that enhances
CORE = (9.0, 0.12)  # the same of a necrotic core
FATTY, DEAD = -100.0, (5.0, 30.0)  # HU of a hilum at most, and of a core


@dataclass(frozen=True)
class SimulatedScanner:
    """One scan's point spread (sigma, mm; in-plane and along z), its noise (HU), where the noise's
    spectrum falls off (cycles a mm) and how far it reaches along z (slices), and the mean HU of
    lymph nodes in it."""

    spread: tuple[float, float]
    noise: float
    cutoff: float
    reach: float
    node_hu: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> SimulatedScanner:
        """A scanner of the ranges of the stand-in."""
        return cls(
            spread=(rng.uniform(0.5, 0.9), rng.uniform(0.4, 1.0)),
            noise=rng.uniform(7, 22),
            cutoff=rng.uniform(0.35, 0.7),
            reach=rng.uniform(0.2, 0.7),
            node_hu=rng.uniform(20, 110),
        )

    def sigma(self, spacing: np.ndarray, own: float = 0.0) -> np.ndarray:
        """The point spread in voxels (z, y, x) of what has the spread `own` (mm) already."""
        inplane, along = (np.sqrt(max(spread**2 - own**2, 0)) for spread in self.spread)
        return np.array([along, inplane, inplane]) / spacing

    def scan(
        self,
        behind: np.ndarray,
        nodes: list[LymphNode],
        spacing: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """HU (int16) and instance labels (uint16) of `nodes` in a background, all (z, y, x)."""
        hu = ndimage.gaussian_filter(behind.astype(np.float32), self.sigma(spacing, OWN_SPREAD))
        labels = np.zeros(hu.shape, np.uint16)
        for number, node in enumerate(nodes, 1):
            box = inside_grid(node.box(4.0), hu.shape)
            occupancy = node.occupancy(box)
            base = ndimage.gaussian_filter(hu[box], BEHIND / spacing)
            own = occupancy * (self._tissue(node, occupancy, rng) - base)
            hu[box] += ndimage.gaussian_filter(own, self.sigma(spacing))
            shown = ndimage.gaussian_filter(occupancy, self.sigma(spacing))
            labels[box][label_of(shown)] = number
        hu += self._noise(hu.shape, spacing, rng)
        return np.clip(np.rint(hu), -1024, 3071).astype(np.int16), labels

    def _tissue(
        self, node: LymphNode, occupancy: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """HU of a node (z, y, x): a level, clumps, sometimes a fatty hilum, a bright rim or a dead
        core."""
        size, spacing = node.long_axis, node.spacing
        clumps = ndimage.gaussian_filter(
            rng.standard_normal(occupancy.shape), rng.uniform(0.05, 0.15) * size / spacing
        )
        tissue = self.node_hu + rng.normal(0, 10) + rng.uniform(2, 12) * clumps / clumps.std()
        inside = occupancy >= 0.5
        if not inside.any():
            return tissue
        depth = ndimage.distance_transform_edt(inside, sampling=spacing)
        if size > HILUM[0] and rng.random() < HILUM[1]:
            voxels = np.argwhere(depth > 0.3 * depth.max())
            center = voxels[rng.integers(len(voxels))].reshape(3, 1, 1, 1)
            far = (np.indices(inside.shape) - center) * spacing.reshape(3, 1, 1, 1)
            near = np.exp(-((far**2).sum(0)) / (rng.uniform(0.12, 0.25) * size) ** 2)
            tissue += rng.uniform(0.4, 1) * near * (FATTY - tissue)
        elif size > CORE[0] and rng.random() < CORE[1]:
            core = np.clip((depth / depth.max() - rng.uniform(0.3, 0.6)) * 5, 0, 1)
            tissue += core * (rng.uniform(*DEAD) - tissue)
        if size > RIM[0] and rng.random() < RIM[1]:
            tissue += rng.uniform(10, 40) * (depth <= 0.3 * depth.max())
        return tissue

    def _noise(
        self, shape: tuple[int, ...], spacing: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Noise of filtered back projection: its in-plane power rises with frequency, then falls
        (Riederer et al. 1978, https://doi.org/10.1088/0031-9155/23/3/007)."""
        white = rng.standard_normal(shape, np.float32)
        y, x = (np.fft.fftfreq(n, step) for n, step in zip(shape[1:], spacing[1:]))
        frequency = np.hypot(y[:, None], x[: shape[2] // 2 + 1])
        gain = np.sqrt(frequency) * np.exp(-((frequency / self.cutoff) ** 2))
        grain = np.fft.irfft2(np.fft.rfft2(white) * gain, shape[1:])
        grain = ndimage.gaussian_filter1d(grain, self.reach, axis=0)
        return self.noise * grain / grain.std()
