"""Tests of the preview picture on small synthetic CTs."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.image.geometry import array_axes, array_spacing, ras_to_index
from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape import Structure
from LNGenLib.synthesis import preview
from LNGenLib.synthesis.preview import CROP, render_preview

LPS_TO_RAS = np.array((-1, -1, 1))
CENTER_LPS_MM = np.array((13.0, -21.0, 35.0))
MIDDLE = CROP // 2

TILT = np.radians(20)
DIRECTIONS = {
    "identity": np.eye(3),
    "flipped": np.diag((-1.0, -1.0, 1.0)),
    "slices downward": np.diag((1.0, -1.0, -1.0)),
    "permuted": np.array(((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))),
    "oblique": np.array(
        (
            (np.cos(TILT), 0.0, np.sin(TILT)),
            (0.0, 1.0, 0.0),
            (-np.sin(TILT), 0.0, np.cos(TILT)),
        )
    ),
}


def empty_ct(direction: np.ndarray, spacing=(1.0, 1.0, 2.0), size=(60, 60, 60)) -> sitk.Image:
    """Return a CT of fat (-100 HU) whose middle is at CENTER_LPS_MM."""
    ct = sitk.Image(size, sitk.sitkInt16) - 100
    ct.SetSpacing(spacing)
    ct.SetDirection(direction.ravel().tolist())
    middle = direction @ ((np.array(size) - 1) / 2 * spacing)
    ct.SetOrigin((CENTER_LPS_MM - middle).tolist())
    return ct


def paste_ball(image: sitk.Image, center_lps: np.ndarray, radius: float, value: int) -> sitk.Image:
    """Return the image with `value` inside the ball (mm, LPS)."""
    source = sitk.PhysicalPointSource(
        sitk.sitkVectorFloat64,
        image.GetSize(),
        image.GetOrigin(),
        image.GetSpacing(),
        image.GetDirection(),
    )
    distance = np.linalg.norm(sitk.GetArrayFromImage(source) - center_lps, axis=-1)
    array = sitk.GetArrayFromImage(image)
    array[distance <= radius] = value
    pasted = sitk.GetImageFromArray(array)
    pasted.CopyInformation(image)
    return pasted


def make_record(center_lps: np.ndarray, diameter: float, label: int = 1) -> SimpleNamespace:
    """Return a record of a ball whose long axis runs from right to left."""
    half = np.array((diameter / 2, 0, 0))
    ends = ((center_lps - half) * LPS_TO_RAS, (center_lps + half) * LPS_TO_RAS)
    return SimpleNamespace(
        label=label,
        center_ras_mm=tuple(center_lps * LPS_TO_RAS),
        long_axis_mm=diameter,
        short_axis_mm=diameter,
        mean_hu=62.0,
        conspicuity=4.2,
        long_axis_ras_mm=tuple(tuple(end) for end in ends),
    )


@cache
def ellipsoid(radii: tuple[float, float, float]) -> Structure:
    """An ellipsoid of these radii in half long axes."""
    points = np.moveaxis(np.indices((GRID,) * 3) - (GRID - 1) / 2, 0, -1) * SAMPLE
    near, far = (np.linalg.norm(points / np.power(radii, k), axis=-1) for k in (1, 2))
    return Structure((near * (near - 1) / far).clip(-TRUNCATION, TRUNCATION))


def make_node(
    ct: sitk.Image, center_lps: np.ndarray, long_axis: float, radii=(1.0, 1.0, 1.0)
) -> LymphNode:
    """An ellipsoid with its center in the CT; `radii` are in half long axes, along L, P and S."""
    turn = array_axes(ct).T @ np.diag(LPS_TO_RAS)
    center = ras_to_index(ct, center_lps * LPS_TO_RAS)
    return LymphNode(ellipsoid(radii), long_axis, turn, center, array_spacing(ct))


def render_ball(before: sitk.Image, center_lps: np.ndarray, diameter: float = 12.0, count: int = 1):
    """Return the picture (rows, columns, RGB) of a ball of 62 HU shown `count` times."""
    after = paste_ball(before, center_lps, diameter / 2, 62)
    nodes = [make_node(before, center_lps, diameter)] * count
    records = [make_record(center_lps, diameter)] * count
    return np.asarray(render_preview(before, after, nodes, records)).astype(int)


def crops(picture: np.ndarray, row: int) -> list[np.ndarray]:
    """Return the six crops of the first block's plain (0) or outlined (1) row."""
    top = preview.HEADER + preview.LINE + row * (CROP + preview.GAP)
    return [picture[top : top + CROP, left : left + CROP] for left in preview.LEFTS]


