"""Topology of a TSDF: one component, no holes, no tunnels, nothing cut by the border."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage import measure

from LNGenLib.image.components import largest_component
from LNGenLib.structure.frame import SAMPLE

MOST_TUNNELS = 20  # more are a sponge, not slips: closing them one by one takes seconds
_FACES = ndimage.generate_binary_structure(3, 1)
_EDGES = ndimage.generate_binary_structure(3, 2)


def repair(tsdf: np.ndarray) -> tuple[np.ndarray, bool]:
    """A TSDF (32, 32, 32) with a topologically valid inside, and whether that changed the inside.

    Valid: one component connected by faces, no holes, tunnels and handles closed where a closing
    or an opening does it, and a border that is outside. Values change at the changed samples only,
    to half a sample from the surface.
    """
    inside = tsdf < 0
    body = valid_body(inside)
    repaired = tsdf.copy()
    repaired[body & ~inside] = -SAMPLE / 2
    repaired[inside & ~body] = SAMPLE / 2
    return repaired, bool((body != inside).any())


def is_valid(tsdf: np.ndarray) -> bool:
    """Whether a TSDF (32, 32, 32) has an inside of one component without holes, tunnels or a part
    at the border: quick, where `repair` takes long to close something."""
    inside = tsdf < 0
    body = whole(inside)
    return bool(inside.any() and (body == inside).all() and not _tunnels(body))


def valid_body(inside: np.ndarray) -> np.ndarray:
    """The topologically valid body of a boolean volume (z, y, x); see `repair`."""
    body = whole(inside)
    return _close_tunnels(body) if body.any() else body


def whole(inside: np.ndarray) -> np.ndarray:
    """One component of a boolean volume (z, y, x), clear of the border, its holes filled."""
    body = np.zeros_like(inside)
    core = (slice(1, -1),) * 3
    body[core] = inside[core]
    return ndimage.binary_fill_holes(largest_component(body, _FACES))


def _tunnels(body: np.ndarray) -> int:
    """Deviation of the Euler characteristic from a ball's, with inside connected by faces only and
    by corners too: marching cubes join a diagonal contact or not, so neither may be a tunnel."""
    return abs(1 - measure.euler_number(body, 1)) + abs(1 - measure.euler_number(body, 3))


def _close_tunnels(body: np.ndarray) -> np.ndarray:
    """`body` with each piece of its closings filled, and of its openings cut, that takes tunnels
    away."""
    tunnels = _tunnels(body)
    if tunnels > MOST_TUNNELS:
        return body
    for change in (ndimage.binary_closing, ndimage.binary_opening):
        for element in (_FACES, _EDGES):
            if tunnels == 0:
                return body
            pieces, count = ndimage.label(change(body, element) ^ body)
            for number in range(1, count + 1):
                trial = body ^ (pieces == number)
                trial = ndimage.binary_fill_holes(largest_component(trial, _FACES))
                left = _tunnels(trial)
                if left < tunnels:
                    body, tunnels = trial, left
    return body
