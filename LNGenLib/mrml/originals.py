"""The HU that lymph nodes replaced, each with the lymph node it belongs to, for undo.

The changed bands of neighbors overlap. Each changed voxel belongs to the lymph node whose label is
nearest: undoing that one restores the voxel, undoing another leaves it painted. So the order of
undoing does not matter, and with the last one the CT is the original bit for bit.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import slicer
from scipy.spatial import KDTree

from LNGenLib.errors import InputError
from LNGenLib.mrml.scene import add_node

TO_ORIGINALS = "LNGen.originals"


@dataclass(frozen=True, eq=False)
class Originals:
    """Changed voxels: their places `index` (n,) in the flattened array (z, y, x), their original
    `hu` (n,), and the `label` (n,) of the lymph node that each belongs to."""

    index: np.ndarray
    hu: np.ndarray
    label: np.ndarray

    @classmethod
    def find(
        cls, hu: np.ndarray, labels: np.ndarray, changed: np.ndarray, spacing: np.ndarray
    ) -> Originals:
        """Of the original `hu`, the instance `labels` and `changed` (nonzero), all (z, y, x);
        `spacing` in mm."""
        index = np.flatnonzero((changed > 0) | (labels > 0))
        return cls.owned(hu, index, labels.ravel()[index], spacing)

    @classmethod
    def owned(
        cls, hu: np.ndarray, index: np.ndarray, label: np.ndarray, spacing: np.ndarray
    ) -> Originals:
        """Of the original `hu` (z, y, x), `spacing` in mm, at the places `index` (n,), which are in
        the lymph node of `label` (n,), or, where that is 0, near some."""
        owner, inside = label.copy(), label > 0
        points = np.stack(np.unravel_index(index, hu.shape), 1) * spacing
        if not inside.all():
            _, nearest = KDTree(points[inside]).query(points[~inside])
            owner[~inside] = label[inside][nearest]
        return cls(index, hu.reshape(-1)[index], owner)

    def where(self, which: np.ndarray) -> Originals:
        """Those at which a mask (n,) is true."""
        return Originals(self.index[which], self.hu[which], self.label[which])

    def to_text(self) -> str:
        """Compressed, in letters that a scene file can hold."""
        file = io.BytesIO()
        np.savez_compressed(file, index=self.index, hu=self.hu, label=self.label)
        return base64.b64encode(file.getvalue()).decode()

    @classmethod
    def from_text(cls, text: str) -> Originals:
        """What `to_text` wrote."""
        with np.load(io.BytesIO(base64.b64decode(text))) as arrays:
            return cls(**arrays)


def keep(volume: slicer.vtkMRMLScalarVolumeNode, originals: Originals) -> None:
    """Keep the originals of a result's volume, in a hidden text that is saved in the scene file
    itself."""
    keep_text(volume, originals.to_text())


def keep_text(volume: slicer.vtkMRMLScalarVolumeNode, originals: str) -> None:
    """The same of what `Originals.to_text` made, which takes a while."""
    text = volume.GetNodeReference(TO_ORIGINALS)
    if text is None:
        text = add_node(volume.GetScene(), "vtkMRMLTextNode", f"{volume.GetName()} originals")
        text.SetForceCreateStorageNode(slicer.vtkMRMLTextNode.CreateStorageNodeNever)
        text.HideFromEditorsOn()
        volume.SetNodeReferenceID(TO_ORIGINALS, text.GetID())
    text.SetText(originals)


def kept(volume: slicer.vtkMRMLScalarVolumeNode) -> Originals:
    """What `keep` kept; InputError where it is gone."""
    text = volume.GetNodeReference(TO_ORIGINALS)
    if text is None:
        raise InputError(
            f"the original HU of {volume.GetName()} are no longer in the scene: generate again"
        )
    return Originals.from_text(text.GetText())
