"""Landmarks of the pelvis from HU and position alone, where no label shows them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from LNGenLib.image.components import FACES, largest_component
from LNGenLib.image.geometry import index_to_ras
from LNGenLib.placement.landmarks import RECTUM_TOP, SIDES, Landmarks, add_sacrum

BONE = 160.0  # HU
CORTEX = 320.0  # HU of the brightest tenth of a ball of bone: enhanced kidneys are darker
HEAD_RADII = (18.0, 32.0)  # mm, with what the joint space lets in
HEAD_RADIUS = 23.0  # mm
HEAD_BELOW_BALL = 10.0  # mm: the acetabulum's roof draws the largest ball upward
HEADS_APART = (130.0, 240.0)  # mm between the femoral heads
SACRUM = (-43.0, 87.0)  # mm above the femoral heads' tops, lower and upper end
HIPS = (-63.0, 127.0)  # as the sacrum's
SACRUM_HALF_WIDTH = 50.0  # mm
RECTUM_HALF_WIDTH = 35.0  # mm from the midline
RECTUM_BEFORE_SACRUM = (3.0, 55.0)  # mm


def estimate_pelvis(marks: Landmarks, hu: np.ndarray, body: np.ndarray) -> None:
    """Add femoral heads, hips and sacrum, as far as they are missing and can be found.

    `hu` and `body` (bool) are (z, y, x) on the grid of `marks`.
    """
    bone = ndimage.binary_closing(hu > BONE) & body
    if "femoral tops" not in marks.heights:
        heads = _femoral_heads(marks, hu, bone)
        if heads is None:
            return
        marks.heights["femoral tops"] = heads[:, 2].mean() + HEAD_RADIUS
        marks.midline = heads[:, 0].mean()
        marks.estimated.add("femoral tops")
    if "sacrum" not in marks.masks:
        add_sacrum(marks, _sacrum(marks, bone), estimated=True)
    if "hips" not in marks.masks:
        marks.put("hips", _hips(marks, bone), estimated=True)


def _femoral_heads(marks: Landmarks, hu: np.ndarray, bone: np.ndarray) -> np.ndarray | None:
    """RAS mm (2, 3) of both femoral heads, or None; by the largest balls in bone, one a side."""
    filled = np.stack([ndimage.binary_fill_holes(part) for part in bone])
    radius = ndimage.distance_transform_edt(filled, sampling=marks.spacing)
    middle = marks.points(bone)[:, 0].mean() if bone.any() else 0
    heads = []
    for side in SIDES.values():
        lateral = side * (marks.ras[0] - middle) > HEADS_APART[0] / 3
        there = np.where(lateral, radius, 0)
        index = np.unravel_index(there.argmax(), there.shape)
        if not HEAD_RADII[0] <= there[index] <= HEAD_RADII[1]:
            return None
        ball = marks.near(np.array(index), there[index])
        if np.percentile(hu[ball], 90) < CORTEX:
            return None
        heads.append(index_to_ras(marks.grid, np.array(index)) - (0, 0, HEAD_BELOW_BALL))
    apart = np.abs(heads[1] - heads[0])
    if not HEADS_APART[0] <= apart[0] <= HEADS_APART[1] or max(apart[1:]) > 30:
        return None
    return np.stack(heads)


def _sacrum(marks: Landmarks, bone: np.ndarray) -> np.ndarray:
    """Bone near the midline, behind the femoral heads, up to the promontory's usual height."""
    central = np.abs(marks.ras[0] - marks.midline) < SACRUM_HALF_WIDTH
    candidates = bone & central & _between(marks, *SACRUM)
    if not candidates.any():
        return candidates
    # the pubic bones lie before: of the midline's bone the hindmost 90 mm count
    back = marks.points(candidates)[:, 1].min()
    return largest_component(candidates & (marks.ras[1] < back + 90), FACES)


def _hips(marks: Landmarks, bone: np.ndarray) -> np.ndarray:
    lateral = np.abs(marks.ras[0] - marks.midline) >= SACRUM_HALF_WIDTH
    return bone & lateral & _between(marks, *HIPS)


def _between(marks: Landmarks, low: float, high: float) -> np.ndarray:
    """Voxels that many mm above the femoral heads' tops."""
    above = marks.ras[2] - marks.heights["femoral tops"]
    return (above > low) & (above < high)


def estimate_rectum(marks: Landmarks, fat: np.ndarray) -> None:
    """Add the rectum, unless it is known: of what is not `fat` (z, y, x, bool) before the sacrum,
    the largest piece."""
    if "sacrum" not in marks.masks or "rectum" in marks.masks:
        return
    tube = ndimage.binary_opening(before_sacrum(marks) & ~fat)
    marks.put("rectum", largest_component(tube, FACES), estimated=True)


def before_sacrum(marks: Landmarks) -> np.ndarray:
    """The space (z, y, x, bool) before the sacrum in which the rectum lies."""
    near, far = RECTUM_BEFORE_SACRUM
    r, a, s = marks.ras
    top, bottom = marks.heights["promontory"], marks.heights["coccyx"]
    front = _front(marks)
    space = (a > front + near) & (a < front + far) & (s <= bottom + RECTUM_TOP * (top - bottom))
    return space & (np.abs(r - marks.midline) < RECTUM_HALF_WIDTH)


def behind_sacrum(marks: Landmarks) -> np.ndarray:
    """What lies behind the sacrum's front (z, y, x, bool)."""
    r, a, _ = marks.ras
    return (a < _front(marks)) & (np.abs(r - marks.midline) < HEADS_APART[0] / 2)


def _front(marks: Landmarks) -> np.ndarray:
    """A in mm of the sacrum's front at each height, nan where there is no sacrum."""
    low, high = marks.heights["coccyx"], marks.heights["promontory"]
    known = marks.above(low) & (marks.ras[2] <= high)
    return np.where(known, marks.sacral_front, np.nan)
