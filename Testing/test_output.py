"""Results never take the place of an input, nor of a file that LNGen did not write; and what is
written is compared with what was to be written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from segmentation_data import write_cases

from LNGenLib.errors import InputError, OutputError
from LNGenLib.files import check_output, is_own, keep_settings, output_folder, whole_file
from LNGenLib.image import io
from LNGenLib.image.io import marked_own, marked_synthetic, write_image, write_picture
from LNGenLib.image.verify import check_written
from LNGenLib.service.server.serve import locked
from LNGenLib.synthesis.plan import Plan
from LNGenLib.synthesis.request import SynthesisRequest

FORMATS = ["a.nii", "a.nii.gz", "a.nrrd", "a.seg.nrrd", "a.mha"]


def image(kind: type = np.int16, shape: tuple[int, ...] = (5, 6, 7)) -> sitk.Image:
    values = np.random.default_rng(0).integers(0, 100, shape).astype(kind)
    made = sitk.GetImageFromArray(values)
    made.SetSpacing((0.7, 0.8, 5.0))
    made.SetOrigin((-120.5, 33.25, -871.0))
    c, s = np.cos(0.3), np.sin(0.3)
    made.SetDirection((c, -s, 0, s, c, 0, 0, 0, 1))
    return made


@pytest.fixture
def patient(tmp_path) -> Path:
    """A folder as TotalSegmentator's data set has them, and what is more to be kept."""
    folder = tmp_path / "s0011"
    for name in ("ct.nii.gz", "segmentations/colon.nii.gz", "dicom/1.dcm", "prior.nii.gz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image(), str(folder / "ct.nii.gz"))
        (folder / name).write_bytes((folder / "ct.nii.gz").read_bytes())
    (folder / "points.csv").write_text("R,A,S\n0,0,0\n")
    write_cases(folder / "cases", 3)
    return folder


def everything(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


INPUTS = {
    "the CT": "synthesize {p}/ct.nii.gz -o {p}",
    "by another way": "synthesize {p}/ct.nii.gz -o {p}/dicom/..",
    "by a link to its folder": "synthesize {p}/ct.nii.gz -o {p}/../linked",
    "by a link to it": "synthesize {p}/ct.nii.gz -o {p}/../symbolic",
    "by a hard link to it": "synthesize {p}/ct.nii.gz -o {p}/../hard",
    "the mask": "synthesize {p}/ct.nii.gz --avoid {p}/../hard/ct.nii.gz -o {p}/../hard",
    "overwriting": "synthesize {p}/ct.nii.gz -o {p} --overwrite",
    "a DICOM folder": "synthesize {p}/dicom -o {p}/dicom",
    "a folder of masks": "synthesize {p}/ct.nii.gz --anatomy {p}/segmentations "
    "-o {p}/segmentations",
    "a plan": "synthesize {p}/dicom -o {p}/dicom --dry-run",
    "maps": "placement {p}/prior.nii.gz -o {p}",
    "labels found": "segment {p}/ct.nii.gz --model {p} -o {p}/ct.nii.gz --overwrite",
    "in a scanned folder": "segment {p}/dicom --model {p} -o {p}/dicom/found.nii.gz",
    "cases": "dataset --cases {p}/cases -o {p}/cases -n 1",
    "labels of cases": "dataset --cases {p}/cases --anatomy {p}/segmentations "
    "-o {p}/segmentations -n 1",
    "cases of a pool": "pool --cases {p}/cases -o {p}/cases",
    "cases to filter": "filter {p}/cases --real {p}/cases/cases.csv --model {p} -o {p}/cases",
    "a series to export": "dicom export {p}/cases --like {p}/dicom -o {p}/dicom/new",
    "a configuration": "train structure --data {p} --config {p}/structure.json -o {p}",
    "shapes": "evaluate structures --real {p} --generated {p} -o {p}/structures.json",
}


@pytest.mark.parametrize("command", INPUTS.values(), ids=INPUTS)
def test_an_input_is_never_the_output(run_lngen, patient, tmp_path, command):
    for name in ("structure", "structures"):
        (patient / f"{name}.json").write_text('{"synthetic": true}')
    (tmp_path / "linked").symlink_to(patient)
    for name, link in (("symbolic", os.symlink), ("hard", os.link)):
        (tmp_path / name).mkdir()
        link(patient / "ct.nii.gz", tmp_path / name / "ct.nii.gz")
    before = everything(tmp_path)
    code, out, err = run_lngen(command.format(p=patient).split())
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert "an input" in err and "give another" in err
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    "given", ["--real {d} --found {d}/labelsTr", "--real {p}/masks --found {d}"]
)
def test_figures_do_not_replace_a_file_of_a_data_set(run_lngen, patient, tmp_path, given):
    data = tmp_path / "data"
    data.mkdir()
    (data / "dataset.json").write_text('{"labels": {}, "software": "LNGen"}')
    command = f"evaluate segmentation {given} -o {{d}}/dataset.json --overwrite"
    code, _, err = run_lngen(command.format(d=data, p=patient).split())
    assert code == 2 and "an input: give another folder" in err
    assert (data / "dataset.json").read_text() == '{"labels": {}, "software": "LNGen"}'


FOREIGN = {
    "ct.nii.gz": "synthesize {p}/dicom -o {p}",
    "nodes.json": "synthesize {p}/dicom -o {p}/other",
    "preview.png": "demo -o {p}/other",
    "prior.nii.gz": "placement {p}/dicom -o {p}",
    "plan.json": "synthesize {p}/dicom -o {p}/other --dry-run",
    "structure_00001.nii.gz": "structures --count 2 -o {p}/other",
    "label.nii.gz": "segment {p}/dicom --model {p} -o {p}/other/label.nii.gz",
    "figures.json": "evaluate segmentation --real {p}/dicom --found {p}/dicom "
    "-o {p}/other/figures.json",
}


@pytest.mark.parametrize("name, command", FOREIGN.items(), ids=FOREIGN)
def test_a_file_of_others_is_not_overwritten_unless_asked(run_lngen, patient, name, command):
    (patient / "other").mkdir()
    if not (patient / name).exists():
        (patient / "other" / name).write_text('{"of": "last week"}')
    before = everything(patient)
    code, out, err = run_lngen(command.format(p=patient).split())
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert f"{name} is there and does not say that it is LNGen's" in err and "--overwrite" in err
    assert everything(patient) == before
    if name not in ("preview.png", "structure_00001.nii.gz"):  # of the others the input is bad
        code, _, err = run_lngen([*command.format(p=patient).split(), "--overwrite"])
        assert code == 2 and "does not say" not in err
    check_output(patient, [name], overwrite=True)


def test_what_others_made_is_not_taken_for_a_training_or_a_server(tmp_path):
    (tmp_path / "structure.safetensors").write_text("of others")
    with pytest.raises(InputError, match="of another training: give a new folder"):
        keep_settings(tmp_path, {"seed": 1})
    assert not (tmp_path / "settings.json").exists()
    (tmp_path / "jobs" / ".git").mkdir(parents=True)
    with pytest.raises(InputError, match="jobs is not a server's"), locked(tmp_path):
        pass
    assert (tmp_path / "jobs" / ".git").is_dir()
    with locked(tmp_path / "new"):
        (tmp_path / "new" / "jobs").mkdir()
    with locked(tmp_path / "new"):
        pass


@pytest.mark.parametrize("name", FORMATS)
def test_images_of_lngen_say_so(tmp_path, name):
    for mark in (marked_synthetic, marked_own):
        write_image(mark(image()), tmp_path / name)
        assert is_own(tmp_path / name)
    write_image(image(), tmp_path / name)
    assert not is_own(tmp_path / name)


def test_other_files_of_lngen_say_so(tmp_path):
    for name in ("a.png", "a.jpg"):
        write_picture(Image.new("RGB", (40, 30)), tmp_path / name)
        assert is_own(tmp_path / name)
    Plan(SynthesisRequest(), (), None).write(tmp_path / "plan.json")
    assert is_own(tmp_path / "plan.json")
    with pytest.raises(InputError, match="holds no lymph node"):  # and not: has no field software
        Plan.read(tmp_path / "plan.json")
    for text in ("", "[]", "{}", '{"synthetic": "no"}', "LNGen", '{"software": "Slicer"}'):
        (tmp_path / "a.json").write_text(text)
        assert not is_own(tmp_path / "a.json")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "f4", "f8"])
