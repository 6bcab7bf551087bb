"""Reading points: Slicer's markups, or a table."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from LNGenLib.errors import InputError

Point = tuple[float, float, float]


def read_points(path: Path) -> tuple[Point, ...]:
    """Points in RAS mm, from a markups file of Slicer (.mrk.json) or a CSV with columns R, A, S.

    Raises InputError for anything else and where there is no point.
    https://github.com/Slicer/Slicer/tree/main/Modules/Loadable/Markups/Resources/Schema
    """
    try:
        text = path.read_text()
        points = _markups(json.loads(text)) if path.suffix == ".json" else _table(text)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"{path} holds no points: give Slicer markups (.mrk.json) or a CSV with columns R,A,S"
        ) from error
    if not points:
        raise InputError(f"{path} holds no point: place one at least")
    return tuple(points)


def _markups(content: dict) -> list[Point]:
    points = []
    for markup in content["markups"]:
        # Slicer 4.11 wrote "0" and "1" for RAS and LPS
        flip = -1 if markup.get("coordinateSystem", "LPS") in ("LPS", "1") else 1
        for control in markup["controlPoints"]:
            x, y, z = map(float, control["position"])
            points.append((flip * x, flip * y, z))
    return points


def _table(text: str) -> list[Point]:
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    if not set("RAS") <= set(rows.fieldnames or ()):
        raise ValueError("no columns R, A, S")
    return [tuple(float(row[axis]) for axis in "RAS") for row in rows]
