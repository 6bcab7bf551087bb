"""A sheet of the varied pelves to look at: axial, sagittal and coronal, in a soft tissue window.

    python Testing/benchmarks/pelves.py sheet.png --count 12 [--first 0] [--part test] [--truth]

`--truth` colors what is true of them: fat where a node could lie, and the content of bowel.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import SimpleITK as sitk
import typer
from PIL import Image, ImageDraw

from LNGenLib.phantom import FIRST_SEED, Phantom, varied_pelvis
from LNGenLib.phantom.patient import Patient

WINDOW = (-160.0, 240.0)  # HU
HEIGHT, GAP, CAPTION, COLUMNS = 260, 4, 28, 2  # pixels, and pelves side by side
RECTUM_MIDDLE = (0.0, 33.0, -25.0)  # LPS mm; coronal planes lie before it, hips below
COLORS = ((40, 220, 40), (255, 90, 200))  # of fat and of lumen


def view(phantom: Phantom, axis: int, at: float, truth: bool) -> Image.Image:
    """One slice across an LPS axis (0, 1, 2) at a place in mm, in true proportions."""
    layers = []
    for image in (phantom.ct, phantom.fat, phantom.lumen):
        straight = sitk.DICOMOrient(image, "LPS")
        place = (at - straight.GetOrigin()[axis]) / straight.GetSpacing()[axis]
        place = int(np.clip(round(place), 0, straight.GetSize()[axis] - 1))
        layers.append(np.take(sitk.GetArrayViewFromImage(straight), place, 2 - axis))
    low, high = WINDOW
    gray = np.clip((layers[0] - low) / (high - low), 0, 1) * 255
    picture = np.repeat(gray[..., None], 3, 2)
    for mask, color in zip(layers[1:], COLORS):
        picture[mask > 0] += 0.35 * truth * (np.array(color) - picture[mask > 0])
    if axis != 2:
        picture = picture[::-1]  # superior on top
    columns, rows = (phantom.ct.GetSpacing()[i] for i in {0: (1, 2), 1: (0, 2), 2: (0, 1)}[axis])
    width = round(HEIGHT * picture.shape[1] * columns / (picture.shape[0] * rows))
    return Image.fromarray(picture.astype(np.uint8)).resize((width, HEIGHT))


def tile(number: int, part: str, truth: bool) -> Image.Image:
    """Four views of one pelvis over what varies of it."""
    start = time.perf_counter()
    phantom = varied_pelvis(number, part)
    seconds = time.perf_counter() - start
    x, y, z = RECTUM_MIDDLE
    places = ((2, z), (2, z - 40), (0, x), (1, y - 30))
    views = [view(phantom, axis, at, truth) for axis, at in places]
    picture = Image.new("RGB", (sum(v.width + GAP for v in views), HEIGHT + CAPTION))
    left = 0
    for v in views:
        picture.paste(v, (left, CAPTION))
        left += v.width + GAP
    who = Patient.drawn(FIRST_SEED[part] + number)
    grid = " x ".join(f"{s:.2f}" for s in phantom.ct.GetSpacing())
    words = (
        f"{number}: {who.sex}, girth {who.girth:+.0f}, rectum {who.rectum}, sigmoid {who.sigmoid}"
    )
    words += ", redundant" * who.redundant_sigmoid + ", prone" * who.prone + ", arms" * who.arms
    words += f", contrast {who.oral_contrast:.0f}" if who.oral_contrast else ""
    words += f", prosthesis {who.prosthesis}" if who.prosthesis != "none" else ""
    draw = ImageDraw.Draw(picture)
    draw.text((2, 0), words)
    draw.text((2, 13), f"{grid} mm, noise {who.noise:.0f} HU, {seconds:.1f} s")
    return picture


def main(
    sheet: Path,
    count: Annotated[int, typer.Option(help="how many pelves")] = 12,
    first: Annotated[int, typer.Option(help="number of the first of them")] = 0,
    part: Annotated[str, typer.Option(help="development or test")] = "development",
    truth: Annotated[bool, typer.Option(help="color fat and lumen")] = False,
) -> None:
    """Paint the sheet."""
    tiles = [tile(number, part, truth) for number in range(first, first + count)]
    width = max(t.width for t in tiles)
    rows = -(-count // COLUMNS)
    picture = Image.new("RGB", (COLUMNS * (width + GAP), rows * (HEIGHT + CAPTION + GAP)))
    for i, t in enumerate(tiles):
        row, column = divmod(i, COLUMNS)
        picture.paste(t, (column * (width + GAP), row * (HEIGHT + CAPTION + GAP)))
    picture.save(sheet)


if __name__ == "__main__":
    typer.run(main)
