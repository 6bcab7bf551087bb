"""Tests of the procedural pelvic CT phantom."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt, gaussian_filter

from LNGenLib.phantom import Phantom, pelvic_phantom

COARSE = (3.0, 3.0, 3.0)  # mm
BLADDER, COLON, SACRUM, AORTA, VENA_CAVA = 21, 20, 25, 52, 63
ILIAC_ARTERIES, ILIAC_VEINS, HIPS, GLUTEI_MAXIMI = (65, 66), (67, 68), (77, 78), (80, 81)
LABELS = {18, 20, 21, 22, 25, 26, 27, 28, 52, 63, *range(65, 69), *range(75, 79), *range(80, 90)}


def arrays(phantom: Phantom) -> tuple[np.ndarray, np.ndarray]:
    """CT (HU) and labels as arrays (z, y, x)."""
    return sitk.GetArrayFromImage(phantom.ct), sitk.GetArrayFromImage(phantom.labels)


def lesser_pelvis(phantom: Phantom) -> np.ndarray:
    """Mask of a box between the acetabula, from mid-sacrum to the pelvic floor."""
    nz, ny, nx = sitk.GetArrayViewFromImage(phantom.labels).shape
    x, y, z = (
        (np.arange(n) * s + o)
        for n, s, o in zip(
            (nx, ny, nz), phantom.ct.GetSpacing(), phantom.ct.GetOrigin(), strict=True
        )
    )
    return (np.abs(x) < 45) & (np.abs(y) < 65)[:, None] & ((z > -75) & (z < 30))[:, None, None]


@pytest.fixture(scope="module", params=[0, 1, 2])
def phantom(request: pytest.FixtureRequest) -> Phantom:
    return pelvic_phantom(request.param, COARSE)


def test_same_seed_is_identical_and_other_seed_differs() -> None:
    first, again, other = (arrays(pelvic_phantom(seed, COARSE)) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert np.mean(first[1] != other[1]) > 0.02


def test_images_share_a_centered_lps_grid(phantom: Phantom) -> None:
    ct, labels = phantom.ct, phantom.labels
    assert ct.GetPixelID() == sitk.sitkInt16
    assert labels.GetPixelID() == sitk.sitkUInt8
    assert ct.GetSize() == labels.GetSize()
    assert ct.GetSpacing() == labels.GetSpacing() == COARSE
    assert ct.GetOrigin() == labels.GetOrigin()
    assert ct.GetDirection() == labels.GetDirection() == tuple(np.eye(3).ravel())
    middle = ct.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in ct.GetSize()])
    assert middle == pytest.approx((0, 0, 0), abs=1e-6)


def test_left_organs_lie_at_positive_x(phantom: Phantom) -> None:
    _, labels = arrays(phantom)
    center = (labels.shape[2] - 1) / 2
    for left in (65, 67, 75, 77, 80, 82, 84, 86, 88):
        assert np.nonzero(labels == left)[2].mean() > center
        assert np.nonzero(labels == left + 1)[2].mean() < center


def test_labels_follow_totalsegmentator(phantom: Phantom) -> None:
    assert set(np.unique(arrays(phantom)[1])) == LABELS | {0}


@pytest.mark.parametrize(
    ("organs", "low", "high"),
    [
        (GLUTEI_MAXIMI, 30, 80),
        ((82, 83), 30, 80),
        ((88, 89), 30, 80),
        ((86, 87), 30, 80),
        ((BLADDER,), -10, 25),
        ((SACRUM,), 100, 600),
        (HIPS, 100, 600),
        ((AORTA,), 90, 200),
        ((VENA_CAVA,), 90, 200),
        (ILIAC_ARTERIES, 90, 200),
        (ILIAC_VEINS, 90, 200),
    ],
)
def test_organs_have_plausible_hu(phantom: Phantom, organs: tuple, low: float, high: float) -> None:
    ct, labels = arrays(phantom)
    assert low < ct[np.isin(labels, organs)].mean() < high


def test_bone_has_a_cortex_over_marrow() -> None:
    ct, labels = arrays(pelvic_phantom(0, (1.5, 1.5, 2.5)))
    bone = np.isin(labels, HIPS)
    assert 600 < np.percentile(ct[bone], 95) < 1100
    assert 120 < np.median(ct[binary_erosion(bone, iterations=4)]) < 320


def test_rectum_lies_in_fat(phantom: Phantom) -> None:
    ct, labels = arrays(phantom)
    rectum = (labels == COLON) & lesser_pelvis(phantom)
    near, far = (binary_dilation(rectum, iterations=n) for n in (1, 3))
    around = ct[far & ~near & (labels == 0) & lesser_pelvis(phantom)]
    assert -120 < np.median(around) < -80
    assert np.mean(around < -50) > 0.8


def test_noise_in_muscle(phantom: Phantom) -> None:
    ct, labels = arrays(phantom)
    assert 5 < ct[binary_erosion(labels == GLUTEI_MAXIMI[0], iterations=2)].std() < 25


def test_pelvic_fat_has_room_for_lymph_nodes(phantom: Phantom) -> None:
    ct, labels = arrays(phantom)
    hu = gaussian_filter(ct.astype(np.float32), 0.5)
    fat = (labels == 0) & (hu > -150) & (hu < -60) & lesser_pelvis(phantom)
    depth = distance_transform_edt(fat, sampling=COARSE[::-1])
    assert -120 < ct[fat].mean() < -80
    assert depth.max() >= 10  # a node 20 mm in diameter
    ball = 4 / 3 * np.pi * 6**3
    assert (depth >= 6).sum() * np.prod(COARSE) > 20 * ball  # many nodes 12 mm in diameter


@pytest.mark.parametrize("spacing", [(0.98, 0.98, 5.0), (1.4, 1.4, 1.25)])
def test_anatomy_does_not_depend_on_spacing(spacing: tuple) -> None:
    def volumes(phantom: Phantom) -> np.ndarray:
        counts = np.bincount(arrays(phantom)[1].ravel(), minlength=256)
        return counts[list(organs)] * np.prod(phantom.ct.GetSpacing())

    organs = (BLADDER, COLON, SACRUM, *ILIAC_ARTERIES, *ILIAC_VEINS, *HIPS, *GLUTEI_MAXIMI)
    assert volumes(pelvic_phantom(0, spacing)) == pytest.approx(
        volumes(pelvic_phantom(0, COARSE)), rel=0.1
    )


def test_size_is_honored() -> None:
    phantom = pelvic_phantom(0, (4.0, 4.0, 4.0), size=(60, 50, 20))
    assert phantom.ct.GetSize() == phantom.labels.GetSize() == (60, 50, 20)