def gray(hu: float) -> int:
    return round((hu + 175) / 425 * 255)


def test_before_and_after_differ_only_at_the_node():
    plain = crops(render_ball(empty_ct(np.eye(3)), CENTER_LPS_MM), 0)
    for before, after in zip(plain[:3], plain[3:]):
        assert (before == gray(-100)).all()
        assert (after[MIDDLE, MIDDLE] == gray(62)).all()
        assert (after[:40] == before[:40]).all()


def test_crops_are_isotropic_on_thick_slices():
    """A ball of 20 mm spans a third of the field of view (60 mm) in every direction."""
    picture = render_ball(empty_ct(np.eye(3), (0.8, 0.8, 5.0), (80, 80, 16)), CENTER_LPS_MM, 20.0)
    for crop in crops(picture, 0)[3:]:
        bright = crop[..., 0] > gray(-19)
        for extent in (bright.any(axis=0).sum(), bright.any(axis=1).sum()):
            assert extent * 60 / CROP == pytest.approx(20, abs=5)


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_orientation_is_radiological_for_any_direction(direction):
    """A marker to the patient's left, back and head lies right and down, or up, in the crops."""
    offset = np.array((10.0, 6.0, 14.0))  # LPS
    right, down = {}, {}
    for axis, unit in enumerate(np.eye(3)):
        ct = paste_ball(empty_ct(direction), CENTER_LPS_MM + unit * offset, 3, 250)
        picture = render_ball(ct, CENTER_LPS_MM, 4.0)
        for plane, crop in zip(preview.PLANES, crops(picture, 0)):
            where = np.argwhere(crop[..., 0] > 200)
            if len(where):
                down[plane, axis], right[plane, axis] = (where.mean(0) - MIDDLE) * 40 / CROP
    assert set(right) == {
        *(("axial", 0), ("axial", 1), ("coronal", 0), ("coronal", 2)),
        *(("sagittal", 1), ("sagittal", 2)),
    }
    assert right["axial", 0] == pytest.approx(10, abs=1)
    assert down["axial", 1] == pytest.approx(6, abs=1)
    assert right["coronal", 0] == pytest.approx(10, abs=1)
    assert down["coronal", 2] == pytest.approx(-14, abs=1)
    assert right["sagittal", 1] == pytest.approx(6, abs=1)
    assert down["sagittal", 2] == pytest.approx(-14, abs=1)


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_outline_and_long_axis_are_drawn_in_the_second_row(direction):
    picture = render_ball(empty_ct(direction), CENTER_LPS_MM, 12.0)
    assert all(np.ptp(crop, axis=-1).max() == 0 for crop in crops(picture, 0))
    for plane, crop in zip([*preview.PLANES] * 2, crops(picture, 1)):
        red, green, _ = np.moveaxis(crop, -1, 0)
        rows, columns = np.nonzero(green - red > 60)
        radius = np.hypot(rows - MIDDLE, columns - MIDDLE) * 40 / CROP
        assert radius == pytest.approx(np.full_like(radius, 6), abs=0.4)
        axis = np.argwhere(red - green > 60)
        if plane == "sagittal":
            assert np.abs(axis - MIDDLE).max(initial=0) <= 2
        else:
            assert np.abs(axis[:, 0] - MIDDLE).max() <= 1
            assert np.ptp(axis[:, 1]) * 40 / CROP == pytest.approx(12, abs=1)


