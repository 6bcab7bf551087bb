"""From choices to requests, and what users read: the parts of the panel that need no Qt."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from types import SimpleNamespace

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")

from LNGenLib.errors import InputError  # noqa: E402
from LNGenLib.mrml.markups import to_point_list  # noqa: E402
from LNGenLib.placement.stations import STATION_NAMES  # noqa: E402
from LNGenLib.structure.sizes import Sizes  # noqa: E402
from LNGenLib.synthesis.request import SynthesisRequest  # noqa: E402
from LNGenLib.synthesis.result import LymphNodeRecord, SynthesisResult  # noqa: E402

from rois import to_roi  # noqa: E402  isort: skip

FIELDS = (
    *("mesorectal", "superiorRectal", "internalIliac", "obturator", "presacral"),
    *("externalIliac", "commonIliac", "paraAortic", "inguinal"),
)


@pytest.fixture(autouse=True)
def panel_files(monkeypatch):
    """LNGenPanel on the path, and Slicer's translation, which gives the text itself."""
    i18n = types.ModuleType("slicer.i18n")
    i18n.tr = lambda text: text
    monkeypatch.setitem(sys.modules, "slicer.i18n", i18n)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "LNGen"))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("LNGenPanel"):
            del sys.modules[name]


def choices(**changed: object) -> SimpleNamespace:
    """Those that a new scene has, changed."""
    from LNGenPanel.choices import Law, Look, Place, Shape

    nodes = {"count": 5, "law": Law.clinical, "fixed": 8.0, "shape": Shape.any, "seed": 3}
    nodes |= {"range": SimpleNamespace(minimum=5.0, maximum=12.0)}
    nodes |= {name: changed.pop(name) for name in list(changed) if name in nodes}
    content = {
        "place": Place.automatic,
        "stations": SimpleNamespace(**dict.fromkeys(FIELDS, False)),
        "roi": None,
        "points": None,
        "nodes": SimpleNamespace(**nodes),
        "appearance": SimpleNamespace(look=Look.mixed, suspicious=30),
    }
    return SimpleNamespace(**content | changed)


def record(label: int, **changed: object) -> LymphNodeRecord:
    """One of a lymph node that is well seen, changed."""
    content = {
        **{"center_ras_mm": (0.0, 0.0, 0.0), "wanted_long_axis_mm": 8.0, "long_axis_mm": 8.0},
        **{"short_axis_mm": 5.0, "recist_axis_mm": 7.0, "recist_short_axis_mm": 5.0},
        **{"long_axis_ras_mm": ((0.0, 0.0, 0.0), (8.0, 0.0, 0.0)), "volume_mm3": 100.0},
        **{"grid_volume_mm3": 100.0, "mean_hu": 60.0, "surrounding_mean_hu": -95.0},
        **{"noise_hu": 12.0, "structure_repaired": False, "seed": 3, "conspicuity": 5.0},
    }
    return LymphNodeRecord(label, **content | changed)


def test_choices_become_a_request():
    from LNGenPanel.choices import SHAPES, Law, Look, Shape
    from LNGenPanel.request import requestOf

    usual = requestOf(choices())
    assert usual == SynthesisRequest(5, Sizes("clinical"), 3, suspicious=0.3, allow_fewer=True)
    assert requestOf(choices(law=Law.uniform)).sizes == Sizes("uniform")
    assert requestOf(choices(law=Law.range)).sizes == Sizes("uniform", 5.0, 12.0)
    for shape, expected in SHAPES.items():
        assert requestOf(choices(shape=shape)).shape == expected
    assert set(SHAPES) == set(Shape)
    look = SimpleNamespace(look=Look.suspicious, suspicious=45)
    asked = requestOf(choices(appearance=look))
    assert (asked.appearance, asked.suspicious) == ("suspicious", 0.45)


def test_sizes_are_those_that_are_shown():
    """A slider of tenths steps to 7.300000000000001."""
    from LNGenPanel.choices import Law
    from LNGenPanel.request import sizesOf

    fixed = sizesOf(choices(law=Law.fixed, fixed=7.300000000000001).nodes)
    assert fixed.low_mm == fixed.high_mm == 7.3
    ends = SimpleNamespace(minimum=2.1000000000000005, maximum=29.999999999999996)
    drawn = sizesOf(choices(law=Law.range, range=ends).nodes)
    assert (drawn.low_mm, drawn.high_mm) == (2.1, 30.0)


