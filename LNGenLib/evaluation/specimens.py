"""Bodies in CT as the judge of texture sees them: real ones and painted ones, found alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize

from LNGenLib.image.geometry import extract_patch
from LNGenLib.image.hu import FAT, SOFT_TISSUE
from LNGenLib.structure.tsdf import signed_distance
from LNGenLib.texture.dataset import Body, Scan, find_bodies
from LNGenLib.texture.inpainting import REACH
from LNGenLib.texture.patch import PATCH, SDF_TRUNCATION, patch_step

SURROUNDINGS = 15.0  # mm: farther than that all depths in fat are alike
LEAST_OVERLAP = 0.4  # Dice of a body found and the label painted there
# spread of size (log), depth in fat (mm) and share of fat round the body between matched ones
CALIPER = np.array([0.25, 3.0, 0.2])


@dataclass(frozen=True, eq=False)
class Specimen:
    """A body in a scan: `hu` (z, y, x) of its box and `mask` there, `spacing` (z, y, x) in mm.

    `patch` (2, 32, 32, 32) are HU and signed distance (in samples) two long axes across, fat beyond
    the 3 mm round the body in which painting may change the CT: the rest is a matter of placement.
    `long_axis` and `depth`, the mean distance of its surface to other tissue than fat, are in mm,
    `fat` is the share of fat just outside.
    """

    scan: str
    hu: np.ndarray
    mask: np.ndarray
    spacing: np.ndarray
    patch: np.ndarray
    long_axis: float
    depth: float
    fat: float

    def matched_by(self) -> np.ndarray:
        """What classes are matched in, in calipers."""
        return np.array([np.log(self.long_axis), self.depth, self.fat]) / CALIPER


def find_specimens(
    name: str, scan: Scan, painted: np.ndarray | None = None, off: np.ndarray | None = None
) -> list[Specimen]:
    """The bodies of a scan; where `painted` labels (z, y, x) are given, those that were painted.

    A painted node counts as the finder sees it, with the finder's mask: it would be told apart by
    its exact label alone. Bodies that touch `off` (z, y, x, bool) are left out.
    """
    specimens = []
    for body in find_bodies(scan):
        at = tuple(slice(s, s + n) for s, n in zip(body.start, body.mask.shape))
        if off is not None and off[at][body.mask].any():
            continue
        if painted is not None and not _is_painted(painted[at], body.mask, painted):
            continue
        specimens.append(_specimen(name, scan, body))
    return specimens


def _is_painted(labels: np.ndarray, mask: np.ndarray, painted: np.ndarray) -> bool:
    found = labels[mask]
    if not found.any():
        return False
    label = np.bincount(found[found > 0]).argmax()
    both = (found == label).sum()
    return 2 * both >= LEAST_OVERLAP * (mask.sum() + (painted == label).sum())


def _specimen(name: str, scan: Scan, body: Body) -> Specimen:
    pad = np.ceil(SURROUNDINGS / scan.spacing).astype(int)
    start = np.maximum(np.array(body.start) - pad, 0)
    stop = np.minimum(np.array(body.start) + body.mask.shape + pad, scan.hu.shape)
    box = tuple(slice(a, b) for a, b in zip(start, stop))
    hu, mask = scan.hu[box].astype(np.float32), np.zeros(stop - start, bool)
    inner = tuple(slice(s - a, s - a + n) for s, a, n in zip(body.start, start, body.mask.shape))
    mask[inner] = body.mask
    near = ndimage.binary_dilation(mask, np.ones((3, 3, 3)))
    fat = Scan(hu, scan.spacing, None).between(FAT[0], SOFT_TISSUE[0])
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
    return Specimen(name, hu, mask, scan.spacing, patch, body.long_axis, depth, share)


def match(
    real: Sequence[Specimen], others: Sequence[Specimen], widest: float = 2.0
) -> list[tuple[Specimen, Specimen]]:
    """Pairs of a real and another specimen of one scan, alike in size, depth in fat and fat round
    them: within `widest` calipers, each used once, as near as the whole allows."""
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
        rows, columns = optimize.linear_sum_assignment(np.where(apart <= widest, apart, 1e3))
        pairs += [(ours[i], theirs[j]) for i, j in zip(rows, columns) if apart[i, j] <= widest]
    return pairs
