"""Results in the scene: what is shown, what is saved with it, undo in any order."""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.image.io import like, to_array
from LNGenLib.synthesis.result import LymphNodeRecord, SynthesisResult

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
import vtk  # noqa: E402

from LNGenLib.mrml.results import (  # noqa: E402
    TO_CT,
    TO_SEGMENTATION,
    TO_TABLE,
    add_result,
    read_result,
    records,
)
from LNGenLib.mrml.undo import undo, undo_all  # noqa: E402
from LNGenLib.mrml.volumes import to_image, to_volume  # noqa: E402

SHAPE = (10, 16, 18)


def record(label: int) -> LymphNodeRecord:
    return LymphNodeRecord(
        label=label,
        center_ras_mm=(1.0, 2.0, 3.0 + label),
        wanted_long_axis_mm=8.3,
        long_axis_mm=8.0 + label / 10,
        short_axis_mm=6.0,
        recist_axis_mm=7.0,
        long_axis_ras_mm=((0.0, 0.0, 0.0), (0.0, 0.0, 8.3)),
        volume_mm3=14137.123,
        grid_volume_mm3=14137.125,
        mean_hu=60.0,
        surrounding_mean_hu=None if label == 2 else -90.5,
        noise_hu=10.0,
        structure_repaired=False,
        seed=3,
        station="mesorectal" if label == 1 else None,
        recist_short_axis_mm=None if label == 2 else 5.5,
    )


def painted(centers, radius: float, band: float, seed: int = 0):
    """A CT of noise, and a result by hand: balls round `centers` (z, y, x) that do not overlap,
    though their changed bands may; the later is painted over the earlier. Oblique voxels."""
    rng = np.random.default_rng(seed)
    ct = sitk.GetImageFromArray(rng.integers(-1000, 1000, SHAPE).astype(np.int16))
    ct.SetSpacing((0.8, 0.8, 2.0))
    ct.SetOrigin((-12.5, 30.25, 7.0))
    ct.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, 0.0, -0.4).GetMatrix())
    hu, labels = to_array(ct), np.zeros(SHAPE, np.uint16)
    changed, off = np.zeros(SHAPE, np.uint8), [distance_mm(center) for center in centers]
    for label, own in enumerate(off, 1):
        labels[(own <= radius) & (own == np.min(off, axis=0)) & (labels == 0)] = label
        near = own <= radius + band
        hu[near] += rng.integers(1, 300, near.sum()).astype(np.int16)
        changed[near] = 1
    kept = [label for label in range(1, len(centers) + 1) if (labels == label).any()]
    result = SynthesisResult(
        *(like(array, ct) for array in (hu, labels, changed)),
        tuple(record(label) for label in kept),
        {"software": "LNGen test", "request": {"seed": 3}, "note": 'é ":;|%20\n'},
    )
    return ct, result


def distance_mm(center) -> np.ndarray:
    grid = np.moveaxis(np.indices(SHAPE), 0, -1)
    return np.linalg.norm((grid - center) * (2.0, 0.8, 0.8), axis=-1)


THREE = [(4, 5, 5), (4, 5, 11), (6, 12, 8)]


@pytest.fixture
def case(scene):
    """CT volume, synthetic volume and result; the bands of the three lymph nodes overlap."""
    ct, result = painted(THREE, radius=2.2, band=1.7)
    volume = to_volume(scene, ct, "Pelvis")
    return volume, add_result(volume, result), result


def hu(volume) -> np.ndarray:
    return slicer.util.arrayFromVolume(volume).copy()


def assert_equal(one: SynthesisResult, other: SynthesisResult) -> None:
    for name in ("ct", "nodes", "changed"):
        images = [getattr(each, name) for each in (one, other)]
        assert np.array_equal(*map(to_array, images)), name
        assert images[0].GetPixelID() == images[1].GetPixelID()
    assert one.records == other.records
    assert one.provenance == other.provenance


def test_a_result_comes_back_as_it_was(case):
    _, synthetic, result = case
    assert_equal(read_result(synthetic), result)


def test_the_user_sees_what_is_synthetic(case):
    """Names, marks and places: beside the CT, which is not touched."""
    ct, synthetic, result = case
    scene = ct.GetScene()
    assert synthetic.GetName() == "Pelvis SYNTHETIC"
    segmentation, table = (synthetic.GetNodeReference(r) for r in (TO_SEGMENTATION, TO_TABLE))
    assert synthetic.GetNodeReference(TO_CT) is ct
    for node in (synthetic, segmentation, table):
        assert "SYNTHETIC" in node.GetName()
        assert "SYNTHETIC" in node.GetAttribute("LNGen.synthetic")
    assert json.loads(synthetic.GetAttribute("LNGen.provenance"))["software"] == "LNGen test"
    assert ct.GetName() == "Pelvis" and not ct.GetAttributeNames()
    visible = [
        scene.GetNthNode(k).GetName()
        for k in range(scene.GetNumberOfNodes())
        if not scene.GetNthNode(k).GetHideFromEditors()
        and scene.GetNthNode(k).IsA("vtkMRMLStorableNode")
        and not scene.GetNthNode(k).IsA("vtkMRMLColorNode")
    ]
    assert sorted(visible) == [
        "Pelvis",
        "Pelvis SYNTHETIC",
        "Pelvis SYNTHETIC lymph nodes",
        "Pelvis SYNTHETIC records",
    ]


