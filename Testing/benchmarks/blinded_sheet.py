"""A blinded sheet: real bodies and painted matched controls in random order, and the answers.

Axial planes through the middle, window -175 to 250 HU.

    python Testing/benchmarks/blinded_sheet.py CT CT [-o FOLDER]
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import SimpleITK as sitk
import typer
from PIL import Image, ImageDraw, ImageFont

from LNGenLib.evaluation.realism.matched_controls import depth_in_fat, place_controls
from LNGenLib.evaluation.realism.painters import paint_by
from LNGenLib.evaluation.realism.specimens import Specimen, find_specimens
from LNGenLib.image.geometry import array_spacing, index_to_ras
from LNGenLib.image.io import as_ct, like, read_ct, to_array
from LNGenLib.randomness import node_rng
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import measure_scan
from LNGenLib.synthesis.preview import BACKGROUND, TEXT, gray_crop
from LNGenLib.texture.dataset import LabeledScan

FIELD = 40.0  # mm
LEAST_FAT = 0.5  # share of fat round bodies that look like nodes
BLINDED, COLUMNS = 40, 8
CROP, GAP, LINE, MARGIN = 150, 4, 20, 12  # pixels


def crop(ct: sitk.Image, index: np.ndarray, field: float) -> Image.Image:
    """Axial square of `field` mm round a continuous index (z, y, x)."""
    return gray_crop(ct, index_to_ras(ct, index) * (-1, -1, 1), "axial", CROP, field / CROP)


def sheet(crops: list[Image.Image], path: Path) -> None:
    """Write a JPEG of numbered crops."""
    rows = -(-len(crops) // COLUMNS)
    size = COLUMNS * (CROP + GAP) + 2 * MARGIN, rows * (LINE + CROP + GAP) + 2 * MARGIN
    picture = Image.new("RGB", size, BACKGROUND)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for k, part in enumerate(crops):
        left = MARGIN + k % COLUMNS * (CROP + GAP)
        top = MARGIN + k // COLUMNS * (LINE + CROP + GAP)
        draw.text((left + CROP / 2, top), str(k + 1), TEXT, font, anchor="ma")
        picture.paste(part, (left, top + LINE))
    picture.save(path, quality=80, optimize=True)


def node_like(name: str, scan: LabeledScan) -> list[Specimen]:
    """Bodies with fat on most sides."""
    return [body for body in find_specimens(name, scan) if body.fat >= LEAST_FAT]


def middle(body: Specimen) -> np.ndarray:
    """Index (z, y, x) in the scan of the body's center of mass."""
    return np.argwhere(body.mask).mean(0) + body.start


def blinded(cts: dict[str, sitk.Image], models: Models, seed: int):
    """Crops and whether each is real or synthetic, in random order."""
    found = []
    each = BLINDED // (2 * len(cts))
    for name, ct in cts.items():
        hu, spacing = to_array(ct), array_spacing(ct)
        scan = LabeledScan(hu, spacing, None)
        bodies, rng = node_like(name, scan), node_rng(seed, 0, name)
        real = [bodies[k] for k in rng.permutation(len(bodies))[:each]]
        controls = place_controls(depth_in_fat(scan), bodies, rng)
        controls = [controls[k] for k in rng.permutation(len(controls))[:each]]
        traits = measure_scan(hu, spacing)
        painted = like(paint_by(models.texture, hu, traits, controls, seed)[0], ct)
        for body in real:
            found.append(("real", name, crop(ct, middle(body), FIELD)))
        for control in controls:
            index = np.argwhere(control.body.mask).mean(0) + control.start
            found.append(("synthetic", name, crop(painted, index, FIELD)))
    return [found[k] for k in node_rng(seed, 0, "order").permutation(len(found))]


def main(
    cts: list[Path],
    output: Annotated[Path, typer.Option("-o", "--output")] = Path("."),
    seed: int = 0,
) -> None:
    """Write blinded.jpg and blinded.csv."""
    scans = {path.name.split(".")[0]: as_ct(read_ct(path)) for path in cts}
    crops = blinded(scans, Models("cpu"), seed)
    sheet([image for _, _, image in crops], output / "blinded.jpg")
    answers = [f"{k},{truth},{name}\n" for k, (truth, name, _) in enumerate(crops, 1)]
    (output / "blinded.csv").write_text("number,truth,scan\n" + "".join(answers))


if __name__ == "__main__":
    typer.run(main)
