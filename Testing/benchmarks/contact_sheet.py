"""A sheet of painted lymph nodes to look at, sorted by size, in three planes.

With `--real` a block of real lymph nodes in their CT (NAME.nii.gz and NAME_mask.nii.gz, such as
`../shared/data/nodes_in_ct`) stands below, at the same scale and window, and the painted ones have
their sizes.

    python Testing/benchmarks/contact_sheet.py pelvis.jpg totalsegmentator_pelvis.nii.gz \
        --anatomy totalsegmentator_pelvis_seg.nii.gz
    python Testing/benchmarks/contact_sheet.py crlm.jpg crlm1004.nii.gz \
        --region-box -12 48 1 61 -365 -325
    python Testing/benchmarks/contact_sheet.py phantom.jpg

With `--answers FILE.csv` captions are numbers, and the file says which are benign or suspicious.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import SimpleITK as sitk
import typer
from PIL import Image, ImageDraw
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.image.io import read_image, to_array
from LNGenLib.phantom import pelvic_phantom
from LNGenLib.scan import Scan
from LNGenLib.structure.sizes import Sizes
from LNGenLib.structure.tsdf import diameter
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.preview import PLANES, gray_crop
from LNGenLib.synthesis.request import SynthesisRequest

FIELD, PIXELS, GAP, CAPTION = 40.0, 120, 4, 18  # mm, then pixels
ACROSS = 12  # lymph nodes in a row of blocks
AT_ONCE, MOST_TURNS = 8, 40  # painted into one copy of the scan; copies

Column = tuple[float, str, list[Image.Image]]  # long axis, caption, three crops


def crops(ct: sitk.Image, center_lps: np.ndarray) -> list[Image.Image]:
    """Gray crops of the three planes through a point (LPS mm)."""
    return [gray_crop(ct, center_lps, plane, PIXELS, FIELD / PIXELS) for plane in PLANES]


def painted(
    ct: sitk.Image,
    anatomy: sitk.Image | None,
    box: tuple[float, ...] | None,
    sizes: Sizes,
    count: int,
    seed: int,
    hilum: float | None,
    appearance: str,
    suspicious: float = 0.3,
) -> list[Column]:
    """`count` lymph nodes painted into copies of the scan."""
    columns, models = [], Models()
    for turn in range(MOST_TURNS):
        request = SynthesisRequest(
            min(AT_ONCE, count - len(columns)),
            sizes,
            seed * MOST_TURNS + turn,
            region_box=box,
            allow_fewer=True,
            hilum=hilum,
            appearance=appearance,
            suspicious=suspicious,
        )
        try:
            result = synthesize(Scan(ct, anatomy), request, models)
        except InputError:  # none of this turn's fits
            continue
        for record in result.records:
            size = f"{record.long_axis_mm:.0f} x {record.short_axis_mm:.0f}"
            marks = record.appearance or "", "hilum" * record.hilum, "necrosis" * record.necrosis
            text = " ".join([size, *(mark[:6] for mark in marks)])
            center = np.multiply(record.center_ras_mm, (-1, -1, 1))
            columns.append((record.long_axis_mm, text, crops(result.ct, center)))
        if len(columns) == count:
            return columns
    raise InputError(f"only {len(columns)} of {count} lymph nodes fit: give a wider box")


def real_ones(folder: Path) -> Iterator[Column]:
    """The real lymph nodes of a folder."""
    for path in sorted(folder.glob("*_mask.nii.gz")):
        mask = read_image(path)
        inside = to_array(mask) > 0
        surface = np.argwhere(inside & ~ndimage.binary_erosion(inside))
        long_axis = diameter(surface * mask.GetSpacing()[::-1])[0]
        middle = np.argwhere(inside).mean(0)[::-1]
        center = mask.TransformContinuousIndexToPhysicalPoint(middle.tolist())
        ct = read_image(path.with_name(path.name.replace("_mask", "")))
        yield long_axis, f"real {long_axis:.0f}", crops(ct, np.array(center))


def sheet(blocks: list[list[Column]]) -> Image.Image:
    """The blocks below one another, each of up to ACROSS columns."""
    height = CAPTION + 3 * (PIXELS + GAP)
    picture = Image.new("L", (ACROSS * (PIXELS + GAP), len(blocks) * height), 20)
    draw = ImageDraw.Draw(picture)
    for k, block in enumerate(blocks):
        for place, (_, text, planes) in enumerate(block):
            left, top = place * (PIXELS + GAP), k * height
            draw.text((left + 4, top + 3), text, fill=230)
            for row, gray in enumerate(planes):
                place_at = left, top + CAPTION + row * (PIXELS + GAP)
                picture.paste(gray, place_at)
    return picture


def main(
    output: Path,
    ct: Annotated[Optional[Path], typer.Argument(help="The phantom where left out.")] = None,
    anatomy: Optional[Path] = None,
    region_box: Annotated[
        Optional[tuple[float, float, float, float, float, float]], typer.Option()
    ] = None,
    real: Annotated[Optional[Path], typer.Option(help="Folder of real lymph nodes.")] = None,
    count: int = 24,
    seed: int = 0,
    hilum: Annotated[Optional[float], typer.Option(help="Share with a fatty hilum.")] = None,
    appearance: str = "mixed",
    suspicious: float = 0.3,
    long_axis: Annotated[tuple[float, float], typer.Option(help="Bounds in mm.")] = (4.0, 25.0),
    answers: Annotated[
        Optional[Path], typer.Option(help="Number the nodes, and tell here.")
    ] = None,
) -> None:
    """Paint and write the sheet."""
    if ct is None:
        phantom = pelvic_phantom(seed=1, spacing=(0.8, 0.8, 1.5))
        scan, labels = phantom.ct, phantom.labels
    else:
        scan, labels = read_image(ct), None if anatomy is None else read_image(anatomy)
    shown = sorted(real_ones(real), key=lambda column: column[0]) if real else []
    if shown:
        each = count // len(shown)
        columns = [
            column
            for k, (size, *_) in enumerate(shown)
            for column in painted(
                *(scan, labels, region_box, Sizes("uniform", size, size)),
                *(each, seed + k, hilum, appearance, suspicious),
            )
        ]
    else:
        sizes = Sizes("uniform", *long_axis)
        columns = painted(
            *(scan, labels, region_box, sizes, count, seed, hilum, appearance, suspicious)
        )
    columns.sort(key=lambda column: column[0])
    if answers is not None:
        told = [f"{k},{text}\n" for k, (_, text, _) in enumerate(columns, 1)]
        answers.write_text("number,lymph node\n" + "".join(told))
        columns = [(size, str(k), views) for k, (size, _, views) in enumerate(columns, 1)]
    blocks = [columns[k : k + ACROSS] for k in range(0, len(columns), ACROSS)]
    sheet(blocks + ([shown] if shown else [])).save(output, quality=85)


if __name__ == "__main__":
    typer.run(main)
