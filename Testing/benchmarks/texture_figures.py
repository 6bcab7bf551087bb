"""Figures of painted lymph nodes beside real bodies: nodes.jpg, and blinded.jpg with its answers.

The first shows nodes of 3 to 25 mm before and after, and real bodies of the same scan about as
large. The second is blinded: real bodies, and painted twins of such, in random order. Axial planes
through the middle, window -175 to 250 HU.

    python Testing/benchmarks/texture_figures.py CT CT [--anatomy LABELS] [-o docs]
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import SimpleITK as sitk
import typer
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from LNGenLib.evaluation.painters import paint_by
from LNGenLib.evaluation.specimens import Specimen, find_specimens
from LNGenLib.evaluation.twins import depth_in_fat, place_twins
from LNGenLib.image.geometry import array_spacing, index_to_ras
from LNGenLib.image.hu import FAT
from LNGenLib.image.io import as_ct, like, read_image, read_labels, to_array
from LNGenLib.placement.anatomy import find_region
from LNGenLib.placement.sampling import place
from LNGenLib.randomness import node_rng
from LNGenLib.synthesis.engine import Models
from LNGenLib.synthesis.painting import measure_scan, paint
from LNGenLib.synthesis.preview import BACKGROUND, PLANES, TEXT, WINDOW_HU
from LNGenLib.texture.dataset import Scan

LONG_AXES = (3.0, 6.0, 10.0, 14.0, 19.0, 25.0)  # mm
FIELD = 40.0  # mm
AIR = -300  # HU
DEEP = 35.0  # mm from air: fat within the body wall
LEAST_FAT = 0.5  # share of fat round bodies that look like nodes
BLINDED = 40
CROP, GAP, LINE, MARGIN = 150, 4, 20, 12  # pixels


def crop(ct: sitk.Image, index: np.ndarray, field: float) -> Image.Image:
    """Axial square of `field` mm round a continuous index (z, y, x)."""
    right, down = np.array(PLANES["axial"])
    middle, step = index_to_ras(ct, index) * (-1, -1, 1), field / CROP
    plane = sitk.Resample(
        ct,
        (CROP, CROP, 1),
        sitk.Transform(),
        sitk.sitkLinear,
        (middle - (CROP - 1) / 2 * step * (right + down)).tolist(),
        (step,) * 3,
        np.column_stack((right, down, np.cross(right, down))).ravel().tolist(),
        WINDOW_HU[0],
        sitk.sitkFloat32,
    )
    low, high = WINDOW_HU
    gray = (sitk.GetArrayFromImage(plane)[0].clip(low, high) - low) / (high - low) * 255
    return Image.fromarray(np.rint(gray).astype(np.uint8))


def sheet(rows: list[tuple[str, list[tuple[str, Image.Image]]]], path: Path) -> None:
    """Write a JPEG of titled rows of captioned crops."""
    columns = max(len(crops) for _, crops in rows)
    height = sum((LINE if title else 0) + LINE + CROP + GAP for title, _ in rows)
    size = (2 * MARGIN + columns * (CROP + GAP) - GAP, height + 2 * MARGIN)
    picture = Image.new("RGB", size, BACKGROUND)
    draw, font, top = ImageDraw.Draw(picture), ImageFont.load_default(13), MARGIN
    for title, crops in rows:
        if title:
            draw.text((MARGIN, top), title, TEXT, font)
            top += LINE
        for k, (caption, part) in enumerate(crops):
            left = MARGIN + k * (CROP + GAP)
            draw.text((left + CROP / 2, top), caption, TEXT, font, anchor="ma")
            picture.paste(part, (left, top + LINE))
        top += LINE + CROP + GAP
    picture.save(path, quality=80, optimize=True)


def deep_fat(scan: Scan) -> np.ndarray:
    """Fat far from air (z, y, x, bool)."""
    apart = ndimage.distance_transform_edt(scan.hu > AIR, sampling=scan.spacing)
    return scan.between(*FAT) & (apart > DEEP)


def node_like(name: str, scan: Scan) -> list[Specimen]:
    """Bodies with fat on most sides."""
    return [body for body in find_specimens(name, scan) if body.fat >= LEAST_FAT]


def middle(body: Specimen) -> np.ndarray:
    """Index (z, y, x) in the scan of the body's center of mass."""
    return np.argwhere(body.mask).mean(0) + body.start