def test_the_result_is_shown_with_the_window_of_the_ct(scene):
    ct, result = painted(THREE, 2.2, 1.7)
    volume = to_volume(scene, ct, "Pelvis")
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevel(350, 45)
    display = add_result(volume, result).GetDisplayNode()
    assert display is not volume.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (350, 45)
    assert not display.GetAutoWindowLevel()


def test_each_lymph_node_is_a_segment(case):
    _, synthetic, _ = case
    segmentation = synthetic.GetNodeReference(TO_SEGMENTATION).GetSegmentation()
    names = [segmentation.GetNthSegment(k).GetName() for k in range(3)]
    assert names == ["LN 1 8.1 mm", "LN 2 8.2 mm", "LN 3 8.3 mm"]
    for k in range(3):
        segment, tag = segmentation.GetNthSegment(k), vtk.reference("")
        assert np.allclose(np.array(segment.GetColor()) * 255, (68, 172, 100))
        assert segment.GetTag(segment.GetTerminologyEntryTagName(), tag)
        assert "SCT^59441001^Lymph node" in str(tag)


def test_the_table_has_a_row_a_lymph_node(case):
    table = case[1].GetNodeReference(TO_TABLE)
    header = [table.GetColumnName(k) for k in range(table.GetNumberOfColumns())]
    rows = [
        dict(zip(header, (table.GetCellText(row, k) for k in range(len(header)))))
        for row in range(table.GetNumberOfRows())
    ]
    assert [row["label"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["station"] == "mesorectal" and rows[1]["station"] == ""
    assert [float(rows[2][name]) for name in ("R mm", "A mm", "S mm")] == [1, 2, 6]
    assert float(rows[1]["long axis mm"]) == 8.2
    assert float(rows[0]["in-plane long axis mm"]) == 7.0
    short = [row["in-plane short axis mm"] for row in rows]
    assert (float(short[0]), short[1]) == (5.5, "nan"), "records of older results do not tell it"
    assert float(rows[0]["HU around"]) == -90.5 and rows[1]["HU around"] == "nan"


def test_results_follow_the_transform_of_the_ct(scene):
    """Turned by 90 degrees and moved: the result is made in the world, shown under the transform,
    and read back in the world."""
    ct, result = painted(THREE, 2.2, 1.7)
    volume = to_volume(scene, ct, "Pelvis")
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "turned")
    matrix = np.array([[0.0, -1, 0, 7], [1, 0, 0, 0], [0, 0, 1, -3], [0, 0, 0, 1]])
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(InputError, match="another geometry"):
        add_result(volume, result)
    assert scene.GetNodesByClass("vtkMRMLScalarVolumeNode").GetNumberOfItems() == 1
    world = to_image(volume)
    moved = SynthesisResult(
        *(like(to_array(getattr(result, name)), world) for name in ("ct", "nodes", "changed")),
        result.records,
        result.provenance,
    )
    synthetic = add_result(volume, moved)
    assert synthetic.GetParentTransformNode() is transform
    assert synthetic.GetNodeReference(TO_SEGMENTATION).GetParentTransformNode() is transform
    back = read_result(synthetic)
    assert_equal(back, moved)
    assert np.allclose(back.ct.GetOrigin(), world.GetOrigin())
    synthetic.SetAndObserveTransformNodeID(None)
    assert np.allclose(to_image(synthetic).GetDirection(), ct.GetDirection())


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_undo_in_any_order(case, order):
    ct, synthetic, result = case
    labels, after = to_array(result.nodes), to_array(result.ct)
    gone = []
    for label in order:
        undo(synthetic, label)
        gone.append(label)
        now, left = hu(synthetic), [k for k in (1, 2, 3) if k not in gone]
        assert np.array_equal(now[np.isin(labels, gone)], hu(ct)[np.isin(labels, gone)])
        assert np.array_equal(now[np.isin(labels, left)], after[np.isin(labels, left)])
        assert [each.label for each in records(synthetic)] == left
        table = synthetic.GetNodeReference(TO_TABLE)
        rows = [table.GetCellText(row, 0) for row in range(table.GetNumberOfRows())]
        assert rows == [str(k) for k in left]
        back = read_result(synthetic)
        assert np.array_equal(to_array(back.nodes), np.where(np.isin(labels, left), labels, 0))
        assert back.provenance["undone"] == gone
        assert to_array(back.changed)[now != hu(ct)].all()
    assert np.array_equal(hu(synthetic), hu(ct))
    assert not to_array(read_result(synthetic).changed).any()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    centers=st.lists(
        st.tuples(*(st.integers(0, n - 1) for n in SHAPE)), min_size=1, max_size=5, unique=True
    ),
    radius=st.floats(0.1, 4),
    band=st.floats(0, 4),
    seed=st.integers(0, 100),
    data=st.data(),
)
def test_what_is_left_does_not_depend_on_the_order_of_undo(
    scene, centers, radius, band, seed, data
):
    """Of some lymph nodes, undone in two orders; with the others, the CT is back bit for bit."""
    ct, result = painted(centers, radius, band, seed)
    volume = to_volume(scene, ct, "CT")
    before, after, labels = to_array(ct), to_array(result.ct), to_array(result.nodes)
    numbers = [each.label for each in result.records]
    order = data.draw(st.permutations(numbers))
    some = order[: data.draw(st.integers(0, len(order)))]
    left = []
    for first in (some, data.draw(st.permutations(some))):
        synthetic = add_result(volume, result)
        for label in first:
            undo(synthetic, label)
        left.append(hu(synthetic))
    assert np.array_equal(*left)
    gone, others = (np.isin(labels, part) for part in (some, set(numbers) - set(some)))
    assert np.array_equal(left[0][gone], before[gone])
    assert not others.any() or np.array_equal(left[0][others], after[others])
    assert np.isin(left[0] - before, (0, *np.unique(after - before))).all()
    same = to_array(result.changed) == 0
    assert np.array_equal(left[0][same], before[same])
    undo_all(synthetic)
    assert np.array_equal(hu(synthetic), before)
    scene.Clear(1)


