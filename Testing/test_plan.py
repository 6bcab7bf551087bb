"""Plans: what --dry-run writes, --plan paints, edited or not."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import ras_to_index
from LNGenLib.image.io import like, to_array, write_image
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis import engine, region
from LNGenLib.synthesis.plan import Plan, count_by_size
from LNGenLib.synthesis.planning import _long_axes
from LNGenLib.synthesis.request import SynthesisRequest

REQUEST = SynthesisRequest(3, Sizes("uniform", 6, 10), 4, texture_steps=2, structure_steps=6)


@pytest.fixture(scope="module")
def plan(scan, models):
    return engine.plan(scan, REQUEST, models)


def painted(scan, models, plan, request=None):
    return engine.paint(scan, plan, request, models)


def test_a_plan_paints_what_the_request_does(scan, models, plan, tmp_path):
    plan.write(tmp_path / "plan.json")
    direct = engine.synthesize(scan, REQUEST, models)
    planned = painted(scan, models, Plan.read(tmp_path / "plan.json"))
    for name in ("ct", "nodes", "changed"):
        images = (getattr(result, name) for result in (direct, planned))
        assert np.array_equal(*map(to_array, images))
    assert direct.records == planned.records
    assert direct.provenance == planned.provenance
    told = dict(direct.provenance["plan"], request=direct.provenance["request"])
    told["images"] = direct.provenance["input_voxels_sha256"]
    assert told == dataclasses.asdict(plan)


def test_a_refusal_tells_which_size_fits(scan, models):
    small = SynthesisRequest(
        3, Sizes("uniform", 28, 30), region_box=(-8, 8, -20, 0, -40, -30), structure_steps=2
    )
    with pytest.raises(InputError, match=r"the largest balls of free fat: there \d+ mm\)"):
        engine.plan(scan, small, models)


def test_without_a_count_a_patient_has_four_to_eight_of_like_sizes():
    drawn = [_long_axes(SynthesisRequest(None, seed=seed)) for seed in range(3000)]
    assert {len(sizes) for sizes in drawn} == {4, 5, 6, 7, 8}
    assert drawn[0] == _long_axes(SynthesisRequest(None, seed=0)) != drawn[1]
    pairs = np.log([sizes[:2] for sizes in drawn])  # log-normal, but for its bounds
    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(0.3, abs=0.06)
    shares = [np.mean([sizes[0] < Sizes().quantile(q) for sizes in drawn]) for q in (0.1, 0.5, 0.9)]
    assert shares == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


def test_with_a_count_each_size_is_drawn_alone():
    drawn = [_long_axes(SynthesisRequest(2, seed=seed)) for seed in range(3000)]
    assert np.corrcoef(np.log(drawn).T)[0, 1] == pytest.approx(0, abs=0.06)


def test_a_plans_phase_is_painted_unless_an_artery_is_given(scan, models, plan):
    dark = dataclasses.replace(plan, phase=dataclasses.replace(plan.phase, artery_hu=42.0))
    given = dataclasses.replace(REQUEST, artery_hu=plan.phase.artery_hu)
    unknown = dataclasses.replace(plan, phase=None)
    bright, plain, over, measured = (
        [record.wanted_mean_hu for record in painted(scan, models, one, request).records]
        for one, request in ((plan, REQUEST), (dark, REQUEST), (dark, given), (unknown, REQUEST))
    )
    assert plan.phase.source == "labels"
    assert np.mean(plain) == pytest.approx(plan.phase.muscle_hu, abs=5)
    assert np.mean(bright) > np.mean(plain) + 10
    assert bright == over == measured


def test_a_node_that_is_left_alone_stays_as_it_is(scan, models, plan):
    """The second is deleted, the first moved by 3 mm and resized: shapes are those of before."""
    first, _, third = plan.nodes
    assert first.shape_mm == first.long_axis_mm
    center = tuple(np.add(first.center_ras_mm, (3, 0, 0)))
    moved = dataclasses.replace(first, center_ras_mm=center, long_axis_mm=7.0)
    edited = painted(scan, models, dataclasses.replace(plan, nodes=(moved, third)))
    before = painted(scan, models, plan)
    assert [record.label for record in edited.records] == [1, 3]
    assert edited.records[0].long_axis_mm == pytest.approx(7.0, rel=0.02)
    ratios = [r[0].short_axis_mm / r[0].long_axis_mm for r in (edited.records, before.records)]
    assert ratios[0] == pytest.approx(ratios[1], rel=0.02)
    places = [to_array(edited.nodes) == 3, to_array(before.nodes) == 3]
    assert np.array_equal(*places)
    hu = [to_array(result.ct)[places[0]].astype(int) for result in (edited, before)]
    assert np.abs(hu[0] - hu[1]).max() <= 1


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"center_ras_mm": (0, 0, 500)}, "leaves the CT"),
        ({"long_axis_mm": 45}, "45 mm long"),
        ({"long_axis_mm": 0}, "0 mm long"),
        ({"shape_mm": -4.0}, "-4 mm long"),
        ({"turn": ((1, 0, 0), (0, 1, 0), (0, 0, 2))}, "no rotation"),
    ],
)
def test_impossible_plans_are_refused(scan, models, plan, change, problem):
    wrong = dataclasses.replace(plan.nodes[0], **change)
    with pytest.raises(InputError, match=problem):
        painted(scan, models, dataclasses.replace(plan, nodes=(wrong,)))


@pytest.mark.parametrize(
    "name, value",
    [
        ("center_ras_mm", (float("nan"),) * 3),
        ("center_ras_mm", (1.0, 2.0)),
        ("long_axis_mm", "6"),
        ("turn", (("a",) * 3,) * 3),
        ("hilum", "yes"),
        ("number", True),
    ],
)
def test_values_of_another_type_are_refused(plan, name, value):
    with pytest.raises(InputError, match=f"PlannedNode: {name} .* is no "):
        dataclasses.replace(plan.nodes[0], **{name: value})
    edited = json.loads(json.dumps(dataclasses.asdict(plan)))
    edited["nodes"][0][name] = value if not isinstance(value, tuple) else list(value)
    with pytest.raises(InputError, match=f"PlannedNode: {name} .* is no "):
        Plan.from_json(edited)


def test_a_phase_is_two_numbers(plan):
    """One of NaN was painted, as HU of nothing."""
    for value in (float("nan"), "42", None):
        with pytest.raises(InputError, match="Phase: artery_hu .* is no float"):
            dataclasses.replace(plan.phase, artery_hu=value)


def test_numpys_numbers_in_a_plan_are_pythons(plan):
    node = dataclasses.replace(
        plan.nodes[0], number=np.int64(1), turn=np.array(plan.nodes[0].turn), hilum=np.bool_(False)
    )
    assert Plan.from_json(json.loads(json.dumps(dataclasses.asdict(plan)))) == plan
    assert json.dumps(dataclasses.asdict(dataclasses.replace(plan, nodes=(node,))))


def test_what_fits_where_it_was_drawn_is_painted(scan, models, plan, monkeypatch):
    """At points, which are the user's own, fat is judged otherwise than at stations."""
    monkeypatch.setattr(region, "misfit", lambda node, where: "x" if where.one_each else None)
    assert len(painted(scan, models, plan).records) == len(plan.nodes)
    monkeypatch.setattr(region, "misfit", lambda node, where: "x")
    with pytest.raises(InputError, match="LN 1 x: move it"):
        painted(scan, models, plan)


