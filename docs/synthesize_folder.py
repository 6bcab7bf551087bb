"""Paint lymph nodes into every case of a folder, in 3D Slicer without a window or with slicer-core:

Slicer --no-splash --no-main-window --python-script docs/synthesize_folder.py CASES RESULTS
python docs/synthesize_folder.py CASES RESULTS

A case is a folder with ct.nrrd or ct.nii.gz and, where there is one, TotalSegmentator's
anatomy.seg.nrrd or anatomy.nii.gz. Its results go into a folder of the same name.
"""

import sys
from pathlib import Path

import slicer

from LNGenLib.errors import InputError
from LNGenLib.mrml.case import synthesize_case
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.request import SynthesisRequest


def find(case: Path, *names: str) -> Path | None:
    """The first of these files that a case has."""
    return next((case / name for name in names if (case / name).is_file()), None)


def main(cases: Path, results: Path) -> int:
    """Returns how many cases could not be used."""
    models, unusable = Models(), 0  # the networks are loaded once
    for seed, case in enumerate(sorted(path for path in cases.iterdir() if path.is_dir())):
        request = SynthesisRequest(count=3, sizes=Sizes("clinical", 5, 12), seed=seed)
        anatomy = find(case, "anatomy.seg.nrrd", "anatomy.nii.gz")
        ct = find(case, "ct.nrrd", "ct.nii.gz") or case / "ct.nrrd"
        try:
            result = synthesize_case(ct, results / case.name, request, anatomy, models)
            sizes = ", ".join(f"{record.long_axis_mm:.1f}" for record in result.records)
            print(f"{case.name}: SYNTHETIC lymph nodes of {sizes} mm")
        except InputError as error:
            print(f"{case.name}: {error}")
            unusable += 1
    return unusable


if __name__ == "__main__":
    code = min(main(*map(Path, sys.argv[1:3])), 1)
    slicer.util.exit(code) if hasattr(slicer, "app") else sys.exit(code)