def outline_of(crop: np.ndarray) -> np.ndarray:
    """Pixels (n, 2) of the outline from the crop's middle, mm right and down."""
    return (np.argwhere(crop[..., 1] - crop[..., 0] > 60)[:, ::-1] - MIDDLE) * 40 / CROP


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_outline_follows_the_surface_where_the_plane_cuts_it(direction):
    """An ellipsoid of 12 x 9 x 6 mm (L, P, S) whose center lies 1 mm left of the planes' center."""
    ct = empty_ct(direction, (0.8, 0.8, 5.0), (80, 80, 24))
    node = make_node(ct, CENTER_LPS_MM + (1, 0, 0), 12.0, (1, 0.75, 0.5))
    picture = render_preview(ct, ct, [node], [make_record(CENTER_LPS_MM, 8.0)])
    shown = crops(np.asarray(picture).astype(int), 1)[:3]
    cut = np.sqrt(1 - (1 / 6) ** 2)  # of the radii, 1 mm off the middle
    wanted = [
        ((-5, -4.5), (7, 4.5)),
        ((-5, -3), (7, 3)),
        ((-4.5 * cut, -3 * cut), (4.5 * cut, 3 * cut)),
    ]
    for crop, ends in zip(shown, wanted):
        outline = outline_of(crop)
        assert [outline.min(0), outline.max(0)] == pytest.approx(np.array(ends), abs=0.5)


def test_outline_is_smooth_however_coarse_the_voxels_are():
    """In voxels of 3 mm it stays on the circle, and goes round it without a gap."""
    ct = empty_ct(np.eye(3), (3.0, 3.0, 3.0), (24, 24, 24))
    picture = render_ball(ct, CENTER_LPS_MM + (0.7, 0.4, -0.9), 10.0)
    for crop in crops(picture, 1)[:3]:
        outline = outline_of(crop)
        assert np.hypot(*outline.T) == pytest.approx(np.full(len(outline), 5), abs=0.4)
        angles = np.sort(np.arctan2(*outline.T))
        assert np.diff(angles).max() < 0.1


def test_a_node_that_the_plane_misses_has_no_outline():
    ct = empty_ct(np.eye(3))
    node = make_node(ct, CENTER_LPS_MM + (0, 0, 9), 6.0)
    picture = render_preview(ct, ct, [node], [make_record(CENTER_LPS_MM, 6.0)])
    axial, coronal, _ = crops(np.asarray(picture).astype(int), 1)[:3]
    assert not len(outline_of(axial)) and len(outline_of(coronal))


def test_scale_bar_is_10_mm():
    crop = crops(render_ball(empty_ct(np.eye(3)), CENTER_LPS_MM), 1)[0]
    assert (crop.min(axis=-1) > 240).sum(axis=1).max() == pytest.approx(10 * CROP / 40, abs=1)


def test_node_at_the_border_is_black_outside():
    """The left face of the volume is 29.5 mm from its middle; the ball is cut by it."""
    center = CENTER_LPS_MM + (27.0, 0.0, 0.0)
    axial, _, _, after, _, _ = crops(render_ball(empty_ct(np.eye(3)), center), 0)
    assert (axial[:, -60:] == 0).all()
    assert (axial[:, :90] == gray(-100)).all()
    assert (after[MIDDLE, MIDDLE] == gray(62)).all()


def test_only_the_first_12_records_are_shown():
    ct = empty_ct(np.eye(3))
    one, twelve, thirteen = (render_ball(ct, CENTER_LPS_MM, count=n) for n in (1, 12, 13))
    assert one.shape == (preview.HEADER + preview.BLOCK, 1148, 3)
    assert twelve.shape == thirteen.shape == (preview.HEADER + 12 * preview.BLOCK, 1148, 3)
    assert (one[: preview.HEADER] == twelve[: preview.HEADER]).all()
    assert (thirteen[: preview.HEADER] != twelve[: preview.HEADER]).any()
    assert (thirteen[preview.HEADER :] == twelve[preview.HEADER :]).all()


def test_no_records_raise():
    ct = empty_ct(np.eye(3))
    with pytest.raises(ValueError, match="at least one"):
        render_preview(ct, ct, [], [])
