"""Names, places and removal of nodes in the scene, and their surfaces in 3D."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.image.io import like, to_array
from LNGenLib.synthesis.result import SynthesisResult

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
import vtk  # noqa: E402
from test_mrml_results import painted  # noqa: E402
from vtk.util import numpy_support  # noqa: E402

from LNGenLib.mrml.found import add_found  # noqa: E402
from LNGenLib.mrml.hierarchy import hierarchy_of  # noqa: E402
from LNGenLib.mrml.results import (  # noqa: E402
    TO_CT,
    TO_SEGMENTATION,
    TO_TABLE,
    add_result,
    read_result,
)
from LNGenLib.mrml.scene import CLOSED_SURFACE, add_node, remove_node, unique_name  # noqa: E402
from LNGenLib.mrml.segmentations import SEGMENTATION, NewSegment, add_segments  # noqa: E402
from LNGenLib.mrml.undo import undo  # noqa: E402
from LNGenLib.mrml.volumes import SCALARS, to_image, to_volume  # noqa: E402

APART = [(4, 4, 4), (5, 11, 13)]


@pytest.fixture
def ct(scene):
    """A CT in the study of a patient, of which `result_of` gives a result."""
    volume = to_volume(scene, painted(APART, 2.2, 1.7)[0], "Pelvis")
    hierarchy = hierarchy_of(volume)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Doe")
    hierarchy.SetItemAttribute(patient, "DICOM.PatientName", "Doe")
    hierarchy.CreateItem(hierarchy.CreateStudyItem(patient, "study"), volume)
    return volume


def result_of(ct) -> SynthesisResult:
    return painted(APART, 2.2, 1.7)[1]


def own(volume):
    return [volume.GetNodeReference(role) for role in (TO_SEGMENTATION, TO_TABLE)]


@pytest.mark.parametrize("kind", [SEGMENTATION, SCALARS, "vtkMRMLMarkupsFiducialNode"])
def test_what_went_with_a_node_is_not_removed_again(scene, kind):
    """Slicer's application removes displays with their node; a debug build of Slicer logs errors
    for each node that is removed once more."""
    node, gone = add_node(scene, kind, "node"), []
    node.AddDefaultStorageNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def about_to_go(_scene, _event, each):
        if not scene.IsNodePresent(each):
            gone.append(each.GetClassName())

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def went(_scene, _event, each):
        if each is node:
            scene.RemoveNode(display)

    display = node.GetDisplayNode()
    scene.AddObserver(scene.NodeAboutToBeRemovedEvent, about_to_go)
    scene.AddObserver(scene.NodeRemovedEvent, went)
    remove_node(node)
    assert not gone
    for each in ("Storage", "Display"):
        assert not scene.GetNumberOfNodesByClass(f"vtkMRML{each}Node")


def test_a_name_is_unique_with_its_endings(scene):
    add_node(scene, SCALARS, "CT")
    add_node(scene, SCALARS, "CT_1 records")
    assert unique_name(scene, "MR") == "MR"
    assert unique_name(scene, "CT") == "CT_1"
    assert unique_name(scene, "CT", " records") == "CT_2"


def test_results_of_one_ct_have_names_of_their_own(scene, ct):
    """What belongs to a result follows its name, also where an older one's is left over."""
    first, second = (add_result(ct, result_of(ct)) for _ in range(2))
    remove_node(first)
    third = add_result(ct, result_of(ct))
    assert [each.GetName() for each in (first, second, third)] == [
        "Pelvis SYNTHETIC",
        "Pelvis SYNTHETIC_1",
        "Pelvis SYNTHETIC_2",
    ]
    for volume in (second, third):
        names = [node.GetName() for node in own(volume)]
        assert names == [f"{volume.GetName()} lymph nodes", f"{volume.GetName()} records"]
    found = [add_found(ct, labels_of(ct), "unet", "server").GetName() for _ in range(2)]
    assert found == ["Pelvis lymph nodes by unet", "Pelvis lymph nodes by unet_1"]


