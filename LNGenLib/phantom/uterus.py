"""Uterus, vagina and ovaries; TotalSegmentator labels none of them. LPS, template mm."""

from __future__ import annotations

import numpy as np

from LNGenLib.phantom.canvas import Canvas, Tissues
from LNGenLib.phantom.solids import capsule, ellipsoid, plate

UTERUS = (  # body and neck
    ellipsoid((-3, -16, -22), (25, 19, 16)),
    capsule((-2, -8, -32, 12), (0, 4, -56, 9)),
)
VAGINA = plate((-12, 8, -60, 5), (12, 8, -60, 5), (0, -8, -112, 8))
OVARIES = ((38, 6, -2), (-36, 12, -8))


def paint_uterus(canvas: Canvas, tissues: Tissues, fate: np.random.Generator) -> None:
    """Uterus, vagina and ovaries, each of these with a follicle."""
    canvas.paint([VAGINA], *tissues.organ(55))
    canvas.paint(UTERUS, *tissues.organ(fate.uniform(70, 110)), blend=8)
    for x, y, z in OVARIES:
        canvas.paint([ellipsoid((x, y, z), (9, 13, 10))], *tissues.organ(45))
        canvas.paint([ellipsoid((x, y - 4, z), fate.uniform(3, 7, 3))], (0, 12, 0))
