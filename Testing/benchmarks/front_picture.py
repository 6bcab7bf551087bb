"""The picture of README: three lymph nodes in whole axial slices, the CT above, the result below.

    python Testing/benchmarks/front_picture.py docs/before_after.jpg ../shared/data/ct

The magnified squares show what lies round each lymph node; the arrow points at it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
import typer
from PIL import Image, ImageDraw, ImageFont

from LNGenLib import Scan, Sizes, SynthesisRequest, synthesize
from LNGenLib.image.io import read_image
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.preview import gray_crop

WIDE, HIGH, GAP, HEADER = 530, 310, 5, 34  # pixels of a slice, between them, of a caption
PIXEL, INSET, FIELD = 0.85, 140, 36.0  # mm a pixel of a slice; pixels and mm across an inset
ARROW = (255, 214, 74)
PELVIS = {"stations": ("mesorectal",), "sizes": Sizes("uniform", 13, 13), "seed": 2}
ABDOMEN = {
    "region_box": (-12, 48, 1, 61, -365, -325),
    "sizes": Sizes("uniform", 14, 14),
    "seed": 4,
}
CHEST = {
    "region_box": (-115, -35, 60, 240, -303, -200),
    "sizes": Sizes("uniform", 12, 12),
    "seed": 4,
}
SHOWN = {  # a scan's file: caption, what is asked for, the middle of the picture in RAS mm
    "totalsegmentator_pelvis.nii.gz": ("Pelvis, 3 mm voxels", PELVIS, (-48, 130)),
    "crlm1004.nii.gz": ("Abdomen, 5 mm slices", ABDOMEN, (-45, -8)),
    "radiogenomics_r01_lower.nii.gz": ("Chest, 1 mm slices", CHEST, (-40, 124)),
}
LABELS = {"totalsegmentator_pelvis.nii.gz": "totalsegmentator_pelvis_seg.nii.gz"}


def panel(
    ct: sitk.Image, node: np.ndarray, middle: tuple[float, float], arrow: bool
) -> Image.Image:
    """The axial slice through `node` (LPS mm) round `middle` (R, A mm), WIDE x HIGH, and what lies
    round the lymph node magnified in its corner."""
    center = np.array([-middle[0], -middle[1], node[2]])
    square, top = gray_crop(ct, center, "axial", WIDE, PIXEL), (WIDE - HIGH) // 2
    picture = square.crop((0, top, WIDE, top + HIGH)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    x, y = (node - center)[:2] / PIXEL + ((WIDE - 1) / 2, (HIGH - 1) / 2)
    half = FIELD / 2 / PIXEL
    draw.rectangle((x - half, y - half, x + half, y + half), outline=ARROW)
    left, top = WIDE - INSET - 3, HIGH - INSET - 3
    picture.paste(gray_crop(ct, node, "axial", INSET, FIELD / INSET), (left, top))
    draw.rectangle((left - 1, top - 1, left + INSET, top + INSET), outline=ARROW)
    if arrow:
        tip = np.array([left + INSET * 0.31, top + INSET * 0.69])
        draw.line((*(tip + (-26, 26)), *tip), ARROW, 3)
        draw.polygon([*tip, *(tip + (-11, 2)), *(tip + (-2, 11))], ARROW)
    return picture


def main(output: Path, data: Path) -> None:
    """Paint one lymph node into each of three scans, and write the picture."""
    models = Models()
    wide, high = len(SHOWN) * (WIDE + GAP) - GAP, 2 * (HEADER + HIGH + GAP) - GAP
    picture = Image.new("RGB", (wide, high), (18, 18, 22))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(23)
    for column, (name, (caption, asked, middle)) in enumerate(SHOWN.items()):
        ct = read_image(data / name)
        scan = Scan(ct, read_image(data / LABELS[name]) if name in LABELS else None)
        result = synthesize(scan, SynthesisRequest(count=1, **asked), models)
        (record,) = result.records
        node = np.multiply(record.center_ras_mm, (-1, -1, 1))
        left = column * (WIDE + GAP)
        size = f"{record.recist_axis_mm:.0f} x {record.recist_short_axis_mm:.0f} mm"
        for row, image in enumerate((ct, result.ct)):
            top = row * (HEADER + HIGH + GAP)
            picture.paste(panel(image, node, middle, arrow=row == 1), (left, top + HEADER))
            text = f"with a SYNTHETIC node, {size}" if row else caption
            draw.text((left + 4, top + 2), text, (225, 225, 225), font)
    picture.save(output, quality=85)


if __name__ == "__main__":
    typer.run(main)
