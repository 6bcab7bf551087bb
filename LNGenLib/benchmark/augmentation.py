"""Ways to put more lymph nodes into a training scan: LN-Gen, DiffTumor's way, copies of real ones.

An augmentation takes a CT, the instance labels of its real nodes, and a seed; it gives the CT with
more nodes off the real ones, and the instance labels of the new ones alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.benchmark.arms import NODES
from LNGenLib.datasets.case import Case
from LNGenLib.errors import InputError
from LNGenLib.evaluation.realism.painters import paste
from LNGenLib.image.components import instances
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import distance_to, inside_grid
from LNGenLib.image.hu import FAT, SOFT_TISSUE
from LNGenLib.image.io import like, marked_synthetic, to_array
from LNGenLib.placement.candidate_region import GAP, NoPlace
from LNGenLib.placement.heuristic import LEAST_FAT
from LNGenLib.randomness import node_seed
from LNGenLib.scan import Scan
from LNGenLib.segmentation.preparing import resampled
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import enhancement_like
from LNGenLib.synthesis.request import SynthesisRequest

TRIES = 400  # places looked at for each copy


Augmentation = Callable[[sitk.Image, sitk.Image, int], tuple[sitk.Image, sitk.Image]]


def synthesizer(models: Models, sizes: dict[str, int]) -> Augmentation:
    """LN-Gen or DiffTumor's way: lymph nodes anywhere in fat, so many of each distribution of
    `sizes`, as bright as the real ones; DiffTumor's way has no say in that."""

    def paint(ct: sitk.Image, real: sitk.Image, seed: int) -> tuple[sitk.Image, sitk.Image]:
        anywhere = like(np.ones(ct.GetSize()[::-1], np.uint8), ct)
        enhancement, labels = enhancement_like(ct, real), np.zeros(ct.GetSize()[::-1], np.uint16)
        for turn, (law, count) in enumerate(sizes.items()):
            own = node_seed(seed, turn, law)
            request = SynthesisRequest(
                count=count, sizes=Sizes(law), seed=own, allow_fewer=True, enhancement=enhancement
            )
            taken = like(((labels > 0) | (to_array(real) > 0)).astype(np.uint8), ct)
            try:
                scan = Scan(ct, region=anywhere, avoid=taken)
                result = synthesize(scan, request, models)
            except NoPlace:
                continue
            ct, new = result.ct, to_array(result.nodes)
            labels[new > 0] = new[new > 0] + labels.max()
        return ct, marked_synthetic(like(labels, ct))

    return paint


def copier(cases: Sequence[Case]) -> Augmentation:
    """Copies of the real nodes of `cases`, mirrored and turned at random, in fat; InputError where
    there are none."""
    loaded = (case.load_labeled() for case in cases)
    cuttings = [cutting for case in loaded for cutting in _cut(case.ct, case.nodes)]
    if not cuttings:
        raise InputError("the scans of train show no lymph node to copy: give some that do")

    def paint(ct: sitk.Image, real: sitk.Image, seed: int) -> tuple[sitk.Image, sitk.Image]:
        rng, spacing = np.random.default_rng(seed), array_spacing(ct)
        hu, labels = to_array(ct), np.zeros(ct.GetSize()[::-1], np.uint16)
        smooth = ndimage.gaussian_filter(hu.astype(np.float32), (0, 1, 1))
        fat = (smooth > FAT[0]) & (smooth < SOFT_TISSUE[0])
        taken = distance_to(to_array(real) > 0, GAP, spacing) <= GAP
        places = np.argwhere(fat & ~taken)
        number = 0
        for k in rng.integers(len(cuttings), size=NODES):
            axes, turns = tuple(a for a in range(3) if rng.random() < 0.5), int(rng.integers(4))
            fitting = cuttings[k].on(spacing[[0, 2, 1]] if turns % 2 else spacing)
            body, mask = (np.rot90(np.flip(a, axes), turns, (1, 2)) for a in fitting)
            start = _room(mask, fat, taken, places, rng)
            if start is None:
                continue
            number += 1
            paste(hu, labels, number, body, mask, start, spacing)
            taken |= distance_to(labels == number, GAP, spacing) <= GAP
        return marked_synthetic(like(hu, ct)), marked_synthetic(like(labels, ct))

    return paint


class _Cutting(NamedTuple):
    """A real node cut out with a band round it: HU, and its mask (0 or 1, float32)."""

    hu: sitk.Image
    mask: sitk.Image

    def on(self, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """HU and mask (z, y, x) on a `spacing` (z, y, x) in mm."""
        z, y, x = map(float, spacing)
        hu, share = resampled(self.hu, (z, y, x), -1024), resampled(self.mask, (z, y, x), 0)
        return to_array(hu), to_array(share) >= 0.5


def _cut(ct: sitk.Image, labels: sitk.Image) -> Iterator[_Cutting]:
    """Each real node; those that the labels do not tell apart by components."""
    nodes = instances(to_array(labels))
    pad = np.ceil(GAP / array_spacing(ct)).astype(int)
    for label, box in enumerate(ndimage.find_objects(nodes), 1):
        if box is not None:
            wide = inside_grid(box, nodes.shape, pad)
            mask = (nodes[wide] == label).astype(np.float32)
            z, y, x = wide
            hu = ct[x, y, z]
            yield _Cutting(hu, like(mask, hu))


def _room(
    mask: np.ndarray,
    fat: np.ndarray,
    taken: np.ndarray,
    places: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray | None:
    """Where the box of a mask may start, so that its node replaces fat and nothing taken; None
    where there is no such place, and of a node too small for the grid."""
    inside = np.argwhere(mask)
    if not len(inside) or not len(places):
        return None
    middle = inside.mean(0).round().astype(int)
    for start in places[rng.integers(len(places), size=TRIES)] - middle:
        if (start < 0).any() or (start + mask.shape > fat.shape).any():
            continue
        at = tuple((inside + start).T)
        if not taken[at].any() and fat[at].mean() >= LEAST_FAT:
            return start
    return None
