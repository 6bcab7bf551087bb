"""The fatty hilum: how its notch is cut, who has one, and that fat stays in it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from LNGenLib.errors import InputError
from LNGenLib.image.io import to_array
from LNGenLib.randomness import node_rng
from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION
from LNGenLib.structure.hilum import cut_hilum
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.repair import is_valid
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis import engine
from LNGenLib.synthesis.appearance import Appearance, draw_appearance
from LNGenLib.synthesis.painting import ScanTraits, paint_nodes
from LNGenLib.synthesis.plan import Plan
from LNGenLib.synthesis.realizing import shaped
from LNGenLib.synthesis.request import SynthesisRequest

SHAPES = [  # radii of ellipsoids, and how much they are bent
    ((1, 0.8, 0.65), 0.0),
    ((1, 0.95, 0.9), 0.0),
    ((1, 0.6, 0.5), 0.0),
    ((1, 0.85, 0.4), 0.0),
    ((1, 0.75, 0.6), 0.3),
]


def ovoid(radii: tuple[float, ...], bend: float, seed: int) -> Structure:
    """An ellipsoid, or a bean, turned at random."""
    axis = (np.arange(GRID) - (GRID - 1) / 2) * SAMPLE
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    points = points @ Rotation.random(random_state=seed).as_matrix()
    points[..., 1] += bend * (points[..., 0] ** 2 - 0.5)
    near, far = (np.linalg.norm(points / np.power(radii, k), axis=-1) for k in (1, 2))
    return Structure((near * (near - 1) / far).clip(-TRUNCATION, TRUNCATION).astype(np.float32))


@pytest.fixture(scope="module")
def cut() -> list[tuple[Structure, Structure]]:
    """Structures before and after: each shape by two seeds."""
    whole = [ovoid(*shape, seed) for shape in SHAPES for seed in range(2)]
    return [(one, cut_hilum(one, np.random.default_rng(k))) for k, one in enumerate(whole)]


def removed(whole: Structure, notched: Structure) -> np.ndarray:
    """Where the notch is: samples (n, 3) of the frame that were inside."""
    return np.argwhere((whole.tsdf < 0) & (notched.tsdf >= 0))


def test_a_notch_takes_some_of_the_volume_and_nothing_is_added(cut):
    for whole, notched in cut:
        assert 0.65 <= notched.volume(10) / whole.volume(10) <= 0.95
        assert not ((whole.tsdf >= 0) & (notched.tsdf < 0)).any()


def test_a_notched_structure_is_whole_and_as_long_as_it_was(cut):
    for whole, notched in cut:
        inside = notched.tsdf < 0
        assert is_valid(notched.tsdf) and ndimage.label(inside)[1] == 1
        assert notched.sample_mm(10) == pytest.approx(whole.sample_mm(10), rel=0.02)
        assert notched.tsdf.dtype == np.float32 and np.abs(notched.tsdf).max() <= np.float32(0.2)


def test_a_notch_is_open_on_one_side_and_has_a_wall_on_the_other(cut):
    """From its middle a straight way leads out, away from the long axis, and none the other way."""
    for whole, notched in cut:
        ends = notched.axis_points(10)
        along = (ends[1] - ends[0]) / 10
        middle = (removed(whole, notched).mean(0) - (GRID - 1) / 2) * whole.sample_mm(10)
        outward = middle - ends.mean(0)
        outward -= (outward @ along) * along
        outward /= np.linalg.norm(outward)
        way = np.arange(0, 8, 0.1)[:, None] * outward
        assert (notched.distance(middle + way, 10) > 0).all()
        assert (notched.distance(middle - way, 10) < -0.2).any()


def test_a_notch_is_beside_the_middle_and_two_fifths_wide(cut):
    """Its width is that half-way down, in long axes."""
    widths = []
    for whole, notched in cut:
        ends = notched.axis_points(1.0)
        along = ends[1] - ends[0]
        points = (removed(whole, notched) - (GRID - 1) / 2) * whole.sample_mm(1.0) - ends.mean(0)
        place = points @ along
        assert 0.02 < abs(place.mean()) < 0.16
        inward = -(points.mean(0) - place.mean() * along)
        depth = points @ inward / np.linalg.norm(inward)
        middle = np.abs(depth - (depth.min() + depth.max()) / 2) < whole.sample_mm(1.0)
        widths.append(np.ptp(place[middle]))
    assert np.mean(widths) == pytest.approx(0.4, abs=0.04)


def test_rims_are_round(cut):
    """Neighboring triangles turn by tens of degrees at an edge (42 on average without a rim)."""
    sharpest = []
    for _, notched in cut:
        corners = notched.vertices(1.0)[notched.faces()]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        size = np.linalg.norm(normals, axis=1)
        normals /= np.maximum(size, 1e-12)[:, None]
        faces = notched.faces()
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
        owner, order = np.tile(np.arange(len(faces)), 3), np.lexsort(edges.T)
        first, second = owner[order][::2], owner[order][1::2]  # each edge has two triangles
        large = np.minimum(size[first], size[second]) > np.median(size) / 5
        turn = np.degrees(np.arccos((normals[first] * normals[second]).sum(1).clip(-1, 1)))
        sharpest.append(np.quantile(turn[large], 0.995))
    assert np.mean(sharpest) < 30


def test_the_same_generator_gives_the_same_notch():
    whole = ovoid(*SHAPES[0], 1)
    one, same, other = (cut_hilum(whole, np.random.default_rng(k)).tsdf for k in (3, 3, 4))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_a_rod_too_thin_for_any_notch_is_left_whole():
    """A rod of two samples' width has no room for a wall."""
    tsdf = np.full((GRID,) * 3, 0.2, np.float32)
    tsdf[3:29, 15:17, 15:17] = -SAMPLE / 2
    rod = Structure(tsdf)
    notched = cut_hilum(rod, np.random.default_rng(0))
    assert is_valid(notched.tsdf) and notched.sample_mm(1) == pytest.approx(
        rod.sample_mm(1), rel=0.02
    )


