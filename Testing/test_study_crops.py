"""What a reader study's page takes and refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_screens import crop

from LNGenLib.errors import InputError, OutputError
from LNGenLib.study.page import (
    BLACK_HU,
    STEP_HU,
    WHITE_HU,
    Crop,
    as_gray,
    write_page,
)


@given(st.floats(-1100, 3100))
def test_gray_is_hu_within_half_a_step(hu):
    gray = as_gray(np.array([hu]))
    assert gray.dtype == np.uint8
    shown = BLACK_HU + STEP_HU * float(gray[0])
    assert abs(shown - np.clip(hu, BLACK_HU, WHITE_HU)) <= STEP_HU / 2 + 1e-9


@pytest.mark.parametrize(
    ("voxels", "spacing", "message"),
    [
        (np.zeros((50, 50, 50)), (1, 1, 1), "uint8"),
        (np.zeros((50, 50), np.uint8), (1, 1, 1), "uint8"),
        (np.zeros((50, 50, 50), np.uint8), (1, 0, 1), "spacing"),
        (np.zeros((50, 50, 50), np.uint8), (1, 1), "spacing"),
        (np.zeros((50, 50, 30), np.uint8), (1, 1, 1), "reaches 14.0 mm"),
        (np.zeros((50, 50, 0), np.uint8), (1, 1, 1), "reaches"),
    ],
)
def test_a_crop_that_cannot_be_shown(voxels, spacing, message):
    with pytest.raises(InputError, match=message):
        Crop("a", voxels, np.array(spacing))


def test_a_study_that_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="needs cases"):
        write_page("s", [], tmp_path / "page.html")
    with pytest.raises(InputError, match="two crops are named a"):
        write_page("s", [crop("a"), crop("a")], tmp_path / "page.html")
    with pytest.raises(OutputError):
        write_page("s", [crop("a")], Path("/proc/none/page.html"))
    assert not list(tmp_path.iterdir())
