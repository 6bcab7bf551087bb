"""Structures of masks whose surface is known exactly."""

import numpy as np

from LNGenLib.image.components import largest_component
from LNGenLib.structure.tsdf import signed_distance, tsdf_from_distance


def tsdf_from_mask(
    mask: np.ndarray, spacing: tuple[float, float, float]
) -> tuple[np.ndarray, float]:
    """TSDF (32, 32, 32) of a mask's largest component as it is, not smoothed, and its long axis."""
    body = np.pad(largest_component(mask), 4)
    return tsdf_from_distance(signed_distance(body, spacing), spacing)
