"""The anatomy: vertices are (x, y, z, radius) in template mm, LPS; paired organs on the left."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from LNGenLib.phantom.canvas import (
    AIR,
    FAT_PLANE,
    GAS,
    LUMEN,
    PELVIC_FAT,
    SIDES,
    UNNAMED_MUSCLE,
    Canvas,
    Tissues,
)
from LNGenLib.phantom.content import RADII, under_gas
from LNGenLib.phantom.metal import paint_prosthesis
from LNGenLib.phantom.muscles import paint_muscles
from LNGenLib.phantom.patient import Patient
from LNGenLib.phantom.solids import Solid, bowl, capsule, column, ellipsoid, fan, plate, tube
from LNGenLib.phantom.table import paint_arms, paint_table
from LNGenLib.phantom.uterus import paint_uterus

# TotalSegmentator v2 'total'; of a pair the left is named, the right is the next number.
SMALL_BOWEL, COLON, BLADDER, PROSTATE = 18, 20, 21, 22
SACRUM, VERTEBRA_S1, VERTEBRA_L5, VERTEBRA_L4 = 25, 26, 27, 28
AORTA, VENA_CAVA, ILIAC_ARTERY, ILIAC_VENA = 52, 63, 65, 67
FEMUR, HIP = 75, 77

# fmt: off
BODY = (  # its outline: knots (z, y, half axes a, b)
    (400, 6, 158, 112), (130, 6, 158, 112), (60, 6, 166, 116), (-20, 9, 176, 118),
    (-80, 10, 178, 115), (-140, 10, 170, 108), (-400, 10, 170, 108),
)
CLEFT = fan((0, 165, -60, 14), (0, 160, 20, 8), (0, 124, -12, 0.5), (0, 106, -60, 0.8),
            (0, 108, -150, 0.8), (0, 170, -150, 16))
CAVITY = (
    (130, -20, 125, 70), (80, -20, 122, 70), (40, -16, 112, 70), (0, -4, 84, 72),
    (-40, -2, 50, 70), (-75, 3, 44, 53), (-104, 12, 14, 32),
)
CAVITY_WITH_WALL = (
    (130, -20, 133, 78), (80, -20, 130, 78), (40, -16, 120, 78), (0, -4, 90, 78),
    (-40, -2, 55, 75), (-75, 3, 47.5, 56.5), (-107, 12, 17, 35),
)
CECUM = (
    (-90, -50, 30, 14), (-96, -46, 46, 19), (-100, -40, 62, 18), (-104, -30, 80, 21),
    (-104, -24, 96, 18), (-106, -15, 112, 21), (-106, -10, 150, 19),
)
# At the third to eighth vertex of the rectum: a shift backward, and the fat round it
MESORECTUM = (
    (0, 0, 0, 2), (0, 3, 0, 9), (0, 7, 0, 17), (0, 7, 0, 17), (0, 7, 0, 15), (0, 5, 0, 8),
)
RECTUM, SIGMOID, DESCENDING = (2, 6), (6, -4), (-4, -1)  # first, last vertex of the large bowel
LOOP = (  # of a redundant sigmoid
    (14, 0, 26, 12), (26, -10, 12, 13), (18, -18, -6, 13), (-4, -18, -12, 13), (-26, -16, 0, 13),
    (-34, -20, 24, 13), (-16, -34, 44, 13), (14, -40, 42, 12),
)
DISKS = (((0, 26, 57), (23, 17, 9)), ((0, 20, 93), (23, 17, 8)))  # center, radii
FORAMINA = (  # of the sacrum: front, back
    ((22, 44, 24, 4), (20, 74, 18, 3)),
    ((20, 58, 6, 4), (17, 75, 2, 3)),
    ((16, 66, -12, 4), (14, 76, -14, 3)),
)
FORK, GROIN, ROOT = (42, 12, 46, 5), (70, -62, -60, 4.8), (45, 30, -22, 2.6)
CONFLUENCE, GROIN_VEIN = (41, 24, 45, 6), (60, -58, -58, 6)
TWIGS = (
    (ROOT, (47, -4, -40, 1.4), (50, -32, -64, 1.2)),
    (ROOT, (34, 2, -44, 1.2), (22, -24, -58, 1)),
    (ROOT, (38, 34, -44, 1.3), (20, 40, -54, 1)),
    (ROOT, (44, 40, -50, 1.4), (40, 44, -90, 1.2)),
)
FEMORAL_VEIN = (GROIN_VEIN, (64, -64, -84, 6), (70, -56, -150, 5))
FEMORAL_ARTERY = (GROIN, (75, -68, -84, 4.8), (78, -62, -150, 4.5))
ILIAC_VEINS = (  # all but the common one, which begins at the vena cava
    (CONFLUENCE, (50, 10, 20, 6), (52, -11, -5, 6), (55, -32, -32, 6), GROIN_VEIN),
    (CONFLUENCE, (47, 42, 22, 5), (49, 51, 0, 4.5), (46, 38, -24, 3.5), (43, 20, -46, 2.5)),
)
ILIAC_ARTERIES = (
    (FORK, (48, -7, 22, 4.6), (53, -28, -5, 4.4), (61, -46, -32, 4.4), GROIN),
    (FORK, (40, 32, 24, 4), (44, 42, 4, 3.5), ROOT, (42, 12, -46, 1.8)),
    ((40, 32, 24, 3.5), (56, 56, -4, 3), (84, 60, -10, 2.2)),
)
SUPERIOR_RECTAL = (
    (6, -6, 90, 2), (6, 0, 54, 2), (8, 24, 22, 1.8), (9, 47, -8, 1.6), (8, 54, -36, 1.2),
)
URETER = (
    (36, -8, 150, 2), (36, -13, 100, 2), (35, -14, 62, 2), (36, 1, 46, 2), (40, 20, 10, 2),
    (38, 8, -30, 2), (18, -16, -54, 2),
)
SCIATIC_NERVE = tube((66, 46, -42, 5), (70, 50, -56, 5), (92, 46, -80, 5), (96, 40, -150, 5))
CORD = tube((72, -58, -20, 2.5), (48, -70, -58, 3), (30, -78, -80, 4), (16, -84, -130, 6))
# fmt: on


def _wander(rng: np.random.Generator, vertices: ArrayLike, sd: float = 1.5) -> np.ndarray:
    """Vertices (n, 4) with all but the ends displaced at random by ``sd`` mm."""
    path = np.array(vertices, float)
    path[1:-1, :3] += rng.normal(0, sd, path[1:-1, :3].shape)
    return path


def _with_mirror_images(solids: list[Solid]) -> list[Solid]:
    return solids + [solid.mirrored(-1) for solid in solids]


def paint_pelvis(
    canvas: Canvas,
    rng: np.random.Generator,
    patient: Patient | None,
    stool: np.ndarray | None,
    fate: np.random.Generator,
) -> None:
    """All of the anatomy, in the order in which one part covers another.

    ``rng`` draws what every pelvis has, ``fate`` what the ``patient`` adds to it; ``stool``, HU
    as an array (z, y, x), fills the bowel of a patient.
    """
    tissues = Tissues(canvas, rng)
    if stool is not None:
        tissues.stool = stool
    paint_envelopes(canvas, tissues, rng, patient)
    if patient and patient.sex == "female":
        paint_uterus(canvas, tissues, fate)
    paint_bowel(canvas, tissues, rng, patient, fate)
    paint_muscles(canvas, tissues)
    paint_spine(canvas, tissues)
    paint_hips(canvas, tissues)
    male = patient is None or patient.sex == "male"
    paint_vessels(canvas, tissues, rng, cords=male)
    paint_bladder(canvas, tissues, rng, prostate=male)
    if patient and patient.prosthesis != "none":
        side, right = SIDES[patient.prosthesis == "right"]
        paint_prosthesis(canvas, side, FEMUR + right, HIP + right)


def paint_envelopes(
    canvas: Canvas, tissues: Tissues, rng: np.random.Generator, patient: Patient | None
) -> None:
    """Skin and subcutaneous fat, gluteal cleft, and the muscular wall of the pelvic cavity."""
    girth, less = rng.uniform(-8, 3), 0.0
    body = column(BODY, 2.25)
    if patient:
        girth, less = max(girth + patient.girth, -9), patient.narrowing
        body = body.within(paint_table(canvas, patient, girth))
        if patient.arms:
            paint_arms(canvas, tissues, girth)
    canvas.paint([body], (girth, 15, 0), (girth - 2, tissues.fat, 0))
    canvas.paint(CLEFT, (0, AIR, 0))
    canvas.paint([column(CAVITY_WITH_WALL, 2.2)], (0, tissues.muscle, UNNAMED_MUSCLE))
    canvas.paint([column(CAVITY, 2.2)], (less, tissues.fat, PELVIC_FAT))


def paint_bowel(
    canvas: Canvas,
    tissues: Tissues,
    rng: np.random.Generator,
    patient: Patient | None,
    fate: np.random.Generator,
) -> None:
    """Mesorectum, rectum and sigmoid, cecum, small bowel and its mesenteric vessels."""
    radius = rng.uniform(12, 17)
    # fmt: off
    rectum = _wander(rng, (
        (0, 52, -125, 11), (0, 46, -104, 11), (0, 30, -84, 12), (2, 37, -65, radius),
        (-4, 40, -42, radius + 2), (4, 33, -15, radius), (0, 20, 8, radius - 1), (8, 4, 26, 13),
        (26, -14, 30, 12), (30, -36, 22, 12), (48, -46, 34, 12), (72, -42, 50, 12),
        (98, -32, 72, 13), (108, -10, 100, 14), (110, 5, 150, 14),
    ))
    # fmt: on
    cecum = _wander(rng, CECUM)
    fascia = rectum[2:8] + np.array(MESORECTUM)
    mesorectum = tube(*fascia)
    if patient:
        rectum = _course(rectum, patient, fate)
        fascia[:, 3] = np.maximum(fascia[:, 3], rectum[2:8, 3] + 7)
        room = column(CAVITY, 2.2)
        mesorectum = [solid.within(room, patient.narrowing) for solid in tube(*fascia)]
    # The fascia, then fat
    canvas.paint(mesorectum, (0.6, -30, 0), (-0.6, tissues.fat, FAT_PLANE))
    lowest = 45 if patient and patient.redundant_sigmoid else 24
    loops = [
        (x, rng.uniform(-66, -20), z + rng.uniform(-9, 9), 10.5)
        for row, z in enumerate(range(lowest, 134, 21))
        for x in np.linspace(-62, 50, 6)[:: (-1) ** row]
    ]
    ileum = _wander(rng, loops, sd=4)
    for node in ileum[::3]:
        canvas.paint(tube((8, -14, 118, 1.8), (0, -20, 90, 1.8), (*node[:3], 1)), (0, 115, 0))
    fluid = (patient and patient.oral_contrast) or 22
    canvas.paint(tube(*ileum), *tissues.organ(75, SMALL_BOWEL), (-2.5, fluid, SMALL_BOWEL + LUMEN))
    if patient:
        paint_colon(canvas, tissues, patient, rectum, cecum, fate)
        return
    for path, first, count in ((rectum, rng.integers(3, 6), 5), (cecum, 2, 3)):
        gas = path[first : first + count] * (1, 1, 1, rng.uniform(0.35, 0.6)) - (0, 4, 0, 0)
        canvas.paint(tube(*path), *tissues.organ(48, COLON), (-3.5, tissues.stool, COLON + LUMEN))
        canvas.paint(tube(*gas), (0, GAS, COLON + LUMEN))


def _course(rectum: np.ndarray, patient: Patient, fate: np.random.Generator) -> np.ndarray:
    """Vertices (n, 4) of rectum, sigmoid and descending colon, as wide as what fills them."""
    if patient.redundant_sigmoid:
        rectum = np.vstack([rectum[:7], _wander(fate, LOOP), rectum[10:]])
    for (first, last), content in ((RECTUM, patient.rectum), (SIGMOID, patient.sigmoid)):
        wide = rectum[first + 1 : last, 3]
        wide[:] = fate.uniform(*RADII[content]) * fate.uniform(0.9, 1.1, len(wide))
    rectum[RECTUM[1], 3] = rectum[RECTUM[1] - 1 : RECTUM[1] + 2, 3].mean()
    return rectum


def paint_colon(
    canvas: Canvas,
    tissues: Tissues,
    patient: Patient,
    rectum: np.ndarray,
    cecum: np.ndarray,
    fate: np.random.Generator,
) -> None:
    """Large bowel of a patient along vertices (n, 4), and what it holds."""
    for path in (rectum, cecum):
        canvas.paint(tube(*path), *tissues.organ(48, COLON))
    fluid = patient.oral_contrast or fate.uniform(0, 25)
    proximal = tissues.stool if patient.oral_contrast is None else fluid + 0.3 * tissues.stool
    canvas.paint(tube(*cecum), (-3, proximal, COLON + LUMEN))
    canvas.paint(tube(*rectum, part=DESCENDING), (-3, tissues.stool, COLON + LUMEN))
    for part, content in ((RECTUM, patient.rectum), (SIGMOID, patient.sigmoid)):
        if content == "collapsed":
            continue
        inside = tissues.stool if content == "stool" or fate.random() < 0.3 else fluid
        inside = fluid if content == "fluid" else inside
        wall = fate.uniform(2, 3) if content == "gas" else fate.uniform(2.5, 3.5)
        vertices = rectum[slice(*part)]
        up = 1 if patient.prone else -1
        heights = np.sort(np.r_[vertices[:, 1] + vertices[:, 3], vertices[:, 1] - vertices[:, 3]])
        # Gas over all of the bowel but the lowest, over none but the highest, or nowhere
        share = {"gas": fate.uniform(0.3, 1.1), "stool": fate.uniform(-0.2, 0.15)}.get(content, 0)
        if share > 0:
            top, bottom = heights[:: 1 if up < 0 else -1][[0, -1]]
            inside = under_gas(canvas, inside, top + min(share, 1) * (bottom - top), up)
        canvas.paint(tube(*rectum, part=part), (-wall, inside, COLON + LUMEN))


def paint_spine(canvas: Canvas, tissues: Tissues) -> None:
    """Disks, L4, L5 and the sacrum with its canal and foramina."""
    canvas.paint([ellipsoid(*disk) for disk in DISKS], (0, 85, 0))
    for z, label in ((75, VERTEBRA_L5), (112, VERTEBRA_L4)):
        body = column(((z - 13, 23, 26, 18), (z, 22, 23, 16), (z + 13, 21, 26, 18)), 2.3)
        half = [
            capsule((14, 34, z + 4, 5), (17, 52, z, 6)),
            capsule((17, 52, z, 6), (0, 66, z - 4, 4)),
            capsule((17, 42, z + 2, 5), (46, 44, z + 2, 3.5)),
        ]
        spinous = capsule((0, 66, z - 4, 4), (0, 88, z - 9, 4))
        arch = _with_mirror_images(half)
        canvas.paint([body, *arch, spinous], *tissues.bone(label, 1.5), blend=3)
    s1, s2, s3, s4 = (0, 35, 43, 15), (0, 53, 21, 11), (0, 67, 0, 9), (0, 75, -22, 7)
    ala, ala2, edge3, edge4 = (42, 48, 40, 13), (40, 59, 18, 11), (34, 69, -2, 8), (24, 76, -22, 6)
    half = [
        plate(s1, ala, ala2),
        plate(s1, s2, ala2),
        plate(s2, ala2, edge3),
        plate(s2, s3, edge3),
        plate(s3, edge3, edge4),
        plate(s3, s4, edge4),
        plate(s4, edge4, (6, 76, -42, 5)),
        plate((30, 66, 40, 5), (0, 76, 44, 4), (10, 88, -8, 4)),
    ]
    crest = tube((0, 78, 44, 4), (0, 90, 22, 6), (0, 92, -6, 5))
    coccyx = tube((0, 75, -22, 6), (0, 76, -42, 5), (0, 70, -56, 4), (0, 60, -66, 3))
    canvas.paint(_with_mirror_images(half) + crest + coccyx, *tissues.bone(SACRUM), blend=5)
    above_s2 = canvas.points[2] - 0.8 * canvas.points[1] > -3.5
    canvas.labels[above_s2 & (canvas.labels == SACRUM)] = VERTEBRA_S1
    canal = tube((0, 48, 150, 9), (0, 47, 75, 9), (0, 58, 45, 8), (0, 72, 18, 6), (0, 82, -8, 3))
    canvas.paint(canal, (0, -20, 0), (-2, 20, 0))
    for front, back in FORAMINA:
        for side, _ in SIDES:
            canvas.paint(
                [capsule(front, back)], (0, tissues.fat, FAT_PLANE), (-2, 35, 0), side=side
            )


def paint_hips(canvas: Canvas, tissues: Tissues) -> None:
    """Hip bones and femora with the cartilage between, and the pubic symphysis."""
    head = (91, -2, -60)
    psis, arcuate = (48, 84, 36, 7), (66, 32, 5, 9)
    spine, roof = (102, -36, -12, 9), (91, 0, -28, 11)
    crest = ((74, 64, 74, 5), (114, 26, 90, 5), (131, -18, 70, 6), (123, -50, 42, 6))
    hip = fan((101, 10, 42, 2.8), psis, *crest, spine, roof, arcuate, psis)
    hip += [
        plate(arcuate, roof, (80, 34, -50, 13)),
        plate(roof, spine, (84, -24, -48, 9)),
        bowl(head, 32, (0.85, -0.2, -0.45)),
        capsule((76, 40, -48, 8), (56, 47, -53, 3)),
    ]
    hip += tube(
        arcuate, (85, 32, -40, 11), (80, 34, -62, 12), (66, 34, -96, 13), (62, 26, -114, 10)
    )
    hip += tube((80, -26, -50, 9), (46, -48, -63, 6.5), (14, -58, -76, 8))
    hip += tube((13, -52, -96, 6), (34, -22, -108, 6), (60, 22, -114, 8))
    hip += [ellipsoid((12, -56, -86), (9, 9, 17))]
    femur = [
        ellipsoid(head, (23, 23, 23)),
        capsule((*head, 15), (124, 12, -84, 14)),
        ellipsoid((138, 20, -80), (14, 16, 22)),
    ]
    femur += tube((128, 10, -92, 18), (127, 8, -112, 15), (122, 6, -150, 14))
    for side, right in SIDES:
        # Cartilage round the hip bone keeps the sacroiliac joint open, a ball of it the hip joint.
        canvas.paint(hip, (1.6, 70, 0), *tissues.bone(HIP + right), blend=5, side=side)
        canvas.paint([ellipsoid(head, (26, 26, 26))], (0, 70, 0), side=side)
        canvas.paint(femur, *tissues.bone(FEMUR + right), blend=5, side=side)
    canvas.paint([capsule((0, -56, -76, 3), (0, -54, -96, 3))], (0, 80, 0))


def paint_vessels(canvas: Canvas, tissues: Tissues, rng: np.random.Generator, cords: bool) -> None:
    """Great and iliac vessels with their small branches, sciatic nerves, ureters and cords."""
    trees = [
        (tube((8, -8, 150, 9), (8, -9, 100, 8)), AORTA, tissues.artery, 1),
        (tube((-15, 0, 150, 10), (-14, -3, 84, 9)), VENA_CAVA, tissues.vein, 1),
    ]
    for side, right in SIDES:
        common_vein = ((-14 * side, -3, 84, 8), (24, 8, 62, 6.5), CONFLUENCE)
        common_artery = ((8 * side, -9, 100, 6.5), (20, -7, 80, 5.8), (33, 3, 61, 5.2), FORK)
        for paths, label, hu in (
            (TWIGS, 0, tissues.vein),
            ((FEMORAL_VEIN,), 0, tissues.vein),
            ((FEMORAL_ARTERY,), 0, tissues.artery),
            ((common_vein, *ILIAC_VEINS), ILIAC_VENA + right, tissues.vein),
            ((common_artery, *ILIAC_ARTERIES), ILIAC_ARTERY + right, tissues.artery),
        ):
            solids = [solid for path in paths for solid in tube(*_wander(rng, path))]
            trees.append((solids, label, hu, side))
        for solids in (SCIATIC_NERVE, tube(*_wander(rng, URETER)), *([CORD] if cords else [])):
            canvas.paint(solids, (0, 38, 0), side=side)
    trees.append((tube(*_wander(rng, SUPERIOR_RECTAL)), 0, tissues.artery, 1))
    for solids, _, _, side in trees:  # all sheaths first, so that none cuts into another's lumen
        canvas.paint(solids, (1, tissues.fat, FAT_PLANE), side=side)
    for solids, label, hu, side in trees:
        canvas.paint(solids, (0, hu, label), side=side)


def paint_bladder(
    canvas: Canvas, tissues: Tissues, rng: np.random.Generator, prostate: bool
) -> None:
    """Prostate, seminal vesicles, urinary bladder and perineum."""
    fill = rng.uniform(0.85, 1.1)
    canvas.paint([ellipsoid((0, -30, -112), (13, 20, 12))], *tissues.organ(50))
    if prostate:
        canvas.paint([ellipsoid((0, -8, -86), (23, 18, 17))], *tissues.organ(48, PROSTATE))
    for side, _ in SIDES if prostate else ():
        canvas.paint([capsule((5, -1, -63, 5), (30, 6, -56, 6))], *tissues.organ(40), side=side)
    bladder = [ellipsoid((2, -36, -52), np.array((36, 27, 24)) * fill)]
    canvas.paint(bladder, *tissues.organ(42, BLADDER), (-3, 5, BLADDER))
