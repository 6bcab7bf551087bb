"""Preview picture of a result: every lymph node before and after, plain and outlined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont
from skimage.measure import find_contours

from LNGenLib.image.geometry import ras_to_index
from LNGenLib.image.hu import WINDOW

if TYPE_CHECKING:
    from LNGenLib.structure.lymph_node import LymphNode
    from LNGenLib.synthesis.result import LymphNodeRecord

# Image right and image down of each crop as LPS unit vectors (radiological convention).
PLANES = {
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
}
AIR_HU = -1024
MAX_NODES = 12
MIN_FIELD_OF_VIEW_MM = 40.0
SCALE_BAR_MM = 10.0

# Sizes in pixels; an odd crop has the node's center in the middle of its central pixel.
CROP, GAP, GROUP_GAP, MARGIN, LINE, HEADER = 181, 4, 14, 16, 22, 67
LEFTS = [MARGIN + i * (CROP + GAP) + i // 3 * (GROUP_GAP - GAP) for i in range(6)]
BLOCK = LINE + 2 * (CROP + GAP) + GROUP_GAP
SUPERSAMPLING = 4
STROKE = 1.25

BACKGROUND = (18, 18, 22)
TEXT = (225, 225, 225)
OUTLINE = (88, 224, 130)  # Slicer's lymph node green, brightened
LONG_AXIS = (255, 64, 56)


def render_preview(
    before: sitk.Image,
    after: sitk.Image,
    nodes: Sequence[LymphNode],
    records: Sequence[LymphNodeRecord],
) -> Image.Image:
    """Return an RGB picture with a block of two rows for each of the first 12 lymph nodes.

    A row shows the axial, coronal and sagittal plane through the node's center, in `before` and
    then in `after` (CT in HU); the second row adds where the plane cuts the node's surface, its
    long axis projected to the plane, and a 10 mm scale bar. `nodes` are those of the `records`, on
    the grid of `before`.
    """
    if not records:
        raise ValueError("A preview needs at least one lymph node.")
    shown = records[:MAX_NODES]
    size = (LEFTS[-1] + CROP + MARGIN, HEADER + len(shown) * BLOCK)
    picture = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(14)

    low, high = WINDOW
    header = f"SYNTHETIC lymph nodes, window {low:g}..{high:g} HU, scale bar {SCALE_BAR_MM:.0f} mm"
    if len(records) > len(shown):
        header += f", first {len(shown)} of {len(records)} shown"
    draw.text((MARGIN, MARGIN), header, TEXT, font)
    columns = [(*ct, plane) for ct in (("before", before), ("after", after)) for plane in PLANES]
    for left, (name, _, plane) in zip(LEFTS, columns):
        draw.text((left + CROP / 2, HEADER - LINE), f"{plane}, {name}", TEXT, font, anchor="ma")

    tops = range(HEADER, size[1], BLOCK)
    for caption_top, node, record in zip(tops, nodes[:MAX_NODES], shown, strict=True):
        draw.text((MARGIN, caption_top), _caption(record), TEXT, font)
        top = caption_top + LINE
        overlays = {
            plane: _overlay(_distance(before, node, record, plane), record, plane)
            for plane in PLANES
        }
        for left, (_, ct, plane) in zip(LEFTS, columns):
            center, step = _lps(record.center_ras_mm), _pixel_mm(record)
            crop = gray_crop(ct, center, plane, CROP, step).convert("RGB")
            picture.paste(crop, (left, top))
            crop.paste(overlays[plane], mask=overlays[plane])
            picture.paste(crop, (left, top + CROP + GAP))
    return picture


def _caption(record: LymphNodeRecord) -> str:
    size = f"{record.long_axis_mm:.1f} x {record.short_axis_mm:.1f} mm"
    seen = "" if record.conspicuity is None else f"  conspicuity {record.conspicuity:.1f}"
    return f"LN {record.label}  {size}  {record.mean_hu:.0f} HU{seen}"


def _pixel_mm(record: LymphNodeRecord) -> float:
    """Side of a crop's pixel in mm, the same in all crops of one node."""
    return max(MIN_FIELD_OF_VIEW_MM, 3 * record.long_axis_mm) / CROP


def _lps(point_ras_mm: tuple[float, float, float]) -> np.ndarray:
    """Return the point (mm) in LPS, SimpleITK's frame."""
    return np.multiply(point_ras_mm, (-1, -1, 1))


def _first_pixel(record: LymphNodeRecord, plane: str) -> np.ndarray:
    """Center (LPS mm) of a crop's upper left pixel."""
    right, down = np.array(PLANES[plane])
    return _lps(record.center_ras_mm) - (CROP - 1) / 2 * _pixel_mm(record) * (right + down)


def _distance(ct: sitk.Image, node: LymphNode, record: LymphNodeRecord, plane: str) -> np.ndarray:
    """Signed distance from the node's surface in mm at a crop's pixels, as rows by columns."""
    offset = np.arange(CROP)[:, None] * _pixel_mm(record)
    right, down = np.array(PLANES[plane])
    lps = _first_pixel(record, plane) + offset[:, None] * down + offset * right
    index = ras_to_index(ct, lps * (-1, -1, 1))
    return node.distance((index - node.center) * node.spacing)


def gray_crop(
    ct: sitk.Image, center_lps: np.ndarray, plane: str, pixels: int, pixel_mm: float
) -> Image.Image:
    """The windowed CT on a square of `pixels` of `pixel_mm` each in a plane of `PLANES` through a
    point (3,) in LPS mm, linearly sampled; black outside the volume."""
    right, down = np.array(PLANES[plane])
    direction = np.column_stack((right, down, np.cross(right, down)))
    crop = sitk.Resample(
        ct,
        (pixels, pixels, 1),
        sitk.Transform(),
        sitk.sitkLinear,
        (center_lps - (pixels - 1) / 2 * pixel_mm * (right + down)).tolist(),
        (pixel_mm,) * 3,
        direction.ravel().tolist(),
        AIR_HU,
        sitk.sitkFloat32,
    )
    low, high = WINDOW
    hu = sitk.GetArrayFromImage(crop)[0].clip(low, high)
    return Image.fromarray(np.rint((hu - low) / (high - low) * 255).astype(np.uint8))


def _overlay(distance: np.ndarray, record: LymphNodeRecord, plane: str) -> Image.Image:
    """Draw outline, projected long axis and scale bar, antialiased, on a transparent crop."""
    pixel_mm = _pixel_mm(record)
    center = _lps(record.center_ras_mm)
    ends = np.array([_lps(end) - center for end in record.long_axis_ras_mm])
    axis = ends @ np.transpose(PLANES[plane]) / pixel_mm + (CROP - 1) / 2
    outlines = find_contours(distance, 0.0)  # (row, column)

    overlay = Image.new("RGBA", (CROP * SUPERSAMPLING, CROP * SUPERSAMPLING))
    draw = ImageDraw.Draw(overlay)
    stroke = round(STROKE * SUPERSAMPLING)
    for line, color in [(outline[:, ::-1], OUTLINE) for outline in outlines] + [(axis, LONG_AXIS)]:
        points = (line + 0.5) * SUPERSAMPLING  # integers are pixel centers in `line`
        draw.line(points.ravel().tolist(), color, stroke, joint="curve")
    bar = np.array((8, CROP - 11, 8 + SCALE_BAR_MM / pixel_mm, CROP - 9))
    for box, gray in ((bar + (-1, -1, 1, 1), "black"), (bar, "white")):
        draw.rectangle((box * SUPERSAMPLING).tolist(), gray)
    return overlay.resize((CROP, CROP), Image.Resampling.BOX)
