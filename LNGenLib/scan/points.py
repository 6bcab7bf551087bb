"""Reading points: Slicer's markups, or a table as people and spreadsheets write it."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from LNGenLib.errors import InputError

Point = tuple[float, float, float]
WANTED = "give Slicer markups (.mrk.json, .fcsv) or a CSV with columns R,A,S in mm"
TO_RAS = {"RAS": (1, 1, 1), "LPS": (-1, -1, 1)}
# Slicer 4.11 wrote "0" and "1"; without any, an .fcsv is in RAS
SYSTEMS = {"RAS": "RAS", "LPS": "LPS", "0": "RAS", "1": "LPS"}
DEFINED = "2"  # of the status of a point in an .fcsv: placed, not only listed
FIRST, STATUS = 1, 14  # columns of x and of the status in an .fcsv


def read_points(path: Path) -> tuple[Point, ...]:
    """Points in RAS mm, from markups of Slicer (.mrk.json, .fcsv, .csv) or a CSV with columns R, A,
    S or L, P, S: separated by commas, semicolons or tabs, also with decimal commas.

    Points that Slicer lists but that are not placed are left out. Raises InputError, which says in
    which line, for what can't be read, and where there is no point.
    https://github.com/Slicer/Slicer/tree/main/Modules/Loadable/Markups/Resources/Schema
    """
    try:
        text = _decoded(path.read_bytes())
        read = {"{": _markups, "[": _markups, "#": _fiducials}.get(text.lstrip()[:1], _table)
        points = tuple(read(text))
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} holds no points that can be read ({reason}): {WANTED}") from error
    if not points:
        raise InputError(f"{path} holds no point: place one at least")
    return points


def _decoded(content: bytes) -> str:
    """Text as Slicer (UTF-8) and Excel write it: UTF-8 or UTF-16 with a mark, or Windows' own."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _markups(text: str) -> Iterator[Point]:
    content = json.loads(text)
    for markup in _items(content, "markups"):
        system, units = markup.get("coordinateSystem", "LPS"), markup.get("coordinateUnits", "mm")
        if units not in ("mm", ["mm"] * 3):
            raise ValueError(f"its coordinates are in {units}, not mm")
        for number, control in enumerate(_items(markup, "controlPoints"), 1):
            if control.get("positionStatus", "defined") == "defined":
                position = control.get("position")
                if not isinstance(position, list) or len(position) != 3:
                    raise ValueError(f"control point {number} has no position of three numbers")
                yield _point(position, system, f"control point {number}", "xyz")


def _items(content: Any, name: str) -> list[dict]:
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError(f"it has no list of {name}")
    return found


def _fiducials(text: str) -> Iterator[Point]:
    """Of an .fcsv; its columns are fixed, whatever its comment calls them."""
    system = "RAS"
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            name, _, value = line.strip("# ").partition(" = ")
            system = value.strip() if name == "CoordinateSystem" else system
        elif line.strip():
            row = next(csv.reader([line]))
            if len(row) <= STATUS or row[STATUS] == DEFINED:
                yield _point(row[FIRST : FIRST + 3], system, f"line {number}", "xyz")


def _table(text: str) -> Iterator[Point]:
    """Of a table whose first row names its columns."""
    lines = text.splitlines()
    skipped = bool(lines) and lines[0].lower().startswith("sep=")  # Excel's way to say it
    head = lines[skipped] if len(lines) > skipped else ""
    delimiter = max(";\t,", key=head.count)
    rows = csv.reader(lines[skipped:], delimiter=delimiter, skipinitialspace=True)
    names = [name.strip().upper() for name in next(rows, [])]
    system = next((system for system in TO_RAS if set(system) <= set(names)), None)
    if system is None:
        raise ValueError(f"its first line is '{head[:60]}', which names no columns R, A, S")
    for row in rows:
        where, cells = f"line {rows.line_num + skipped}", dict(zip(names, row))
        if any(cell.strip() for cell in row[len(names) :]):
            raise ValueError(f"{where} has more cells than there are columns")
        if any(cell.strip() for cell in row) and cells.get("DEFINED", "1") != "0":
            values = [cells.get(axis, "") for axis in system]
            yield _point(values, system, where, system)


def _point(values: list, system: Any, where: str, names: str) -> Point:
    """A point in RAS mm of coordinates in a system; ValueError that says where one is no number."""
    if str(system) not in SYSTEMS:
        raise ValueError(f"its coordinate system is {system}, not RAS or LPS")
    if len(values) != 3:
        raise ValueError(f"{where} has {len(values)} coordinates, not three")
    ras = []
    for name, value, sign in zip(names, values, TO_RAS[SYSTEMS[str(system)]]):
        text = str(value).strip()
        try:  # a decimal comma, but no separator of thousands
            number = float(text if "." in text else text.replace(",", ".", 1))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"{where}: {name} is '{text}', no number")
        ras.append(sign * number)
    return ras[0], ras[1], ras[2]
