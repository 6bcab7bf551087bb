"""Lymph nodes of a pool lie where it found places, by whatever name a case comes and in patches."""

from __future__ import annotations

import dataclasses
import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from pool_data import case
from scipy import ndimage

from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.pool import Pool
from LNGenLib.image.io import read_image, write_image
from LNGenLib.placement.nearby import NEAR
from LNGenLib.progress import SILENT
from LNGenLib.segmentation import SynthesizeLymphNodesd

NAMES = ["crop_0", "crop_0.nii.gz", "/data/imagesTr/crop_0_0000.nii.gz", "crop_0/ct.nii.gz"]


@pytest.mark.filterwarnings("error:the pool")
@pytest.mark.filterwarnings("ignore:case .* gets the lymph nodes it had before")
@pytest.mark.parametrize("name", NAMES)
def test_a_case_of_the_pool_is_known_by_each_of_its_names(name, painted, crops):
    """By the id, and by the file that MONAI tells: the same lymph nodes in the same places."""
    transform = SynthesizeLymphNodesd(pool=painted, count=(2, 2), seed=0)
    named = case(crops, 0)
    del named["id"]
    named["image"].meta["filename_or_obj"] = name
    image = transform(named)["image"]
    assert torch.equal(image, transform(case(crops, 0, name))["image"])
    assert torch.equal(image, transform(case(crops, 0))["image"])
    assert not torch.equal(image, case(crops, 0)["image"])


