"""Points as Slicer, Excel and people save them; what can't be read is named with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from LNGenLib.errors import InputError
from LNGenLib.scan.points import read_points

FILES = Path(__file__).parents[2] / "shared" / "cases" / "14_points_as_slicer_and_excel_save_them"
POINTS = ((-27.9, 101.6, 156.3), (-18.3, 85.9, 175.2))
SLICERS_TABLE = """"label","l","p","s","defined","selected","visible","locked","description"
"F-1",27.9,-101.6,156.3,1,1,1,0,""
"F-2",1,2,3,0,1,1,0,""
"F-3",18.3,-85.9,175.2,1,1,1,0,"a, b"
"""
FIDUCIALS = """# Markups fiducial file version = slicer-core-5.12.4.0
# CoordinateSystem = {}
# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
1,{}27.9,{}101.6,156.3,0,0,0,1,1,1,0,F-1,,,2,0
2,1,2,3,0,0,0,1,1,1,0,F-2,,,0,0
3,{}18.3,{}85.9,175.2,0,0,0,1,1,1,0,"F, 3",,,2,0
"""
READ = {
    "plain": b"R,A,S\n-27.9,101.6,156.3\n-18.3,85.9,175.2\n",
    "any case, other columns": b"name, s ,r,a\nx,156.3,-27.9,101.6\n\n y ,175.2,-18.3,85.9\n",
    "Excel, UTF-8": b"\xef\xbb\xbfR,A,S\r\n-27.9,101.6,156.3\r\n-18.3,85.9,175.2\r\n",
    "Excel, Unicode text": "R\tA\tS\r\n-27,9\t101,6\t156,3\r\n-18,3\t85,9\t175,2".encode("utf-16"),
    "Excel, German": b"R;A;S\r\n-27,9;101,6;156,3\r\n-18,3;85,9;175,2\r\n;;\r\n",
    "Excel, sep and umlaut": b"sep=;\nOrt;R;A;S\nges\xe4\xdf;-27,9;101,6;156,3\n;-18,3;85,9;175,2",
    "quoted decimal commas": b'R,A,S\n"-27,9","101,6","156,3"\n"-18,3","85,9","175,2"\n',
    "Slicer's table": SLICERS_TABLE.encode(),
    ".fcsv in LPS": FIDUCIALS.format("LPS", "", "-", "", "-").encode(),
    ".fcsv in RAS": FIDUCIALS.format("RAS", "-", "", "-", "").encode(),
    ".fcsv of Slicer 4": FIDUCIALS.format("0", "-", "", "-", "").encode(),
    ".fcsv of Slicer 4.11": FIDUCIALS.format("1", "", "-", "", "-").encode(),
}


def markups(**changed) -> dict:
    positions = [27.9, -101.6, 156.3], "", [18.3, -85.9, 175.2]
    status = "defined", "undefined", "defined"
    points = [{"position": p, "positionStatus": s} for p, s in zip(positions, status)]
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": points} | changed
    return {"markups": [markup]}


@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_points_are_read_as_they_are_saved(tmp_path, content):
    path = tmp_path / "points.csv"
    path.write_bytes(content)
    assert read_points(path) == POINTS


@pytest.mark.parametrize("name", ["slicer_wrote.csv", "slicer_wrote.fcsv", "excel_utf8.csv"])
def test_points_of_files_that_slicer_and_excel_wrote(name):
    if not FILES.is_dir():
        pytest.skip(f"no files at {FILES}")
    assert read_points(FILES / name) == POINTS


def test_points_that_are_not_placed_are_left_out_of_markups(tmp_path):
    path = tmp_path / "points.mrk.json"
    path.write_text(json.dumps(markups()), encoding="utf-8-sig")
    assert read_points(path) == POINTS


REFUSED = {
    "no number": (b"R,A,S\n1,2,3\n4,five,6\n", "line 3: A is 'five', no number"),
    "a cell is missing": (b"R;A;S\n1;2\n", "line 2: S is '', no number"),
    "not a number": (b"R,A,S\n1,nan,3\n", "line 2: A is 'nan'"),
    "thousands": (b"R;A;S\n1.234,5;2;3\n", "line 2: R is '1.234,5'"),
    "decimal commas between commas": (b"R,A,S\n-2,9,1,6,5,3\n", "line 2 has more cells"),
    "no names": (b"1,2,3\n", "first line is '1,2,3', which names no columns R, A, S"),
    "other names": (b"x,y,z\n1,2,3\n", "first line is 'x,y,z'"),
    "an image": (b"\x1f\x8b\x00\x01", "names no columns"),
    "zeros": (bytes(9), "points.csv"),
    "nothing": (b"", "names no columns"),
    "fiducials cut": (b"# CoordinateSystem = LPS\n1,2,3\n", "line 2 has 2 coordinates"),
    "fiducials of voxels": (b"# CoordinateSystem = IJK\n1,2,3,4\n", "system is IJK"),
    "JSON cut": (b'{"markups": [', "line 1 column 14"),
    "JSON nested": (b'{"a":' * 100_000, "points.csv"),
    "no markups": (b'{"points": []}', "no list of markups"),
    "a list": (b"[1, 2]", "no list of markups"),
}


@pytest.mark.parametrize("content, problem", REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_read_is_named(tmp_path, content, problem):
    path = tmp_path / "points.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_points(path)
    message = str(error.value)
    assert problem in message and str(path) in message and "give Slicer markups" in message
    assert "\n" not in message


REFUSED_MARKUPS = {
    "flat": ({"controlPoints": [{"position": [1, 2]}]}, "control point 1 has no position"),
    "text": ({"controlPoints": [{"position": [1, "b", 3]}]}, "control point 1: y is 'b'"),
    "endless": ({"controlPoints": [{"position": [1, 2, float("inf")]}]}, "z is 'inf'"),
    "no points": ({"controlPoints": None}, "no list of controlPoints"),
    "voxels": ({"coordinateSystem": "IJK"}, "coordinate system is IJK"),
    "a list of systems": ({"coordinateSystem": ["LPS"]}, "coordinate system is"),
    "cm": ({"coordinateUnits": "cm"}, "in cm, not mm"),
}


@pytest.mark.parametrize("changed, problem", REFUSED_MARKUPS.values(), ids=REFUSED_MARKUPS)
def test_markups_that_can_not_be_read_are_named(tmp_path, changed, problem):
    path = tmp_path / "points.mrk.json"
    path.write_text(json.dumps(markups(**changed)))
    with pytest.raises(InputError, match=problem):
        read_points(path)


def test_a_list_without_a_placed_point_is_refused(tmp_path):
    path = tmp_path / "points.mrk.json"
    path.write_text(json.dumps(markups(controlPoints=[])))
    with pytest.raises(InputError, match="holds no point: place one at least"):
        read_points(path)
