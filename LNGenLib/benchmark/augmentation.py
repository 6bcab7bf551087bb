"""Copies of real lymph nodes, mirrored and turned, in fat: a rival of Table I without a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.datasets.case import Case
from LNGenLib.evaluation.realism.painters import paste
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.hu import FAT, SOFT_TISSUE
from LNGenLib.image.io import like, marked_synthetic, to_array
from LNGenLib.placement.candidate_region import GAP
from LNGenLib.placement.heuristic import LEAST_FAT

TRIES = 400  # places looked at for each copy


class Copier:
    """Puts copies of the real nodes of `cases` into CTs."""

    def __init__(self, cases: Sequence[Case]):
        loaded = (case.load_labeled() for case in cases)
        self.cuttings = [cutting for case in loaded for cutting in _cut(case.ct, case.nodes)]

    def paint(
        self, ct: sitk.Image, real: sitk.Image, count: int, rng: np.random.Generator
    ) -> tuple[sitk.Image, sitk.Image]:
        """The CT with so many copies off its `real` nodes (labels), fewer where there is no room,
        and the instance labels of the copies."""
        spacing = array_spacing(ct)
        hu, labels = to_array(ct), np.zeros(ct.GetSize()[::-1], np.uint16)
        smooth = ndimage.gaussian_filter(hu.astype(np.float32), (0, 1, 1))
        fat = (smooth > FAT[0]) & (smooth < SOFT_TISSUE[0])
        taken = ndimage.distance_transform_edt(to_array(real) == 0, sampling=spacing) <= GAP
        places = np.argwhere(fat & ~taken)
        number = 0
        for k in rng.integers(len(self.cuttings), size=count):
            axes, turns = tuple(a for a in range(3) if rng.random() < 0.5), int(rng.integers(4))
            body, mask = (np.rot90(np.flip(a, axes), turns, (1, 2)) for a in self.cuttings[k])
            start = _room(mask, fat, taken, places, rng)
            if start is None:
                continue
            number += 1
            paste(hu, labels, number, body, mask, start, spacing)
            taken |= ndimage.distance_transform_edt(labels != number, sampling=spacing) <= GAP
        return marked_synthetic(like(hu, ct)), marked_synthetic(like(labels, ct))


def _cut(ct: sitk.Image, labels: sitk.Image) -> list[tuple[np.ndarray, np.ndarray]]:
    """HU and mask (z, y, x) of each real node with a band round it."""
    hu, nodes = to_array(ct), to_array(labels)
    pad = np.ceil(GAP / array_spacing(ct)).astype(int)
    cuttings = []
    for label, box in enumerate(ndimage.find_objects(nodes), 1):
        if box is None:
            continue
        wide = tuple(slice(max(b.start - p, 0), b.stop + p) for b, p in zip(box, pad))
        cuttings.append((hu[wide], nodes[wide] == label))
    return cuttings


def _room(
    mask: np.ndarray,
    fat: np.ndarray,
    taken: np.ndarray,
    places: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray | None:
    """Where the box of a mask may start, so that its node replaces fat and nothing taken."""
    inside = np.argwhere(mask)
    middle = inside.mean(0).round().astype(int)
    for start in places[rng.integers(len(places), size=TRIES)] - middle:
        if (start < 0).any() or (start + mask.shape > fat.shape).any():
            continue
        at = tuple((inside + start).T)
        if not taken[at].any() and fat[at].mean() >= LEAST_FAT:
            return start
    return None
