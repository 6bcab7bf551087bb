"""Tests of painting into a CT: conserved through partial volume, bit for bit outside."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation
from shapes import tsdf_from_mask

from LNGenLib.image.edge import border_profiles, edge_spread, fit_spread, reach_of
from LNGenLib.image.grid import inside_grid
from LNGenLib.image.noise import Noise
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.shape import Structure
from LNGenLib.texture.blending import (
    REACH,
    SLICE_BLUR,
    Scanner,
    Tissue,
    blur_mm,
    scanned,
    whole,
)
from LNGenLib.texture.dataset import extend_tissue
from LNGenLib.texture.patch import (
    PATCH,
    RIM,
    SIZED_TO_NODE,
    Frame,
    patch_distance,
    patch_step,
)

FAT, TISSUE = -100, 60
QUIET = Noise(0.0, (0.0, 0.0, 0.0))
THICK, THIN, COARSE = (5.0, 0.8, 0.8), (1.0, 0.7, 0.7), (3.0, 3.0, 3.0)
SPREADS = {THICK: 0.8, THIN: 0.6, COARSE: 2.0}  # mm, of edges in such scans
SHAPE = (21, 64, 64)


def structure(*radii: float) -> Structure:
    axis = np.arange(-max(radii) - 1, max(radii) + 1.01, 0.5) + 0.13
    grid = np.meshgrid(axis, axis, axis, indexing="ij")
    return Structure(
        tsdf_from_mask(sum((g / r) ** 2 for g, r in zip(grid, radii)) <= 1, (0.5,) * 3)[0]
    )


SHAPES = [structure(10, 10, 10), structure(6, 7, 10)]


def node(long_axis: float, spacing=THICK, seed: int = 0, center=(10, 32, 32)) -> LymphNode:
    """A node of a random shape, turn and sub-voxel place."""
    rng = np.random.default_rng(seed)
    turn = Rotation.random(rng=rng).as_matrix()
    place = np.array(center) + rng.uniform(-0.5, 0.5, 3)
    return LymphNode(SHAPES[seed % 2], long_axis, turn, place, np.array(spacing))


def constant_tissue(long_axis: float) -> Tissue:
    return Tissue(np.full((PATCH,) * 3, TISSUE, np.float32), patch_step(long_axis))


def paint(lymph_node, hu=None, noise=QUIET, tissue=None, seed=0, spread=None):
    """The CT before and after, and label and changed voxels on its whole grid."""
    hu = np.full(SHAPE, FAT, np.int16) if hu is None else hu
    before = hu.copy()
    tissue = tissue or constant_tissue(lymph_node.long_axis)
    scanner = Scanner(noise, spread or SPREADS[tuple(lymph_node.spacing)])
    box = inside_grid(lymph_node.box(REACH), hu.shape)
    share = scanned(lymph_node, box, scanner.spread)
    painted = tissue.blend(hu[box], box, lymph_node, share, scanner, np.random.default_rng(seed))
    assert np.array_equal(hu, before)  # the input is not modified
    after, label, changed = hu.copy(), np.zeros(hu.shape, bool), np.zeros(hu.shape, bool)
    after[painted.box], label[painted.box], changed[painted.box] = (
        painted.hu,
        painted.label,
        painted.changed,
    )
    assert painted.hu.dtype == hu.dtype
    return before, after, label, changed


def conserved(long_axis: float, spacing, seed: int) -> float:
    """Share of contrast x volume that is found in the CT afterwards."""
    lymph_node = node(long_axis, spacing, seed)
    before, after, _, _ = paint(lymph_node)
    gain = (after.astype(float) - before).sum() * np.prod(spacing)
    return gain / ((TISSUE - FAT) * lymph_node.structure.volume(long_axis))


@pytest.mark.parametrize("spacing", [THICK, THIN, COARSE])
def test_center_of_a_node_is_the_tissue(spacing):
    lymph_node = node(24, spacing, seed=1)
    _, after, label, _ = paint(lymph_node)
    center = tuple(np.round(lymph_node.center).astype(int))
    assert after[center] == pytest.approx(TISSUE, abs=2) and label[center]


@pytest.mark.parametrize("spacing", [THICK, THIN])
def test_edges_of_a_node_are_as_wide_as_those_of_the_scan(spacing):
    """In the middle slice, which cuts the ball at right angles."""
    ball = LymphNode(SHAPES[0], 24, np.eye(3), np.array([10.0, 32, 32]), np.array(spacing))
    _, after, _, _ = paint(ball)
    assert edge_spread(after[10:11], spacing) == pytest.approx(SPREADS[spacing], rel=0.15)


@pytest.mark.parametrize("spacing", [THICK, THIN, COARSE])
def test_edges_of_nodes_that_slices_cut_obliquely_are_no_wider(spacing):
    """Thick slices smear such edges before any blur."""
    reach, profiles = reach_of(SPREADS[spacing], spacing[1]), []
    for seed in range(12):
        _, after, label, _ = paint(node(24, spacing, seed))
        own = label.any((1, 2))  # all slices of the node: others would crowd out some of them
        profiles.append(border_profiles(after[own], label[own], np.array(spacing), reach))
    spread = fit_spread(np.concatenate(profiles)) * spacing[1]
    assert spread == pytest.approx(SPREADS[spacing], rel=0.15)


@settings(max_examples=20, deadline=None)
@given(st.floats(1.7, 25), st.sampled_from([THICK, THIN, COARSE]), st.integers(0, 1000))
def test_only_voxels_near_the_label_change(long_axis, spacing, seed):
    rng = np.random.default_rng(seed)
    hu = rng.normal(FAT, 15, SHAPE).round().astype(np.int16)
    before, after, label, changed = paint(
        node(long_axis, spacing, seed), hu, Noise(15.0, (0.0, 0.6, 0.6))
    )
    assert np.array_equal(after[~changed], before[~changed])
    labeled = np.argwhere(label)
    for voxel in np.argwhere(changed)[rng.permutation(changed.sum())[:200]]:
        apart = np.abs(labeled - voxel)
        assert (apart.max(1) <= 1).any() or (
            np.linalg.norm(apart * spacing, axis=1).min() <= 3.0 + 1e-6
        )


@pytest.mark.parametrize("spacing", [THICK, THIN, COARSE])
@pytest.mark.parametrize("long_axis", [4.0, 9.0, 18.0])
def test_without_noise_values_lie_between_fat_and_tissue(long_axis, spacing):
    _, after, label, _ = paint(node(long_axis, spacing, seed=2))
    assert after.min() >= FAT and after.max() <= TISSUE
    half = FAT + (after.max() - FAT) / 2
    assert after[label].min() >= half - 1 and after[~label].max() <= half + 1
    assert after[label].mean() > after[~label].mean() + 25


@pytest.mark.parametrize(
    "long_axis, spacing",
    [
        *((x, spacing) for x in (9.0, 12.0, 20.0) for spacing in (THICK, THIN, COARSE)),
        (4.0, THIN),
        *((x, THICK) for x in (2.0, 3.0, 4.0, 6.0)),
        *((x, COARSE) for x in (2.0, 3.0)),
    ],
)
def test_contrast_times_volume_is_conserved_through_partial_volume(long_axis, spacing):
    shares = [conserved(long_axis, spacing, seed) for seed in range(10)]
    assert min(shares) > 0.9 and max(shares) < 1.1


@pytest.mark.parametrize("spacing", [THICK, THIN])
def test_small_nodes_change_the_ct_as_partial_volume_and_blur_predict(spacing):
    predicted, found = [], []
    for seed in range(5):
        lymph_node = node(2.0, spacing, seed)
        before, after, _, _ = paint(lymph_node)
        sigma = blur_mm(SPREADS[spacing], lymph_node.spacing) / lymph_node.spacing
        box = lymph_node.box(4.0)
        share = ndimage.gaussian_filter(lymph_node.occupancy(box, SLICE_BLUR), (0, *sigma[1:]))
        predicted.append(share.ravel() * (TISSUE - FAT))
        found.append((after[box].astype(float) - before[box]).ravel())
    predicted, found = np.concatenate(predicted), np.concatenate(found)
    assert (predicted * found).sum() / (predicted**2).sum() == pytest.approx(1, abs=0.1)


def test_whole_numbers_keep_the_sum_of_faint_changes():
    change = np.random.default_rng(0).uniform(0, 0.4, (3, 20, 20))
    rounded = whole(change)
    assert np.array_equal(rounded, rounded.round()) and rounded.min() == 0
    for part in (slice(0, 400), slice(123, 877), slice(None)):
        assert abs(rounded.ravel()[part].sum() - change.ravel()[part].sum()) <= 1


def test_label_is_never_written_where_nothing_changed():
    corner = LymphNode(SHAPES[0], 2.0, np.eye(3), np.array([10.49, 32.49, 32.49]), np.array(COARSE))
    _, _, label, changed = paint(corner)
    assert label.any() and changed[label].all()


@pytest.mark.parametrize("spacing, most", [(THICK, 12), (COARSE, 4)])
def test_label_of_a_tiny_node_is_as_wide_as_the_blur_shows_it(spacing, most):
    """At half the peak of 1.7 mm, blurred by 0.8 and 2 mm."""
    for seed in range(4):
        lymph_node = node(1.7, spacing, seed)
        _, _, label, _ = paint(lymph_node)
        assert 1 <= label.sum() <= most
        across = np.argwhere(label) - lymph_node.center
        assert np.abs(across[:, 0]).max() < 1 and np.abs(across[:, 1:]).max() < 2


@settings(max_examples=40, deadline=None)
@given(
    st.floats(3, 20),
    st.tuples(st.floats(1, 5), st.floats(0.6, 1), st.floats(0.6, 1)),
    st.floats(0.5, 1.2),
    st.integers(0, 1000),
)
@example(7.7421875, (3.669921875, 0.875, 0.875), 0.8515625, 255)  # a slice of 75 in 151 HU
def test_label_is_what_people_outline_at_half_the_contrast(long_axis, spacing, spread, seed):
    """In each slice; the outline is drawn between voxels, where the label can't."""
    half_sizes = np.ceil(18 / np.array(spacing)).astype(int)
    hu = np.full(2 * half_sizes + 1, FAT, np.int16)
    lymph_node = node(long_axis, spacing, seed, half_sizes)
    before, after, label, _ = paint(lymph_node, hu, spread=spread)
    change = after.astype(float) - before
    for shown, own in zip(change, label):
        fine = ndimage.zoom(shown, 5, order=1, grid_mode=True, mode="nearest")
        area = (fine >= change.max() / 2).sum() / 25
        if area >= 20:
            assert own.sum() == pytest.approx(area, rel=0.2)
        else:
            # HU are whole: half the peak is known to 0.75
            outer, inner = (shown >= change.max() / 2 + rounding for rounding in (-0.75, 0.75))
            assert not (own & ~ndimage.binary_dilation(outer, np.ones((3, 3)))).any()
            assert not (ndimage.binary_erosion(inner, np.ones((3, 3))) & ~own).any()