def six_nodes(name: str, ct: sitk.Image, anatomy: sitk.Image | None, models: Models, seed: int):
    """Rows of the first figure for one scan."""
    hu, spacing = to_array(ct), array_spacing(ct)
    scan = Scan(hu, spacing, None)
    region = find_region(ct, anatomy, None if anatomy is not None else deep_fat(scan))
    structures = models.structure.sample(range(len(LONG_AXES)), LONG_AXES, seed).structures
    turns = [node_rng(seed, k, "figure") for k in range(len(LONG_AXES))]
    placed = place(structures, LONG_AXES, region, spacing, turns)
    nodes = [found.node for found in placed if found is not None]
    after = like(paint(hu, nodes, seed, models.texture).hu, ct)
    bodies, rows = node_like(name, scan), []
    for title, image in (("before", ct), ("after: synthetic", after)):
        crops = [(f"{n.long_axis:.0f} mm", crop(image, n.center, FIELD)) for n in nodes]
        rows.append((f"{name}, {title}", crops))
    crops = []
    for long_axis in LONG_AXES:
        body = min(bodies, key=lambda body: abs(np.log(body.long_axis / long_axis)))
        bodies.remove(body)
        crops.append((f"{body.long_axis:.0f} mm", crop(ct, middle(body), FIELD)))
    return [*rows, (f"{name}, real bodies", crops)]


def blinded(cts: dict[str, sitk.Image], models: Models, seed: int):
    """Crops and whether each is real or synthetic, in random order."""
    found = []
    each = BLINDED // (2 * len(cts))
    for name, ct in cts.items():
        hu, spacing = to_array(ct), array_spacing(ct)
        scan = Scan(hu, spacing, None)
        bodies, rng = node_like(name, scan), node_rng(seed, 0, name)
        real = [bodies[k] for k in rng.permutation(len(bodies))[:each]]
        twins = place_twins(depth_in_fat(scan), bodies, rng)
        twins = [twins[k] for k in rng.permutation(len(twins))[:each]]
        traits = measure_scan(hu, spacing)
        painted = like(paint_by(hu, traits, twins, models.texture, seed)[0], ct)
        for body in real:
            found.append(("real", name, crop(ct, middle(body), FIELD)))
        for twin in twins:
            index = np.argwhere(twin.body.mask).mean(0) + twin.start
            found.append(("synthetic", name, crop(painted, index, FIELD)))
    return [found[k] for k in node_rng(seed, 0, "order").permutation(len(found))]


def main(
    cts: list[Path],
    anatomy: Optional[Path] = None,
    output: Annotated[Path, typer.Option("-o", "--output")] = Path("docs"),
    seed: int = 0,
) -> None:
    """Write the figures; `anatomy` are the labels of the first CT."""
    models = Models("cpu")
    scans = {path.name.split(".")[0]: as_ct(read_image(path)) for path in cts}
    rows = []
    for k, (name, ct) in enumerate(scans.items()):
        labels = read_labels(anatomy, ct) if anatomy and not k else None
        rows += six_nodes(name, ct, labels, models, seed)
    sheet(rows, output / "nodes.jpg")
    crops = blinded(scans, models, seed)
    captioned = [(str(k), image) for k, (_, _, image) in enumerate(crops, 1)]
    sheet([("", captioned[k : k + 8]) for k in range(0, BLINDED, 8)], output / "blinded.jpg")
    answers = [f"{k},{truth},{name}\n" for k, (truth, name, _) in enumerate(crops, 1)]
    (output / "blinded.csv").write_text("number,truth,scan\n" + "".join(answers))


if __name__ == "__main__":
    typer.run(main)