def labels_of(ct) -> sitk.Image:
    image = to_image(ct)
    labels = np.zeros(image.GetSize()[::-1], np.uint8)
    labels[2:4, 3:6, 4:8] = 1
    return like(labels, image)


def exported(node) -> dict[str, str]:
    """What Slicer's DICOM export takes from the subject hierarchy; it must find a patient's study,
    or it moves the node into that of a node which it refers to."""
    hierarchy = hierarchy_of(node)
    series = hierarchy.GetItemByDataNode(node)
    study = hierarchy.GetItemParent(series)
    patient = hierarchy.GetItemParent(study)
    assert hierarchy.IsItemLevel(study, "Study") and hierarchy.IsItemLevel(patient, "Patient")
    assert hierarchy.GetItemParent(patient) == hierarchy.GetSceneItemID()
    names = {
        patient: ("PatientName", "PatientID"),
        study: ("StudyDescription",),
        series: ("SeriesDescription", "Modality"),
    }
    return {
        tag: hierarchy.GetItemAttribute(item, f"DICOM.{tag}")
        for item, tags in names.items()
        for tag in tags
    }


def assert_synthetic(volume) -> None:
    segmentation, table = own(volume)
    tags = {
        "PatientName": "SYNTHETIC",
        "PatientID": "SYNTHETIC",
        "StudyDescription": "SYNTHETIC lymph nodes",
        "SeriesDescription": volume.GetName(),
        "Modality": "CT",
    }
    assert exported(volume) == tags and "SYNTHETIC" in volume.GetName()
    assert exported(segmentation) == tags | {
        "SeriesDescription": segmentation.GetName(),
        "Modality": "SEG",
    }
    assert study_of(table) == study_of(volume)


def study_of(node) -> int:
    return hierarchy_of(node).GetItemParent(hierarchy_of(node).GetItemByDataNode(node))


def test_slicer_would_export_a_result_as_synthetic(scene, ct, tmp_path):
    """Not under the CT's patient; also of a result's result, and after saving and loading."""
    first = add_result(ct, result_of(ct))
    second = add_result(first, result_of(ct))
    for volume in (first, second):
        assert_synthetic(volume)
    assert study_of(first) == study_of(second) != study_of(ct)
    file = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(file)
    scene.Clear(0)
    assert scene.ReadFromMRB(file)
    ct, first = (scene.GetFirstNodeByName(name) for name in ("Pelvis", "Pelvis SYNTHETIC"))
    assert first.GetNodeReference(TO_CT) is ct
    hierarchy = hierarchy_of(ct)
    hierarchy.SetItemName(hierarchy.GetItemParent(study_of(first)), "renamed")
    third = add_result(ct, result_of(ct))
    for volume in (first, third):
        assert_synthetic(volume)
    assert study_of(first) == study_of(third) != study_of(ct)


def test_what_is_found_lies_where_its_ct_lies(ct):
    synthetic = add_result(ct, result_of(ct))
    for volume in (ct, synthetic):
        found = add_found(volume, labels_of(volume), "unet", "server")
        assert study_of(found) == study_of(volume)


def surface_of(segmentation, segment_id: str):
    return segmentation.GetSegmentation().GetSegment(segment_id).GetRepresentation(CLOSED_SURFACE)


def volume_mm3(surface) -> float:
    triangles, measured = vtk.vtkTriangleFilter(), vtk.vtkMassProperties()
    triangles.SetInputData(surface)
    measured.SetInputConnection(triangles.GetOutputPort())
    return measured.GetVolume()


