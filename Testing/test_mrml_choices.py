"""What is chosen to begin with, what is not offered, and models whose previews are gone."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.image.io import like
from LNGenLib.synthesis.plan import Plan, Surface
from LNGenLib.synthesis.request import SynthesisRequest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
from test_mrml_preview import CORNERS, FACES, NODES  # noqa: E402
from test_mrml_results import painted  # noqa: E402

from LNGenLib.mrml.choices import first_anatomy, first_ct, own_ids  # noqa: E402
from LNGenLib.mrml.found import add_found  # noqa: E402
from LNGenLib.mrml.hierarchy import hierarchy_of  # noqa: E402
from LNGenLib.mrml.markups import POINTS, to_preview  # noqa: E402
from LNGenLib.mrml.regions import add_region  # noqa: E402
from LNGenLib.mrml.results import TO_SEGMENTATION, add_result  # noqa: E402
from LNGenLib.mrml.scene import add_node, nodes_of  # noqa: E402
from LNGenLib.mrml.segmentations import SEGMENTATION, NewSegment, add_segments  # noqa: E402
from LNGenLib.mrml.surfaces import MODELS, TO_SURFACES, add_surfaces, remove_orphans  # noqa: E402
from LNGenLib.mrml.volumes import (  # noqa: E402
    LABELS,
    SCALARS,
    soft_tissue_window,
    to_image,
    to_volume,
)

PLAN = Plan(SynthesisRequest(seed=7), NODES, "a" * 64)


@pytest.fixture
def ct(scene):
    return to_volume(scene, painted([(4, 4, 4)], 2.2, 1.7)[0], "CT")


def stations_of(ct) -> sitk.Image:
    image = to_image(ct)
    labels = np.zeros(image.GetSize()[::-1], np.uint8)
    labels[2:4, 3:6, 4:8] = 1
    return like(labels, image)


def organs(ct, *names: str):
    """A segmentation of the same voxels under each of some names."""
    labels = np.zeros(ct.GetImageData().GetDimensions()[::-1], np.uint8)
    rows = []
    for number, name in enumerate(names, 1):
        labels[number, 2:5, 2:5] = number
        rows.append(NewSegment(number, name, name, (1, 1, 1)))
    return add_segments(ct, labels, rows, " ".join(names))


def test_what_lngen_made_is_known_also_after_saving_and_loading(scene, ct, tmp_path):
    result = add_result(ct, painted([(4, 4, 4)], 2.2, 1.7)[1])
    summary = {"stations": [{"label": 1, "name": "mesorectal", "available": True}]}
    made = [
        result,
        result.GetNodeReference(TO_SEGMENTATION),
        add_found(ct, stations_of(ct), "unet", "server"),
        add_found(result, stations_of(ct), "unet", "server"),
        add_region(ct, stations_of(ct), summary, "region"),
        to_preview(scene, PLAN, "preview"),
    ]
    organs(ct, "colon")
    add_node(scene, POINTS, "points")
    names = {node.GetName() for node in made}
    assert {scene.GetNodeByID(own).GetName() for own in own_ids(scene)} == names
    assert len(names) == len(made)
    file = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(file)
    scene.Clear(0)
    assert not own_ids(scene)
    assert scene.ReadFromMRB(file)
    assert {scene.GetNodeByID(own).GetName() for own in own_ids(scene)} == names


def test_the_ct_to_begin_with_is_the_one_that_is_shown(scene):
    assert first_ct(scene) is None
    image = painted([(4, 4, 4)], 2.2, 1.7)[0]
    labels = to_volume(scene, sitk.Cast(image > 0, sitk.sitkUInt8), "labels", LABELS)
    add_node(scene, SCALARS, "without voxels")
    assert first_ct(scene) is None
    first, second = (to_volume(scene, image, name) for name in ("first", "second"))
    assert first_ct(scene) is first
    view = add_node(scene, "vtkMRMLSliceCompositeNode", "Red")
    assert first_ct(scene) is first
    view.SetBackgroundVolumeID(second.GetID())
    assert first_ct(scene) is second
    result = add_result(second, painted([(4, 4, 4)], 2.2, 1.7)[1])
    for other in (result, labels):
        view.SetBackgroundVolumeID(other.GetID())
        assert first_ct(scene) is first


def test_the_anatomy_to_begin_with_shows_organs_of_the_ct(scene, ct):
    image = to_image(ct)
    assert first_anatomy(scene, ct) is None
    add_result(ct, painted([(4, 4, 4)], 2.2, 1.7)[1])
    organs(ct, "lesion", "body")
    to_volume(scene, image[1:], "elsewhere", LABELS)
    other = to_volume(scene, image[:, :, 1:], "other CT")
    organs(other, "colon")
    assert first_anatomy(scene, ct) is None
    labels = to_volume(scene, sitk.Cast(image > 0, sitk.sitkUInt8), "labels", LABELS)
    assert first_anatomy(scene, ct) is labels
    named = organs(ct, "lesion", "Sacrum")
    assert first_anatomy(scene, ct) is named
    assert first_anatomy(scene, other).GetName() == "colon"


def test_an_anatomy_from_a_file_has_no_grid_of_its_own(scene, ct):
    node = add_node(scene, SEGMENTATION, "organs")
    node.GetSegmentation().AddEmptySegment("colon", "colon")
    assert first_anatomy(scene, ct) is node


def test_a_ct_opens_at_a_window_for_soft_tissue(ct):
    display = ct.GetDisplayNode()
    soft_tissue_window(ct)
    assert (display.GetWindow(), display.GetLevel()) == (400, 40)
    display.SetWindowLevel(1500, -600)
    soft_tissue_window(ct)
    assert (display.GetWindow(), display.GetLevel()) == (1500, -600)
    assert not display.GetAutoWindowLevel()


@pytest.fixture
def previews(scene):
    """Two previews with their shapes, in a scene whose observer removes orphans."""

    scene.AddObserver(scene.NodeRemovedEvent, lambda *_: remove_orphans(scene))
    previews = [to_preview(scene, PLAN, name) for name in ("one", "other")]
    for preview in previews:
        add_surfaces(preview, {1: Surface(CORNERS, FACES)})
        hierarchy = hierarchy_of(preview)
        for node in (preview, preview.GetNodeReference(TO_SURFACES)):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    return previews


def models(scene) -> list[str]:
    return [node.GetName() for node in nodes_of(scene, MODELS)]


def test_shapes_go_with_a_preview_that_the_user_deletes(scene, previews):
    add_node(scene, MODELS, "bone")
    scene.RemoveNode(previews[0])
    assert models(scene) == ["other shapes", "bone"]
    hierarchy = hierarchy_of(previews[1])
    hierarchy.RemoveItem(hierarchy.GetItemByDataNode(previews[1]))  # as the Data module does
    assert models(scene) == ["bone"]
    assert scene.GetNumberOfNodesByClass("vtkMRMLModelDisplayNode") == 1


def test_shapes_of_several_previews_go_at_once(scene, previews):
    """Each removal makes the observer look for others, in the midst of the first look."""
    for preview in previews:
        preview.SetNodeReferenceID(TO_SURFACES, None)
    assert len(models(scene)) == 2
    remove_orphans(scene)
    assert not models(scene)


def test_shapes_stay_while_a_scene_is_read(scene, previews, tmp_path):
    """Added to what is there: nodes get new ids then, and refer to those in the end only."""
    file = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(file)
    scene.AddObserver(scene.NodeAddedEvent, lambda *_: remove_orphans(scene))
    assert scene.ReadFromMRB(file, False)
    assert models(scene) == ["one shapes", "other shapes"] * 2
    scene.RemoveNode(previews[0])
    assert models(scene) == ["other shapes", "one shapes", "other shapes"]
