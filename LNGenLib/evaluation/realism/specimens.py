"""Bodies in CT as the two-sample test sees them: real ones and painted ones, found alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import ndimage, optimize

from LNGenLib.image.geometry import extract_patch
from LNGenLib.image.grid import Box
from LNGenLib.image.hu import FAT, SOFT_TISSUE
from LNGenLib.structure.tsdf import signed_distance
from LNGenLib.texture.blending import REACH
from LNGenLib.texture.dataset import Body, LabeledScan, find_bodies
from LNGenLib.texture.patch import PATCH, SDF_TRUNCATION, patch_step

SURROUNDINGS = 15.0  # mm: farther than that all depths in fat are alike
LEAST_OVERLAP = 0.4  # Dice of a body found and the label painted there
WIDEST = 2.0  # calipers between matched ones
# spread of size (log), depth in fat (mm) and share of fat round the body between matched ones
CALIPER = np.array([0.25, 3.0, 0.2])


@dataclass(frozen=True, eq=False)
class Specimen:
    """A body in a scan: `hu` (z, y, x) of its box, which starts at the voxel `start`, and `mask`
    there, `spacing` (z, y, x) in mm.

    `patch` (2, 32, 32, 32) are HU and signed distance (in samples) two long axes across, fat beyond
    the 3 mm round the body in which painting may change the CT: the rest is a matter of placement.
    `long_axis` and `depth`, the mean distance of its surface to other tissue than fat, are in mm,
    `fat` is the share of fat just outside.
    """

    scan: str
    start: np.ndarray
    hu: np.ndarray
    mask: np.ndarray
    spacing: np.ndarray
    patch: np.ndarray
    long_axis: float
    depth: float
    fat: float

    @property
    def key(self) -> tuple[Any, ...]:
        """What distinguishes the body from all others, in another process too."""
        return self.scan, *self.start.tolist(), *np.argwhere(self.mask)[0].tolist()

    @property
    def box(self) -> Box:
        """Its part of the scan."""
        z, y, x = (slice(a, a + n) for a, n in zip(self.start.tolist(), self.hu.shape))
        return z, y, x

    @cached_property
    def core(self) -> np.ndarray:
        """Voxels (z, y, x, bool) of the mask without partial volume, or the deepest."""
        depth = ndimage.distance_transform_edt(self.mask, sampling=self.spacing)
        return depth > min(1.5 * self.spacing[1], 0.6 * depth.max())

    def matched_by(self) -> np.ndarray:
        """What classes are matched in, (3,), in calipers: log long axis, depth and fat."""
        return np.array([np.log(self.long_axis), self.depth, self.fat]) / CALIPER


def find_specimens(name: str, scan: LabeledScan, off: np.ndarray | None = None) -> list[Specimen]:
    """The bodies of a scan that do not touch `off` (z, y, x, bool)."""
    return [
        specimen_of(name, scan, body)
        for body in find_bodies(scan)
        if off is None or not off[body.box][body.mask].any()
    ]


def find_painted(name: str, scan: LabeledScan, labels: np.ndarray) -> dict[int, Specimen]:
    """The bodies of a painted scan that were painted, by their label in `labels` (z, y, x).

    A painted node counts as the finder sees it, with the finder's mask: its exact label
    alone would give it away.
    """
    sizes = np.bincount(labels.ravel())
    found = {}
    for body in find_bodies(scan):
        inside = labels[body.box][body.mask]
        if not inside.any():
            continue
        label = int(np.bincount(inside[inside > 0]).argmax())
        both = (inside == label).sum()
        if 2 * both >= LEAST_OVERLAP * (body.mask.sum() + sizes[label]):
            found[label] = specimen_of(name, scan, body)
    return found


def specimen_of(name: str, scan: LabeledScan, body: Body) -> Specimen:
    """A body of the scan `name`, and what lies round it."""
    pad = np.ceil(SURROUNDINGS / scan.spacing).astype(int)
    start = np.maximum(np.array(body.start) - pad, 0)
    stop = np.minimum(np.array(body.start) + body.mask.shape + pad, scan.hu.shape)
    box = tuple(slice(a, b) for a, b in zip(start, stop))
    hu, mask = scan.hu[box].astype(np.float32), np.zeros(stop - start, bool)
    mask[tuple(slice(b.start - a, b.stop - a) for b, a in zip(body.box, start))] = body.mask
    near = ndimage.binary_dilation(mask, np.ones((3, 3, 3)))
    fat = LabeledScan(hu, scan.spacing, None).between(FAT[0], SOFT_TISSUE[0])
    other = ~fat & ~near
    shell = near & ~mask
    depth = SURROUNDINGS
    if other.any():
        apart = ndimage.distance_transform_edt(~other, sampling=scan.spacing)
        depth = float(apart[shell].clip(max=SURROUNDINGS).mean())
    step = patch_step(body.long_axis)
    center = np.argwhere(mask).mean(0)
    distance = signed_distance(mask, tuple(scan.spacing))
    patch = np.stack(
        [
            extract_patch(hu, scan.spacing, center, step, PATCH),
            extract_patch(distance, scan.spacing, center, step, PATCH) / step,
        ]
    )
    patch[0][patch[1] * step > REACH] = np.mean(FAT)
    patch[1] = patch[1].clip(-SDF_TRUNCATION, SDF_TRUNCATION)
    share = float(fat[shell].mean())
    return Specimen(name, start, hu, mask, scan.spacing, patch, body.long_axis, depth, share)


def alike(real: Specimen, other: Specimen) -> bool:
    """Whether size, depth in fat and fat round them differ by no more than two calipers."""
    return bool(np.abs(real.matched_by() - other.matched_by()).max() <= WIDEST)


def match(real: Sequence[Specimen], others: Sequence[Specimen]) -> list[tuple[Specimen, Specimen]]:
    """Pairs of specimens of one scan that are `alike`, each used once, as near as the whole
    allows."""
    pairs = []
    for name in sorted({specimen.scan for specimen in real}):
        ours = [s for s in real if s.scan == name]
        theirs = [s for s in others if s.scan == name]
        if not theirs:
            continue
        apart = np.abs(
            np.stack([s.matched_by() for s in ours])[:, None]
            - np.stack([s.matched_by() for s in theirs])[None]
        ).max(2)
        rows, columns = optimize.linear_sum_assignment(np.where(apart <= WIDEST, apart, 1e3))
        pairs += [(ours[i], theirs[j]) for i, j in zip(rows, columns) if apart[i, j] <= WIDEST]
    return pairs
