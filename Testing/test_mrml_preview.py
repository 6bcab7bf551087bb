"""What the panel shows and writes, without it: surfaces of a preview, regions, inputs, exports."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from LNGenLib.errors import InputError
from LNGenLib.image.io import like, read_image, to_array
from LNGenLib.placement.maps import placement_maps
from LNGenLib.scan import Scan
from LNGenLib.synthesis.plan import Plan, PlannedNode, Surface
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.synthesis.result import SynthesisResult

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
from vtk.util import numpy_support  # noqa: E402

from LNGenLib.mrml.export import write_result, write_training_case  # noqa: E402
from LNGenLib.mrml.inputs import Inputs  # noqa: E402
from LNGenLib.mrml.markups import change, describe_added, planned, to_preview  # noqa: E402
from LNGenLib.mrml.regions import add_region  # noqa: E402
from LNGenLib.mrml.scene import CLOSED_SURFACE  # noqa: E402
from LNGenLib.mrml.segmentations import copied  # noqa: E402
from LNGenLib.mrml.surfaces import (  # noqa: E402
    TO_SURFACES,
    add_surfaces,
    follow,
    remove_preview,
    without_surface,
)
from LNGenLib.mrml.volumes import LABELS, to_volume  # noqa: E402

TURN = ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
NODES = (
    PlannedNode(1, (10.0, 20.0, 30.0), 8.0, TURN, "mesorectal"),
    PlannedNode(4, (-5.0, 0.0, 5.0), 6.0, UPRIGHT),
)
CORNERS = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]], np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], np.int32)
SURFACE = Surface(CORNERS, FACES)


@pytest.fixture
def preview(scene):
    preview = to_preview(scene, Plan(SynthesisRequest(seed=7), NODES, "a" * 64), "preview")
    add_surfaces(preview, {1: SURFACE, 4: SURFACE})
    return preview


def shown(preview) -> np.ndarray:
    """Points (n, 3) of the shown surfaces, RAS mm."""
    points = preview.GetNodeReference(TO_SURFACES).GetPolyData().GetPoints()
    return numpy_support.vtk_to_numpy(points.GetData())


def test_surfaces_lie_where_the_plan_has_them(preview):
    # long axes of 8 mm: a corner at half a long axis along the structure's z goes to 4 mm along A
    wanted = [(10, 20, 30), (10, 24, 30), (6, 20, 30), (10, 20, 34)]
    assert np.allclose(shown(preview)[:4], wanted)
    poly = preview.GetNodeReference(TO_SURFACES).GetPolyData()
    faces = numpy_support.vtk_to_numpy(poly.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    assert np.array_equal(faces, np.concatenate([FACES, FACES + 4]))


def test_surfaces_follow_points_that_are_dragged_resized_deleted_and_added(preview):
    before = shown(preview).copy()
    preview.SetNthControlPointPosition(0, 20.0, 20.0, 30.0)
    change(preview, 1, long_axis_mm=12.0)
    follow(preview)
    after = shown(preview)
    assert np.allclose(after[:4], before[:4] + (10, 0, 0))
    center = np.array(NODES[1].center_ras_mm)
    assert np.allclose(after[4:] - center, 2 * (before[4:] - center), atol=1e-5)

    preview.RemoveNthControlPoint(0)
    preview.AddControlPoint(1.0, 2.0, 3.0)
    assert [node.number for node in planned(preview)] == [4], "a point just added is no node yet"
    describe_added(preview, 9.0)
    follow(preview)
    assert len(shown(preview)) == len(CORNERS)
    (added,) = without_surface(preview)
    assert (added.number, added.long_axis_mm) == (5, 9.0)
    change(preview, 1, long_axis_mm=7.0)
    (resized,) = without_surface(preview)
    assert (resized.long_axis_mm, resized.shape_mm) == (7.0, 9.0), "a resized node keeps its shape"
    add_surfaces(preview, {5: SURFACE})
    assert np.allclose(shown(preview)[4], (1, 2, 3)) and not without_surface(preview)


@pytest.mark.parametrize("text", ["ask the surgeon", "12", ""])
def test_a_point_whose_description_the_user_overwrites_is_a_new_node(preview, text):
    preview.SetNthControlPointDescription(0, text)
    assert [node.number for node in planned(preview)] == [4]
    describe_added(preview, 9.0)
    assert [(n.number, n.long_axis_mm) for n in planned(preview)] == [(5, 9.0), (4, 6.0)]
    assert planned(preview)[0].center_ras_mm == pytest.approx((10.0, 20.0, 30.0))


def test_a_preview_goes_with_its_surfaces(scene, preview):
    remove_preview(preview)
    assert not scene.GetNumberOfNodesByClass("vtkMRMLModelNode")
    assert not scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode")
    assert not scene.GetNumberOfNodesByClass("vtkMRMLDisplayNode")


def test_surfaces_are_saved_with_the_scene(scene, preview, tmp_path):
    before = shown(preview).copy()
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    scene.ReadFromMRB(str(tmp_path / "scene.mrb"), True)
    loaded = scene.GetFirstNodeByName("preview")
    assert np.allclose(shown(loaded), before)
    loaded.SetNthControlPointPosition(0, 10.0, 20.0, 40.0)
    follow(loaded)
    assert np.allclose(shown(loaded)[:4], before[:4] + (0, 0, 10), atol=1e-4)


def test_the_candidate_region_has_a_segment_a_station(scene, phantom):
    maps = placement_maps(Scan(phantom.ct, phantom.labels))
    ct = to_volume(scene, phantom.ct, "CT")
    node = add_region(ct, maps.stations, maps.summary, "region")
    masks = {name: mask for _, name, mask in copied(node).masks(phantom.ct)}
    display = node.GetDisplayNode()
    assert display.GetVisibility2DOutline() and not display.GetVisibility2DFill()
    assert not node.GetSegmentation().ContainsRepresentation(CLOSED_SURFACE)
    assert add_region(ct, maps.stations, maps.summary, "region").GetName() == "region_1"
    numbers = {row["name"]: row["label"] for row in maps.summary["stations"] if row["available"]}
    assert list(masks) == list(numbers) and "mesorectal" in masks
    for name, mask in masks.items():
        assert np.array_equal(mask, to_array(maps.stations) == numbers[name])
    with pytest.raises(InputError, match="has another geometry"):
        add_region(ct, maps.stations[1:], maps.summary, "region")


def test_inputs_do_not_need_the_scene_once_they_are_read(scene, phantom):
    ct, organs = (
        to_volume(scene, image, name, kind)
        for image, name, kind in (
            (phantom.ct, "CT", "vtkMRMLScalarVolumeNode"),
            (phantom.labels, "organs", LABELS),
        )
    )
    expected = to_array(copied(organs).labels(phantom.ct))
    inputs = Inputs.read(ct, organs, organs)
    scene.Clear(0)
    scan = inputs.scan()
    assert np.array_equal(to_array(scan.ct), to_array(phantom.ct))
    assert np.array_equal(to_array(scan.anatomy), expected)
    assert np.array_equal(to_array(scan.region), expected > 0)


@pytest.fixture
def result(phantom) -> SynthesisResult:
    nodes = np.zeros(phantom.ct.GetSize()[::-1], np.uint16)
    nodes[20:22, 30:33, 40:42] = 1
    images = (like(nodes, phantom.ct), like((nodes > 0).astype(np.uint8), phantom.ct))
    return SynthesisResult(phantom.ct, *images, (), {"seed": 1})


def test_a_result_is_exported_whole_and_never_over_another(result, tmp_path):
    folder = write_result(result, tmp_path, "CT: SYNTHETIC/1")
    assert folder == tmp_path / "CT_SYNTHETIC_1"
    read = SynthesisResult.read(folder)
    assert np.array_equal(to_array(read.nodes), to_array(result.nodes))
    assert read.provenance == {"seed": 1}
    with pytest.raises(InputError, match="exists already"):
        write_result(result, tmp_path, "CT: SYNTHETIC/1")


def test_a_training_case_joins_the_data_set_once(result, tmp_path):
    (tmp_path / "splits.csv").write_text("file,split,patient\nold.nii.gz,test,P1\n")
    ct = write_training_case(result, tmp_path, "CT SYNTHETIC")
    mask = read_image(ct.with_name("CT_SYNTHETIC_mask.nii.gz"))
    assert np.array_equal(to_array(mask), to_array(result.nodes))
    with open(tmp_path / "splits.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["split"]) for row in rows] == [
        ("old.nii.gz", "test"),
        ("CT_SYNTHETIC.nii.gz", "train"),
    ]
    before = (tmp_path / "splits.csv").read_text()
    with pytest.raises(InputError, match="has a case"):
        write_training_case(result, tmp_path, "CT SYNTHETIC")
    assert (tmp_path / "splits.csv").read_text() == before
