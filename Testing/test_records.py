"""Tests of requests, records and results as JSON and as files, and of progress."""

import dataclasses
import json
import math
import re
import time

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from LNGenLib import files as output
from LNGenLib.errors import Canceled, InputError, OutputError
from LNGenLib.image.io import to_array
from LNGenLib.progress import Progress
from LNGenLib.structure.sizes import LARGEST, LAWS, SMALLEST, Sizes
from LNGenLib.synthesis.request import APPEARANCES, MOST_NODES, SynthesisRequest
from LNGenLib.synthesis.result import LymphNodeRecord, SynthesisResult

RECORD = LymphNodeRecord(
    label=1,
    center_ras_mm=(1.5, -2.25, 300.125),
    wanted_long_axis_mm=8.0,
    long_axis_mm=7.98,
    short_axis_mm=5.2,
    recist_axis_mm=7.1,
    long_axis_ras_mm=((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
    volume_mm3=110.5,
    grid_volume_mm3=109.0,
    mean_hu=62.3,
    surrounding_mean_hu=-95.1,
    noise_hu=12.4,
    structure_repaired=False,
    seed=3,
)


def through_json(values):
    return json.loads(json.dumps(dataclasses.asdict(values)))


@st.composite
def requests(draw):
    coordinate = st.floats(-2000, 2000)
    ends = st.tuples(coordinate, coordinate).filter(lambda pair: pair[0] != pair[1])
    box = st.tuples(ends, ends, ends).map(lambda pairs: sum(pairs, ()))
    bounds = st.tuples(st.floats(SMALLEST, LARGEST), st.floats(SMALLEST, LARGEST))
    return SynthesisRequest(
        count=draw(st.integers(1, MOST_NODES)),
        sizes=Sizes(draw(st.sampled_from(LAWS)), *sorted(draw(bounds))),
        seed=draw(st.integers(0, 2**63)),
        region_box=draw(st.none() | box),
        texture_steps=draw(st.integers(1, 1000)),
        structure_steps=draw(st.integers(1, 1000)),
        hilum=draw(st.none() | st.floats(0, 1)),
        appearance=draw(st.sampled_from(APPEARANCES)),
        suspicious=draw(st.floats(0, 1)),
        necrosis=draw(st.none() | st.floats(0, 1)),
        **draw(st.sampled_from([{}, {"enhancement": (-20.0, 40.5)}, {"artery_hu": 120.5}])),
    )


@given(requests())
def test_any_request_is_equal_after_json(request):
    assert SynthesisRequest.from_json(through_json(request)) == request


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        dataclasses.replace(RECORD, surrounding_mean_hu=None, structure_repaired=True, hilum=True),
    ],
)
def test_a_record_is_equal_after_json(record):
    assert LymphNodeRecord.from_json(through_json(record)) == record


def test_a_request_needs_only_the_fields_that_differ_from_the_defaults():
    assert SynthesisRequest.from_json({"count": 2}) == SynthesisRequest(count=2)


@pytest.mark.parametrize(
    "values, word",
    [
        ({"sizes": (5.0, 9.0)}, "give Sizes(law, low_mm, high_mm)"),
        ({"count": 0}, "count 0"),
        ({"count": MOST_NODES + 1}, "count 1001"),
        ({"count": 2.5}, "count 2.5: give a whole number"),
        ({"count": "5"}, "count '5': give a whole number"),
        ({"seed": -1}, "seed -1"),
        ({"seed": 0.5}, "seed 0.5: give a whole number"),
        ({"texture_steps": 0}, "texture_steps 0"),
        ({"structure_steps": 1001}, "structure_steps 1001"),
        ({"region_box": (0, 0, 1, 2, 3, 4)}, "flat"),
        ({"region_box": (0, 1, 2, 2, 3, 4)}, "flat"),
        ({"region_box": (0, 1, 2, 3, 4, 4)}, "flat"),
        ({"region_box": (0, 1, 2, 3, 4, math.nan)}, "six values"),
        ({"region_box": (0, 1, 2, 3, 4, math.inf)}, "six values"),
        ({"region_box": (0, 1, 2, 3)}, "six values"),
        ({"enhancement": (20, 10)}, "enhancement (20, 10): give LOW <= HIGH"),
        ({"enhancement": (math.nan, 10)}, "within -150 to 150 HU"),
        ({"enhancement": (0, 200)}, "within -150 to 150 HU"),
        ({"enhancement": (10,)}, "give LOW <= HIGH"),
        ({"artery_hu": -1}, "artery -1 HU: give 0 to 1000 HU"),
        ({"artery_hu": math.nan}, "artery nan HU: give 0 to 1000 HU"),
        ({"artery_hu": 1001}, "artery 1001 HU"),
        ({"artery_hu": 90, "enhancement": (0, 10)}, "both say how bright: give one"),
    ],
)
def test_a_request_out_of_range_is_refused(values, word):
    with pytest.raises(InputError, match=re.escape(word)):
        SynthesisRequest(**values)


@pytest.mark.parametrize("values", [{"count": 1}, {"count": MOST_NODES}])
def test_the_ends_of_a_range_are_in_it(values):
    ((name, value),) = values.items()
    assert getattr(SynthesisRequest(**values), name) == value


@pytest.mark.parametrize("kind", [SynthesisRequest, LymphNodeRecord])
def test_unknown_fields_are_refused_by_name(kind):
    with pytest.raises(InputError, match=f"{kind.__name__} has no field color, size"):
        kind.from_json({"size": 3, "color": "green"})


