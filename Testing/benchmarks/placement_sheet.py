"""A sheet of the stations of many CTs, from HU alone: one slice each, with what is available.

The slice is the one with most of the stations, or the middle one where there are none.

    python Testing/benchmarks/placement_sheet.py CT ... -o docs/stations_sheet.jpg
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageDraw, ImageFont

from LNGenLib.image.hu import WINDOW
from LNGenLib.image.io import as_ct, read_ct, to_array
from LNGenLib.placement.maps import placement_maps
from LNGenLib.placement.stations import STATIONS
from LNGenLib.scan import Scan

TILE, LINE, COLUMNS = 120, 16, 9


def main(cts: list[Path], output: Annotated[Path, typer.Option("-o", "--output")]) -> None:
    """Draw the sheet."""
    rows = -(-len(cts) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * TILE, rows * (TILE + 2 * LINE)), (18, 18, 22))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(10)
    colors = np.array([(0, 0, 0), *(station.color for station in STATIONS)])
    low, high = WINDOW
    for k, path in enumerate(cts):
        ct = as_ct(read_ct(path))
        maps = placement_maps(Scan(ct))
        hu, stations = to_array(ct), to_array(maps.stations)
        counts = (stations > 0).sum((1, 2))
        z = int(counts.argmax()) if counts.any() else len(hu) // 2
        gray = ((hu[z].clip(low, high) - low) / (high - low) * 255)[..., None].repeat(3, -1)
        shown = np.where(stations[z][..., None] > 0, colors[stations[z]], gray).astype(np.uint8)
        tile = Image.fromarray(shown)
        tile.thumbnail((TILE - 4, TILE - 4))
        left, top = k % COLUMNS * TILE, k // COLUMNS * (TILE + 2 * LINE)
        available = sum(row["available"] for row in maps.summary["stations"])
        draw.text((left + 2, top + 2), path.name.split(".")[0][:20], (225, 225, 225), font)
        draw.text((left + 2, top + LINE), f"{available} stations", (160, 160, 160), font)
        page.paste(tile, (left + 2, top + 2 * LINE))
    page.save(output)


if __name__ == "__main__":
    typer.run(main)
