"""What a scan shows beside the body: the table that it lies on, and the arms."""

from __future__ import annotations

import numpy as np

from LNGenLib.phantom.canvas import AIR, Canvas, Tissues
from LNGenLib.phantom.patient import Patient, half_width
from LNGenLib.phantom.solids import Solid, capsule, tube

TABLE = ((0, AIR), (12, -930.0), (14, 40.0), (40, -960.0), (42, 40.0))  # depth (mm), HU above
TABLE_HALF_WIDTH = 215.0  # mm


def paint_table(canvas: Canvas, patient: Patient, girth: float) -> Solid:
    """The pad and the hollow board of a table; gives the space over it, for a body of ``girth``
    (mm beyond its outline), which the table flattens there."""
    fat = max(girth, 0)
    down, outline, pressed = (
        (-1, -106, 3 + 0.4 * fat) if patient.prone else (1, 128, 6 + 0.15 * fat)
    )
    top = outline - down * pressed  # template y, without the girth
    x, y = (axis / scale for axis, scale in zip(canvas.axes[:2], canvas.scale))
    depth = down * (y[:, None] - top) - girth + x**2 / 1500
    for (above, _), (below, hu) in zip(TABLE, TABLE[1:]):
        canvas.hu[:, (depth >= above) & (depth < below) & (np.abs(x) < TABLE_HALF_WIDTH)] = hu
    anywhere = np.full(3, np.inf)
    return Solid(lambda _x, y, _z: down * (y - top), -anywhere, anywhere)


def paint_arms(canvas: Canvas, tissues: Tissues, girth: float) -> None:
    """Forearms, wrists and hands at the side."""
    x = half_width(girth) + 34
    arm = tube((x, 20, 150, 40), (x + 4, 14, 40, 36), (x + 2, 4, -30, 26), (x, -2, -60, 24))
    hand = [capsule((x, -2, -60, 20), (x - 6, -12, -140, 18))]
    bones = [
        capsule((x + shift, 14 + shift, 140, 7), (x + shift, shift, -60, 6)) for shift in (-9, 9)
    ]
    bones += [capsule((x - 1, y, -72, 5), (x - 6, y - 8, -140, 4)) for y in (-12, -4, 4, 12)]
    for side in (1, -1):
        canvas.paint(
            arm + hand, (0, 15, 0), (-2, tissues.fat, 0), (-7, tissues.muscle, 0), side=side
        )
        canvas.paint(bones, *tissues.bone(0), side=side)
