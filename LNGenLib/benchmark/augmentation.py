"""Copies of real lymph nodes, mirrored and turned, in fat: a rival of Table I without a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.datasets.case import Case
from LNGenLib.errors import InputError
from LNGenLib.evaluation.realism.painters import paste
from LNGenLib.image.components import instances
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import distance_to, inside_grid
from LNGenLib.image.hu import FAT, SOFT_TISSUE
from LNGenLib.image.io import like, marked_synthetic, to_array
from LNGenLib.placement.candidate_region import GAP
from LNGenLib.placement.heuristic import LEAST_FAT
from LNGenLib.segmentation.preparing import resampled

TRIES = 400  # places looked at for each copy


class Copier:
    """Puts copies of the real nodes of `cases` into CTs; InputError where there are none."""

    def __init__(self, cases: Sequence[Case]):
        loaded = (case.load_labeled() for case in cases)
        self.cuttings = [cutting for case in loaded for cutting in _cut(case.ct, case.nodes)]
        if not self.cuttings:
            raise InputError("the scans of train show no lymph node to copy: give some that do")

    def paint(
        self, ct: sitk.Image, real: sitk.Image, count: int, rng: np.random.Generator
    ) -> tuple[sitk.Image, sitk.Image]:
        """The CT with so many copies off its `real` nodes (not 0), fewer where there is no room,
        and the instance labels of the copies."""
        spacing = array_spacing(ct)
        hu, labels = to_array(ct), np.zeros(ct.GetSize()[::-1], np.uint16)
        smooth = ndimage.gaussian_filter(hu.astype(np.float32), (0, 1, 1))
        fat = (smooth > FAT[0]) & (smooth < SOFT_TISSUE[0])
        taken = distance_to(to_array(real) > 0, GAP, spacing) <= GAP
        places = np.argwhere(fat & ~taken)
        number = 0
        for k in rng.integers(len(self.cuttings), size=count):
            axes, turns = tuple(a for a in range(3) if rng.random() < 0.5), int(rng.integers(4))
            fitting = self.cuttings[k].on(spacing[[0, 2, 1]] if turns % 2 else spacing)
            body, mask = (np.rot90(np.flip(a, axes), turns, (1, 2)) for a in fitting)
            start = _room(mask, fat, taken, places, rng)
            if start is None:
                continue
            number += 1
            paste(hu, labels, number, body, mask, start, spacing)
            taken |= distance_to(labels == number, GAP, spacing) <= GAP
        return marked_synthetic(like(hu, ct)), marked_synthetic(like(labels, ct))


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