@pytest.mark.parametrize("field", FIELDS)
def test_a_checked_station_is_asked_for(field):
    from LNGenPanel.choices import Place
    from LNGenPanel.request import requestOf, stationFields

    assert tuple(stationFields()) == FIELDS and tuple(stationFields().values()) == STATION_NAMES
    checked = SimpleNamespace(**dict.fromkeys(FIELDS, False) | {field: True})
    asked = requestOf(choices(place=Place.stations, stations=checked))
    assert asked.stations == (stationFields()[field],)


def test_a_box_and_points_are_asked_for(scene):
    from LNGenPanel.choices import Place
    from LNGenPanel.request import requestOf

    roi = to_roi(scene, (0, 40, -80, -20, -60, 0), "box")
    box = requestOf(choices(place=Place.roi, roi=roi)).region_box
    assert box == pytest.approx((0, 40, -80, -20, -60, 0))
    points = to_point_list(scene, ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)), "points")
    asked = requestOf(choices(place=Place.points, points=points))
    assert asked.points == ((1, 2, 3), (4, 5, 6)) and asked.count == 2


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("stations", "Check at least one station."),
        ("roi", "Select or place a box (ROI)."),
        ("points", "Select or place points."),
    ],
)
def test_what_is_missing_is_named_by_its_control(place, said):
    from LNGenPanel.choices import Place
    from LNGenPanel.request import requestOf

    with pytest.raises(InputError) as caught:
        requestOf(choices(place=Place[place]))
    assert str(caught.value) == said


def test_every_choice_has_a_name_of_its_own():
    from LNGenPanel import choices as offered

    for kind in (offered.Host, offered.Device, offered.Place, offered.Law, offered.Shape):
        labels = [each.label() for each in kind]
        assert len(set(labels)) == len(labels) and all(label[0].isupper() for label in labels)


def test_a_row_gives_the_axes_as_radiologists_measure_them():
    from LNGenPanel.texts import rowOf, tipOf

    measured = {"long_axis_mm": 9.96, "short_axis_mm": 5.2, "recist_axis_mm": 8.44}
    seen = record(7, **measured, recist_short_axis_mm=4.26, mean_hu=61.6, conspicuity=3.25)
    assert rowOf(seen)[0] == "LN 7" and rowOf(seen)[2:] == ("8.4 x 4.3", "62", "3.2")
    assert "10.0 x 5.2 mm in 3D" in tipOf(seen) and "hardly" not in tipOf(seen)
    faint = record(8, conspicuity=1.4, appearance="suspicious", necrosis=True)
    assert tipOf(faint).startswith("Suspicious, necrotic core")
    assert "Can hardly be seen" in tipOf(faint)
    older = record(9, recist_axis_mm=8.44, recist_short_axis_mm=None, conspicuity=None)
    assert rowOf(older)[2] == "8.4" and rowOf(older)[4] == "-"


def test_what_was_painted_is_told_in_sentences():
    from LNGenPanel.texts import painted

    def told(*records) -> str:
        return painted(SynthesisResult(None, None, None, records), "CT SYNTHETIC")

    assert told(record(1)) == "1 SYNTHETIC lymph node is in CT SYNTHETIC."
    assert told(record(1), record(2)).startswith("2 SYNTHETIC lymph nodes are in CT SYNTHETIC.")
    assert "estimated from HU" in told(record(1, anatomy_estimated=True))
    assert told(record(1, conspicuity=0.5)).endswith("1 lymph node can hardly be seen: LN 1.")


def test_the_library_s_messages_become_sentences():
    from LNGenPanel.texts import sentence

    assert sentence("the CT has no voxels") == "The CT has no voxels."
    assert sentence("Nothing fits.") == "Nothing fits." and sentence("") == ""


def test_a_job_says_what_it_does_and_for_how_long():
    from LNGenPanel.texts import stageText

    progress = SimpleNamespace(seconds_left=None)
    job = SimpleNamespace(stage="texture", step=2, steps=5, progress=progress)
    assert stageText(job) == "Painting tissue, step 2 of 5"
    progress.seconds_left = 3.4
    assert stageText(job) == "Painting tissue, step 2 of 5, about 3 s left"
