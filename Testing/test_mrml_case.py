"""The headless entry: the same voxels as the library and `lngen` give, and clear refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import box_mask
from LNGenLib.image.io import like, read_image, to_array, write_image
from LNGenLib.scan import Scan
from LNGenLib.scan.labels import read_anatomy
from LNGenLib.scan.totalsegmentator import NUMBERS
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.request import SynthesisRequest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")

from LNGenLib.mrml.case import synthesize_case, synthesize_in_scene  # noqa: E402
from LNGenLib.mrml.results import TO_SEGMENTATION, read_result  # noqa: E402
from LNGenLib.mrml.scene import save  # noqa: E402
from LNGenLib.mrml.volumes import LABELS, to_volume  # noqa: E402

ROOT = Path(__file__).parents[1]
QUICK = SynthesisRequest(2, Sizes("uniform", 6, 9), 5, texture_steps=2, structure_steps=4)
IMAGES = {"ct": "ct.nrrd", "nodes": "nodes.seg.nrrd", "changed": "changed.nrrd"}


def assert_same_voxels(one, other) -> None:
    for name in IMAGES:
        assert np.array_equal(*(to_array(getattr(each, name)) for each in (one, other))), name
    assert one.records == other.records


@pytest.mark.slow
def test_the_script_of_the_docs_writes_what_lngen_writes(phantom, tmp_path, run_lngen):
    """Two cases, one of them without a CT, in a process of their own."""
    case = tmp_path / "cases" / "pelvis"
    case.mkdir(parents=True)
    (tmp_path / "cases" / "void").mkdir()
    write_image(phantom.ct, case / "ct.nii.gz")
    write_image(phantom.labels, case / "anatomy.nii.gz")
    script = [sys.executable, str(ROOT / "docs" / "synthesize_folder.py")]
    done = subprocess.run(
        [*script, tmp_path / "cases", tmp_path / "results"], capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert "pelvis: SYNTHETIC lymph nodes of" in done.stdout
    assert "ct.nrrd is no file" in done.stdout
    assert [folder.name for folder in (tmp_path / "results").iterdir()] == ["pelvis"]

    command = f"synthesize {case}/ct.nii.gz --anatomy {case}/anatomy.nii.gz -o {tmp_path}/lngen"
    assert run_lngen(f"{command} --count 3 --long-axis 5 12".split())[0] == 0
    slicers, lngens = tmp_path / "results" / "pelvis", tmp_path / "lngen"
    for name, file in IMAGES.items():
        images = [read_image(slicers / file), read_image(lngens / f"{name}.nii.gz")]
        assert np.array_equal(*map(to_array, images)), name
        assert np.allclose(images[0].GetOrigin(), images[1].GetOrigin())
        assert np.allclose(images[0].GetDirection(), images[1].GetDirection())
    contents = [json.loads((folder / "nodes.json").read_text()) for folder in (slicers, lngens)]
    assert contents[0]["records"] == contents[1]["records"]
    for key in ("plan", "request", "weights", "input_voxels_sha256"):
        assert contents[0]["provenance"][key] == contents[1]["provenance"][key]


@pytest.fixture
def anatomy(scene, phantom):
    """The phantom's labels as segments that bear TotalSegmentator's names, where it has one."""
    labels = to_volume(scene, phantom.labels, "labels", LABELS)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    layer = logic.CreateOrientedImageDataFromVolumeNode(labels)
    names = {number: name for name, number in NUMBERS.items()}
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "anatomy")
    for number in np.unique(to_array(phantom.labels))[1:].tolist():
        segment = slicer.vtkSegment()
        segment.SetName(names.get(number, f"structure {number}"))
        segment.SetLabelValue(number)
        segment.AddRepresentation("Binary labelmap", layer)
        node.GetSegmentation().AddSegment(segment)
    return node


def test_in_a_scene_as_in_the_library(scene, phantom, models, anatomy, tmp_path):
    """At stations of a segmentation; then in a label map, off the lymph nodes of the first result.
    The library reads the same segmentation from its file."""
    ct = to_volume(scene, phantom.ct, "CT")
    first = synthesize_in_scene(ct, QUICK, anatomy, models=models)
    save(anatomy, tmp_path / "anatomy.seg.nrrd")
    labels = read_anatomy(tmp_path / "anatomy.seg.nrrd", phantom.ct)
    expected = synthesize(Scan(phantom.ct, labels), QUICK, models)
    assert_same_voxels(read_result(first), expected)

    box = like(box_mask(phantom.ct, (-40, 40, -80, 0, -40, 40)).astype(np.uint8), phantom.ct)
    region = to_volume(scene, box, "region", LABELS)
    avoid = first.GetNodeReference(TO_SEGMENTATION)
    second = synthesize_in_scene(ct, QUICK, anatomy, region, avoid, models)
    expected = synthesize(Scan(phantom.ct, labels, box, expected.nodes), QUICK, models)
    assert_same_voxels(read_result(second), expected)


@pytest.mark.parametrize(
    "files, problem",
    [
        ({"ct": "nowhere.nrrd"}, "nowhere.nrrd is no file"),
        ({"ct": "text.nrrd"}, "text.nrrd is not an image that can be read"),
        ({"ct": "cut.nii"}, "cut.nii is cut"),
        ({"ct": "positive.nrrd"}, "is not in HU"),
        ({"ct": "ct.nrrd", "anatomy": "text.seg.nrrd"}, "text.seg.nrrd is not an image that can"),
        ({"ct": "ct.nrrd", "anatomy": "shorter.nrrd"}, "shorter has another geometry"),
    ],
)
def test_files_that_can_not_be_used_are_refused(phantom, tmp_path, files, problem):
    """Before any network is loaded, with nothing written."""
    ct = phantom.ct[:20, :20, :20]
    write_image(ct, tmp_path / "ct.nrrd")
    write_image(like(np.abs(to_array(ct)), ct), tmp_path / "positive.nrrd")
    write_image(phantom.labels[:20, :20, :19], tmp_path / "shorter.nrrd")
    for name in ("text.nrrd", "text.seg.nrrd"):
        (tmp_path / name).write_text("this is no image\n")
    write_image(ct, tmp_path / "cut.nii")
    (tmp_path / "cut.nii").write_bytes((tmp_path / "cut.nii").read_bytes()[:-999])
    paths = {name: tmp_path / file for name, file in files.items()}
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=problem):
        synthesize_case(output=tmp_path / "out", request=QUICK, **paths)
    assert sorted(tmp_path.iterdir()) == before
