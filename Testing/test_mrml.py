"""Volumes, label maps, segmentations, ROIs, points and plans, to the scene and back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import index_to_ras
from LNGenLib.image.io import like, to_array
from LNGenLib.synthesis.appearance import draw_appearance
from LNGenLib.synthesis.plan import Plan, PlannedNode
from LNGenLib.synthesis.request import SynthesisRequest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
import vtk  # noqa: E402
from rois import to_roi  # noqa: E402

from LNGenLib.mrml.markups import (  # noqa: E402
    change,
    describe_added,
    to_box,
    to_plan,
    to_point_list,
    to_points,
    to_preview,
)
from LNGenLib.mrml.scene import add_node  # noqa: E402
from LNGenLib.mrml.segmentations import copied  # noqa: E402
from LNGenLib.mrml.volumes import LABELS, to_image, to_volume  # noqa: E402

TURN = ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
PLAN = Plan(
    SynthesisRequest(3, seed=7),
    nodes=(
        PlannedNode(1, (1 / 3, -20.0, 30.5), 8.25, TURN, "mesorectal"),
        PlannedNode(3, (-10.0, 2 / 7, 5.0), 6.0, TURN, None, 4.0),
    ),
    weights="a" * 64,
    refused_mm=(12.5,),
)


def oblique_image(kind: type = np.int16) -> sitk.Image:
    """Random voxels, 0.7 x 0.8 x 2.5 mm, turned about two axes."""
    values = np.random.default_rng(0).integers(0, 99, (6, 8, 10)).astype(kind)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-12.5, 30.25, 7.0))
    turn = sitk.Euler3DTransform((0, 0, 0), 0.3, 0.0, -0.4)
    image.SetDirection(turn.GetMatrix())
    return image


def assert_same_place(image: sitk.Image, other: sitk.Image) -> None:
    assert image.GetSize() == other.GetSize()
    for name in ("Spacing", "Origin", "Direction"):
        values = [getattr(each, f"Get{name}")() for each in (image, other)]
        assert np.allclose(*values, rtol=0, atol=1e-12), name


def put_under(node, matrix: np.ndarray, parent=None):
    """Put an MRML node under a new linear transform, which may have a parent itself."""
    transform = add_node(node.GetScene(), "vtkMRMLLinearTransformNode", "transform")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.array(matrix, float)))
    if parent is not None:
        transform.SetAndObserveTransformNodeID(parent.GetID())
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def bend(node) -> None:
    """Put an MRML node under a transform that is not linear."""
    points = [vtk.vtkPoints(), vtk.vtkPoints()]
    for corner in ((0, 0, 0), (50, 0, 0), (0, 50, 0), (0, 0, 50), (50, 50, 50)):
        points[0].InsertNextPoint(corner)
        points[1].InsertNextPoint([value + value**2 / 100 for value in corner])
    spline = vtk.vtkThinPlateSplineTransform()
    spline.SetBasisToR()
    spline.SetSourceLandmarks(points[0])
    spline.SetTargetLandmarks(points[1])
    transform = add_node(node.GetScene(), "vtkMRMLTransformNode", "bent")
    transform.SetAndObserveTransformToParent(spline)
    node.SetAndObserveTransformNodeID(transform.GetID())


MOVE = np.array([[1, 0, 0, 10], [0, 1, 0, -20], [0, 0, 1, 5], [0, 0, 0, 1]])
QUARTER = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # R to A


@pytest.mark.parametrize("kind", [np.int16, np.float32, np.uint8])
def test_an_oblique_volume_comes_back_as_it_was(scene, kind):
    image = oblique_image(kind)
    back = to_image(to_volume(scene, image, "CT"))
    assert np.array_equal(to_array(back), to_array(image))
    assert back.GetPixelID() == image.GetPixelID()
    assert_same_place(back, image)


def test_an_image_is_a_copy(scene):
    volume = to_volume(scene, oblique_image(), "CT")
    image = to_image(volume)
    before = to_array(image)
    slicer.util.arrayFromVolume(volume)[:] = 7
    assert np.array_equal(to_array(image), before)


def test_a_voxel_is_where_the_parent_transforms_put_it(scene):
    """Moved by (10, -20, 5), then turned by 90 degrees: (R, A, S) becomes (20 - A, R + 10, S + 5).
    The volume itself stays as it is."""
    image = oblique_image()
    volume = to_volume(scene, image, "CT")
    outer = add_node(scene, "vtkMRMLLinearTransformNode", "outer")
    outer.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(QUARTER.astype(float)))
    put_under(volume, MOVE, outer)
    moved = to_image(volume)
    for index in ((0, 0, 0), (5, 2, 9), (1.5, 7, 0)):
        r, a, s = index_to_ras(image, np.array(index))
        assert index_to_ras(moved, np.array(index)) == pytest.approx([20 - a, r + 10, s + 5])
    assert moved.GetSpacing() == pytest.approx(image.GetSpacing())
    assert np.array_equal(to_array(moved), to_array(image))
    volume.SetAndObserveTransformNodeID(None)
    assert_same_place(to_image(volume), image)


def test_a_transform_that_scales_changes_the_spacing(scene):
    volume = to_volume(scene, oblique_image(), "CT")
    put_under(volume, np.diag([2, 2, 2, 1]))
    assert to_image(volume).GetSpacing() == pytest.approx((1.4, 1.6, 5.0))


def test_a_transform_that_shears_is_refused(scene):
    volume = to_volume(scene, oblique_image(), "my CT")
    put_under(volume, [[1, 1.0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    with pytest.raises(InputError, match="my CT .*right angles.*resample"):
        to_image(volume)


def test_a_transform_that_is_not_linear_is_refused(scene):
    ct = oblique_image()
    volume = to_volume(scene, ct, "CT")
    roi, points = to_roi(scene, (0, 1, 0, 1, 0, 1), "ROI"), to_point_list(scene, ((0, 0, 0),), "F")
    segmentation = segmented(scene, ct, {"colon": to_array(ct) > 50})
    readers = [to_image, to_box, to_points, lambda node: copied(node).labels(ct)]
    for node, read in zip((volume, roi, points, segmentation), readers, strict=True):
        bend(node)
        with pytest.raises(InputError, match=f"{node.GetName()} .*not linear.*harden"):
            read(node)


def test_volumes_without_scalar_voxels_are_refused(scene):
    with pytest.raises(InputError, match="empty holds no scalar voxels"):
        to_image(add_node(scene, "vtkMRMLScalarVolumeNode", "empty"))
    color = add_node(scene, "vtkMRMLVectorVolumeNode", "color")
    slicer.util.updateVolumeFromArray(color, np.zeros((3, 4, 4, 4), np.uint8))
    with pytest.raises(InputError, match="color holds no scalar voxels"):
        to_image(color)


def test_a_label_map_gives_labels_and_a_mask(scene):
    image = oblique_image(np.uint16)
    node = to_volume(scene, image, "labels", LABELS)
    assert np.array_equal(to_array(copied(node).labels(image)), to_array(image))
    assert np.array_equal(to_array(copied(node).mask(image)), to_array(image) > 0)
    with pytest.raises(InputError, match="labels has another geometry"):
        copied(node).labels(image[:, :, :-1])


def segmented(scene, image: sitk.Image, masks: dict[str, np.ndarray]):
    """A segmentation of masks (z, y, x) on an image's grid; those that overlap lie in layers."""
    node = add_node(scene, "vtkMRMLSegmentationNode", "segmentation")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    for name, mask in masks.items():
        labels = to_volume(scene, like(mask.astype(np.uint8), image), name, LABELS)
        layer = logic.CreateOrientedImageDataFromVolumeNode(labels)
        segment = slicer.vtkSegment()
        segment.SetName(name)
        segment.AddRepresentation("Binary labelmap", layer)
        node.GetSegmentation().AddSegment(segment, name)
        scene.RemoveNode(labels)
    return node


