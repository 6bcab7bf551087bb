"""Synthesis in a scene, and of files without one: for scripts in Slicer's Python."""

from __future__ import annotations

from pathlib import Path

import slicer

from LNGenLib.files import check_output, output_folder, write_json
from LNGenLib.mrml.inputs import Inputs
from LNGenLib.mrml.results import TO_SEGMENTATION, add_result, read_result
from LNGenLib.mrml.scene import load, new_scene, save
from LNGenLib.mrml.segmentations import SEGMENTATION
from LNGenLib.mrml.volumes import LABELS, SCALARS, to_volume
from LNGenLib.progress import SILENT, Progress
from LNGenLib.synthesis.engine import paint, synthesize
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.plan import Plan
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.synthesis.result import SynthesisResult

FILES = ("ct.nrrd", "nodes.seg.nrrd", "changed.nrrd", "nodes.json")


def synthesize_in_scene(
    ct: slicer.vtkMRMLScalarVolumeNode,
    request: SynthesisRequest | None,
    anatomy: slicer.vtkMRMLNode | None = None,
    region: slicer.vtkMRMLNode | None = None,
    avoid: slicer.vtkMRMLNode | None = None,
    models: Models | None = None,
    progress: Progress = SILENT,
    plan: Plan | None = None,
) -> slicer.vtkMRMLScalarVolumeNode:
    """`synthesize`, or with a `plan` `paint`, on MRML nodes; the new volume beside `ct`, see
    `add_result`.

    Without a `request` it is the plan's own, or the default. `anatomy`, `region` and `avoid` are
    segmentations or label maps. Nothing is added to the scene where an error is raised.
    """
    scan = Inputs.read(ct, anatomy, region, avoid).scan()
    if plan is None:
        result = synthesize(scan, request or SynthesisRequest(), models, progress)
    else:
        result = paint(scan, plan, request, models, progress)
    return add_result(ct, result)


def synthesize_case(
    ct: Path,
    output: Path,
    request: SynthesisRequest,
    anatomy: Path | None = None,
    models: Models | None = None,
    progress: Progress = SILENT,
) -> SynthesisResult:
    """`synthesize` on files that Slicer reads and writes, in a scene of its own.

    `anatomy` is a segmentation (.seg.nrrd) with TotalSegmentator's names, or a label map of its
    numbers. Writes ct.nrrd, nodes.seg.nrrd, changed.nrrd and nodes.json into the folder `output`,
    all or nothing. Raises InputError for unusable input or where the lymph nodes do not fit.
    """
    check_output(output, FILES, (ct, anatomy))
    scene = new_scene()
    labels = None
    if anatomy is not None:
        is_segmentation = anatomy.name.endswith(".seg.nrrd")
        labels = load(scene, SEGMENTATION if is_segmentation else LABELS, anatomy)
    synthetic = synthesize_in_scene(
        load(scene, SCALARS, ct), request, labels, models=models, progress=progress
    )
    result = read_result(synthetic)
    with output_folder(output) as folder:
        save(synthetic, folder / "ct.nrrd")
        save(synthetic.GetNodeReference(TO_SEGMENTATION), folder / "nodes.seg.nrrd")
        save(to_volume(scene, result.changed, "changed"), folder / "changed.nrrd")
        write_json(result.to_json(), folder / "nodes.json")
    return result