@pytest.mark.parametrize(
    "kind, values, word",
    [
        (LymphNodeRecord, {"label": 1}, "center_ras_mm"),
        (SynthesisRequest, {"sizes": [5, 9]}, "Sizes is a JSON object"),
        (SynthesisRequest, {"sizes": {"law": "normal"}}, "uniform or clinical"),
        (SynthesisRequest, {"sizes": {"low_mm": "5"}}, 'Sizes: low_mm "5" is no float'),
        (SynthesisRequest, {"sizes": {"mean": 5}}, "Sizes has no field mean"),
        (SynthesisRequest, {"region_box": ["a"] * 6}, "region_box .* is no tuple"),
        (SynthesisRequest, {"stations": "mesorectal"}, 'stations "mesorectal" is no tuple'),
        (SynthesisRequest, {"allow_fewer": "no"}, 'allow_fewer "no" is no bool'),
        (SynthesisRequest, {"artery_hu": math.nan}, "artery_hu NaN is no float"),
        (SynthesisRequest, {"seed": True}, "seed true is no int"),
        (SynthesisRequest, [1, 2], "JSON object"),
    ],
)
def test_json_of_another_form_is_refused(kind, values, word):
    with pytest.raises(InputError, match=word):
        kind.from_json(values)


def test_requests_and_records_can_not_be_changed():
    for value, name in ((SynthesisRequest(), "count"), (RECORD, "label")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, 3)


@pytest.fixture
def result() -> SynthesisResult:
    hu = np.random.default_rng(0).integers(-900, 900, (4, 5, 6)).astype(np.int16)
    nodes, changed = np.zeros(hu.shape, np.uint16), np.zeros(hu.shape, np.uint8)
    nodes[1:3, 2, 2], changed[1:4, 2, 1:4] = 1, 1
    images = [sitk.GetImageFromArray(array) for array in (hu, nodes, changed)]
    for image in images:
        image.SetSpacing((0.75, 0.75, 5.0))
        image.SetOrigin((-10.5, 20.25, -300.0))
    return SynthesisResult(*images, (RECORD, dataclasses.replace(RECORD, label=2)), {"seed": 3})


def test_a_result_is_the_same_after_writing_and_reading(result, tmp_path):
    result.write(tmp_path)
    again = SynthesisResult.read(tmp_path)
    assert again.records == result.records
    assert again.provenance == result.provenance
    for name in SynthesisResult.IMAGES:
        image, other = getattr(result, name), getattr(again, name)
        assert other.GetPixelID() == image.GetPixelID()
        assert np.array_equal(to_array(other), to_array(image))
        assert np.allclose(other.GetOrigin(), image.GetOrigin())
        assert np.allclose(other.GetSpacing(), image.GetSpacing())


def test_a_result_is_four_files_and_says_that_it_is_synthetic(result, tmp_path):
    result.write(tmp_path)
    files = {"ct.nii.gz", "nodes.nii.gz", "changed.nii.gz", "nodes.json"}
    assert {path.name for path in tmp_path.iterdir()} == files
    content = json.loads((tmp_path / "nodes.json").read_text())
    assert content["synthetic"] is True
    assert [record["label"] for record in content["records"]] == [1, 2]


def test_a_failed_json_write_leaves_the_old_file_and_no_temporary(tmp_path, monkeypatch):
    path = tmp_path / "nodes.json"
    output.write_json({"old": True}, path)

    def failing(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(output.os, "replace", failing)
    with pytest.raises(OutputError, match="is the disk full"):
        output.write_json({"new": True}, path)
    assert json.loads(path.read_text()) == {"old": True}
    assert list(tmp_path.iterdir()) == [path]


def test_progress_tells_stage_step_and_steps():
    told = []
    progress = Progress(lambda *what: told.append(what))
    progress.stage("structures", 2)
    progress.step(1, 2)
    progress.step(2, 2)
    progress.stage("writing")
    progress.finish()
    assert told == [
        ("structures", 0, 2),
        ("structures", 1, 2),
        ("structures", 2, 2),
        ("writing", 0, 1),
    ]


def test_progress_keeps_the_seconds_of_each_stage(monkeypatch):
    clock = iter([0.0, 1.5, 1.5, 4.0, 4.0, 4.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    progress = Progress()
    for name in ("models", "texture", "models"):
        progress.stage(name)
    progress.finish()
    assert progress.seconds == {"models": 2.0, "texture": 2.5}


def test_finishing_twice_counts_once():
    progress = Progress()
    progress.stage("models")
    progress.finish()
    seconds = dict(progress.seconds)
    progress.finish()
    assert progress.seconds == seconds
    assert set(seconds) == {"models"}


def test_a_cancel_is_raised_at_the_next_step_and_not_before():
    canceled, told = [], []
    progress = Progress(lambda *what: told.append(what), lambda: bool(canceled))
    progress.stage("texture", 3)
    progress.step(1, 3)
    canceled.append(True)
    with pytest.raises(Canceled):
        progress.step(2, 3)
    with pytest.raises(Canceled):
        progress.stage("painting")
    assert told == [("texture", 0, 3), ("texture", 1, 3)]


def test_records_of_older_results_are_read():
    """They tell a number beside the label."""
    older = through_json(RECORD) | {"number": 0}
    assert LymphNodeRecord.from_json(older) == RECORD


def test_records_without_an_in_plane_short_axis_are_read():
    older = through_json(RECORD)
    del older["recist_short_axis_mm"]
    assert LymphNodeRecord.from_json(older).recist_short_axis_mm is None
