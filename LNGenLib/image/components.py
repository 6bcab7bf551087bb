"""Connected components of a mask, and the objects of a label map."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

FACES = ndimage.generate_binary_structure(3, 1)  # neighbors that share a face
CORNERS = ndimage.generate_binary_structure(3, 3)  # all 26 neighbors


def components(mask: np.ndarray, neighbors: np.ndarray = CORNERS) -> tuple[np.ndarray, np.ndarray]:
    """Labels (z, y, x) from 1 up of a mask's components, and how many voxels each label has, none
    the background; `neighbors` (3, 3, 3) says which voxels are connected."""
    labels, count = ndimage.label(mask, neighbors)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    return labels, sizes


def instances(labels: np.ndarray) -> np.ndarray:
    """Labels (z, y, x) of the single objects in a label map (z, y, x; 0 is background).

    Where it has several values these tell them apart, else they are its 26-connected components.
    """
    several = labels.max() > 1 and len(np.unique(labels[labels > 0])) > 1
    return labels if several else components(labels > 0)[0]


def largest_component(mask: np.ndarray, neighbors: np.ndarray = CORNERS) -> np.ndarray:
    """The largest component of a mask (z, y, x, bool); nothing of an empty one."""
    labels, sizes = components(mask, neighbors)
    return labels == sizes.argmax() if len(sizes) > 2 else mask