@pytest.mark.parametrize(
    "long_axis, share", [(3, 0.05), (4.99, 0.05), (5, 0.25), (9.99, 0.25), (10, 0.45), (30, 0.45)]
)
def test_so_many_have_a_hilum_by_their_size(long_axis, share):
    request = SynthesisRequest(seed=7, suspicious=0.0)
    have = [draw_appearance(request, number, long_axis).hilum for number in range(2000)]
    assert np.mean(have) == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_so_many_have_a_hilum_as_are_asked_for(share):
    request = SynthesisRequest(seed=7, hilum=share)
    have = [draw_appearance(request, number, 4.0).hilum for number in range(2000)]
    assert np.mean(have) == pytest.approx(share, abs=0.03 if 0 < share < 1 else 0)


def test_only_those_with_a_hilum_are_cut():
    whole = ovoid(*SHAPES[0], 1)
    assert shaped(whole, 9, Appearance("benign"), 5) is whole
    cut = shaped(whole, 9, Appearance("benign", hilum=True), 5)
    assert np.array_equal(cut.tsdf, cut_hilum(whole, node_rng(5, 9, "notch")).tsdf)


def test_fat_stays_in_the_notch(models):
    """Nodes of 12 to 16 mm in fat at 1 mm, edges as wide as a scanner's."""
    spacing, turns = np.ones(3), Rotation.random(2, random_state=2).as_matrix()
    rng = np.random.default_rng(0)
    hu = (ndimage.gaussian_filter(rng.normal(0, 40, (44, 44, 44)), 0.6) - 95).astype(np.int16)
    grid = np.indices(hu.shape)
    box = tuple(slice(0, n) for n in hu.shape)
    for k, (long_axis, turn) in enumerate(zip((12, 16), turns)):
        whole = LymphNode(ovoid(*SHAPES[0], 0), long_axis, turn, np.full(3, 21.3), spacing)
        notched = dataclasses.replace(
            whole, structure=cut_hilum(whole.structure, node_rng(1, k, ""))
        )
        taken = whole.occupancy(box) - notched.occupancy(box)
        middle = (grid * taken).sum((1, 2, 3)) / taken.sum()
        near = np.linalg.norm(grid - middle.reshape(3, 1, 1, 1), axis=0) <= 1.2
        painted = paint_nodes(
            hu, [notched], k, models.texture, 3, means=[85.0], traits=ScanTraits(0.8, 60)
        )
        assert painted.hu[near].mean() < -60
        core = ndimage.binary_erosion(painted.labels > 0)
        assert painted.hu[core].mean() > 50


ALL = SynthesisRequest(3, Sizes("uniform", 9, 12), 4, texture_steps=2, structure_steps=4, hilum=1.0)


@pytest.fixture(scope="module")
def plan(scan, models) -> Plan:
    return engine.plan(scan, ALL, models)


def test_a_plan_with_hila_is_painted_as_it_was_planned(scan, models, plan, tmp_path):
    assert all(node.hilum for node in plan.nodes)
    plan.write(tmp_path / "plan.json")
    at_once = engine.synthesize(scan, ALL, models)
    planned = engine.paint(scan, Plan.read(tmp_path / "plan.json"), ALL, models)
    assert np.array_equal(to_array(at_once.nodes), to_array(planned.nodes))
    assert [r.volume_mm3 for r in at_once.records] == [r.volume_mm3 for r in planned.records]
    assert all(record.hilum for record in planned.records)
    for record in planned.records:
        assert record.long_axis_mm == pytest.approx(record.wanted_long_axis_mm, rel=0.02)


def test_a_node_of_a_plan_keeps_its_hilum_and_can_lose_it(scan, models, plan):
    first, second, third = plan.nodes
    edited = dataclasses.replace(
        plan,
        nodes=(
            dataclasses.replace(first, long_axis_mm=8.5),
            dataclasses.replace(second, hilum=False),
        ),
    )
    records = engine.paint(scan, edited, models=models).records
    assert [record.hilum for record in records] == [True, False]
    before = engine.paint(scan, plan, models=models).records
    volume = before[0].volume_mm3 * (8.5 / first.long_axis_mm) ** 3
    assert records[0].volume_mm3 == pytest.approx(volume, rel=1e-3)
    assert records[1].volume_mm3 > 1.05 * before[1].volume_mm3


def test_hila_are_drawn_by_size_where_nothing_is_said(scan, models):
    request = dataclasses.replace(ALL, hilum=None, count=6, allow_fewer=True, suspicious=0.0)
    plan = engine.plan(scan, request, models)
    for node in plan.nodes:
        assert node.look == draw_appearance(request, node.index, node.long_axis_mm)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(InputError, match="give the share that have one, 0 to 1"):
        SynthesisRequest(hilum=share)
