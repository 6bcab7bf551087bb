"""Benign or suspicious: how many have which attribute, and that they look it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from pool_data import SIZES
from scipy import ndimage, spatial
from test_hilum import SHAPES, ovoid

from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.drawing import make_pool
from LNGenLib.datasets.pool import Pool
from LNGenLib.errors import InputError
from LNGenLib.image.grid import inside_grid
from LNGenLib.image.io import to_array
from LNGenLib.image.noise import Noise
from LNGenLib.progress import SILENT
from LNGenLib.structure.border import lobulated
from LNGenLib.structure.ellipsoids import EllipsoidModel
from LNGenLib.structure.frame import SAMPLE, TRUNCATION
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.repair import is_valid
from LNGenLib.structure.shape_range import ANY_SHAPE, ShapeRange
from LNGenLib.structure.sizes import LARGEST, SMALLEST, Sizes
from LNGenLib.synthesis import engine
from LNGenLib.synthesis.appearance import (
    AXIS_RATIO,
    SMOOTH,
    Appearance,
    draw_appearance,
    draw_unevenness,
)
from LNGenLib.synthesis.painting import ScanTraits, blend_all, vary
from LNGenLib.synthesis.plan import Phase, Plan
from LNGenLib.synthesis.planning import make_plan
from LNGenLib.synthesis.realizing import sample_structures, shape_of
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.texture.blending import (
    REACH,
    BlendedNode,
    Scanner,
    Tissue,
    scanned,
    within_reach,
)
from LNGenLib.texture.patch import patch_distance, patch_step
from LNGenLib.texture.stranding import with_strands
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
        for kind in KINDS:
            wanted = ShapeRange(AXIS_RATIO[kind], SMOOTH)
            assert shape_of(Appearance(kind), ANY_SHAPE, long_axis, models.structure) == wanted


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


@pytest.mark.parametrize("asked", [(0.0, 0.02), (0.05, 1.0)])
def test_where_irregularity_is_asked_for_no_border_is_made_lobulated(asked):
    shape = ShapeRange(irregularity=asked)
    assert shares(12, appearance="suspicious", shape=shape)["irregular"] == 0
    round_ones = ShapeRange(axis_ratio=(0.9, 1.0))
    assert shares(12, appearance="suspicious", shape=round_ones)["irregular"] > 0.4


@pytest.mark.parametrize("long_axis", [5.0, 20.0])
def test_as_many_are_irregular_as_are_drawn_so(models, long_axis):
    """Of 100 suspicious ones; by measure, of 30 of them."""
    request = SynthesisRequest(seed=4, structure_steps=4, appearance="suspicious")
    looks = [draw_appearance(request, number, long_axis) for number in range(100)]
    assert np.mean([look.irregular for look in looks]) == pytest.approx(0.5, abs=0.1)
    some = [long_axis] * 30, looks[:30], [ANY_SHAPE] * 30
    drawn = sample_structures(request, models.structure, range(30), *some, SILENT).structures
    measured = np.array([one.irregularity for one in drawn])
    irregular = np.array([look.irregular for look in looks[:30]])
    assert (measured[irregular] >= 0.055).all()
    assert (measured >= 0.05).mean() == pytest.approx(irregular.mean(), abs=0.03)


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_a_lobulated_structure_is_whole_in_its_frame_and_as_round_as_it_was(shape):
    smooth = ovoid(*SHAPES[shape], shape)
    one, same, other = (lobulated(smooth, np.random.default_rng(k)) for k in (3, 3, 4))
    assert np.array_equal(one.tsdf, same.tsdf) and not np.array_equal(one.tsdf, other.tsdf)
    for made in (one, other):
        assert is_valid(made.tsdf) and made.tsdf.dtype == np.float32
        assert np.abs(made.tsdf).max() == np.float32(TRUNCATION)
        assert made.sample_mm(2.0) == pytest.approx(SAMPLE, rel=0.02)
        middle = made.vertices(2.0).min(0) + made.vertices(2.0).max(0)
        assert np.abs(middle).max() < SAMPLE
        assert made.irregularity > max(0.055, smooth.irregularity + 0.03)
        assert made.short_axis(1.0) == pytest.approx(smooth.short_axis(1.0), abs=0.05)


def test_lobes_are_round_and_few():
    """Noise on a surface has many small bumps; lobes have their tops far apart."""
    for seed in range(6):
        vertices = lobulated(BALL.structure, np.random.default_rng(seed)).vertices(2.0)[::3]
        out = np.linalg.norm(vertices - vertices.mean(0), axis=1)
        near = spatial.cKDTree(vertices).query_ball_point(vertices, 0.25)
        tops = [k for k, others in enumerate(near) if out[k] == out[others].max()]
        assert 3 <= len(tops) <= 8


SCANNER = Scanner(Noise(0.0, (0.0, 0.0, 0.0)), 0.7)


def stranded(node: LymphNode, seed: int) -> tuple[BlendedNode, BlendedNode]:
    """A node of 80 HU painted into fat, without strands and with them."""
    hu = np.full(np.ceil(2 * node.center).astype(int) + 1, -100, np.int16)
    tissue = Tissue(np.full((32, 32, 32), 80.0), patch_step(node.long_axis))
    box = inside_grid(node.box(REACH), hu.shape)
    share = scanned(node, box, SCANNER.spread)
    painted = tissue.blend(hu[box], box, node, share, SCANNER, np.random.default_rng(0))
    return painted, with_strands(painted, node, 80.0, SCANNER, np.random.default_rng(seed))


def raised(spacing: tuple[float, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """HU by which strands raise fat, and its distance from the label in mm."""
    spaced = np.array(spacing)
    node = LymphNode(BALL.structure, 12.0, np.eye(3), np.round(12 / spaced), spaced)
    before, after = stranded(node, seed)
    assert np.array_equal(before.label, after.label) and np.array_equal(before.share, after.share)
    by = after.hu.astype(float) - before.hu
    assert not by[~within_reach(before.label, spaced)].any() and not by[~after.changed].any()
    far = ndimage.distance_transform_edt(~before.label, sampling=spaced)
    return by[far > 0], far[far > 0]


def test_strands_raise_the_fat_next_to_a_node_in_places_and_fade_out():
    found = [raised((0.8, 0.7, 0.7), seed) for seed in range(8)]
    by, far = (np.concatenate(values) for values in zip(*found, strict=True))
    next_to = by[far <= 1.2]
    assert 10 <= np.quantile(next_to, 0.8) and np.quantile(next_to, 0.97) <= 40
    assert 0.2 < (next_to > 5).mean() < 0.7  # broken up
    assert by[(far > 2) & (far <= 3)].mean() < 0.1 * next_to.mean()


def test_strands_are_blurred_to_little_by_thick_slices():
    thin, thick = (
        np.concatenate([raised(s, k)[0] for k in range(8)])
        for s in ((0.8, 0.7, 0.7), (5, 0.7, 0.7))
    )
    assert np.quantile(thick[thick > 1], 0.95) < 0.7 * np.quantile(thin[thin > 1], 0.95)


def test_strands_stay_out_of_air_and_do_not_darken_what_is_bright():
    node = LymphNode(BALL.structure, 12.0, np.eye(3), np.array([16.0] * 3), np.ones(3))
    before, _ = stranded(node, 1)
    air = dataclasses.replace(
        before, hu=np.where(before.changed, before.hu, -1000).astype(np.int16)
    )
    after = with_strands(air, node, 80.0, SCANNER, np.random.default_rng(1))
    assert (after.hu[air.hu == -1000] == -1000).all()


def test_strands_lie_in_fat_alone():
    """Muscle beside a node stays as it is."""
    node = LymphNode(BALL.structure, 12.0, np.eye(3), np.full(3, 12.0), np.ones(3))
    before, in_fat = stranded(node, 1)
    beside = ~before.changed
    assert (in_fat.hu[beside] != before.hu[beside]).any()
    muscle = dataclasses.replace(before, hu=np.where(beside, 60, before.hu).astype(np.int16))
    after = with_strands(muscle, node, 80.0, SCANNER, np.random.default_rng(1))
    assert (after.hu[beside] == 60).all() and not after.changed[beside].any()


def test_only_irregular_nodes_have_strands():
    hu = np.full((40, 40, 40), -100, np.int16)
    hu += np.random.default_rng(0).normal(0, 10, hu.shape).astype(np.int16)
    traits = ScanTraits(0.7, Phase(60.0, 60.0, "none"))
    node, tissue = BALL.at(np.full(3, 20.0)), Tissue(np.full((32, 32, 32), 80.0), patch_step(16.0))
    smooth, irregular = (
        blend_all(
            hu.copy(), [node], [tissue], [80.0], 1, traits, [0], [Appearance("suspicious", one)]
        )
        for one in (False, True)
    )
    assert irregular.changed.sum() > smooth.changed.sum()
    assert np.array_equal(irregular.labels, smooth.labels)
    assert irregular.conspicuity == smooth.conspicuity
    plain = blend_all(hu.copy(), [node], [tissue], [80.0], 1, traits, [0])
    assert np.array_equal(plain.hu, smooth.hu)
    untouched = irregular.changed == 0
    assert np.array_equal(irregular.hu[untouched], hu[untouched])


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
    assert {node.irregular for node in plan.nodes} == {False, True}
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
    """In axis ratio, irregularity, and evenness of 8 nodes each at 16 mm."""
    ratios, borders = {}, {}
    request = SynthesisRequest(seed=2, structure_steps=6)
    for look in (Appearance("benign"), Appearance("suspicious"), Appearance("suspicious", True)):
        alike = [16.0] * 8, [look] * 8, [ANY_SHAPE] * 8
        drawn = sample_structures(request, models.structure, range(8), *alike, SILENT).structures
        ratios[look] = np.median([one.short_axis(1.0) for one in drawn])
        borders[look] = np.median([one.irregularity for one in drawn])
    benign, smooth, irregular = ratios
    assert ratios[benign] < 0.75 < ratios[smooth] and 0.75 < ratios[irregular]
    assert max(borders[benign], borders[smooth]) < 0.06 < borders[irregular]
    unevenness = [[draw_unevenness(kind, 1, k) for k in range(99)] for kind in KINDS]
    assert max(unevenness[0]) == 5 and 10 <= min(unevenness[1]) and max(unevenness[1]) <= 15


def test_a_pool_has_the_irregular_ones_of_its_looks(crops, models, tmp_path):
    make_pool(read_cases(crops), tmp_path / "pool", 6, SIZES, 3, models)
    pool = Pool(tmp_path / "pool")
    lobed = [pool.look(k).irregular for k in range(6)]
    assert any(lobed) and not all(lobed)
    for k in range(6):
        if lobed[k]:
            assert pool.structure(k).irregularity >= 0.05


def test_a_necrotic_core_is_as_dark_in_every_scan(crops, models, tmp_path):
    """Of a painted pool, too, whatever the mean HU that its tissue was made at."""
    make_pool(read_cases(crops), tmp_path, 6, Sizes("uniform", 16.0, 16.0), 9, models, True)
    pool, turn = Pool(tmp_path), np.eye(3)
    necrotic = [k for k in range(6) if pool.look(k).necrosis]
    assert len(necrotic) == 2
    for k in necrotic:
        node = dataclasses.replace(BALL, structure=pool.structure(k))
        depth = patch_distance(node.structure, turn, 16.0)
        deep = depth < 0.8 * depth.min()
        for mean in (60.0, 140.0):
            even = pool.tissue(k, turn, mean)
            assert even.hu[deep].mean() == pytest.approx(mean, abs=15)
            [cored] = vary([even], [node], 5, [k], [pool.look(k)])
            assert 0 < cored.hu[deep].mean() < 45


def test_nodes_by_difftumor_have_one_look():
    request = SynthesisRequest(2, appearance="suspicious")
    with pytest.raises(InputError, match="all look alike"):
        make_plan(None, request, None, EllipsoidModel(), SILENT, None)
    with pytest.raises(InputError, match="give benign or suspicious"):
        Appearance("malignant")
