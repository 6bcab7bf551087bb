"""Benign or suspicious: how many have which attribute, and that they look it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_hilum import SHAPES, ovoid

from LNGenLib.errors import InputError
from LNGenLib.image.io import to_array
from LNGenLib.structure.ellipsoids import EllipsoidModel
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape_range import ANY_SHAPE, ShapeRange
from LNGenLib.structure.sizes import LARGEST, SMALLEST, Sizes
from LNGenLib.synthesis import engine
from LNGenLib.synthesis.appearance import (
    AXIS_RATIO,
    IRREGULAR,
    SMOOTH,
    Appearance,
    draw_appearance,
    draw_unevenness,
    shape_of,
)
from LNGenLib.synthesis.plan import Plan
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.texture.blending import Tissue
from LNGenLib.texture.patch import patch_distance, patch_step
from LNGenLib.texture.unevenness import CORRELATION, uneven

KINDS = ("benign", "suspicious")
BALL = LymphNode(ovoid((1, 0.95, 0.9), 0.0, 0), 16.0, np.eye(3), np.zeros(3), np.ones(3))


def shares(long_axis: float, **asked) -> dict[str, float]:
    """Of 2,000 lymph nodes of this long axis (mm), the share with each attribute."""
    request = SynthesisRequest(seed=11, **asked)
    looks = [draw_appearance(request, number, long_axis) for number in range(2000)]
    names = "irregular", "hilum", "necrosis"
    suspicious = np.mean([look.appearance == "suspicious" for look in looks])
    return {name: np.mean([getattr(look, name) for look in looks]) for name in names} | {
        "suspicious": suspicious
    }


@pytest.mark.parametrize(
    "long_axis, hilum, irregular, necrosis",
    [
        (3, 0.05, 0, 0),
        (4.99, 0.05, 0, 0),
        (5, 0.25, 0.5, 0),
        (7.99, 0.25, 0.5, 0),
        (8, 0.25, 0.5, 0.05),
        (10, 0.45, 0.5, 0.05),
        (14.99, 0.45, 0.5, 0.05),
        (15, 0.45, 0.5, 0.2),
        (30, 0.45, 0.5, 0.2),
    ],
)
def test_so_many_have_each_attribute_by_their_size(long_axis, hilum, irregular, necrosis):
    benign = shares(long_axis, appearance="benign")
    none = {"irregular": 0, "necrosis": 0, "suspicious": 0}
    assert benign == {"hilum": pytest.approx(hilum, abs=0.03)} | none
    near = {"irregular": irregular, "necrosis": necrosis}
    near = {name: pytest.approx(share, abs=0.03 if share else 0) for name, share in near.items()}
    assert shares(long_axis, appearance="suspicious") == near | {"hilum": 0, "suspicious": 1}
    mixed = {
        name: 0.3 * share for name, share in (("irregular", irregular), ("necrosis", necrosis))
    }
    mixed |= {"hilum": 0.7 * hilum, "suspicious": 0.3}
    assert shares(long_axis) == {
        name: pytest.approx(share, abs=0.03 if share else 0) for name, share in mixed.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_for_counts_more_than_the_appearance(kind):
    found = shares(6, appearance=kind, hilum=0.6, necrosis=0.4)
    assert found["hilum"] == pytest.approx(0.6, abs=0.03)
    assert found["necrosis"] == pytest.approx(0.4, abs=0.03)
    assert shares(6, suspicious=0.8)["suspicious"] == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    "fields, word",
    [
        ({"appearance": "malignant"}, "give benign, suspicious, mixed"),
        ({"suspicious": 1.1}, "suspicious 1.1: give the share that are"),
        ({"necrosis": float("nan")}, "give the share that have one"),
    ],
)
def test_what_is_no_appearance_is_refused(fields, word):
    with pytest.raises(InputError, match=word):
        SynthesisRequest(**fields)


def test_every_size_has_shapes_that_look_benign_and_suspicious(models):
    for long_axis in np.geomspace(SMALLEST, LARGEST, 20):
        for look in (
            Appearance("benign"),
            Appearance("suspicious"),
            Appearance("suspicious", True),
        ):
            if look.irregular and long_axis < 5:  # none is drawn
                continue
            wanted = ShapeRange(
                AXIS_RATIO[look.appearance], IRREGULAR if look.irregular else SMOOTH
            )
            assert shape_of(look, ANY_SHAPE, long_axis, models.structure) == wanted


def test_shapes_that_are_asked_for_stay_and_the_rest_gives_way(models):
    asked = ShapeRange(axis_ratio=(0.9, 1.0))
    wanted = shape_of(Appearance("benign"), asked, 8.0, models.structure)
    assert wanted == ShapeRange((0.9, 1.0), SMOOTH)
    odd = ShapeRange(irregularity=(0.1, 0.2))  # no benign one of 16 mm is as irregular and as oval
    drawn = shape_of(Appearance("suspicious"), odd, 5.5, models.structure)
    assert drawn == odd  # which says itself that there is none
    ellipsoids = EllipsoidModel()
    assert shape_of(Appearance("benign"), ANY_SHAPE, 8.0, ellipsoids) == ANY_SHAPE
    assert draw_appearance(SynthesisRequest(), 0, 20.0, either=False) == Appearance(None)


@pytest.mark.parametrize("necrosis", [False, True])
@pytest.mark.parametrize("shape, long_axis", [(0, 3.0), (1, 9.0), (3, 16.0), (4, 25.0)])
def test_tissue_keeps_its_mean_and_varies_as_told(shape, long_axis, necrosis):
    node = LymphNode(ovoid(*SHAPES[shape], 1), long_axis, np.eye(3), np.zeros(3), np.ones(3))
    plain = Tissue(np.full((32, 32, 32), 85.0), patch_step(long_axis))
    varied = uneven(plain, node, 12.0, necrosis, np.random.default_rng(shape))
    inside = patch_distance(node.structure, node.rotation, long_axis) <= 0
    assert varied.hu[inside].mean() == pytest.approx(85, abs=0.1)
    if not necrosis:
        assert varied.hu[inside].std() == pytest.approx(12, rel=0.05)


def test_unevenness_is_correlated_over_a_third_of_the_long_axis():
    plain, ratios = Tissue(np.zeros((32, 32, 32)), patch_step(16.0)), []
    lag = round(CORRELATION * 16.0 / plain.step)
    inside = patch_distance(BALL.structure, BALL.rotation, 16.0) <= 0
    both = inside[lag:] & inside[:-lag]
    for seed in range(100):
        hu = uneven(plain, BALL, 10.0, False, np.random.default_rng(seed)).hu
        ratios.append((hu[lag:] * hu[:-lag])[both].mean() / 100)
    # exp(-1), less what the field's mean in the node, which is taken out, had of it
    assert 0.05 < np.mean(ratios) < np.exp(-1)


def test_a_necrosis_is_a_dark_core_in_a_brighter_rim():
    depth = -patch_distance(BALL.structure, BALL.rotation, 16.0)
    plain = Tissue(np.full((32, 32, 32), 85.0), patch_step(16.0))
    for seed in range(10):
        hu = uneven(plain, BALL, 5.0, True, np.random.default_rng(seed)).hu
        assert 10 < hu[depth > 0.85 * depth.max()].mean() < 45
        assert hu[(depth > 0) & (depth < 0.3 * depth.max())].mean() > 87
        part = np.cbrt((hu[depth > 0] < 60).mean())
        assert 0.35 < part < 0.65  # of the diameter


REQUEST = SynthesisRequest(
    6, Sizes("uniform", 9, 14), 8, texture_steps=2, structure_steps=4, suspicious=0.5, necrosis=0.5
)


def test_a_plan_paints_what_the_request_does_and_the_record_tells_it(scan, models, tmp_path):
    plan = engine.plan(scan, REQUEST, models)
    assert {node.appearance for node in plan.nodes} == set(KINDS)
    assert {node.necrosis for node in plan.nodes} == {False, True}
    plan.write(tmp_path / "plan.json")
    at_once = engine.synthesize(scan, REQUEST, models)
    painted = engine.paint(scan, Plan.read(tmp_path / "plan.json"), models=models)
    assert at_once.records == painted.records
    assert np.array_equal(to_array(at_once.ct), to_array(painted.ct))
    for node, record, made in zip(plan.nodes, painted.records, painted.lymph_nodes, strict=True):
        assert node.look == draw_appearance(REQUEST, node.index, node.long_axis_mm)
        assert (record.appearance, record.necrosis) == (node.appearance, node.necrosis)
        ratio = record.short_axis_mm / record.long_axis_mm
        assert record.axis_ratio == pytest.approx(ratio, abs=0.02)
        assert record.irregularity == pytest.approx(made.structure.irregularity, abs=1e-3)
        own = draw_unevenness(node.appearance, REQUEST.seed, node.index)
        assert record.unevenness_hu == pytest.approx(own, abs=0.01)


def test_a_node_of_a_plan_can_look_otherwise(scan, models):
    plan = engine.plan(scan, dataclasses.replace(REQUEST, count=1, necrosis=1.0), models)
    healed = dataclasses.replace(plan, nodes=(dataclasses.replace(plan.nodes[0], necrosis=False),))
    before, after = (engine.paint(scan, one, models=models) for one in (plan, healed))
    core = np.array(
        scan.hu.TransformPhysicalPointToIndex(
            tuple(np.multiply(before.records[0].center_ras_mm, (-1, -1, 1)).tolist())
        )
    )[::-1]
    assert to_array(before.ct)[tuple(core)] < to_array(after.ct)[tuple(core)] - 20


def test_benign_and_suspicious_ones_differ(models):
    """In axis ratio, irregularity, and evenness of 16 nodes each at 16 mm."""
    ratios, borders = {}, {}
    for look in (Appearance("benign"), Appearance("suspicious"), Appearance("suspicious", True)):
        shape = shape_of(look, ANY_SHAPE, 16.0, models.structure)
        drawn = models.structure.sample(range(16), [16.0] * 16, 2, 6, shapes=shape).structures
        ratios[look] = np.median([one.short_axis(1.0) for one in drawn])
        borders[look] = np.median([one.irregularity for one in drawn])
    benign, smooth, irregular = ratios
    assert ratios[benign] < 0.75 < ratios[smooth] and 0.75 < ratios[irregular]
    assert max(borders[benign], borders[smooth]) < 0.03 < borders[irregular]
    unevenness = [[draw_unevenness(kind, 1, k) for k in range(99)] for kind in KINDS]
    assert max(unevenness[0]) == 5 and 10 <= min(unevenness[1]) and max(unevenness[1]) <= 15
