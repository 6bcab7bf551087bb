"""The images of a result: the CT with its lymph nodes, their labels, and where HU may differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LNGenLib.image.grid import Box
from LNGenLib.image.io import like, marked_synthetic
from LNGenLib.image.pieces import Piece


@dataclass(frozen=True, eq=False)
class ResultImages:
    """A CT of its own type, labels (uint16) and changed voxels (uint8), all on one grid."""

    ct: sitk.Image
    nodes: sitk.Image
    changed: sitk.Image

    @classmethod
    def before(cls, voxels: np.ndarray, ct: sitk.Image) -> ResultImages:
        """Those of a CT and its `voxels` (z, y, x) before anything is painted: whole volumes, which
        take time that can be spent beside the networks."""
        blank = [sitk.Image(ct.GetSize(), kind) for kind in (sitk.sitkUInt16, sitk.sitkUInt8)]
        for image in blank:
            image.CopyInformation(ct)
        return cls(*map(marked_synthetic, (like(voxels, ct), *blank)))

    def add(self, painted: Sequence[Piece], labels: Sequence[int]) -> None:
        """Put the nodes in, in the order in which they were painted, each under its label."""
        for node, label in zip(painted, labels, strict=True):
            _set(self.ct, node.box, node.changed, node.hu)
            _set(self.nodes, node.box, node.label, np.full(node.label.shape, label))
            _set(self.changed, node.box, node.changed, np.ones(node.changed.shape))


def _set(image: sitk.Image, box: Box, where: np.ndarray, values: np.ndarray) -> None:
    """Set the image to `values` in those voxels of a box of its array (z, y, x) `where` it says."""
    part = tuple(slice(int(axis.start), int(axis.stop)) for axis in box[::-1])
    voxels = sitk.GetArrayFromImage(image[part])
    voxels[where] = values[where]
    image[part] = sitk.GetImageFromArray(voxels)
