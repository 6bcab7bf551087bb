"""What structure training learns from: surfaces, copies of them, ovoids; and what is kept of it."""

from __future__ import annotations

import csv
import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.progress import SILENT, Progress
from LNGenLib.randomness import node_rng
from LNGenLib.structure import corpus
from LNGenLib.structure.corpus import (
    ENOUGH,
    FEW,
    Volumes,
    read_corpus,
    real_shapes,
    training_shapes,
)
from LNGenLib.structure.deformation import deform
from LNGenLib.structure.descriptors import LOG_SIZE, describe
from LNGenLib.structure.networks import StructureConfig
from LNGenLib.structure.preparing import prepare
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.sizes import SMALLEST
from LNGenLib.structure.tsdf import tsdf_from_distance

BALL = np.linalg.norm(np.indices((23, 23, 23)) - 11, axis=0) <= 7


def write(folder, masks: dict[str, tuple[np.ndarray, str]]) -> None:
    """Masks and `nodes.csv` of {file: (mask, split)}."""
    with (folder / "nodes.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "split"])
        for name, (mask, split) in masks.items():
            image = sitk.GetImageFromArray(mask.astype(np.uint8))
            image.SetSpacing((0.8, 0.8, 1.0))
            sitk.WriteImage(image, str(folder / name))
            table.writerow([name, split])


def test_masks_become_surfaces_of_their_size_in_mm(tmp_path):
    flat = BALL & (np.indices(BALL.shape)[0] % 2 == 1)  # every other slice
    flat[:, 9:14, 9:14] = BALL[:, 9:14, 9:14]
    masks = {"a.nii.gz": (BALL, "train"), "b.nii.gz": (flat, "validation")}
    write(tmp_path, masks)
    seen = []
    prepare(tmp_path, tmp_path / "structure.npz", Progress(lambda *step: seen.append(step)))
    assert seen == [("masks", 0, 2), ("masks", 1, 2)]
    with np.load(tmp_path / "structure.npz") as arrays:
        assert arrays["name"].tolist() == ["a.nii.gz", "b.nii.gz"]
        assert arrays["single"].tolist() == [True, True]
        assert arrays["tsdf"].dtype == np.float16
        assert arrays["volume_ratio"] == pytest.approx(1, abs=0.02)
        assert arrays["dice"][0] > 0.95 > arrays["dice"][1]
    tsdf, sizes = real_shapes(tmp_path / "structure.npz", "train")
    assert tsdf.shape == (1, 32, 32, 32) and tsdf.dtype == np.float32
    assert sizes == pytest.approx([14.0], abs=0.6)  # along z, 1 mm a voxel


def test_masks_that_the_border_cuts_off_are_left_out(tmp_path):
    masks = {"a.nii.gz": (BALL, "train"), "b.nii.gz": (BALL[11:], "train")}
    write(tmp_path, masks | {"c.nii.gz": (BALL, "validation")})
    prepare(tmp_path, tmp_path / "structure.npz")
    with np.load(tmp_path / "structure.npz") as arrays:
        assert arrays["name"].tolist() == ["a.nii.gz", "c.nii.gz"]
        assert arrays["split"].tolist() == ["train", "validation"]


@pytest.mark.parametrize(
    "mask, problem",
    [
        (np.zeros((5, 5, 5)), "a.nii.gz outlines no lymph node .*empty.*leave it out"),
        (np.pad(np.ones((1, 60, 60)), 4), "a.nii.gz is too thin"),
        (BALL[11:], "split train reaches the border"),
    ],
)
def test_masks_that_nothing_can_be_learned_from_are_named(tmp_path, mask, problem):
    write(tmp_path, {"a.nii.gz": (mask, "train"), "b.nii.gz": (BALL, "validation")})
    with pytest.raises(InputError, match=problem):
        prepare(tmp_path, tmp_path / "structure.npz")
    assert not (tmp_path / "structure.npz").exists()


@pytest.fixture(scope="module")
def real() -> tuple[np.ndarray, np.ndarray]:
    """Two shapes without symmetry, and long axes in mm."""
    z, y, x = np.ogrid[-20.5:21, -20.5:21, -20.5:21]
    levels = (
        z**2 + a * y**2 + x**2 / 2 + 0.04 * (z + 3) * (x - 2) * (y + 5) - 64 for a in (1.0, 1.4)
    )
    tsdfs = [tsdf_from_distance(level, (1.0, 1.0, 1.0))[0] for level in levels]
    return np.stack(tsdfs), np.array([14.0, 21.0])


@pytest.fixture(scope="module")
def made(real, tmp_path_factory):
    """The corpus of two surfaces, two copies each and five ovoids, and where it is kept."""
    path = tmp_path_factory.mktemp("corpus") / "folder" / "corpus.npz"
    seen = []
    return (
        training_shapes(path, real, 2, 5, 3, Progress(lambda *step: seen.append(step))),
        path,
        seen,
    )


def test_the_corpus_is_surfaces_then_copies_then_ovoids(made, real):
    shapes, _, seen = made
    assert shapes.tsdf.shape == (2 + 4 + 5, 32, 32, 32) and shapes.tsdf.dtype == np.float32
    assert np.abs(shapes.tsdf[:2] - real[0]).max() < 1e-3  # kept in half precision
    sizes = 10.0 ** shapes.descriptors[:, LOG_SIZE]
    assert sizes[:6] == pytest.approx([14, 21, 14, 14, 21, 21], rel=1e-3)
    assert ((sizes[6:] >= SMALLEST * 0.999) & (sizes[6:] <= ENOUGH)).all()
    assert list(dict.fromkeys(stage for stage, _, _ in seen)) == [
        "deformations",
        "ovoids",
        "descriptors",
    ]


def test_each_shape_has_its_own_descriptors(made):
    shapes, _, _ = made
    for tsdf, row in zip(shapes.tsdf, shapes.descriptors, strict=True):
        assert describe(tsdf, 10.0 ** float(row[LOG_SIZE])) == pytest.approx(row, abs=2e-3)


def test_copies_are_deformed_and_turned(made, real):
    shapes, _, _ = made
    for number in range(2):
        rng = node_rng(3, number, "deformation")
        for copy in shapes.tsdf[2 + 2 * number : 4 + 2 * number]:
            straight = deform(Structure(real[0][number]), rng)
            order, flips = rng.permutation(3), rng.random(3) < 0.5
            same = [
                (perm, flip)
                for perm in itertools.permutations(range(3))
                for flip in np.ndindex(2, 2, 2)
                if np.abs(np.flip(straight.transpose(perm), np.flatnonzero(flip)) - copy).max()
                < 1e-3
            ]
            assert same == [(tuple(order), tuple(flips))]
            assert np.abs(straight - real[0][number]).max() > 0.02


def test_what_is_kept_is_used_again(made, real, monkeypatch):
    shapes, path, _ = made
    assert [file.name for file in path.parent.iterdir()] == ["corpus.npz"]
    monkeypatch.setattr(corpus, "deform", None)  # nothing is made anew
    again = training_shapes(path, real, 2, 5, 3)
    assert np.array_equal(again.tsdf, shapes.tsdf)
    assert np.array_equal(again.descriptors, shapes.descriptors)


def test_a_corpus_that_was_not_finished_is_made_anew(real, tmp_path, monkeypatch):
    def stop(path, **_):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(corpus.np, "savez_compressed", stop)
    with pytest.raises(KeyboardInterrupt):
        training_shapes(tmp_path / "corpus.npz", real, 0, 0, 3)
    monkeypatch.undo()
    assert len(training_shapes(tmp_path / "corpus.npz", real, 0, 0, 3).tsdf) == 2


def test_another_seed_gives_other_copies_and_ovoids(made, real, tmp_path):
    other = training_shapes(tmp_path / "corpus.npz", real, 2, 5, 4)
    differ = np.abs(other.tsdf - made[0].tsdf).max((1, 2, 3)) > 0.02
    assert differ.tolist() == [False] * 2 + [True] * 9


def test_sizes_of_ovoids_end_where_surfaces_are_known():
    """Even in their logarithm up to 6 mm, from there the rarer, none above 12 mm."""
    sizes = np.array([corpus._small_size(np.random.default_rng(k)) for k in range(4000)])
    assert SMALLEST <= sizes.min() and sizes.max() < ENOUGH
    octaves = [((sizes >= low) & (sizes < high)).sum() for low, high in ((3, FEW), (FEW, ENOUGH))]
    assert octaves[1] / octaves[0] == pytest.approx(0.5, abs=0.06)  # 1 falls to 0 in one octave
    halves = [((sizes >= low) & (sizes < 2**0.5 * low)).sum() for low in (2, 3, 4)]
    assert np.ptp(halves) < 0.2 * np.mean(halves)
    parts = [((sizes >= low) & (sizes < low + 1.5)).sum() for low in (6, 7.5, 9, 10.5)]
    assert parts == sorted(parts, reverse=True) and parts[3] > 0


def test_volumes_come_in_all_48_symmetries(real):
    volumes, seen = Volumes(real[0][:1]), set()
    for _ in range(600):
        shape = volumes[0]
        assert shape.shape == (1, 32, 32, 32)
        seen.add(shape.numpy().tobytes())
    assert len(seen) == 48
    assert float(shape.max()) == 1.0


def test_a_corpus_comes_with_what_is_held_out_and_what_is_known(real, tmp_path):
    splits = np.array(["train", "validation"])
    arrays = tmp_path / "structure.npz"
    np.savez(arrays, tsdf=real[0], long_axis_mm=real[1], split=splits)
    config = StructureConfig(copies=2, ovoids=3)
    shapes, held_out, known = read_corpus(arrays, tmp_path / "corpus.npz", config, 3, SILENT)
    assert len(shapes.tsdf) == 1 + 2 + 3
    assert np.array_equal(held_out.tsdf, real[0][1:])
    assert held_out.descriptors[:, LOG_SIZE] == pytest.approx(np.log10(real[1][1:]))
    assert np.array_equal(known, shapes.descriptors[[0, 3, 4, 5]])