def test_a_case_that_the_pool_does_not_know_is_told_once(painted, crops):
    transform = SynthesizeLymphNodesd(pool=painted, count=(1, 1), seed=0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for epoch in range(3):
            transform.set_epoch(epoch)
            for id in ("other", "more", "crop_1"):
                transform(case(crops, 1, id))
    messages = [str(one.message) for one in told if "does not know" in str(one.message)]
    assert len(messages) == 2
    assert "does not know the case other: " in messages[0] and "crop_0, crop_1" in messages[0]


@pytest.fixture
def few_places(painted, tmp_path) -> tuple[Path, np.ndarray]:
    """The pool with places in one part of crop_0 alone, and these (n, 3; RAS mm)."""
    pool = tmp_path / "few"
    shutil.copytree(painted, pool)
    points = Pool(painted).spots("crop_0")
    few = points[np.linalg.norm(points - np.median(points, axis=0), axis=1) < 15]
    assert 20 < len(few) < len(points) / 2
    np.savez(pool / "spots.npz", crop_0=few, crop_1=few)
    return pool, few


def nearest(label: np.ndarray, affine: np.ndarray, points: np.ndarray) -> list[float]:
    """Of each lymph node of a label (x, y, z), how far its middle is from the nearest point."""
    nodes, count = ndimage.label(label, np.ones((3, 3, 3)))
    middles = np.array(ndimage.center_of_mass(label, nodes, range(1, count + 1))).reshape(-1, 3)
    middles = middles @ affine[:3, :3].T + affine[:3, 3]
    return [float(np.linalg.norm(points - middle, axis=1).min()) for middle in middles]


NEAR_ENOUGH = NEAR + 4.0  # mm: to a lymph node's middle, which a hilum moves


def test_lymph_nodes_lie_at_the_pools_places_and_nowhere_else(few_places, crops):
    pool, few = few_places
    transform = SynthesizeLymphNodesd(pool=pool, count=(1, 2), seed=0)
    distances = []
    for epoch in range(6):
        transform.set_epoch(epoch)
        after = transform(case(crops, 0))
        distances += nearest(
            np.asarray(after["label"][0]) > 0, np.asarray(after["label"].affine), few
        )
    assert len(distances) >= 4 and max(distances) < NEAR_ENOUGH
    elsewhere = case(crops, 0)  # a patch with fat, in which the pool has no places
    affine = np.asarray(elsewhere["image"].affine).copy()
    affine[:3, 3] += 500
    for key in ("image", "label"):
        elsewhere[key] = MetaTensor(elsewhere[key].as_tensor(), torch.from_numpy(affine))
    assert torch.equal(transform(elsewhere)["image"], elsewhere["image"])


def patch(crops: Path, start: int, name: str | None = None) -> dict:
    """A part of crop_0, with the affine that tells where it lies."""
    data = case(crops, 0, name)
    for key in ("image", "label"):
        affine = data[key].affine.clone()
        affine[:3, 3] += affine[:3, 0] * start
        data[key] = MetaTensor(data[key].as_tensor()[:, start : start + 30], affine)
    return data


def test_patches_of_a_case_have_draws_of_their_own_and_no_warning(painted, crops):
    transform = SynthesizeLymphNodesd(pool=painted, count=(2, 2), seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = transform(patch(crops, 0)), transform(patch(crops, 6))
        transform.set_epoch(0)
        transform(patch(crops, 0))  # as often as a sampler wants it, once epochs are told
        turned = [transform(patch(crops, 0) | {"turn": k}) for k in (1, 2, 1)]
    both = first["label"][:, 6:], second["label"][:, :24]  # where the two overlap
    assert not torch.equal(*both)
    assert torch.equal(turned[0]["image"], turned[2]["image"])
    assert not torch.equal(turned[0]["image"], turned[1]["image"])


@pytest.mark.parametrize("id", ["crop_0", "other"])
@pytest.mark.filterwarnings("ignore:the pool")
def test_a_patch_of_soft_tissue_or_padding_stays_as_it_is(id, painted, crops):
    """In the liver there is no voxel below 0, and nothing that is scaled."""
    transform = SynthesizeLymphNodesd(pool=painted, seed=0)
    noise = torch.from_numpy(np.random.default_rng(0).normal(60, 10, (1, 36, 36, 24)))
    for hu in (noise, noise.round(), noise * 0, noise * 0 - 1000):
        data = case(crops, 0, id)
        data["image"] = MetaTensor(hu.float(), data["image"].affine)
        after = transform(data)
        assert torch.equal(after["image"], data["image"]) and not after["label"].any()


@pytest.mark.filterwarnings("error")
def test_training_paints_at_the_pools_places(few_places, crops, tmp_path):
    """On another grid than the pool's, in patches that are told where they lie."""
    from LNGenLib.segmentation.config import SegmentationConfig
    from LNGenLib.segmentation.patches import Patches
    from LNGenLib.segmentation.preparing import prepare

    pool, few = few_places
    spacing = (2.5, 2.0, 2.0)
    config = SegmentationConfig(channels=(4, 8), patch=(16, 24, 24), spacing_mm=spacing)
    one = next(case for case in read_cases(crops) if case.id == "crop_0")
    write_image(read_image(one.image) * 0, tmp_path / "empty.nii.gz")
    labeled = dataclasses.replace(one, label=tmp_path / "empty.nii.gz")
    prepared, _ = prepare([labeled], spacing, tmp_path / "c", SILENT)
    transform, seen = SynthesizeLymphNodesd(pool=pool, count=(1, 2), seed=0), []
    patches = Patches(prepared, config, 0, lambda data: seen.append(transform(data)) or seen[-1])
    for number in range(24):
        patches[number]
    distances = []
    for item in seen:
        label, affine = np.asarray(item["label"][0]), np.asarray(item["label"].affine)
        distances += nearest(label > 0, affine, few)
    assert len(distances) >= 4 and max(distances) < NEAR_ENOUGH


ROOT = Path(__file__).parents[1]
SNIPPET = re.compile(r"```python\n([^`]*SynthesizeLymphNodesd[^`]*)```")


@pytest.mark.filterwarnings("error:the pool")
@pytest.mark.parametrize("page", ["docs/start_monai.md", "docs/datasets.md"])
def test_the_snippet_paints_at_the_pools_places(page, run_lngen, crops, tmp_path, monkeypatch):
    """As it stands, between loading and scaling, on nnU-Net's files of a case."""
    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, ScaleIntensityRanged

    ct, keys = read_image(crops / "crop_0.nii.gz"), ("image", "label")
    files = {"image": "imagesTr/abd_0000.nii.gz", "label": "labelsTr/abd.nii.gz"}
    for name, image in zip(files.values(), (ct, ct * 0)):
        (tmp_path / name).parent.mkdir()
        write_image(image, tmp_path / name)
    content = '{"channel_names": {"0": "CT"}, "labels": {"background": 0, "lymph node": 1}}'
    (tmp_path / "dataset.json").write_text(content)
    monkeypatch.chdir(tmp_path)
    command = "pool --cases . -o pool -n 6 --painted --long-axis 7 11 --sizes uniform"
    assert run_lngen(command.split())[0] == 0
    points = Pool(Path("pool")).spots("abd")
    few = points[np.linalg.norm(points - np.median(points, axis=0), axis=1) < 15]
    np.savez("pool/spots.npz", abd=few)
    scale = ScaleIntensityRanged("image", -1000, 1000, 0, 1, clip=True)
    transforms = [LoadImaged(keys), EnsureChannelFirstd(keys), scale]
    names = {"transforms": transforms, "epoch": 0}
    exec(SNIPPET.search((ROOT / page).read_text())[1], names)
    distances, data = [], {key: str(tmp_path / name) for key, name in files.items()}
    for epoch in range(10):
        transforms[2].set_epoch(epoch)
        label = Compose(transforms)(data)["label"]
        distances += nearest(np.asarray(label[0]) > 0, np.asarray(label.affine), few)
    assert len(distances) >= 4 and max(distances) < NEAR_ENOUGH