@pytest.mark.parametrize("spacing", [(3.0, 3.0, 3.0), (0.8, 0.8, 5.0), (0.7, 0.7, 1.0)])
def test_surfaces_are_as_large_as_their_segments(scene, spacing):
    """Down to a lone voxel, at the corner of the CT, in the middle and at a neighbor."""
    labels = np.zeros((24, 40, 40), np.uint16)
    labels[0, 0, 0] = 1
    labels[3:5, 3, 3] = 2
    labels[3:5, 4:6, 3:5] = 5
    grid = np.indices(labels.shape) - np.reshape((12, 20, 20), (3, 1, 1, 1))
    labels[np.linalg.norm(grid * np.reshape(spacing[::-1], (3, 1, 1, 1)), axis=0) <= 8] = 7
    labels[-1, -3:, -3:] = 9
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing(spacing)
    ct = to_volume(scene, image, "CT")
    rows = [NewSegment(label, f"LN_{label}", "LN", (0, 1, 0)) for label in (1, 2, 5, 7, 9)]
    node = add_segments(ct, labels, rows, "nodes")
    assert node.GetDisplayNode().GetDisplayRepresentationName3D() == CLOSED_SURFACE
    assert node.GetDisplayNode().GetDisplayRepresentationName2D() != CLOSED_SURFACE
    assert not node.GetDisplayNode().GetVisibility2DFill(), "it would hide what was painted"
    assert node.GetSegmentation().GetNumberOfLayers() == 1
    for row in rows:
        voxels = (labels == row.label).sum() * np.prod(spacing)
        assert 0.75 < volume_mm3(surface_of(node, row.id)) / voxels < 1.1, row.label


def test_surfaces_go_with_their_segments_and_follow_the_user(scene, ct, tmp_path):
    """Undone, edited as the Segment Editor does, saved and loaded."""
    synthetic = add_result(ct, result_of(ct))
    nodes, _ = own(synthetic)
    before = volume_mm3(surface_of(nodes, "LN_2"))
    undo(synthetic, 1)
    assert list(nodes.GetSegmentation().GetSegmentIDs()) == ["LN_2"]
    assert volume_mm3(surface_of(nodes, "LN_2")) == before

    edited = slicer.vtkOrientedImageData()
    nodes.GetBinaryLabelmapRepresentation("LN_2", edited)
    voxels = numpy_support.vtk_to_numpy(edited.GetPointData().GetScalars())
    half = voxels.copy()
    half[np.flatnonzero(half)[half.sum() // 2 :]] = 0
    voxels[:] = half
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.SetBinaryLabelmapToSegment(edited, nodes, "LN_2")
    after = volume_mm3(surface_of(nodes, "LN_2"))
    left = (to_array(read_result(synthetic).nodes) == 2).sum() * 0.8 * 0.8 * 2
    assert 0.75 * left < after < 1.1 * left and after < 0.7 * before

    file = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(file)
    scene.Clear(0)
    assert scene.ReadFromMRB(file)
    loaded = scene.GetFirstNodeByName("Pelvis SYNTHETIC lymph nodes")
    assert volume_mm3(surface_of(loaded, "LN_2")) == pytest.approx(after, rel=1e-3)


def test_the_smallest_part_of_a_segment_decides_how_smooth_it_is(ct):
    """What a model found is one segment: its large lymph nodes must not cost it the small ones."""
    labels = np.zeros(painted(APART, 2.2, 1.7)[0].GetSize()[::-1], np.uint8)
    labels[1:8, 1:9, 1:9] = 1
    alone = labels.copy()
    labels[8, 14, 16] = 1
    rows = [NewSegment(1, "found", "found", (1, 0, 0))]
    large, both = (add_segments(ct, array, rows, "found") for array in (alone, labels))
    smoothing = [
        node.GetSegmentation().GetConversionParameter("Smoothing factor") for node in (large, both)
    ]
    assert smoothing == ["0.5", "0.1"]
    parts = vtk.vtkPolyDataConnectivityFilter()
    parts.SetInputData(surface_of(both, "found"))
    parts.Update()
    assert parts.GetNumberOfExtractedRegions() == 2