def test_slice_takes_in_what_lies_along_z_by_a_bell():
    """The response to a thin disk: as wide at half its peak as slices are apart, with tails that
    fall, and nothing lost between slices."""
    disk = structure(3, 20, 20)
    offsets = np.arange(-2, 2.01, 0.1)  # slices
    box = (slice(6, 15), slice(0, 64), slice(0, 64))
    placed = [
        LymphNode(disk, 8, np.eye(3), np.array([10 + offset, 32, 32]), np.array([10.0, 0.2, 0.2]))
        for offset in offsets
    ]
    shares = np.stack([one.occupancy(box, SLICE_BLUR).sum((1, 2)) for one in placed])
    assert shares.sum(1) == pytest.approx(shares.sum(1).mean(), rel=0.01)
    response = shares[:, 4] / shares[:, 4].max()
    wide = np.interp(0.5, response[20:][::-1], offsets[20:][::-1])
    wide -= np.interp(0.5, response[:21], offsets[:21])
    assert wide == pytest.approx(1.03, abs=0.03)
    assert (np.diff(response[:21]) >= -1e-3).all() and (np.diff(response[20:]) <= 1e-3).all()
    beside = np.interp([0.75, 1.0], offsets, response)  # a box: 0 and 0
    assert beside == pytest.approx([0.166, 0.024], abs=0.02)


