"""A picture of the stations: axial slices, and one coronal and sagittal plane, in color."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont

from LNGenLib.image.hu import WINDOW
from LNGenLib.image.io import to_array
from LNGenLib.placement.maps import PlacementMaps
from LNGenLib.placement.stations import STATIONS

PIXEL = 1.5  # mm
AXIAL = 6  # slices
OPACITY = 0.55
BACKGROUND, TEXT, DIM = (18, 18, 22), (225, 225, 225), (130, 130, 130)
LINE, MARGIN = 18, 12


def render_placement(ct: sitk.Image, maps: PlacementMaps) -> Image.Image:
    """RGB picture of the stations over the CT, in radiological convention, with a legend."""
    stations = _resampled(maps.stations, ct, sitk.sitkNearestNeighbor, 0).astype(np.uint8)
    hu = _resampled(ct, ct, sitk.sitkLinear, -1024)
    colored = _colored(hu, stations)
    there = np.argwhere(stations > 0)
    if not len(there):
        there = np.argwhere(hu > -300)
    z, y, x = np.median(there, axis=0).astype(int)
    levels = np.quantile(there[:, 0], np.linspace(0.97, 0.03, AXIAL)).astype(int)
    tiles = [colored[level] for level in levels] + [colored[::-1, y], colored[::-1, :, x]]
    return _laid_out(tiles, maps)


def _resampled(image: sitk.Image, ct: sitk.Image, interpolator: int, outside: float) -> np.ndarray:
    """The image on an isotropic grid along L, P and S that holds the whole CT."""
    size = np.array(ct.GetSize())
    ends = [((size - 1) * side).tolist() for side in np.ndindex(2, 2, 2)]
    corners = np.array([ct.TransformContinuousIndexToPhysicalPoint(end) for end in ends])
    low, high = corners.min(0), corners.max(0)
    grid = sitk.Image((np.ceil((high - low) / PIXEL).astype(int) + 1).tolist(), sitk.sitkUInt8)
    grid.SetOrigin(low.tolist())
    grid.SetSpacing([PIXEL] * 3)
    still = sitk.Transform()
    return to_array(sitk.Resample(image, grid, still, interpolator, outside, sitk.sitkFloat32))


def _colored(hu: np.ndarray, stations: np.ndarray) -> np.ndarray:
    low, high = WINDOW
    gray = ((hu.clip(low, high) - low) / (high - low) * 255)[..., None].repeat(3, -1)
    colors = np.array([(0, 0, 0), *(station.color for station in STATIONS)])
    mixed = (1 - OPACITY) * gray + OPACITY * colors[stations]
    return np.where(stations[..., None] > 0, mixed, gray).astype(np.uint8)


def _laid_out(tiles: list[np.ndarray], maps: PlacementMaps) -> Image.Image:
    """Two rows of axial slices, the other planes beside them, and the legend below."""
    pictures = [Image.fromarray(tile) for tile in tiles]
    columns = AXIAL // 2
    width, height = pictures[0].size
    planes = pictures[AXIAL:]
    rows = max(2 * height, sum(plane.height for plane in planes))
    size = (
        (columns * width) + max(plane.width for plane in planes) + 2 * MARGIN,
        rows + LINE * (len(STATIONS) + 2) + 2 * MARGIN,
    )
    page = Image.new("RGB", size, BACKGROUND)
    for k, picture in enumerate(pictures[:AXIAL]):
        page.paste(picture, (MARGIN + k % columns * width, MARGIN + k // columns * height))
    top = MARGIN
    for plane in planes:
        page.paste(plane, (MARGIN + columns * width, top))
        top += plane.height
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    top = rows + MARGIN + LINE // 2
    for station, row in zip(STATIONS, maps.summary["stations"]):
        draw.rectangle((MARGIN, top, MARGIN + 12, top + 12), station.color)
        text = f"{station.name}: {row['reason']}"
        if row["available"]:
            marked = ", landmark estimated" if row["estimated"] else ""
            text = f"{station.name}: {row['volume_ml']:.0f} ml, {row['weight']:.0%}{marked}"
        color = TEXT if row["available"] else DIM
        draw.text((MARGIN + 20, top - 2), text, color, font)
        top += LINE
    return page
