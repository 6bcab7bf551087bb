"""The fatty hilum: a notch in the long side of a lymph node, in which fat stays.

Where its vessels enter, a lymph node's cortex is open toward fat in its middle, so that it looks
like a bean, or like a C round fat. The form is by eye, after lymph nodes in CT.
"""

from __future__ import annotations

import numpy as np

from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION
from LNGenLib.structure.repair import is_valid
from LNGenLib.structure.shape import Structure

# Of the notch, in long axes:
WIDTH = (0.25, 0.33)  # where it enters, before its rim is rounded
TIP = 0.1  # least radius of its bottom
SLOT = (0.0, 0.15)  # by which it is wider, to each side, at a right angle to the long axis
ASIDE = (0.04, 0.12)  # from the middle of the long axis
RIM = 0.15  # over which its rim is rounded
DEPTH = (0.35, 0.55)  # of the node's thickness where it enters
FLARE = np.radians(20)  # by which it opens to each side
SCATTER = np.radians(25)  # of its way about the edge of a flat node, as a kidney's
TRIES, SHALLOWER = 12, 0.8  # each try is that much less deep than the one before
MOST_SHORTENED = 0.02


def cut_hilum(structure: Structure, rng: np.random.Generator) -> Structure:
    """The structure with a notch in its long side, beside the middle.

    It keeps its long axis, a wall opposite the notch, and one component without tunnels: where a
    notch would harm that, the next is less deep. A structure that bears none stays as it is.
    """
    unit = SAMPLE / structure.sample_mm(1.0)  # the long axis, where lengths are those of the frame
    ends, vertices = structure.axis_points(unit), structure.vertices(unit)
    for k in range(TRIES):
        notch = _notch(ends, vertices, SHALLOWER**k, rng)
        tsdf = _without(structure.tsdf, notch).clip(-TRUNCATION, TRUNCATION)
        cut = Structure(tsdf.astype(np.float32))
        if is_valid(tsdf) and cut.sample_mm(unit) < (1 + MOST_SHORTENED) * SAMPLE:
            return cut
    return structure


def _notch(
    ends: np.ndarray, vertices: np.ndarray, part: float, rng: np.random.Generator
) -> np.ndarray:
    """Signed distance (32, 32, 32) from a drawn notch, of this `part` of the depth drawn.

    It is a rounded cone, or a slot as such a cone cuts it, that enters a surface of `vertices`
    (n, 3) at a right angle to its long axis, which has these `ends` (2, 3).
    """
    length = np.linalg.norm(ends[1] - ends[0])
    along = (ends[1] - ends[0]) / length
    across = vertices - np.outer(vertices @ along, along)
    widest = np.linalg.eigh(np.cov(across.T))[1][:, 2]
    angle = rng.normal(0, SCATTER) + rng.choice((0, np.pi))
    inward = np.cos(angle) * widest + np.sin(angle) * np.cross(along, widest)
    aside = rng.choice((-1, 1)) * rng.uniform(*ASIDE) * length
    half, slot = rng.uniform(*WIDTH) * length / 2, rng.uniform(*SLOT) * length

    entry = ends.mean(0) + aside * along
    there = vertices[np.abs((vertices - entry) @ along) < half / 2] - entry
    middle = (there.min(0) + there.max(0)) / 2
    entry += middle - (middle @ along) * along
    thickness = (there - middle) @ inward
    depth = part * rng.uniform(*DEPTH) * np.ptp(thickness)
    sine, cosine = np.sin(FLARE), np.cos(FLARE)
    tip = max((half * cosine - depth * sine) / (1 - sine), TIP * length)

    axis = (np.arange(GRID) - (GRID - 1) / 2) * SAMPLE
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1) - entry
    outward = thickness.min() + depth - tip - points @ inward  # from the center of the tip
    cross = points @ np.cross(along, inward)
    aside = np.hypot(points @ along, cross - cross.clip(-slot, slot))
    cone = aside * cosine - outward * sine
    return np.where(outward * cosine + aside * sine > 0, cone, np.hypot(aside, outward)) - tip


def _without(distance: np.ndarray, notch: np.ndarray) -> np.ndarray:
    """The smooth difference of two signed distances (https://iquilezles.org/articles/smin)."""
    width = 2 * RIM  # in the frame's units, half long axes
    overlap = np.maximum(width - np.abs(distance + notch), 0)
    return np.maximum(distance, -notch) + overlap**2 / (4 * width)