def test_what_is_written_whole_passes(tmp_path, name, kind):
    one = image(kind)
    of_colors, of_volumes = sitk.Compose([one] * 3), sitk.JoinSeries([one, one])
    for each in (one, one[:, :, 1], one[:, :, 1:2], of_volumes, of_colors):
        write_image(each, tmp_path / name)


DAMAGES = {
    "cut": lambda content: content[:-9],
    "no voxels": lambda content: content[:360],
    "empty": lambda content: b"",
    "a byte": lambda content: content[:-20] + bytes([content[-20] ^ 1]) + content[-19:],
    "more": lambda content: content + b"more",
    "nothing at the end": lambda content: content[:-900] + bytes(900),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("kind", [np.int16, np.uint8])
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_not_written_whole_does_not_take_its_name(
    tmp_path, monkeypatch, name, kind, damage
):
    def damaged(path, image):
        path.write_bytes(damage(path.read_bytes()))
        check_written(path, image)

    monkeypatch.setattr(io, "check_written", damaged)
    with pytest.raises(OutputError, match=f"{name} can't be written whole"):
        write_image(image(kind, shape=(20, 20, 20)), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("change", ["SetOrigin", "SetSpacing"])
def test_another_header_is_seen(tmp_path, name, change):
    write_image(image(), tmp_path / name)
    other = image()
    getattr(other, change)((1.0, 2.0, 3.0))
    with pytest.raises(OSError, match="not written whole"):
        check_written(tmp_path / name, other)
    with pytest.raises(OSError, match="not written whole"):
        check_written(tmp_path / name, image(np.uint16))


def test_an_image_of_another_format_is_refused(tmp_path):
    with pytest.raises(InputError, match="a.mhd is no image file: give .nii"):
        write_image(image(), tmp_path / "a.mhd")


def test_a_new_folder_appears_with_all_its_files_at_once(tmp_path):
    with output_folder(tmp_path / "a" / "b") as folder:
        for name in ("one", "two"):
            (folder / name).write_text(name)
            assert not (tmp_path / "a").exists()
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["one", "two"]
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "a" / "b").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "plain" / "two").mkdir()
    with pytest.raises(InputError, match="two is a folder"):
        check_output(tmp_path / "plain", ["one", "two"])


def test_an_error_of_the_disk_names_the_output_and_not_a_temporary_folder(tmp_path):
    with pytest.raises(OutputError) as caught, output_folder(tmp_path / "out") as folder:
        with whole_file(folder / "a.json") as temporary:
            temporary.write_text(json.dumps({}))
            raise OSError(28, "No space left on device")
    assert str(caught.value).startswith(f"{tmp_path}/out/a.json can't be written whole (the disk")
    assert not list(tmp_path.iterdir())