@pytest.fixture
def halves():
    """Two masks that overlap in a row of voxels."""
    masks = np.zeros((2, 6, 8, 10), bool)
    masks[0, 1:4, 2:6, 2:6] = True
    masks[1, 1:4, 2:6, 5:9] = True
    return dict(zip(("urinary bladder", "Rectum"), masks))


def test_segments_become_numbers_by_their_names(scene, halves):
    """The later of two that overlap lies on top, as in a .seg.nrrd."""
    image = oblique_image()
    labels = to_array(copied(segmented(scene, image, halves)).labels(image))
    assert np.array_equal(labels == 20, halves["Rectum"])
    assert np.array_equal(labels == 21, halves["urinary bladder"] & ~halves["Rectum"])


def test_one_segment_or_all_become_a_mask(scene, halves):
    image = oblique_image()
    node = segmented(scene, image, halves)
    one = to_array(copied(node).mask(image, "Rectum"))
    assert np.array_equal(one, halves["Rectum"])
    assert np.array_equal(to_array(copied(node).mask(image)), sum(halves.values()) > 0)


def test_a_segmentation_is_brought_onto_the_grid_of_the_ct(scene, halves):
    """Both under transforms of their own: the segmentation is 2 voxels off along x."""
    image = oblique_image()
    node = segmented(scene, image, halves)
    step = index_to_ras(image, np.array([0, 0, 2])) - index_to_ras(image, np.zeros(3))
    shift = np.eye(4)
    shift[:3, 3] = step
    put_under(node, QUARTER @ shift)
    volume = to_volume(scene, image, "CT")
    put_under(volume, QUARTER)
    mask = to_array(copied(node).mask(to_image(volume), "urinary bladder"))
    assert np.array_equal(mask, np.roll(halves["urinary bladder"], 2, axis=2))


def test_segments_that_are_surfaces_only_are_refused(scene):
    sphere = vtk.vtkSphereSource()
    sphere.Update()
    node = add_node(scene, "vtkMRMLSegmentationNode", "organs")
    node.SetSourceRepresentationToClosedSurface()
    node.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "ball")
    with pytest.raises(InputError, match="organs has surfaces only: create its binary labelmap"):
        copied(node).mask(oblique_image())


