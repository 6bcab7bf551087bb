"""A painted plan's provenance is what was asked for, whoever paints it."""

from __future__ import annotations

import dataclasses
import json
from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.io import to_array, write_image
from LNGenLib.service.client.local import LocalService
from LNGenLib.structure.shape_range import ShapeRange
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis import engine
from LNGenLib.synthesis.plan import Plan
from LNGenLib.synthesis.request import PAINTING, SynthesisRequest

REQUESTS = {  # together they give every field another value than its default
    "stations": SynthesisRequest(
        3,
        Sizes("uniform", 5.0, 9.0),
        11,
        None,
        ShapeRange((0.3, 0.95), (0.0, 0.5)),
        texture_steps=2,
        structure_steps=4,
        stations=("mesorectal", "presacral"),
        allow_fewer=True,
        enhancement=(20.0, 60.0),
        hilum=0.5,
        suspicious=0.6,
        necrosis=0.4,
        tumor_mm=(0.0, -40.0, -30.0),
    ),
    "box": SynthesisRequest(
        *(2, Sizes("clinical", 6.0, 8.0), 5, (-40.0, 40.0, -80.0, 0.0, -40.0, 40.0)),
        texture_steps=2,
        structure_steps=4,
        short_axis_mm=4.0,
        artery_hu=120.0,
        least_conspicuity=0.01,
        appearance="suspicious",
    ),
}


@pytest.fixture(scope="module")
def requests(scan, models):
    """Those above, and one at two points, at which there is fat."""
    centers = engine.plan(scan, REQUESTS["stations"], models).nodes
    points = tuple(node.center_ras_mm for node in centers[:2])
    at_points = SynthesisRequest(
        *(2, Sizes("uniform", 5.0, 6.0), 3),
        texture_steps=2,
        structure_steps=4,
        points=points,
        tolerance_mm=7.0,
    )
    return {**REQUESTS, "points": at_points}


@pytest.fixture(scope="module")
def planned(scan, models):
    """The plan of a request, made once."""
    return cache(lambda request: engine.plan(scan, request, models))


def test_every_field_is_asked_for(requests):
    default = SynthesisRequest()
    for field in dataclasses.fields(SynthesisRequest):
        values = {getattr(request, field.name) for request in requests.values()}
        assert values - {getattr(default, field.name)}, field.name


def as_json(values):
    return json.loads(json.dumps(values))


@pytest.fixture(scope="module", params=[*REQUESTS, "points"])
def asked(request, requests):
    return requests[request.param]


@pytest.fixture(scope="module")
def expected(scan, models, asked):
    result = engine.synthesize(scan, asked, models)
    assert as_json(result.provenance["request"]) == as_json(dataclasses.asdict(asked))
    return result


def assert_same(result, expected):
    told, wanted = as_json(result.provenance), as_json(expected.provenance)
    assert told | {"device": ""} == wanted | {"device": ""}
    assert result.records == expected.records
    for name in ("ct", "nodes", "changed"):
        images = (to_array(getattr(one, name)) for one in (result, expected))
        assert np.array_equal(*images), name


def test_synthesis_is_the_painting_of_its_plan(scan, models, planned, asked, expected, tmp_path):
    planned(asked).write(tmp_path / "plan.json")
    plan = Plan.read(tmp_path / "plan.json")
    assert plan.request == asked
    assert_same(engine.paint(scan, plan, asked, models), expected)


@pytest.fixture(scope="module")
def local():
    with LocalService() as service:
        yield service


def test_by_the_service(local, scan, asked, expected):
    plan = local.client.plan(scan, asked)
    assert plan.request == asked
    assert_same(local.client.paint(scan, plan), expected)
    assert_same(local.client.synthesize(scan, asked), expected)


def test_fractions_of_hu_come_back_from_the_service(local, scan, models, requests):
    ct = sitk.Cast(scan.ct, sitk.sitkFloat32) + 0.375
    with_fractions = dataclasses.replace(scan, ct=ct)
    result = local.client.synthesize(with_fractions, requests["box"])
    assert result.ct.GetPixelID() == sitk.sitkFloat32
    assert_same(result, engine.synthesize(with_fractions, requests["box"], models))


def test_in_a_scene(scene, scan, models, planned, asked, expected):
    """By way of a preview, which is a plan in the scene."""
    from LNGenLib.mrml.case import synthesize_in_scene
    from LNGenLib.mrml.markups import to_plan, to_preview
    from LNGenLib.mrml.results import read_result
    from LNGenLib.mrml.volumes import LABELS, to_volume

    ct = to_volume(scene, scan.ct, "CT")
    anatomy = to_volume(scene, scan.anatomy, "anatomy", LABELS)
    preview = to_preview(scene, planned(asked), "preview")
    plan = to_plan(preview)
    assert plan.request == asked
    painted = synthesize_in_scene(ct, None, anatomy, models=models, plan=plan)
    assert_same(read_result(painted), expected)


