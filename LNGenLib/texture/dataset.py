"""Training patches for texture: real lesions, node-like bodies found in CT, shapes over tissue.

Few lymph nodes are labeled, so tissue comes from three sources: the given masks of lesions and
masses; compact bodies of soft tissue surrounded by fat (nodes, vessels cut across, bowel, muscle
bellies), found in the CTs themselves; and real node shapes drawn over soft tissue, masses
included. The split is by scan, as `splits.csv` fixes it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from LNGenLib.files import read_table, write_npz
from LNGenLib.image.geometry import array_spacing, extract_patch
from LNGenLib.image.grid import Box, inside_grid
from LNGenLib.image.hu import FAT, SOFT_TISSUE, normalize, window_of
from LNGenLib.progress import SILENT, Progress
from LNGenLib.structure.corpus import real_shapes
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.tsdf import signed_distance
from LNGenLib.texture.patch import RIM, SDF_TRUNCATION, SIZED_TO_NODE, Frame, patch_distance

if TYPE_CHECKING:
    import SimpleITK as sitk

SMALLEST, LARGEST = 5.0, 40.0  # mm, of the bodies that are looked for

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabeledScan:
    """A CT (z, y, x) in HU, its spacing (z, y, x) in mm, and where lesions are given their labels
    (z, y, x): 0 outside."""

    hu: np.ndarray
    spacing: np.ndarray
    lesions: np.ndarray | None

    def between(self, low: float, high: float) -> np.ndarray:
        """Voxels (z, y, x, bool) of low..high HU after light in-plane smoothing."""
        smooth = ndimage.gaussian_filter(self.hu.astype(np.float32), (0, 1, 1))
        return (smooth > low) & (smooth < high)


@dataclass(frozen=True)
class Body:
    """A compact body in a scan: its mask in a box of it, and its long axis in mm."""

    mask: np.ndarray
    box: Box
    long_axis: float

    @property
    def start(self) -> tuple[int, ...]:
        """The first index (z, y, x) of the box."""
        return tuple(part.start for part in self.box)


def find_bodies(scan: LabeledScan) -> list[Body]:
    """Compact soft-tissue bodies of 5 to 40 mm surrounded by fat.

    Basins of the distance transform of soft tissue, kept where at least 40 % of the voxels just
    outside are fat (partial volume included), the extents differ at most by a factor of three,
    and the body spans at least two slices.
    """
    soft = scan.between(*SOFT_TISSUE)
    fat = scan.between(FAT[0], SOFT_TISSUE[0])
    depth = ndimage.distance_transform_edt(soft, sampling=scan.spacing)
    depth = ndimage.gaussian_filter(depth, 1.0 / scan.spacing)
    footprint = np.ones([2 * int(np.ceil(2.0 / s)) + 1 for s in scan.spacing])
    peaks = peak_local_max(depth, footprint=footprint, threshold_abs=1.5, exclude_border=False)
    peaks = peaks[depth[tuple(peaks.T)] < LARGEST / 2]
    markers = np.zeros(soft.shape, np.int32)
    markers[tuple(peaks.T)] = 1 + np.arange(len(peaks))
    basins = watershed(-depth, markers, mask=soft)
    bodies = []
    for label, box in enumerate(ndimage.find_objects(basins), 1):
        if box is None:
            continue
        size = np.array([b.stop - b.start for b in box])
        extent = size * scan.spacing
        at_border = any(b.start == 0 or b.stop == n for b, n in zip(box, soft.shape, strict=True))
        if at_border or size.min() < 2 or not SMALLEST <= extent.max() <= LARGEST:
            continue
        if extent.max() > 3 * extent.min():
            continue
        around = inside_grid(box, soft.shape, 1)
        mask = basins[around] == label
        shell = ndimage.binary_dilation(mask, np.ones((3, 3, 3))) & ~mask
        if fat[around][shell].mean() >= 0.4 and mask.sum() >= 0.3 * size.prod():
            bodies.append(Body(mask, around, float(extent.max())))
    return bodies


def extend_tissue(hu: np.ndarray, sdf: np.ndarray, margin: float) -> np.ndarray:
    """Fill the rim of a real body's patch with the body's own tissue, mirrored at its surface.

    `hu` (s^3) as scanned, `sdf` (s^3) of the body in samples; voxels deeper than `margin`
    samples (in a thin body, than half its depth) are free of partial volume and stay, those out
    to the rim take the value at the mirror image of their position, or at the nearest inner voxel
    where the body is too thin.
    """
    inner = sdf < max(-margin, sdf.min() * 0.5)
    nearest = ndimage.distance_transform_edt(~inner, return_distances=False, return_indices=True)
    mirrored = np.clip(2 * nearest - np.indices(hu.shape), 0, len(hu) - 1)
    source = np.where(inner[tuple(mirrored)], mirrored, nearest)
    return np.where((sdf < RIM) & ~inner, hu[tuple(source)], hu)


def read_scan(path: Path, labels: Path | None = None) -> tuple[sitk.Image, LabeledScan]:
    """A CT (int16 HU), and the same as a scan, with the lesions' labels: those of the file
    `labels`, or what lies beside the CT as `NAME_mask.nii.gz`. Raises InputError for a CT that is
    not in HU, and for labels on another grid."""
    from LNGenLib.image.io import as_ct, read_ct, read_labels, to_array

    image = as_ct(read_ct(path), str(path))
    hu = to_array(image)
    window = window_of(hu)
    if window is not None:
        log.warning("%s was cut to a window of %d to %d HU: taken as it is", path, *window)
    beside = path.with_name(path.name.replace(".nii.gz", "_mask.nii.gz"))
    labels = labels or (beside if beside.exists() else None)
    lesions = to_array(read_labels(labels, image)) if labels else None
    return image, LabeledScan(hu, array_spacing(image), lesions)


def _body_patch(
    scan: LabeledScan, body: Body, frame: Frame, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    long_axis = body.long_axis * rng.uniform(0.9, 1.2)
    step = frame.step(long_axis)
    pad = np.ceil(1.2 * body.long_axis / scan.spacing).astype(int)
    distance = signed_distance(np.pad(body.mask, [(p, p) for p in pad]), tuple(scan.spacing))
    center = np.array(body.mask.shape) / 2 - 0.5 + rng.normal(0, 0.05, 3) * long_axis / scan.spacing
    hu = extract_patch(scan.hu, scan.spacing, center + body.start, step, frame.size)
    sdf = extract_patch(distance, scan.spacing, center + pad, step, frame.size) / step
    if frame is not SIZED_TO_NODE:
        return hu, sdf
    return extend_tissue(hu, sdf, 0.7 * scan.spacing[2] / step), sdf


def _drawn_patch(
    scan: LabeledScan,
    soft: np.ndarray,
    depth: np.ndarray,
    shapes: np.ndarray,
    frame: Frame,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray] | None:
    structure = Structure(shapes[rng.integers(len(shapes))].astype(np.float32))
    long_axis = rng.uniform(1.7, 30)
    step = frame.step(long_axis)
    candidates = np.flatnonzero(depth > 0.25 * long_axis)
    if not len(candidates):
        return None
    center = np.array(np.unravel_index(rng.choice(candidates), depth.shape)) + rng.uniform(
        -0.5, 0.5, 3
    )
    turn = Rotation.random(rng=rng).as_matrix()
    sdf = patch_distance(structure, turn, long_axis, frame)
    inside = extract_patch(soft, scan.spacing, center, step, frame.size)[sdf < 0]
    if not len(inside) or inside.mean() < 0.97:
        return None
    return extract_patch(scan.hu, scan.spacing, center, step, frame.size), sdf


def _lesions(scan: LabeledScan) -> Iterator[Body]:
    """The given lesions of up to 60 mm, one a label."""
    if scan.lesions is None:
        return
    for label, box in enumerate(ndimage.find_objects(scan.lesions), 1):
        if box is None:
            continue
        extent = max((b.stop - b.start) * s for b, s in zip(box, scan.spacing, strict=True))
        if extent <= 60:
            yield Body(scan.lesions[box] == label, box, float(extent))


def _patches(
    scan: LabeledScan, shapes: np.ndarray, count: int, frame: Frame, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`count` patches (HU, SDF in samples): up to half of bodies, the rest of drawn shapes."""
    bodies = find_bodies(scan) + list(_lesions(scan)) * 5
    soft = scan.between(*SOFT_TISSUE)
    depth = ndimage.distance_transform_edt(soft, sampling=scan.spacing)
    in_lesion = depth if scan.lesions is None else depth * (scan.lesions > 0)
    of_bodies = min(count // 2, 8 * len(bodies))
    for _ in range(of_bodies):
        yield _body_patch(scan, bodies[rng.integers(len(bodies))], frame, rng)
    made, tries = of_bodies, 0
    while made < count and tries < 20 * count:
        tries += 1
        patch = _drawn_patch(scan, soft, in_lesion if tries % 2 else depth, shapes, frame, rng)
        if patch is not None:
            made += 1
            yield patch


def prepare(
    data: Path,
    surfaces: Path,
    output: Path,
    frame: Frame = SIZED_TO_NODE,
    seed: int = 0,
    progress: Progress = SILENT,
    per_scan: int = 200,
) -> None:
    """Write training patches of all scans in `data/splits.csv` of the parts train and validation.

    The table has the columns `file` and `split`; lesions, where they are known, have a label each
    in the image that the column `labels` names, or beside their CT as `NAME_mask.nii.gz`. Shapes
    are those of the training part in `surfaces`, which `structure.preparing` made. Arrays in
    `output` (.npz): `hu` and `sdf` (n, s, s, s) uint8 (the HU window, and +-4 samples, over
    0..255), `split` (n,), `scan` (n,).
    """
    arrays: dict[str, list] = {"hu": [], "sdf": [], "split": [], "scan": []}
    shapes, _ = real_shapes(surfaces, "train")
    rows = [row for row in read_table(data / "splits.csv") if row["split"] != "test"]
    for number, row in enumerate(rows):
        progress.advance("CTs", number, len(rows))
        labels = data / row["labels"] if row.get("labels") else None
        _, scan = read_scan(data / row["file"], labels)
        rng = np.random.default_rng([seed, number])
        for hu, sdf in _patches(scan, shapes, per_scan, frame, rng):
            arrays["hu"].append(to_uint8(normalize(hu)))
            arrays["sdf"].append(to_uint8(np.clip(sdf / SDF_TRUNCATION, -1, 1)))
            arrays["split"].append(row["split"])
            arrays["scan"].append(row["file"])
    write_npz({name: np.stack(values) for name, values in arrays.items()}, output)


def to_uint8(values: np.ndarray) -> np.ndarray:
    """[-1, 1] over 0..255, of any shape."""
    return np.round((values + 1) * 127.5).astype(np.uint8)