def test_segments_without_voxels_are_empty_masks(scene, halves):
    image = oblique_image()
    node = segmented(scene, image, halves)
    node.GetSegmentation().AddEmptySegment("new", "new")
    assert not to_array(copied(node).mask(image, "new")).any()
    alone = add_node(scene, "vtkMRMLSegmentationNode", "alone")
    alone.GetSegmentation().AddEmptySegment("new", "new")
    assert not to_array(copied(alone).mask(image)).any()
    with pytest.raises(InputError, match="bare holds no structure"):
        copied(add_node(scene, "vtkMRMLSegmentationNode", "bare")).labels(image)


def test_a_box_comes_back(scene):
    roi = to_roi(scene, (40, -10, -20.5, 30, 0, 12), "ROI")
    assert to_box(roi) == pytest.approx((-10, 40, -20.5, 30, 0, 12))


def test_a_roi_is_where_its_parent_transforms_put_it(scene):
    """Turned by 90 degrees it still is a box; by 30 degrees it is none."""
    roi = to_roi(scene, (0, 10, 0, 20, 0, 30), "ROI")
    put_under(roi, QUARTER)
    assert to_box(roi) == pytest.approx((-20, 0, 0, 10, 0, 30))
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    put_under(roi, [[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    with pytest.raises(InputError, match="ROI is turned"):
        to_box(roi)


def test_a_roi_that_is_not_placed_is_refused(scene):
    with pytest.raises(InputError, match="no extent"):
        to_box(add_node(scene, "vtkMRMLMarkupsROINode", "ROI"))


def test_points_come_back_where_the_parent_transforms_put_them(scene):
    points = ((1.5, 2.25, 1 / 3), (-40.0, 0.0, 7.0))
    node = to_point_list(scene, points, "F")
    assert to_points(node) == points
    put_under(node, QUARTER)
    assert np.allclose(to_points(node), [(-2.25, 1.5, 1 / 3), (0.0, -40.0, 7.0)])


def test_points_that_are_not_placed_are_left_out(scene):
    node = to_point_list(scene, ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)), "F")
    node.UnsetNthControlPointPosition(0)
    assert to_points(node) == ((4.0, 5.0, 6.0),)


def test_a_preview_that_is_left_alone_is_the_plan(scene):
    preview = to_preview(scene, PLAN, "preview")
    assert to_plan(preview) == PLAN
    assert [preview.GetNthControlPointLabel(k) for k in range(2)] == ["LN 1", "LN 3"]
    assert to_preview(scene, PLAN, "preview").GetName() == "preview_1"


def test_a_preview_is_edited(scene):
    """The first point is deleted, the second dragged and resized, two are added."""
    preview = to_preview(scene, PLAN, "preview")
    preview.RemoveNthControlPoint(0)
    preview.SetNthControlPointPositionWorld(0, -5.0, 2.0, 5.0)
    change(preview, 0, long_axis_mm=9.0)
    for place in ((0.0, 0.0, 0.0), (30.0, 0.0, 0.0)):
        preview.AddControlPointWorld(vtk.vtkVector3d(*place))
    describe_added(preview, 7.0)
    moved, *added = to_plan(preview).nodes
    expected = dataclasses.replace(PLAN.nodes[1], center_ras_mm=(-5.0, 2.0, 5.0), long_axis_mm=9.0)
    assert moved == expected
    assert [(n.number, n.long_axis_mm, n.center_ras_mm[0]) for n in added] == [
        (4, 7.0, 0.0),
        (5, 7.0, 30.0),
    ]
    assert preview.GetNthControlPointLabel(1) == "LN 4"
    assert [n.look for n in added] == [draw_appearance(PLAN.request, k, 7.0) for k in (3, 4)]
    assert to_plan(preview).refused_mm == PLAN.refused_mm


def test_other_points_and_empty_previews_are_no_plan(scene):
    with pytest.raises(InputError, match="F is no preview"):
        to_plan(to_point_list(scene, ((0.0, 0.0, 0.0),), "F"))
    preview = to_preview(scene, PLAN, "preview")
    preview.RemoveAllControlPoints()
    with pytest.raises(InputError, match="no lymph node"):
        to_plan(preview)


def test_a_preview_and_a_roi_are_saved_with_the_scene(scene, tmp_path):
    to_preview(scene, PLAN, "preview")
    to_roi(scene, (-10, 40, -20.5, 30, 0, 12), "ROI")
    file = str(tmp_path / "plan.mrb")
    assert scene.WriteToMRB(file)
    scene.Clear(1)
    assert scene.ReadFromMRB(file)
    assert to_plan(scene.GetFirstNodeByName("preview")) == PLAN
    assert to_box(scene.GetFirstNodeByName("ROI")) == pytest.approx((-10, 40, -20.5, 30, 0, 12))
