"""A case has one name, whoever asks for it and however."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.datasets.case import Case, anatomy_of
from LNGenLib.datasets.identity import case_of, found_of
from LNGenLib.errors import InputError
from LNGenLib.image.io import to_array, write_image

NAMES = {
    "abd": "abd",
    "abd.nii.gz": "abd",
    "abd.NII.GZ": "abd",
    "abd_0000.nii.gz": "abd",
    "/data/imagesTr/abd_0000.nii.gz": "abd",
    "patients/abd": "abd",
    "abd.seg.nrrd": "abd",
    "abd.npz": "abd",
    "lnq2023-train-0001-ct.nrrd": "lnq2023-train-0001",
    "/data/s0011/ct.nii.gz": "s0011",
    "ct.nii.gz": "ct",
    "synthetic_00000": "synthetic_00000",
    "1.2.840.113": "1.2.840.113",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_case_is_told_from_each_of_its_names(name):
    assert case_of(name) == NAMES[name]


def test_what_is_of_a_case_is_found_by_each_of_its_names(tmp_path):
    for name in ("a_0000.nii.gz", "._a.nii.gz", "b.nii.gz", "b.nrrd"):
        (tmp_path / name).touch()
    assert found_of("a", tmp_path).name == "a_0000.nii.gz"
    assert found_of("c", tmp_path) is None
    with pytest.raises(InputError, match="holds b.nii.gz, b.nrrd of the case b: leave one"):
        found_of("b", tmp_path)


def mask(shape=(4, 6, 7)) -> sitk.Image:
    array = np.zeros(shape, np.uint8)
    array[1:3, 2:4, 2:4] = 1
    return sitk.GetImageFromArray(array)


@pytest.mark.parametrize("folder", ["a", "a/segmentations"])
def test_anatomy_of_a_case_is_found_beside_what_macos_leaves(folder, tmp_path):
    """As a folder of masks, or TotalSegmentator's data set."""
    (tmp_path / folder).mkdir(parents=True)
    write_image(mask(), tmp_path / folder / "colon.nii.gz")
    (tmp_path / "._a").write_text("left by macOS")
    ct = sitk.Image(7, 6, 4, sitk.sitkInt16)
    case = Case("a", tmp_path / "a_0000.nii.gz", None, "a")
    assert set(np.unique(to_array(anatomy_of(case, tmp_path, ct)))) == {0, 20}
    own = Case("a", tmp_path / "a_0000.nii.gz", None, "a", anatomy=tmp_path / folder)
    assert set(np.unique(to_array(anatomy_of(own, None, ct)))) == {0, 20}
