"""What a segmentation model found, in the scene."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.io import like, to_array

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")

from LNGenLib.mrml.found import add_found, count_found  # noqa: E402
from LNGenLib.mrml.results import MARK, PROVENANCE  # noqa: E402
from LNGenLib.mrml.scene import add_node, remove_node  # noqa: E402
from LNGenLib.mrml.segmentations import copied  # noqa: E402
from LNGenLib.mrml.volumes import to_image, to_volume  # noqa: E402


def hierarchy_of(scene):
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


@pytest.fixture
def ct(scene):
    """A CT of oblique voxels under a transform, in a study of the subject hierarchy."""
    image = sitk.GetImageFromArray(np.full((10, 12, 14), -100, np.int16))
    image.SetSpacing((0.8, 0.9, 2.0))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, 0.0, -0.4).GetMatrix())
    volume = to_volume(scene, image, "CT")
    shift = np.eye(4)
    shift[:3, 3] = 5, 6, 7
    moved = add_node(scene, "vtkMRMLLinearTransformNode", "moved")
    moved.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(shift))
    volume.SetAndObserveTransformNodeID(moved.GetID())
    hierarchy = hierarchy_of(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.CreateItem(study, volume)
    return volume


def labels_of(ct, *voxels) -> sitk.Image:
    image = to_image(ct)
    labels = np.zeros(image.GetSize()[::-1], np.uint8)
    for voxel in voxels:
        labels[voxel] = 1
    return like(labels, image)


def test_what_is_found_lies_in_its_place_and_goes_without_a_trace(scene, ct):
    hierarchy = hierarchy_of(scene)
    before = scene.GetNumberOfNodes(), hierarchy.GetNumberOfItems()
    labels = labels_of(ct, (2, 3, 4), (2, 3, 5), (8, 9, 10))
    found = add_found(ct, labels, "unet", "/runs/unet")
    assert found.GetName() == "CT lymph nodes by unet"
    mask = copied(found).mask(to_image(ct))
    assert np.array_equal(to_array(mask), to_array(labels))
    study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(ct))
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(found)) == study
    provenance = json.loads(found.GetAttribute(PROVENANCE))
    assert provenance["model"] == "/runs/unet" and "LNGen" in provenance["software"]
    assert found.GetAttribute(MARK) is None
    remove_node(found)
    assert (scene.GetNumberOfNodes(), hierarchy.GetNumberOfItems()) == before


def test_parts_that_touch_at_a_corner_are_one_lymph_node(ct):
    assert count_found(labels_of(ct, (2, 3, 4), (3, 4, 5), (8, 9, 10))) == 2
    assert count_found(labels_of(ct)) == 0


def test_on_a_synthetic_ct_it_is_marked_synthetic(ct):
    ct.SetAttribute(MARK, "SYNTHETIC")
    found = add_found(ct, labels_of(ct, (2, 3, 4)), "unet", "server")
    assert found.GetAttribute(MARK) == "SYNTHETIC"


def test_a_ct_that_was_moved_meanwhile_is_noticed(ct):
    labels = labels_of(ct, (2, 3, 4))
    ct.SetAndObserveTransformNodeID(None)
    with pytest.raises(InputError, match="another geometry"):
        add_found(ct, labels, "unet", "server")
