"""Small stand-ins for what is in capitals in README and docs: a CT, its labels, cases, ..."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from dicom_slices import write_slices
from scipy import ndimage
from training_data import write_training_data

from LNGenLib import Models, Scan, Sizes, SynthesisRequest, plan, synthesize
from LNGenLib.image.io import like, to_array, write_image
from LNGenLib.phantom import Phantom, pelvic_phantom

SPACING, SIZE = (1.5, 1.5, 3.0), (130, 110, 44)  # of a case
QUICK = {"texture_steps": 2, "structure_steps": 4, "appearance": "benign"}
BOX = "-90 90 -90 60 -60 60"  # R1 R2 A1 A2 S1 S2


def write_standins(folder: Path, phantom: Phantom, models: Models) -> None:
    """CT.nii.gz with two known lymph nodes, and so on; all names are those of the docs."""
    scan = Scan(phantom.ct, phantom.labels)
    known = synthesize(scan, SynthesisRequest(2, Sizes("uniform", 8, 12), 5, **QUICK), models)
    write_image(known.ct, folder / "CT.nii.gz")
    write_image(known.nodes, folder / "NODES.nii.gz")
    write_image(phantom.labels, folder / "LABELS.nii.gz")
    others = Scan(known.ct, phantom.labels, avoid=known.nodes)
    nodes = plan(others, SynthesisRequest(2, Sizes("uniform", 8, 8), 1, **QUICK), models).nodes
    places = [{"position": list(np.multiply(node.center_ras_mm, (-1, -1, 1)))} for node in nodes]
    markups = {"markups": [{"coordinateSystem": "LPS", "controlPoints": places}]}
    (folder / "POINTS.mrk.json").write_text(json.dumps(markups))
    write_slices(folder / "SERIES_DIR", to_array(known.ct), spacing=(3.0, 3.0, 3.0))
    (folder / "DATA").mkdir()
    write_training_data(folder / "DATA")
    _write_cases(folder, models)


def _write_cases(folder: Path, models: Models) -> None:
    """CASES of two patients, and what two models FOUND in them: all, and a little less."""
    cases = folder / "CASES"
    for name in ("CASES/imagesTr", "CASES/labelsTr", "FOUND", "OTHER"):
        (folder / name).mkdir(parents=True)
    for seed, name in enumerate(("anna", "bert"), 1):
        phantom = pelvic_phantom(seed, SPACING, SIZE)
        request = SynthesisRequest(4, Sizes("uniform", 7, 13), 3, allow_fewer=True, **QUICK)
        result = synthesize(Scan(phantom.ct, phantom.labels), request, models)
        label = to_array(result.nodes) > 0
        write_image(result.ct, cases / f"imagesTr/{name}_0000.nii.gz")
        for file, found in (
            (cases / f"labelsTr/{name}.nii.gz", label),
            (folder / f"OTHER/{name}.nii.gz", ndimage.binary_erosion(label)),
        ):
            write_image(like(found.astype(np.uint8), result.nodes), file)
        shutil.copy(cases / f"labelsTr/{name}.nii.gz", folder / "FOUND")
    description = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "lymph node": 1}}
    (cases / "dataset.json").write_text(json.dumps(description | {"file_ending": ".nii.gz"}))


def answer(study: Path, answers: Path) -> None:
    """What a reader sends back who tells most of a study rightly."""
    key = json.loads((study / "key.json").read_text())
    cases = [
        {"case": name, "rating": 4 + k % 2 if case["synthetic"] else 1 + k % 3, "seconds": 9.0}
        for k, (name, case) in enumerate(key["cases"].items())
    ]
    answers.mkdir()
    whole = {"study": key["study"], "reader": "A", "answers": cases}
    (answers / "answers-A.json").write_text(json.dumps(whole))