@pytest.mark.parametrize("spacing", [THICK, THIN])
def test_label_volume_is_that_of_the_node(spacing):
    for seed in range(4):
        lymph_node = node(18, spacing, seed)
        _, _, label, _ = paint(lymph_node)
        volume = lymph_node.structure.volume(18)
        assert label.sum() * np.prod(spacing) == pytest.approx(volume, rel=0.15)


@pytest.mark.parametrize(
    "center", [(0, 32, 32), (20, 32, 32), (10, 0, 0), (10, 63, 32), (0, 0, 63)]
)
@pytest.mark.parametrize("long_axis", [3.0, 14.0])
def test_node_at_the_border_of_the_volume_is_cut_off(center, long_axis):
    clipped = node(long_axis, THICK, seed=3).at(np.array(center, float))
    inner = node(long_axis, THICK, seed=3).at(np.array([10.0, 32, 32]))
    _, after, label, changed = paint(clipped)
    assert label.any() and after[center] > FAT + 20
    assert label.sum() <= paint(inner)[2].sum()
    assert changed.sum() <= paint(inner)[3].sum()


def band_of(lymph_node: LymphNode) -> np.ndarray:
    """The node's share of each voxel as a noiseless painting shows it."""
    before, after, _, _ = paint(lymph_node)
    return (after.astype(float) - before) / (TISSUE - FAT)