def test_far_from_its_neighbors_a_lymph_node_goes_without_a_trace(scene):
    """Two whose bands are apart: undoing one leaves exactly what painting the other alone gives."""
    ct, result = painted([(4, 4, 4), (5, 11, 13)], radius=2.2, band=1.7)
    synthetic = add_result(to_volume(scene, ct, "CT"), result)
    undo(synthetic, 1)
    second = distance_mm((5, 11, 13)) <= 3.9
    assert ndimage.label(to_array(result.changed), np.ones((3, 3, 3)))[1] == 2
    expected = np.where(second, to_array(result.ct), to_array(ct))
    assert np.array_equal(hu(synthetic), expected)


def test_what_is_not_there_can_not_be_undone(case):
    ct, synthetic, _ = case
    undo(synthetic, 2)
    for label in (2, 4):
        with pytest.raises(InputError, match=f"has no lymph node {label}"):
            undo(synthetic, label)
    with pytest.raises(InputError, match="Pelvis is no result"):
        undo(ct, 1)


def test_undo_works_without_what_the_user_deleted(case):
    """The CT, the segmentation and the table are gone from the scene."""
    ct, synthetic, _ = case
    scene, before = ct.GetScene(), hu(ct)
    for role in (TO_CT, TO_SEGMENTATION, TO_TABLE):
        scene.RemoveNode(synthetic.GetNodeReference(role))
    undo_all(synthetic)
    assert np.array_equal(hu(synthetic), before)
    with pytest.raises(InputError, match="segmentation of Pelvis SYNTHETIC is no longer"):
        read_result(synthetic)


def test_everything_is_saved_with_the_scene(case, tmp_path):
    """Saved after one undo, loaded in place: the rest can be read and undone."""
    ct, synthetic, result = case
    scene, before = ct.GetScene(), hu(ct)
    undo(synthetic, 2)
    saved = read_result(synthetic)
    file = str(tmp_path / "case.mrb")
    assert scene.WriteToMRB(file)
    scene.Clear(1)
    assert scene.ReadFromMRB(file)
    loaded = scene.GetFirstNodeByName("Pelvis SYNTHETIC")
    assert loaded is not synthetic
    assert_equal(read_result(loaded), saved)
    undo(loaded, 3)
    table = loaded.GetNodeReference(TO_TABLE)
    assert table.GetNumberOfRows() == 1 and table.GetCellText(0, 0) == "1"
    undo_all(loaded)
    assert np.array_equal(hu(loaded), before)
    segmentation = loaded.GetNodeReference(TO_SEGMENTATION).GetSegmentation()
    assert segmentation.GetNumberOfSegments() == 0


def test_results_need_nothing_that_slicer_does_not_ship():
    """Only `case` runs the networks; a saved scene can be read and undone without them."""
    code = (
        "import sys\n"
        "for name in ('torch', 'monai', 'skimage', 'einops', 'typer'): sys.modules[name] = None\n"
        "import LNGenLib.mrml.markups, LNGenLib.mrml.undo"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_float_ct_is_restored_with_its_fractions(scene):
    ct, result = painted(THREE, 2.2, 1.7)
    ct, after = (sitk.Cast(image, sitk.sitkFloat32) + 0.25 for image in (ct, result.ct))
    volume = to_volume(scene, ct, "CT")
    synthetic = add_result(volume, dataclasses.replace(result, ct=after))
    assert hu(synthetic).dtype == np.float32
    undo_all(synthetic)
    assert np.array_equal(hu(synthetic), to_array(ct))