@pytest.fixture(scope="module")
def files(scan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_image(scan.ct, folder / "ct.nii.gz")
    write_image(scan.anatomy, folder / "labels.nii.gz")
    return folder


def test_by_the_command(files, planned, asked, expected, tmp_path, run_lngen):
    """The options of the request that is painted are those of its plan, not given again."""
    planned(asked).write(tmp_path / "plan.json")
    given = ["synthesize", f"{files}/ct.nii.gz", "--anatomy", f"{files}/labels.nii.gz"]
    given += ["--plan", f"{tmp_path}/plan.json", "--device", "cpu", "-o", f"{tmp_path}/out"]
    assert run_lngen(given)[0] == 0
    content = json.loads((tmp_path / "out/nodes.json").read_text())
    assert content["provenance"] == as_json(expected.provenance)


def test_what_concerns_painting_may_be_another(scan, models, planned, requests):
    asked = requests["stations"]
    plan = planned(asked)
    other = dataclasses.replace(asked, texture_steps=3, enhancement=None, artery_hu=200.0)
    assert plan.painted_as(other).phase is None, "a server, which gets this, takes it"
    told = engine.paint(scan, plan, other, models).provenance
    assert as_json(told["request"]) == as_json(dataclasses.asdict(other))
    assert told["plan"]["phase"]["artery_hu"] == 200.0
    assert told["enhancement_hu"] != (20.0, 60.0)


OTHERS = {
    "count": 4,
    "sizes": Sizes("uniform", 5.0, 8.0),
    "seed": 1,
    "shape": ShapeRange((0.4, 0.9)),
    "structure_steps": 9,
    "stations": ("obturator",),
    "tolerance_mm": 9.0,
    "short_axis_mm": 3.0,
    "allow_fewer": False,
    "hilum": 0.0,
    "appearance": "benign",
    "suspicious": 0.1,
    "necrosis": 0.0,
    "tumor_mm": (0.0, -40.0, 0.0),
    "least_conspicuity": 2.0,
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_plan_of_another_request_is_not_painted(name):
    """Nothing that is asked for is passed over in silence."""
    asked = REQUESTS["stations"]
    plan = Plan(asked, (), None)
    with pytest.raises(InputError, match=f"the plan was made for {name} .*make a plan anew"):
        plan.painted_as(dataclasses.replace(asked, **{name: OTHERS[name]}))


def test_all_fields_are_either_of_the_plan_or_of_painting():
    fields = {field.name for field in dataclasses.fields(SynthesisRequest)}
    assert fields == {*OTHERS, *PAINTING, "region_box", "points"}


@pytest.mark.parametrize(
    "name, option, field, value",
    [
        ("stations", "--artery 150", "artery_hu", 150.0),
        ("box", "--enhancement 10 20", "enhancement", [10.0, 20.0]),
    ],
)
def test_the_command_paints_a_plan_as_bright_as_asked_for_last(
    files, planned, requests, tmp_path, run_lngen, name, option, field, value
):
    """The plan of stations was asked for by enhancement, that of the box by the artery's HU."""
    planned(requests[name]).write(tmp_path / "plan.json")
    given = ["synthesize", f"{files}/ct.nii.gz", "--anatomy", f"{files}/labels.nii.gz"]
    given += ["--plan", f"{tmp_path}/plan.json", "--device", "cpu", "-o", f"{tmp_path}/out"]
    assert run_lngen([*given, *option.split()])[0] == 0
    told = json.loads((tmp_path / "out/nodes.json").read_text())["provenance"]["request"]
    other = {"artery_hu": "enhancement", "enhancement": "artery_hu"}[field]
    assert told[field] == value and told[other] is None


@pytest.mark.parametrize("option", ["--count 3", "--seed 4", "--stations obturator"])
def test_the_command_refuses_options_that_a_plan_has_itself(
    files, planned, requests, tmp_path, run_lngen, option
):
    planned(requests["box"]).write(tmp_path / "plan.json")
    given = ["synthesize", f"{files}/ct.nii.gz", "--plan", f"{tmp_path}/plan.json"]
    code, _, error = run_lngen([*given, *option.split(), "-o", f"{tmp_path}/out"])
    assert code == 2 and f"the plan has its own {option.split()[0]}: leave that out" in error


def test_a_plan_of_other_weights_is_refused_until_it_is_made_anew(
    files, models, scan, planned, requests, tmp_path, run_lngen
):
    plan = planned(requests["box"])
    old = dataclasses.replace(plan, weights="0" * 64)
    with pytest.raises(InputError, match="other structure weights.*replan"):
        engine.paint(scan, old, models=models)
    old.write(tmp_path / "plan.json")
    given = ["synthesize", f"{files}/ct.nii.gz", "--anatomy", f"{files}/labels.nii.gz"]
    given += ["--plan", f"{tmp_path}/plan.json", "--device", "cpu", "-o", f"{tmp_path}/out"]
    code, _, error = run_lngen(given)
    assert code == 2 and "replan" in error and not (tmp_path / "out").exists()
    assert run_lngen([*given, "--replan"])[0] == 0
    told = json.loads((tmp_path / "out/nodes.json").read_text())["provenance"]
    wanted = as_json(dataclasses.asdict(plan))
    assert told["request"] == wanted.pop("request")
    assert told["input_voxels_sha256"] == wanted.pop("images")
    assert told["plan"] == wanted


def test_an_older_plan_is_refused_by_name(tmp_path):
    old = {"seed": 3, "nodes": [], "shape": {}, "structure_steps": 20, "refused_mm": []}
    (tmp_path / "plan.json").write_text(json.dumps(old))
    with pytest.raises(InputError, match="plan.json: the plan is of an older LNGen.*make it anew"):
        Plan.read(tmp_path / "plan.json")