def test_overlapping_nodes_are_refused(scan, models, plan):
    first, second, _ = plan.nodes
    onto = dataclasses.replace(second, center_ras_mm=first.center_ras_mm)
    with pytest.raises(InputError, match="LN 1 and LN 2 overlap"):
        painted(scan, models, dataclasses.replace(plan, nodes=(first, onto)))


def test_an_empty_plan_is_refused():
    with pytest.raises(InputError, match="no lymph node"):
        Plan.from_json({"request": {}, "nodes": [], "weights": None})


def test_fewer_nodes_are_placed_only_where_that_is_allowed(scan, models):
    """Four nodes of 25 mm do not fit into a box of 4 cm."""
    crowd = SynthesisRequest(
        4, Sizes("uniform", 25, 25), 1, (-20, 20, -55, -15, -25, 15), structure_steps=4
    )
    with pytest.raises(InputError, match=r"of 4 lymph nodes fit; .*20 to 30 mm \(\d+\).*fewer"):
        engine.plan(scan, crowd, models)
    allowed = dataclasses.replace(crowd, allow_fewer=True)
    plan = engine.plan(scan, allowed, models)
    assert 0 < len(plan.nodes) < 4
    assert len(plan.nodes) + len(plan.refused_mm) == 4


def test_a_short_axis_can_be_asked_for(scan, models):
    """Of nodes of 10 mm: flat ones of 5 mm, round ones of 8 mm."""
    shorts = []
    for wanted in (5.0, 8.0):
        request = dataclasses.replace(
            REQUEST, count=4, sizes=Sizes("uniform", 10, 10), short_axis_mm=wanted
        )
        plan = engine.plan(scan, request, models)
        assert all(node.short_axis_mm == wanted for node in plan.nodes)
        result = painted(scan, models, plan, request)
        shorts.append(np.mean([record.short_axis_mm for record in result.records]))
    assert shorts == pytest.approx([5.0, 8.0], abs=1.2)


