"""Detection by a segmentation model, in the panel's host (Testing/panel_host, not 3D Slicer)."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
pytest.importorskip("PySide6")

from panel_story import PATIENCE  # noqa: E402  isort: skip
from segmentation_data import SPACING, write_cases  # noqa: E402
from service_host import TOKEN, Host  # noqa: E402

from LNGenLib.datasets.cases import read_cases  # noqa: E402
from LNGenLib.datasets.splitting import split  # noqa: E402
from LNGenLib.image.io import read_image, to_array  # noqa: E402
from LNGenLib.mrml.found import MODEL, count_found  # noqa: E402
from LNGenLib.mrml.results import PROVENANCE, TO_CT  # noqa: E402
from LNGenLib.mrml.segmentations import copied  # noqa: E402
from LNGenLib.mrml.volumes import to_image, to_volume  # noqa: E402
from LNGenLib.segmentation.config import SegmentationConfig  # noqa: E402
from LNGenLib.segmentation.inference import load_segmentor  # noqa: E402
from LNGenLib.segmentation.training import train  # noqa: E402
from LNGenLib.validation import from_json  # noqa: E402

QUICK = {  # of nothing but balls in fat: it finds them, and nothing in fat
    **{"channels": [4, 8], "residual_units": 1, "patch": [16, 16, 16]},
    **{"epochs": 1, "steps_an_epoch": 30, "learning_rate": 0.02},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_cases(tmp_path_factory.mktemp("data"), 4)


@pytest.fixture(scope="module")
def model(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "balls"
    train(*split(read_cases(table), 0), folder, from_json(SegmentationConfig, QUICK))
    return folder


@pytest.fixture
def panel(host, table, model):
    """Its section open, a CT with two balls and the model chosen."""
    host.clear()
    image = read_image(table.parent / "images/case3.nii.gz")
    slicer.util.setSliceViewerLayers(background=to_volume(slicer.mrmlScene, image, "CT"), fit=True)
    panel = slicer.modules.lngen.widgetRepresentation().self().panel
    panel.ui.advancedCollapsibleButton.collapsed = False
    host.turn()
    host.choose(panel.ui.ctSelector, "CT")
    host.choose(panel.ui.hostBox, "This computer")
    host.type(panel.ui.modelEdit, str(model))
    return panel


def choose_noise(host, panel, shape: tuple[int, int, int]) -> None:
    """Another CT in the place of the chosen one: fat and nothing else, of this shape (z, y, x)."""
    hu = np.random.default_rng(0).normal(-100, 8, shape).astype(np.int16)
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(SPACING[::-1])
    to_volume(slicer.mrmlScene, image, "fat")
    host.choose(panel.ui.ctSelector, "fat")


def end(host, panel) -> str:
    """Wait for the job; what the panel says of it."""
    host.wait(lambda: panel.jobs.running is None, PATIENCE, "the job")
    assert not panel.ui.progressBar.visible
    return panel.ui.messageLabel.text


def nodes() -> list[str]:
    every = slicer.mrmlScene.GetNodes()
    return sorted(every.GetItemAsObject(k).GetID() for k in range(every.GetNumberOfItems()))


def failed(panel) -> bool:
    return panel.status.failed


def test_cancel_ends_at_once_and_leaves_the_scene(host, panel):
    choose_noise(host, panel, (60, 200, 200))
    ui, before = panel.ui, nodes()
    assert not ui.progressBar.visible
    host.click(ui.detectButton)
    seen = set()

    def under_way() -> bool:
        seen.add(ui.progressLabel.text)
        return "s left" in ui.progressLabel.text and "step" in ui.progressLabel.text

    host.wait(under_way, PATIENCE, "steps")
    assert ui.generateButton.text == "Cancel" and ui.progressBar.value > 100
    assert not ui.detectButton.enabled
    assert not ui.previewButton.enabled and not ui.foundSelector.currentNode()
    host.click(ui.generateButton)
    assert panel.jobs.running is None and "Canceled" in end(host, panel) and not failed(panel)
    assert ui.detectButton.enabled and nodes() == before
    assert any("Looking for lymph nodes" in text for text in seen)
    client = panel.logic.backend._local.client
    host.wait(lambda: client.jobs()[-1].state.final, PATIENCE, "the worker's end of the job")
    assert client.jobs()[-1].state.value == "canceled"


def test_what_a_model_finds_lies_beside_the_ct_and_goes_in_one(
    host, panel, model, pictures, tmp_path
):
    ui, ct, before = panel.ui, panel.parameters.ct, nodes()
    host.click(ui.detectButton)
    assert end(host, panel) == "Lymph nodes found in CT by balls: 2." and not failed(panel)
    found = panel.parameters.found
    assert found.GetName() == "CT lymph nodes by balls" == ui.foundSelector.currentNode().GetName()
    expected = load_segmentor(model, "cpu").segment(to_image(ct))
    assert count_found(expected) == 2
    assert np.array_equal(to_array(copied(found).mask(to_image(ct))), to_array(expected))
    (name,) = found.GetSegmentation().GetSegmentIDs()
    assert found.GetSegmentation().GetSegment(name).GetName() == "Lymph nodes by balls"
    assert found.GetNodeReference(TO_CT) is ct and found.GetAttribute(MODEL) == "balls"
    assert json.loads(found.GetAttribute(PROVENANCE))["model"] == str(model)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    items = [hierarchy.GetItemByDataNode(node) for node in (found, ct)]
    assert items[0] and hierarchy.GetItemParent(items[0]) == hierarchy.GetSceneItemID()
    host.screenshot(pictures / "detection.png")

    host.save(tmp_path / "scene.mrb")
    host.load(tmp_path / "scene.mrb")
    assert ui.foundSelector.currentNode().GetName() == "CT lymph nodes by balls"
    assert ui.modelEdit.currentPath == str(model) and ui.messageLabel.text == ""
    host.click(ui.removeButton)
    assert panel.parameters.found is None and not ui.removeButton.enabled
    left = {name for name in nodes() if "Segmentation" in name}
    assert left == {name for name in before if "Segmentation" in name}


def test_a_scan_with_nothing_in_it_says_so(host, panel):
    choose_noise(host, panel, (24, 40, 40))
    before = nodes()
    host.click(panel.ui.detectButton)
    assert end(host, panel) == "No lymph node found in fat by balls." and not failed(panel)
    assert nodes() == before and panel.parameters.found is None


def test_what_is_no_model_is_told(host, panel, model, tmp_path):
    ui = panel.ui
    for folder in (tmp_path, tmp_path / "gone"):
        host.type(ui.modelEdit, str(folder))
        host.click(ui.detectButton)
        assert panel.jobs.running is None and failed(panel)
        assert f"{folder} holds no segmentation model" in ui.messageLabel.text
    cut = tmp_path / "cut"
    cut.mkdir()
    for name in ("segmentation.json", "segmentation.safetensors"):
        content = (model / name).read_bytes()
        (cut / name).write_bytes(content if name.endswith("json") else content[:-1])
    host.type(ui.modelEdit, str(cut))
    host.click(ui.detectButton)
    assert "does not match the SHA-256" in end(host, panel) and failed(panel)
    host.type(ui.modelEdit, str(model))
    host.click(ui.detectButton)
    assert "found in CT by balls: 2" in end(host, panel) and not failed(panel)


def test_without_a_ct_there_is_nothing_to_look_at(host, panel):
    slicer.mrmlScene.RemoveNode(panel.parameters.ct)
    host.turn()
    assert not panel.ui.detectButton.enabled


def test_a_ct_that_is_removed_meanwhile_is_missed(host, panel):
    host.click(panel.ui.detectButton)
    slicer.mrmlScene.RemoveNode(panel.parameters.ct)
    assert "no longer in the scene" in end(host, panel) and failed(panel)


@pytest.fixture
def server(tmp_path, model):
    server = Host(tmp_path / "service")
    server.wait_for_worker()  # its folders are there then
    (server.data / "datasets" / "nodes of the lab").symlink_to(model)
    (server.data / "datasets" / "scans").mkdir()
    yield server
    server.stop()


def test_a_server_offers_its_models_and_says_when_one_is_gone(host, panel, server, pictures):
    ui = panel.ui
    host.choose(ui.hostBox, "Server")
    host.type(ui.urlEdit, server.url)
    host.type(ui.tokenEdit, TOKEN)
    assert ui.modelBox.visible and ui.modelsButton.visible and not ui.modelEdit.visible
    assert not ui.detectButton.visible, "there is no model yet"
    host.click(ui.modelsButton)  # asks for no consent: it sends nothing
    assert end(host, panel) == ""
    assert [ui.modelBox.itemText(k) for k in range(ui.modelBox.count)] == ["nodes of the lab"]
    assert panel.parameters.modelName == ui.modelBox.currentText == "nodes of the lab"
    host.answers.append(True)  # that the CT is sent there
    host.click(ui.detectButton)
    assert end(host, panel) == "Lymph nodes found in CT by nodes of the lab: 2."
    found = panel.parameters.found
    assert server.url in json.loads(found.GetAttribute(PROVENANCE))["model"]
    for width in (400, 700):
        host.screenshot(pictures / f"detection_server_{width}.png", panel_width=width)
        for widget in (ui.modelBox, ui.modelsButton, ui.removeButton, ui.detectButton):
            assert widget.width >= widget.minimumSizeHint().width()

    (server.data / "datasets" / "nodes of the lab").unlink()
    host.click(ui.detectButton)
    assert "no model 'nodes of the lab'" in end(host, panel) and failed(panel)
    assert panel.parameters.found is found
    host.click(ui.modelsButton)
    assert "The server has no segmentation model" in end(host, panel) and failed(panel)
