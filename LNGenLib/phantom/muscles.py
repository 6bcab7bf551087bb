"""The muscles of pelvis, thigh and buttock: vertices are (x, y, z, radius) in template mm, LPS."""

from __future__ import annotations

from LNGenLib.phantom.canvas import SIDES, UNNAMED_MUSCLE, Canvas, Tissues
from LNGenLib.phantom.solids import capsule, fan, tube

# TotalSegmentator v2 'total'; the left is named, the right is the next number.
GLUTEUS_MAXIMUS, GLUTEUS_MEDIUS, GLUTEUS_MINIMUS, AUTOCHTHON, ILIOPSOAS = 80, 82, 84, 86, 88

# fmt: off
MUSCLES = {  # of each side: label and solids, in the order of painting, those without label first
    "rectus abdominis": (0, fan((30, -92, 150, 4), (12, -93, 150, 3), (9, -83, 0, 3.5),
            (8, -70, -66, 4), (24, -72, -60, 4), (54, -84, 40, 3.5), (56, -88, 150, 3.5))),
    "quadratus lumborum": (0, fan((68, 50, 100, 6), (70, 60, 75, 7), (56, 40, 140, 7),
            (84, 40, 140, 6))),
    "obturator internus": (0, fan((54, 4, -62, 6), (57, 6, -32, 4), (55, 34, -48, 6),
            (52, 28, -100, 7), (44, -36, -96, 4), (52, -34, -70, 4), (57, 6, -32, 4))),
    "piriformis": (0, tube((30, 66, 8, 7), (52, 66, -10, 10), (84, 56, -34, 10),
            (130, 28, -66, 4))),
    "obturator externus": (0, tube((38, -30, -94, 10), (80, 4, -98, 11), (116, 20, -88, 5))),
    "quadratus femoris": (0, [capsule((76, 30, -106, 9), (122, 26, -104, 9))]),
    "pectineus": (0, fan((30, -62, -80, 7), (46, -64, -70, 7), (106, -18, -118, 10),
            (66, -36, -120, 11))),
    "adductors": (0, tube((18, -46, -98, 9), (46, -30, -116, 20), (60, -20, -150, 26))),
    "vastus lateralis": (0, tube((146, -8, -84, 10), (144, -14, -108, 18), (138, -12, -150, 23))),
    "rectus femoris": (0, tube((104, -38, -22, 7), (114, -47, -55, 13), (116, -50, -110, 17),
            (114, -52, -150, 17))),
    "sartorius": (0, tube((122, -56, 30, 5), (116, -60, -30, 7), (98, -72, -75, 9),
            (84, -76, -150, 9))),
    "tensor fasciae latae": (0, fan((142, -46, -30, 9), (130, -50, 36, 5), (132, -60, -70, 6),
            (146, -50, -110, 6), (156, -22, -100, 5), (152, -24, -40, 7), (130, -50, 36, 5))),
    "erector spinae": (AUTOCHTHON, tube((23, 73, 150, 19), (23, 75, 80, 18), (22, 84, 45, 13),
            (18, 93, 10, 6), (14, 94, -10, 4))
        + tube((50, 72, 150, 18), (48, 74, 80, 16), (34, 84, 40, 8))),
    "gluteus minimus": (GLUTEUS_MINIMUS, fan((112, 12, 0, 8), (98, 36, 8, 5), (114, 22, 44, 5),
            (118, -20, 34, 5), (118, -26, -14, 9), (134, -10, -60, 8), (114, 30, -24, 7),
            (98, 36, 8, 5))),
    "gluteus medius": (GLUTEUS_MEDIUS, fan((125, 18, 28, 13), (80, 71, 66, 6), (124, 32, 84, 5),
            (142, -14, 66, 6), (136, -40, 38, 6), (140, -22, -30, 12), (149, 8, -60, 8),
            (132, 36, -34, 12), (91, 63, 18, 10), (80, 71, 66, 6))),
    "gluteus maximus": (GLUTEUS_MAXIMUS, fan((86, 82, -38, 15), (54, 90, 40, 8), (26, 88, 8, 7),
            (20, 84, -44, 8), (36, 82, -84, 13), (76, 74, -122, 17), (126, 50, -122, 11),
            (142, 44, -66, 8), (112, 72, -8, 11), (54, 90, 40, 8))),
    "iliopsoas": (ILIOPSOAS, tube((38, 16, 150, 21), (44, 12, 90, 20), (54, -2, 55, 19),
            (68, -18, 20, 17), (82, -36, -20, 15), (91, -43, -55, 14), (98, -28, -85, 12),
            (108, -4, -112, 9))
        + fan((90, 6, 42, 8), (88, 34, 58, 5), (106, 24, 74, 4), (120, -14, 58, 5),
            (112, -40, 34, 6), (92, -36, -8, 11), (70, 10, 18, 6), (88, 34, 58, 5))),
}
# fmt: on


def paint_muscles(canvas: Canvas, tissues: Tissues) -> None:
    """Muscles of each side, from the deep wall of the pelvis out to thigh and buttock."""
    for side, right in SIDES:
        for label, muscle in MUSCLES.values():
            layers = tissues.organ(tissues.muscle, label + right if label else UNNAMED_MUSCLE)
            canvas.paint(muscle, *layers, blend=6, side=side)