def residual_noise(lymph_node: LymphNode, noise: Noise, tissue: Tissue, seed: int) -> np.ndarray:
    """What is left of a noisy painting after the expected values are taken away."""
    field = Noise(1.0, noise.sigma).draw(SHAPE, np.random.default_rng([seed, 1]))
    hu = np.round(FAT + noise.level * field).astype(np.int16)
    _, after, _, _ = paint(lymph_node, hu, noise, tissue, seed)
    return after - (FAT + (TISSUE - FAT) * band_of(lymph_node))


def test_noise_inside_a_node_has_the_wanted_level():
    noise, lymph_node = Noise(14.0, (0.0, 0.6, 0.6)), node(24, THIN, seed=4)
    share = band_of(lymph_node)
    left = residual_noise(lymph_node, noise, constant_tissue(24), 0)[share > 0.99]
    assert left.size > 2000
    assert left.std() == pytest.approx(14, rel=0.2)
    assert abs(left.mean()) < 2


def test_noise_has_no_dip_in_the_band():
    """The level is the same between node and fat."""
    noise, lymph_node = Noise(14.0, (0.0, 0.6, 0.6)), node(12, THIN, seed=4)
    share = band_of(lymph_node)
    bands = [(share > a) & (share <= a + 0.2) for a in (0.1, 0.3, 0.5, 0.7)]
    rows = []
    for seed in range(4):
        tissue = Tissue(np.full((PATCH,) * 3, TISSUE, np.float32), patch_step(12))
        left = residual_noise(lymph_node, noise, tissue, seed)
        rows.append([left[band] for band in bands] + [left[share > 0.99]])
    *levels, inside = (np.concatenate(part).std() for part in zip(*rows))
    assert inside == pytest.approx(14, rel=0.2)
    assert min(levels) > 0.88 * inside


