"""Data sets in each layout are read; what is unusable is named."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.datasets.case import anatomy_of
from LNGenLib.datasets.cases import by_patient, read_cases
from LNGenLib.datasets.writing import NnUNet, Plain
from LNGenLib.errors import InputError
from LNGenLib.image.io import to_array

SPACING = (0.7, 0.8, 1.25)
HU = np.random.default_rng(0).integers(-900, 900, (4, 6, 7)).astype(np.int16)
LABELS = (HU > 500).astype(np.uint8)


def image(array: np.ndarray) -> sitk.Image:
    result = sitk.GetImageFromArray(array)
    result.SetSpacing(SPACING)
    return result


def write(path: Path, array: np.ndarray) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image(array), str(path))
    return str(path)


def nnunet(folder: Path) -> None:
    for part, id in (("Tr", "a_1"), ("Tr", "a_2"), ("Ts", "b")):
        write(folder / f"images{part}/{id}_0000.nii.gz", HU)
        if part == "Tr":
            write(folder / f"labels{part}/{id}.nii.gz", LABELS)
    content = {"channel_names": {"0": "CT"}, "labels": {}, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(content))


def msd(folder: Path) -> None:
    write(folder / "imagesTr/colon_001.nii.gz", HU)
    write(folder / "imagesTr/._colon_001.nii.gz", HU)
    write(folder / "labelsTr/colon_001.nii.gz", LABELS)
    write(folder / "imagesTs/colon_002.nii.gz", HU)
    content = {
        "modality": {"0": "CT"},
        "training": [
            {"image": "./imagesTr/colon_001.nii.gz", "label": "./labelsTr/colon_001.nii.gz"}
        ],
        "test": ["./imagesTs/colon_002.nii.gz"],
    }
    (folder / "dataset.json").write_text(json.dumps(content))


def nnunet_1(folder: Path) -> None:
    """Version 1: the list leaves out the channel that the images have in their name."""
    msd(folder)
    for part, id in (("Tr", "001"), ("Ts", "002")):
        image = folder / f"images{part}/colon_{id}.nii.gz"
        image.rename(image.with_name(f"colon_{id}_0000.nii.gz"))


def totalsegmentator(folder: Path) -> None:
    for id in ("s0000", "s0001", "s0002"):
        write(folder / id / "ct.nii.gz", HU)
        write(folder / id / "segmentations/colon.nii.gz", LABELS)
        write(folder / id / "segmentations/._colon.nii.gz", LABELS)
    rows = "s0000;60;test\ns0001;50;train\ns0002;40;val\n"
    (folder / "meta.csv").write_text("\ufeffimage_id;age;split\n" + rows, encoding="utf-8")


def semicolons(folder: Path) -> None:
    """As Excel saves a table where decimals have commas."""
    table(folder)
    pairs = folder / "pairs.csv"
    pairs.write_text("\ufeff" + pairs.read_text().replace(",", ";"), encoding="utf-8")


def table(folder: Path) -> None:
    write(folder / "ct/p1.nrrd", HU)
    write(folder / "ct/p1_label.nrrd", LABELS)
    write(folder / "ct/p2.nrrd", HU)
    rows = [
        {
            "image": "ct/p1.nrrd",
            "label": "ct/p1_label.nrrd",
            "patient": "one",
            "part": "test small",
        },
        {"image": "ct/p2.nrrd", "label": "", "patient": "one", "part": ""},
    ]
    with (folder / "pairs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def meply(folder: Path) -> None:
    folder.mkdir()
    np.savez(folder / "p01.npz", img=HU, lbl=LABELS, spacing=SPACING[::-1])
    (folder / "boxes.csv").write_text("pid,target_index,volume\np01,1,9\n")


def lnq(folder: Path) -> None:
    for part, id in (("train", "0001"), ("val", "0002")):
        write(folder / f"lnq2023-{part}-{id}-ct.nrrd", HU)
        write(folder / f"lnq2023-{part}-{id}-seg.nrrd", LABELS)


def uls(folder: Path) -> None:
    for name in (
        "ABD_LYMPH_001_lesion_01",
        "ABD_LYMPH_001_lesion_02",
        "000010_02_02_100_lesion_01",
    ):
        write(folder / f"images/{name}.nii.gz", HU)
        write(folder / f"labels/{name}.nii.gz", LABELS)


def plain(folder: Path) -> None:
    about = {"synthetic": True, "patient": "one"}
    images = {"ct": image(HU), "label": image(LABELS), "nodes": image(LABELS)}
    Plain(folder).write("s_1", images, about)


def own_nnunet(folder: Path) -> None:
    writer = NnUNet(folder)
    images = {"ct": image(HU), "label": image(LABELS)}
    writer.write("s_1", images, {"synthetic": True, "patient": "one"})
    writer.finish()


def images(folder: Path) -> None:
    write(folder / "a.mha", HU)


# what is expected: id, patient, part, has labels, synthetic
LAYOUTS = {
    nnunet: [("a_1", "a_1", "train", True, False), ("a_2", "a_2", "train", True, False)]
    + [("b", "b", "test", False, False)],
    msd: [("colon_001", "colon_001", "train", True, False)]
    + [("colon_002", "colon_002", "test", False, False)],
    nnunet_1: [("colon_001", "colon_001", "train", True, False)]
    + [("colon_002", "colon_002", "test", False, False)],
    totalsegmentator: [
        ("s0000", "s0000", "test", False, False),
        ("s0001", "s0001", "train", False, False),
        ("s0002", "s0002", "validation", False, False),
    ],
    semicolons: [("p1", "one", "test small", True, False), ("p2", "one", None, False, False)],
    table: [("p1", "one", "test small", True, False), ("p2", "one", None, False, False)],
    meply: [("p01", "p01", None, True, False)],
    lnq: [("lnq2023-train-0001", "lnq2023-train-0001", "train", True, False)]
    + [("lnq2023-val-0002", "lnq2023-val-0002", "validation", True, False)],
    uls: [("000010_02_02_100_lesion_01", "000010", None, True, False)]
    + [(f"ABD_LYMPH_001_lesion_0{k}", "ABD_LYMPH_001", None, True, False) for k in (1, 2)],
    plain: [("s_1", "one", None, True, True)],
    own_nnunet: [("s_1", "one", "train", True, True)],
    images: [("a", "a", None, False, False)],
}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_layouts_are_told_apart_and_read(layout, tmp_path):
    folder = tmp_path / "data"
    layout(folder)
    pairs = folder / "pairs.csv"
    cases = read_cases(pairs if pairs.exists() else folder)
    told = [(c.id, c.patient, c.part, c.label is not None, c.synthetic) for c in cases]
    assert told == LAYOUTS[layout]
    for case in cases:
        ct, label, _ = case.load()
        assert np.array_equal(to_array(ct), HU)
        assert ct.GetSpacing() == pytest.approx(SPACING)
        assert (label is None) == (case.label is None)
        if label is not None:
            assert np.array_equal(to_array(label), LABELS)


def test_cases_of_a_patient_are_found(tmp_path):
    uls(tmp_path / "data")
    assert sorted(map(len, by_patient(read_cases(tmp_path / "data")).values())) == [1, 2]


def test_meply_is_read_with_slices_last_too(tmp_path):
    array = np.random.default_rng(1).integers(-900, 900, (6, 6, 4)).astype(np.int16)
    np.savez(tmp_path / "p.npz", img=array, lbl=array > 0, spacing=(0.7, 0.8, 1.25))
    ct, label, _ = read_cases(tmp_path)[0].load()
    assert ct.GetSize() == (6, 6, 4)
    assert ct.GetSpacing() == pytest.approx((0.8, 0.7, 1.25))
    assert np.array_equal(to_array(ct), np.moveaxis(array, 2, 0))
    assert np.array_equal(to_array(label) > 0, np.moveaxis(array, 2, 0) > 0)


def leftovers(folder: Path) -> None:
    """What macOS leaves beside each file, of each layout."""
    for file in [file for file in folder.rglob("*") if file.is_file()]:
        file.with_name(f"._{file.name}").write_bytes(b"\0\5\x16\7")
    (folder / ".DS_Store").write_bytes(b"\0")


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_what_macos_leaves_is_no_case(layout, tmp_path):
    folder = tmp_path / "data"
    layout(folder)
    leftovers(folder)
    pairs = folder / "pairs.csv"
    assert len(read_cases(pairs if pairs.exists() else folder)) == len(LAYOUTS[layout])


def test_anatomy_of_totalsegmentators_data_set_is_its_own(tmp_path):
    totalsegmentator(tmp_path)
    case = read_cases(tmp_path)[0]
    labels = to_array(anatomy_of(case, None, case.load().ct))
    assert np.array_equal(labels == 20, LABELS > 0)


def no_label(folder: Path) -> None:
    nnunet(folder)
    (folder / "labelsTr/a_2.nii.gz").unlink()


def channels(folder: Path) -> None:
    nnunet(folder)
    (folder / "dataset.json").write_text('{"channel_names": {"0": "CT", "1": "PET"}}')


def channels_1(folder: Path) -> None:
    nnunet_1(folder)
    content = json.loads((folder / "dataset.json").read_text())
    content["modality"] = {"0": "CT", "1": "PET"}
    (folder / "dataset.json").write_text(json.dumps(content))


def no_split(folder: Path) -> None:
    totalsegmentator(folder)
    (folder / "meta.csv").write_text("image_id;age\ns0000;60\n")


def not_utf8(folder: Path) -> None:
    folder.mkdir()
    (folder / "pairs.csv").write_bytes("image\nMünchen.nrrd\n".encode("latin-1"))


def broken_json(folder: Path) -> None:
    folder.mkdir()
    (folder / "dataset.json").write_text("{")


def listed_scan_missing(folder: Path) -> None:
    meply(folder)
    (folder / "boxes.csv").write_text("pid\np01\np02\n")


def same_ids(folder: Path) -> None:
    for name in ("x/a.nrrd", "y/a.nrrd"):
        write(folder / name, HU)
    (folder / "pairs.csv").write_text("image,label\nx/a.nrrd,\ny/a.nrrd,\n")


def no_row(folder: Path) -> None:
    msd(folder)
    content = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(content | {"training": [["a", "b"]]}))


def no_part(folder: Path) -> None:
    write(folder / "ct.nrrd", HU)
    (folder / "pairs.csv").write_text("image,part\nct.nrrd,Training\n")


def slash(folder: Path) -> None:
    write(folder / "ct.nrrd", HU)
    (folder / "pairs.csv").write_text("image,id\nct.nrrd,../up\n")


def missing_image(folder: Path) -> None:
    folder.mkdir()
    (folder / "pairs.csv").write_text("image,label\nnowhere.nrrd,\n")


def empty(folder: Path) -> None:
    folder.mkdir()


UNUSABLE = {
    no_label: r"labelsTr/a_2.nii.gz is missing: add it",
    channels: "has several channels: give a data set of one",
    channels_1: "has several channels: give a data set of one",
    no_split: "meta.csv lacks the columns image_id and split",
    not_utf8: "pairs.csv is no CSV in UTF-8",
    broken_json: "dataset.json is not JSON",
    listed_scan_missing: r"p02.npz is missing, boxes.csv lists it",
    same_ids: "has 2 cases a: give each an id",
    no_row: "dataset.json: .* names no image, or no label",
    no_part: "pairs.csv, line 2: no part 'Training': give train, validation or test",
    slash: "can't name a file",
    missing_image: r"nowhere.nrrd is missing, .*pairs.csv asks for it",
    empty: "holds no cases: give an nnU-Net",
}


@pytest.mark.parametrize("layout", UNUSABLE, ids=lambda layout: layout.__name__)
def test_unusable_data_sets_are_refused_by_name(layout, tmp_path):
    folder = tmp_path / "data"
    layout(folder)
    pairs = folder / "pairs.csv"
    with pytest.raises(InputError, match=UNUSABLE[layout]):
        read_cases(pairs if pairs.exists() else folder)


def test_one_ct_is_refused_by_what_would_do(tmp_path):
    write(tmp_path / "ct.nii.gz", HU)
    with pytest.raises(InputError, match="ct.nii.gz is one file: give the folder"):
        read_cases(tmp_path / "ct.nii.gz")
    assert [case.id for case in read_cases(tmp_path)] == [tmp_path.name]


def test_unusable_voxels_are_refused_by_name(tmp_path):
    lnq(tmp_path)
    write(tmp_path / "lnq2023-train-0001-seg.nrrd", LABELS[:2])
    write(tmp_path / "lnq2023-val-0002-ct.nrrd", np.abs(HU))
    train, val = read_cases(tmp_path)
    with pytest.raises(InputError, match="train-0001-seg.nrrd has another geometry"):
        train.load()
    with pytest.raises(InputError, match="val-0002-ct.nrrd is not in HU"):
        val.load()


def test_a_label_that_lies_in_air_is_named(tmp_path):
    """As one whose axes are flipped does."""
    uls(tmp_path)
    air, soft = np.where(np.indices(HU.shape)[1] > 2, -1000, 40), np.indices(HU.shape)[1] > 2
    name = "ABD_LYMPH_001_lesion_01"
    write(tmp_path / f"images/{name}.nii.gz", air.astype(np.int16))
    write(tmp_path / f"labels/{name}.nii.gz", soft.astype(np.uint8))
    case = next(case for case in read_cases(tmp_path) if case.id == name)
    with pytest.raises(InputError, match=f"the label of {name} lies in air: is it of this CT?"):
        case.load()
    write(tmp_path / f"labels/{name}.nii.gz", (~soft).astype(np.uint8))
    assert to_array(case.load().nodes).any()


NPZ = {
    "off by little": ({"lbl": LABELS + 3e-8}, None),
    "off by much": ({"lbl": LABELS + 0.3}, "p.npz: lbl is not a label map: give whole"),
    "negative": ({"lbl": LABELS.astype(int) - 1}, "lbl is not a label map"),
    "too large": ({"lbl": LABELS.astype(int) * 65536}, "lbl has labels up to 65536, 65535 is"),
    "no number": ({"lbl": np.where(LABELS, np.nan, 0)}, "lbl is not a label map"),
    "a mask": ({"lbl": LABELS > 0}, None),
    "big-endian": ({"img": HU.astype(">i2")}, None),
    "half precision": ({"img": HU.astype(np.float16)}, None),
    "text": ({"img": HU.astype(str)}, "img holds .*: give numbers"),
    "other shapes": ({"lbl": LABELS[1:]}, "give two volumes of one shape"),
    "flat": ({"img": HU[:1], "lbl": LABELS[:1]}, "give two volumes of one shape"),
    "no length": ({"spacing": (1.0, np.inf, 1.0)}, "three lengths in mm"),
    "no CT": ({"img": np.where(LABELS, np.nan, HU)}, "NaN or infinite"),
}


@pytest.mark.parametrize("change, words", NPZ.values(), ids=NPZ)
def test_an_npz_is_read_exactly_or_refused(change, words, tmp_path):
    arrays = {"img": HU, "lbl": LABELS, "spacing": SPACING[::-1]} | change
    np.savez(tmp_path / "p.npz", **arrays)
    (case,) = read_cases(tmp_path)
    if words is not None:
        with pytest.raises(InputError, match=words):
            case.load()
        return
    ct, labels, _ = case.load()
    assert np.array_equal(to_array(ct), np.asarray(arrays["img"], float).round())
    assert np.array_equal(to_array(labels), LABELS) and labels.GetPixelID() == sitk.sitkUInt16


@pytest.mark.parametrize("damage", ["cut", "flipped", "another"])
def test_a_damaged_npz_is_named(damage, tmp_path):
    file = tmp_path / "p.npz"
    np.savez_compressed(file, img=HU, lbl=LABELS, spacing=SPACING)
    content = bytearray(file.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    if damage == "flipped":
        content[200] ^= 1
    if damage == "another":
        np.save(tmp_path / "array.npy", HU)
        content = (tmp_path / "array.npy").read_bytes()
    file.write_bytes(content)
    with pytest.raises(InputError, match="p.npz is no scan of MEPLYv2"):
        read_cases(tmp_path)[0].load()


def test_a_damaged_npz_is_refused_by_name(tmp_path):
    (tmp_path / "p.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match="p.npz is no scan of MEPLYv2"):
        read_cases(tmp_path)[0].load()