def test_sizes_are_counted_in_bins():
    assert count_by_size([2.0, 3.0, 7.5, 30.0]) == {
        "1.7 to 5 mm": 2,
        "5 to 10 mm": 1,
        "20 to 30 mm": 1,
    }


def test_the_command_plans_and_paints(phantom, tmp_path, run_lngen):
    for name, image in (("ct", phantom.ct), ("labels", phantom.labels)):
        write_image(image, tmp_path / f"{name}.nii.gz")
    given = ["synthesize", str(tmp_path / "ct.nii.gz"), "--device", "cpu"]
    given += ["--anatomy", str(tmp_path / "labels.nii.gz")]
    wish = ["--count", "2", "--long-axis", "5", "8", "--seed", "3"]
    where = ["--stations", "mesorectal", "--stations", "presacral"]
    dry, out = tmp_path / "dry", tmp_path / "out"
    code, text, _ = run_lngen([*given, *wish, *where, "--dry-run", "-o", str(dry)])
    assert code == 0 and "nothing painted" in text and "(source: labels)" in text
    assert [file.name for file in dry.iterdir()] == ["plan.json"]
    stations = {node["station"] for node in json.loads((dry / "plan.json").read_text())["nodes"]}
    assert stations <= {"mesorectal", "presacral"}
    paint = [*given, "--plan", str(dry / "plan.json"), "--artery", "90", "-o", str(out)]
    code, text, _ = run_lngen(paint)
    assert code == 0 and "SYNTHETIC" in text and "arteries of 90 HU (source: given)" in text
    records = json.loads((out / "nodes.json").read_text())["records"]
    assert {record["station"] for record in records} == stations
    code, _, told = run_lngen([*paint, "--region-mask", str(tmp_path / "labels.nii.gz")])
    assert code == 2 and "the plan has its own --region-mask" in told


def test_the_command_takes_a_tumor_as_a_point_or_a_mask(phantom, tmp_path, run_lngen):
    """The largest node lies within 40 mm of it; without --count there are 4 to 8."""
    at = (0.0, -30.0, -45.0)
    index = np.round(ras_to_index(phantom.ct, np.array(at))).astype(int)
    mask = np.zeros(phantom.ct.GetSize()[::-1], np.uint8)
    mask[tuple(slice(k - 1, k + 2) for k in index)] = 1
    images = {"ct": phantom.ct, "labels": phantom.labels, "tumor": like(mask, phantom.ct)}
    for name, image in images.items():
        write_image(image, tmp_path / f"{name}.nii.gz")
    given = ["synthesize", f"{tmp_path}/ct.nii.gz", "--anatomy", f"{tmp_path}/labels.nii.gz"]
    given += ["--dry-run", "--device", "cpu", "--seed", "2", "--allow-fewer"]
    for name, tumor in (("point", "0,-30,-45"), ("mask", f"{tmp_path}/tumor.nii.gz")):
        out = tmp_path / name
        assert run_lngen([*given, "--tumor", tumor, "-o", str(out)])[0] == 0
        plan = Plan.read(out / "plan.json")
        assert plan.request.count is None and 4 <= len(plan.nodes) + len(plan.refused_mm) <= 8
        assert np.abs(np.subtract(plan.request.tumor_mm, at)).max() <= (0 if name == "point" else 3)
        largest = max(plan.nodes, key=lambda node: node.long_axis_mm)
        assert np.linalg.norm(np.subtract(largest.center_ras_mm, at)) <= 46
    code, _, told = run_lngen([*given, "--tumor", "1,2", "-o", f"{tmp_path}/bad"])
    assert code == 2 and "tumor 1,2: give R,A,S in mm, or a mask" in told
