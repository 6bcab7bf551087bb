"""Pools, and the MONAI transform that paints their lymph nodes into training cases."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.transforms import Compose, RandFlipd
from monai.utils import set_determinism
from pool_data import SIZES, case

from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.drawing import make_pool
from LNGenLib.datasets.pool import Pool
from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_spacing, ras_to_index
from LNGenLib.image.io import read_image, to_array, write_image
from LNGenLib.progress import SILENT
from LNGenLib.segmentation import SynthesizeLymphNodesd
from LNGenLib.texture.blending import within_reach


@pytest.fixture(scope="module")
def shapes(crops, models, tmp_path_factory) -> Path:
    """A pool of the same lymph nodes without tissue."""
    folder = tmp_path_factory.mktemp("pool") / "shapes"
    make_pool(read_cases(crops), folder, 6, SIZES, 1, models)
    return folder


def check_painted(before: dict, after: dict) -> None:
    spacing = np.linalg.norm(np.asarray(before["image"].affine)[:3, :3], axis=0)
    label = np.asarray(after["label"][0]) > 0
    changed = np.asarray(after["image"][0] != before["image"][0])
    assert label.any()
    assert changed[label].mean() > 0.8
    assert not changed[~within_reach(label.T, spacing[::-1]).T].any()
    raised = np.asarray(after["image"][0] - before["image"][0])[label]
    assert 40 < raised.mean() < 250  # soft tissue in fat
    for key in ("image", "label"):
        assert type(after[key]) is MetaTensor
        assert after[key].dtype == before[key].dtype
        assert torch.equal(after[key].affine, before[key].affine)


@pytest.mark.parametrize("pool", ["painted", "shapes"])
def test_cases_get_lymph_nodes_and_nothing_else_changes(pool, crops, request):
    transform = SynthesizeLymphNodesd(pool=request.getfixturevalue(pool), count=(2, 3), seed=0)
    for id in (None, "not in the pool"):
        before = case(crops, 0, id)
        image = before["image"].clone()
        check_painted(before, transform(before))
        assert torch.equal(before["image"], image)


def test_both_pools_give_the_same_places(painted, shapes, crops):
    labels = [
        SynthesizeLymphNodesd(pool=pool, count=(3, 3), seed=2)(case(crops, 1))["label"]
        for pool in (painted, shapes)
    ]
    assert torch.equal(*labels)


def test_places_are_those_of_the_pool(painted, crops):
    ct = read_image(crops / "crop_0.nii.gz")
    hu, pool = to_array(ct), Pool(painted)
    index = np.round(ras_to_index(ct, pool.spots("crop_0"))).astype(int)
    assert len(index) and (hu[tuple(index.T)] < 0).mean() > 0.95  # fat
    assert not len(pool.spots("unknown"))
    assert pool.traits("crop_0", array_spacing(ct)).edge_spread > 0
    assert pool.traits("crop_0", array_spacing(ct) / 2) is None


def test_tissue_turns_with_its_structure(painted):
    pool = Pool(painted)
    straight = pool.tissue(0, np.eye(3), 50.0).hu
    quarter = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # (z, y, x): y becomes x
    assert np.allclose(pool.tissue(0, quarter, 50.0).hu, np.rot90(straight, axes=(1, 2)), atol=0.2)
    assert np.allclose(pool.tissue(0, np.eye(3), 80.0).hu, straight + 30)


@pytest.mark.filterwarnings("ignore:case .* gets the lymph nodes it had before")
def test_axes_may_be_turned(painted, crops):
    """Slices first, as (z, y, x): the same lymph nodes in the same places."""
    transform = SynthesizeLymphNodesd(pool=painted, count=(2, 2), seed=0)
    before = case(crops, 0)
    turned = dict(before)
    for key in ("image", "label"):
        affine = before[key].affine[:, [2, 1, 0, 3]]
        turned[key] = MetaTensor(before[key].as_tensor().permute(0, 3, 2, 1), affine)
    straight, other = transform(before), transform(turned)
    for key in ("image", "label"):
        assert torch.equal(straight[key], other[key].permute(0, 3, 2, 1))


def test_a_part_of_a_case_gets_lymph_nodes(painted, crops):
    """Cropping, with the affine that tells where the part lies."""
    transform = SynthesizeLymphNodesd(pool=painted, count=(1, 1), seed=0)
    before = case(crops, 0)
    for key in ("image", "label"):
        affine = before[key].affine.clone()
        affine[:3, 3] += affine[:3, :3].sum(1) * 2
        before[key] = MetaTensor(before[key].as_tensor()[:, 2:, 2:, 2:], affine)
    check_painted(before, transform(before))


def test_real_lymph_nodes_are_kept_off(painted, crops):
    transform = SynthesizeLymphNodesd(pool=painted, count=(3, 3), seed=0)
    before = case(crops, 0)
    before["label"][:, :18] = 2
    after = transform(before)
    change = (after["image"] - before["image"]).abs()[:, :18]
    assert change[:, :17].max() == 0
    assert change.max() <= 1  # HU, where the blurred rim of one beside it ends
    assert (after["label"][:, :18] == 2).all()
    assert (after["label"][:, 18:] == 1).any()


def drawn(loader: DataLoader, transform: SynthesizeLymphNodesd, epochs: int) -> list:
    """(epoch, id, image, label) of what a loader gives, in the order of epochs and ids."""
    result = []
    for epoch in range(epochs):
        transform.set_epoch(epoch)
        batches = [(epoch, b["id"][0], b["image"], b["label"]) for b in loader]
        result += sorted(batches, key=lambda row: row[1])
    return result


@pytest.mark.parametrize("persistent", [False, True])
def test_draws_do_not_depend_on_workers(painted, crops, persistent):
    results = []
    for workers in (0, 1, 2):
        set_determinism(7)
        transform = SynthesizeLymphNodesd(pool=painted, prob=0.9, count=(1, 3))
        data = Dataset([case(crops, k, f"{k}/{n}") for n in range(2) for k in range(2)], transform)
        loader = DataLoader(
            data, shuffle=True, num_workers=workers, persistent_workers=persistent and workers > 0
        )
        results.append(drawn(loader, transform, 2))
        del loader
        set_determinism(None)
    assert len(results[0]) == 8
    assert any(not torch.equal(a[2], b[2]) for a, b in zip(results[0][:4], results[0][4:]))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert one[:2] == two[:2]
            assert torch.equal(one[2], two[2]) and torch.equal(one[3], two[3])


def test_draws_follow_seed_case_and_epoch_alone(painted, crops):
    def draw(seed=0, id="a", epoch=0):
        transform = SynthesizeLymphNodesd(pool=painted, count=(3, 3), seed=seed)
        transform.set_random_state(99)
        transform.set_epoch(epoch)
        return transform(case(crops, 0, id))["image"]

    first = draw()
    assert torch.equal(first, draw())
    for other in (draw(seed=1), draw(id="b"), draw(epoch=1)):
        assert not torch.equal(first, other)


def test_copies_share_the_epoch_and_a_pipeline_takes_it(painted, crops):
    transform = SynthesizeLymphNodesd(pool=painted, count=(2, 2), seed=0)
    pipeline = copy.deepcopy(Compose([transform, RandFlipd(("image", "label"), 0.0)]))
    first = pipeline(case(crops, 0))["image"]
    transform.set_epoch(1)
    assert not torch.equal(first, pipeline(case(crops, 0))["image"])
    sent = pickle.loads(pickle.dumps(transform))
    assert torch.equal(sent(case(crops, 0))["image"], transform(case(crops, 0))["image"])


def test_the_same_draw_twice_is_warned_of(painted, crops):
    transform = SynthesizeLymphNodesd(pool=painted, count=(1, 1), seed=0)
    transform(case(crops, 0))
    with pytest.warns(UserWarning, match="crop_0 gets the lymph nodes it had before"):
        transform(case(crops, 0))


def test_probability_leaves_cases_as_they_are(painted, crops):
    transform = SynthesizeLymphNodesd(pool=painted, prob=0.5, count=(1, 1), seed=0)
    before = case(crops, 0)
    same = [transform(before | {"id": str(k)})["image"] is before["image"] for k in range(20)]
    assert 4 <= sum(same) <= 16


def test_a_case_without_fat_or_body_stays(painted, crops):
    transform = SynthesizeLymphNodesd(pool=painted, seed=0)
    for hu in (-1000, 60):
        before = case(crops, 0, str(hu))
        before["image"][:] = hu
        before["image"][:, 0, 0, 0] = -1000
        assert torch.equal(transform(before)["image"], before["image"])


def test_a_training_in_which_nothing_finds_room_is_told_once(painted, crops, monkeypatch):
    """Images of 0 to 255, say; not where some had room before."""
    monkeypatch.setattr("LNGenLib.segmentation.transform.SUSPICIOUS", 5)
    transform, gray = SynthesizeLymphNodesd(pool=painted, seed=0), case(crops, 0)
    gray["image"] = (gray["image"] + 1024) / 8
    with pytest.warns(UserWarning, match="no lymph node found room in the first 5 cases") as told:
        for turn in range(12):
            transform(gray | {"turn": turn})
    assert len(told) == 1
    transform = SynthesizeLymphNodesd(pool=painted, seed=0)
    transform(case(crops, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for turn in range(6):
            transform(gray | {"turn": turn})


def scaled(data: dict) -> None:
    data["image"] = data["image"] * 0 + 0.5


def no_id(data: dict) -> None:
    del data["id"]


def scaled_to_ends(data: dict) -> None:
    data["image"] = (data["image"] / 1000).clip(-1, 1)


def plain_tensor(data: dict) -> None:
    data["image"] = data["image"].as_tensor()


def two_channels(data: dict) -> None:
    data["image"] = MetaTensor(torch.cat([data["image"].as_tensor()] * 2), data["image"].affine)


def another_shape(data: dict) -> None:
    data["label"] = data["label"][:, 1:]


def another_grid(data: dict) -> None:
    affine = data["label"].affine.clone()
    affine[2, 3] += 2
    data["label"] = MetaTensor(data["label"].as_tensor(), affine)


def no_affine(data: dict) -> None:
    data["image"].affine[:] = float("nan")


UNUSABLE = {
    another_grid: "crop_0: image and label lie on different grids",
    no_affine: "has an affine that tells no place: mend its header",
    scaled: "crop_0 is not in HU: synthesize before scaling",
    no_id: r"a case without an id: give data\['id'\]",
    scaled_to_ends: "crop_0 is not in HU: synthesize before scaling",
    plain_tensor: "give a MetaTensor, whose affine tells where it lies .track_meta=True",
    two_channels: r"shape \(2, 36, 36, 24\): give \(1, x, y, z\)",
    another_shape: "label .* differ",
}


@pytest.mark.parametrize("change", UNUSABLE, ids=lambda change: change.__name__)
def test_unusable_cases_are_refused(change, painted, crops):
    data = case(crops, 0)
    change(data)
    with pytest.raises(InputError, match=UNUSABLE[change]):
        SynthesizeLymphNodesd(pool=painted, seed=0)(data)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"label_value": 0}, "label_value 0 is the background"),  # lymph nodes without a label
        ({"label_value": 1.5}, "label_value 1.5: give a whole number"),
        ({"prob": 50}, "prob 50: give a probability"),
        ({"prob": float("nan")}, "prob nan: give a probability"),
        ({"count": 3}, "count 3: give .fewest, most."),
    ],
)
def test_unusable_options_are_refused(options, words, painted):
    with pytest.raises(InputError, match=words):
        SynthesizeLymphNodesd(pool=painted, **options)


def test_a_value_that_the_label_does_not_hold_is_refused(painted, crops):
    data = case(crops, 0)
    data["label"] = data["label"].to(torch.uint8)
    with pytest.raises(InputError, match="label_value 300 is more than a label of uint8 holds"):
        SynthesizeLymphNodesd(pool=painted, seed=0, label_value=300)(data)


def test_unusable_pools_are_refused(painted, crops, models, tmp_path):
    with pytest.raises(InputError, match="is no pool: make one with lngen pool"):
        SynthesizeLymphNodesd(pool=tmp_path)
    with pytest.raises(InputError, match="holds a pool: give a new folder"):
        make_pool(read_cases(crops), painted, 1, SIZES, 0, models)


@pytest.mark.filterwarnings("ignore:case .* gets the lymph nodes it had before")
def test_numpys_integers_are_seeds(painted, crops, models, tmp_path):
    one, other = (
        SynthesizeLymphNodesd(pool=painted, count=count, seed=seed)
        for count, seed in (((2, 3), 5), ((np.int64(2), np.int16(3)), np.int64(5)))
    )
    assert torch.equal(one(case(crops, 0))["image"], other(case(crops, 0))["image"])
    pool = tmp_path / "pool"
    make_pool(read_cases(crops), pool, np.int64(2), SIZES, np.int64(1), models)
    assert Pool(pool).description["seed"] == 1
    for seed in (-1, 1.5, "1"):
        with pytest.raises(InputError, match="seed .*: give a whole number"):
            SynthesizeLymphNodesd(pool=painted, seed=seed)


def test_the_label_gets_the_value_that_is_asked_for(painted, crops):
    transform = SynthesizeLymphNodesd(pool=painted, count=(2, 2), seed=0, label_value=3)
    before = case(crops, 0)
    before["label"][:, :2] = 1  # another class, kept off
    after = transform(before)["label"]
    assert set(after.unique().tolist()) == {0, 1, 3} and (after[:, :2] == 1).all()


def test_the_command_draws_a_pool(run_lngen, crops, tmp_path):
    out = tmp_path / "pool"
    command = ["pool", "--cases", str(crops), "-o", str(out), "-n", "2", "--long-axis", "5", "9"]
    code, shown, err = run_lngen(command)
    assert (code, err) == (0, "")
    assert "2 SYNTHETIC lymph nodes, places in 2 CTs" in shown.replace("\n", " ")
    told = json.loads((out / "pool.json").read_text())
    assert told["synthetic"] is True and not told["painted"]
    assert sorted(told["cases"]) == ["crop_0", "crop_1"]
    assert all(5 <= size <= 9 for size in told["long_axes_mm"])


def test_training_paints_into_its_patches(painted, crops, tmp_path):
    from LNGenLib.segmentation.config import SegmentationConfig
    from LNGenLib.segmentation.patches import Patches
    from LNGenLib.segmentation.preparing import prepare

    spacing = (3.0, 2.5, 2.5)
    config = SegmentationConfig(channels=(4, 8), patch=(24, 36, 36), spacing_mm=spacing)
    label = tmp_path / "empty.nii.gz"
    cases = []
    for one in read_cases(crops):
        write_image(read_image(one.image) * 0, label)
        cases.append(dataclasses.replace(one, label=label))
    prepared, _ = prepare(cases, spacing, tmp_path, SILENT)
    transform = SynthesizeLymphNodesd(pool=painted, count=(2, 2), seed=0)
    patches = Patches(prepared, config, 0, transform)
    sizes = [patches[k]["label"].sum().item() for k in range(4)]
    assert max(sizes) > 0 and len(set(sizes)) > 1
    assert patches[1]["label"].sum().item() == sizes[1]
