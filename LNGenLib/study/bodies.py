"""Real lymph nodes of a scan, or where it has no labels bodies that look like some; and the scan
without them."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.evaluation.realism.specimens import Specimen, find_specimens, specimen_of
from LNGenLib.evaluation.segmentation.lesions import long_axis
from LNGenLib.image.components import instances
from LNGenLib.image.edge import edge_spread
from LNGenLib.image.grid import Box
from LNGenLib.image.hu import FAT, SOFT_TISSUE
from LNGenLib.image.io import to_array
from LNGenLib.image.noise import measure_noise
from LNGenLib.placement.candidate_region import deep, find_region
from LNGenLib.structure.sizes import LARGEST
from LNGenLib.texture.blending import Scanner, within_reach
from LNGenLib.texture.dataset import Body, LabeledScan

SMALLEST = 3.0  # mm: smaller ones can hardly be seen, real or painted
LEAST_FAT = 0.6  # share of fat just round bodies that look like lymph nodes
LEAST_ROUND = 0.2  # of a ball of their long axis, which vessels and sheets do not fill
NEAR, LEAST_KNOWN = (4.0, 7.0), 0.2  # mm, and the share there that is known to be fat of the body


def find_real(
    name: str, scan: LabeledScan, ct: sitk.Image, nodes: sitk.Image | None
) -> list[Specimen]:
    """The lymph nodes of 3 to 30 mm that are labeled in `nodes`, or bodies that look like some in
    the scan `name`, whose image is `ct`."""
    found = _bodies(name, scan, ct) if nodes is None else _labeled(name, scan, nodes)
    return [one for one in found if SMALLEST <= one.long_axis <= LARGEST]


def _body_of(one: Specimen) -> Body:
    """The body that a specimen shows."""
    (inner,) = ndimage.find_objects(one.mask.astype(np.uint8))
    z, y, x = (slice(b.start + s, b.stop + s) for b, s in zip(inner, one.start.tolist()))
    return _body(one.mask[inner], (z, y, x), one.spacing)


def labeled_body(labels: np.ndarray, label: int, spacing: np.ndarray) -> Body:
    """The body that has a label in `labels` (z, y, x, int); `spacing` is in mm (z, y, x)."""
    box: Box = ndimage.find_objects(labels, label)[-1]
    return _body(labels[box] == label, box, spacing)


def claim(claims: np.ndarray, box: Box, mask: np.ndarray, number: int, spacing: np.ndarray) -> bool:
    """Claim for a body what lies within reach of a `mask` (z, y, x, bool) in a box of the scan, if
    none of it is another's: `claims` (z, y, x, int) holds whose each voxel is, 0 for nobody's.

    Returns whether it did; `spacing` is in mm (z, y, x).
    """
    near, part = within_reach(mask, spacing), claims[box]
    if not np.isin(part[near], (0, number)).all():
        return False
    part[near] = number
    return True


def erased(one: Specimen, scanner: Scanner, rng: np.random.Generator) -> np.ndarray:
    """HU (z, y, x, float) of a specimen's box with fat in the place of the body, as the scanner
    shows it; other soft tissue stays."""
    surroundings = LabeledScan(one.hu, one.spacing, None)
    other = surroundings.between(SOFT_TISSUE[0], np.inf) & ~one.mask
    gone = within_reach(one.mask, one.spacing) & ~other
    fat = surroundings.between(*FAT) & ~gone
    level = np.median(one.hu[fat]) if fat.any() else np.mean(FAT)
    sigma = (0, *(scanner.spread / one.spacing[1:]))
    weight = np.maximum(ndimage.gaussian_filter(gone.astype(np.float32), sigma), one.mask)
    noise = scanner.noise.level * scanner.noise.draw(one.hu.shape, rng)
    grain = np.sqrt(1 - (1 - weight) ** 2) * noise
    return (1 - weight) * one.hu + weight * level + grain


def fat_of(scan: LabeledScan) -> Scanner:
    """What the scanner does to fat: the noise there, and the spread of its edges."""
    fat = ndimage.binary_erosion(scan.between(*FAT), np.ones((1, 3, 3)))
    return Scanner(measure_noise(scan.hu, fat), edge_spread(scan.hu, scan.spacing))


def _bodies(name: str, scan: LabeledScan, ct: sitk.Image) -> list[Specimen]:
    """What looks like a lymph node: round bodies with fat round them, and not stool, say."""
    region = find_region(ct, None, deep(ct))
    free = np.zeros(scan.hu.shape, bool)
    free[region.box] = region.fat.whole() & ~region.forbidden
    found = []
    for one in find_specimens(name, scan):
        far = ndimage.distance_transform_edt(~one.mask, sampling=one.spacing)
        ring = free[one.box][(far > NEAR[0]) & (far <= NEAR[1])]
        body = _body_of(one)
        volume, ball = body.mask.sum() * one.spacing.prod(), np.pi / 6 * body.long_axis**3
        known = one.fat >= LEAST_FAT and ring.mean() >= LEAST_KNOWN
        if known and volume >= LEAST_ROUND * ball:
            found.append(specimen_of(name, scan, body))
    return found


def _labeled(name: str, scan: LabeledScan, nodes: sitk.Image) -> list[Specimen]:
    labels = instances(to_array(nodes))
    boxes = enumerate(ndimage.find_objects(labels), 1)
    bodies = [_body(labels[box] == k, box, scan.spacing) for k, box in boxes if box is not None]
    return [specimen_of(name, scan, body) for body in bodies]


def _body(mask: np.ndarray, box: Box, spacing: np.ndarray) -> Body:
    return Body(mask, box, long_axis(mask, spacing))