def test_same_rng_seed_paints_the_same_and_another_another():
    noise, lymph_node = Noise(14.0, (0.0, 0.6, 0.6)), node(9, THICK, seed=1)
    first, again, other = (paint(lymph_node, noise=noise, seed=s)[1] for s in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_structure_in_the_tissue_lands_at_its_place():
    """A tissue bright on one side along each array axis is bright there in the CT."""
    step = patch_step(20)
    lymph_node = LymphNode(SHAPES[0], 20, np.eye(3), np.array([10.0, 32, 32]), np.array(THIN))
    for axis in range(3):
        half = np.where(SIZED_TO_NODE.points(20)[..., axis] > 0, 90, 30).astype(np.float32)
        _, after, _, _ = paint(lymph_node, tissue=Tissue(half, step))
        row = np.moveaxis(after, axis, 0)
        middle = int(lymph_node.center[axis])
        others = tuple(int(c) for k, c in enumerate(lymph_node.center) if k != axis)
        offset = int(round(5 / THIN[axis]))
        assert row[(middle + offset, *others)] == 90 and row[(middle - offset, *others)] == 30


MILLIMETERS = Frame(PATCH, lambda long_axis: 1.0)


def test_patch_step_grows_with_the_node_from_a_lower_bound():
    assert patch_step(1.7) == patch_step(5.0) == 0.4
    assert patch_step(20) == pytest.approx(1.25)  # 32 samples over two long axes
    points = SIZED_TO_NODE.points(5.0)
    assert points.shape == (32, 32, 32, 3)
    assert points[0, 0, 0] == pytest.approx([-6.2] * 3)
    assert points[1, 0, 0] - points[0, 0, 0] == pytest.approx([0.4, 0, 0])


@pytest.mark.parametrize("long_axis", [2.0, 6.0, 25.0])
def test_distance_on_the_patch_is_known_beyond_the_rim(long_axis):
    """The structure's own ends there, and the surroundings would be taken for the hole."""
    lymph_node = node(long_axis)
    step = patch_step(long_axis)
    points = SIZED_TO_NODE.points(long_axis)
    ball = Structure(SHAPES[0].tsdf)
    distance = patch_distance(ball, lymph_node.rotation, long_axis)
    true = np.linalg.norm(points, axis=-1) / step - long_axis / 2 / step
    assert np.abs(distance - true).max() < 1
    assert (distance < RIM).mean() < 0.3


@pytest.fixture(scope="module")
def scanned_body() -> tuple[np.ndarray, np.ndarray]:
    """A blurred ball of 60 HU, radius 8 samples, in fat; and its distance in samples."""
    sdf = np.linalg.norm(MILLIMETERS.points(10), axis=-1) - 8
    return FAT + (TISSUE - FAT) / (1 + np.exp(sdf / 0.5)), sdf


def test_rim_takes_the_tissue_and_not_the_fat(scanned_body):
    hu, sdf = scanned_body
    extended = extend_tissue(hu, sdf, 2.0)
    assert hu[(sdf > 0) & (sdf < RIM)].mean() < 0
    assert extended[sdf < RIM] == pytest.approx(TISSUE, abs=6)


def test_beyond_the_rim_and_deep_inside_nothing_is_extended(scanned_body):
    hu, sdf = scanned_body
    extended = extend_tissue(hu, sdf, 2.0)
    kept = (sdf >= RIM) | (sdf < -2.0)
    assert np.array_equal(extended[kept], hu[kept])


def test_rim_of_a_thin_body_takes_its_innermost_tissue():
    sdf = np.abs(MILLIMETERS.points(10)[..., 0]) - 1.0  # a plate, thinner than the margin
    hu = np.where(sdf < -0.4, TISSUE, FAT).astype(float)
    extended = extend_tissue(hu, sdf, 2.0)
    assert (extended[sdf < RIM] == TISSUE).all() and (extended[sdf >= RIM] == FAT).all()


def test_extended_texture_mirrors_the_body():
    """A body with a gradient along its radius does not end in one flat value."""
    sdf = np.linalg.norm(MILLIMETERS.points(10), axis=-1) - 10
    hu = np.where(sdf < 0, 60 + 5 * sdf, FAT)
    extended = extend_tissue(hu, sdf, 1.0)
    rim = (sdf > 0) & (sdf < RIM)
    assert extended[rim].min() > FAT + 100
    assert np.corrcoef(extended[rim], sdf[rim])[0, 1] < -0.8
