"""A ROI as a user draws it."""

from __future__ import annotations

import numpy as np
import slicer

from LNGenLib.mrml.markups import ROI, RegionBox
from LNGenLib.mrml.scene import add_node


def to_roi(scene: slicer.vtkMRMLScene, box: RegionBox, name: str) -> slicer.vtkMRMLMarkupsROINode:
    """A new ROI of a box (R1, R2, A1, A2, S1, S2) in RAS mm."""
    roi = add_node(scene, ROI, name)
    low, high = np.sort(np.reshape(box, (3, 2)), axis=1).T
    roi.SetCenterWorld(*((low + high) / 2))
    roi.SetSizeWorld(*(high - low))
    return roi
