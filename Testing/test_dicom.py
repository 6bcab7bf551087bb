"""DICOM export: same voxels and place, nothing of the patient, marked synthetic, conformant."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from LNGenLib.dicom.export import export_dicom
from LNGenLib.errors import InputError
from LNGenLib.image.io import as_ct, check_same_geometry, like, read_ct, read_image, to_array
from LNGenLib.scan import Scan
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.request import SynthesisRequest

TILT = np.deg2rad(8)
ROW, COLUMN = np.array([1.0, 0, 0]), np.array([0, np.cos(TILT), np.sin(TILT)])
SPACING, INTERCEPT, PADDING = (3.0, 3.0), -1024, -2000
PRIVATE = {  # what must not reach a research copy
    "PatientName": "Doe^Jane",
    "PatientID": "P-4711",  # no part of a UID or of base64, by chance
    "PatientBirthDate": "19500101",
    "InstitutionName": "St. Elsewhere",
    "ReferringPhysicianName": "House^Gregory",
    "AccessionNumber": "A-0815",
    "StudyDescription": "CT pelvis of Jane Doe",
    "StationName": "SCANNER7",
}


def write_series(folder: Path, hu: np.ndarray, part: str = "PELVIS") -> None:
    """A tilted CT series in files named out of order, values stored with an intercept."""
    folder.mkdir()
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    normal = np.cross(ROW, COLUMN)
    for k, plane in enumerate(hu):
        made = pydicom.Dataset()
        for keyword, value in PRIVATE.items():
            setattr(made, keyword, value)
        made.add_new((0x0029, 0x0010), "LO", "SECRET 1.0")
        made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, generate_uid()
        made.StudyInstanceUID, made.SeriesInstanceUID = study, series
        made.FrameOfReferenceUID = frame
        made.Modality, made.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
        made.Manufacturer, made.ConvolutionKernel, made.KVP = "ACME", "B30f", 120
        made.PatientPosition, made.SliceThickness = "HFS", 3
        made.InstanceNumber, made.AcquisitionNumber = k + 1, 1
        made.ImageOrientationPatient = [*ROW, *np.round(COLUMN, 10)]
        made.ImagePositionPatient = np.round([-90, -80, 40] + 3.0 * k * normal, 8).tolist()
        made.PixelSpacing = list(SPACING)
        made.PixelPaddingValue = PADDING
        made.BodyPartExamined = part
        made.ensure_file_meta()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        stored = (plane - INTERCEPT).astype(np.int16)
        made.set_pixel_data(stored, "MONOCHROME2", 16, generate_instance_uid=False)
        made.RescaleIntercept, made.RescaleSlope = INTERCEPT, 1
        made.save_as(folder / f"{len(hu) - k:03d}.dcm", enforce_file_format=True)


@pytest.fixture(scope="module")
def series(phantom, tmp_path_factory) -> Path:
    """The middle of the phantom as a DICOM series."""
    folder = tmp_path_factory.mktemp("dicom") / "series"
    write_series(folder, to_array(phantom.ct)[20:50])
    return folder


@pytest.fixture(scope="module")
def result(series, models):
    """Two lymph nodes painted into the series, the first label taken by neither."""
    ct = as_ct(read_ct(series))
    request = SynthesisRequest(2, Sizes("uniform", 9, 12), 3, texture_steps=2, structure_steps=4)
    made = synthesize(Scan(ct, region=fat_of(ct)), request, models)
    nodes = to_array(made.nodes)
    nodes[nodes > 0] += 1
    records = tuple(replace(record, label=record.label + 1) for record in made.records)
    return replace(made, nodes=like(nodes, ct), records=records)


def fat_of(ct: sitk.Image) -> sitk.Image:
    fat = (to_array(ct) > -140) & (to_array(ct) < -60)
    return like(fat.astype(np.uint8), ct)


@pytest.fixture(scope="module")
def exported(result, series, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "out"
    export_dicom(result, series, folder)
    return folder


def slices(folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder.glob("ct-*.dcm"))]


def test_voxels_and_geometry_are_those_of_the_result(exported, result, series, tmp_path):
    ct = tmp_path / "ct"
    ct.mkdir()
    for path in exported.glob("ct-*.dcm"):
        shutil.copy(path, ct)
    back = read_image(ct)
    assert np.array_equal(to_array(back), to_array(result.ct))
    check_same_geometry(read_image(series), back, "the export")
    source = {float(d.ImagePositionPatient[2]): d for d in map(pydicom.dcmread, series.iterdir())}
    for made in slices(exported):
        original = source[float(made.ImagePositionPatient[2])]
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "KVP"):
            assert made[keyword].value == original[keyword].value
    inside = to_array(result.changed) == 0
    assert np.array_equal(to_array(back)[inside], to_array(as_ct(read_ct(series)))[inside])


def test_the_folder_of_the_export_is_read_as_its_ct(exported, result):
    assert (exported / "nodes-seg.dcm").exists()
    back = read_ct(exported)
    assert np.array_equal(to_array(back), to_array(result.ct))
    check_same_geometry(result.ct, back, "the export")


def test_a_result_of_one_of_several_series_is_exported(result, series, tmp_path):
    both = tmp_path / "both"
    write_series(both, to_array(as_ct(read_ct(series)))[:5])
    for file in series.iterdir():
        shutil.copy(file, both / f"source-{file.name}")
    with pytest.raises(InputError, match="holds 2 DICOM series"):
        export_dicom(result, both, tmp_path / "out")
    uid = pydicom.dcmread(next(series.iterdir())).SeriesInstanceUID
    export_dicom(result, both, tmp_path / "out", uid)
    assert len(slices(tmp_path / "out")) == 30


def test_segments_are_the_labels(exported, result):
    made = hd.seg.segread(exported / "nodes-seg.dcm")
    labels = to_array(result.nodes)
    assert [record.label for record in result.records] == [2, 3]
    assert made.number_of_segments == 2
    instances = [d.SOPInstanceUID for d in slices(exported)]
    masks = made.get_pixels_by_source_instance(instances, ignore_spatial_locations=True)
    for k, record in enumerate(result.records):
        assert np.array_equal(masks[..., k] > 0, labels == record.label)
        segment = made.get_segment_description(k + 1)
        kind = segment.segmented_property_type
        assert (kind.value, kind.scheme_designator) == ("59441001", "SCT")
        assert segment.SegmentLabel == f"SYNTHETIC lymph node {record.label}"
    volume = made.get_volume(segment_numbers=[1])
    assert np.allclose(volume.direction_cosines, [*ROW, *COLUMN], atol=1e-6)
    assert np.allclose(volume.spacing, (3.0, *SPACING))


def test_identifiers_are_new_and_nothing_of_the_patient_is_left(exported, series):
    before = [pydicom.dcmread(path, stop_before_pixels=True) for path in series.iterdir()]
    after = [pydicom.dcmread(path) for path in exported.glob("*.dcm")]
    uids = {e.value for d in before for e in d if e.VR == "UI"} - {CTImageStorage}
    for made in after:
        text = made.to_json()
        assert not [uid for uid in uids if uid in text]
        assert not [value for value in PRIVATE.values() if value in text]
        assert not [element for element in made if element.tag.is_private]
    assert len({d.SOPInstanceUID for d in after}) == len(after)
    assert len({d.StudyInstanceUID for d in after}) == 1
    assert len({d.PatientID for d in after}) == 1
    assert len({d.SeriesInstanceUID for d in after}) == 2
    assert len({d.FrameOfReferenceUID for d in after}) == 1


def test_every_file_says_in_many_places_that_it_is_synthetic(exported):
    for made in map(pydicom.dcmread, exported.glob("*.dcm")):
        assert made.SyntheticData == "YES"
        assert str(made.PatientName) == "SYNTHETIC^LNGEN"
        assert made.SeriesDescription.startswith("SYNTHETIC lymph nodes")
        ours = [e for e in made.ContributingEquipmentSequence if e.Manufacturer == "LNGen"]
        assert [e.PurposeOfReferenceCodeSequence[0].CodeValue for e in ours] == ["109103"]
        assert made.ImageType[0] == "DERIVED"
    for made in slices(exported):
        assert list(made.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
        for keyword in ("DerivationDescription", "ImageComments", "PatientComments"):
            assert "SYNTHETIC" in made[keyword].value
    assert json.loads((exported / "nodes.json").read_text())["synthetic"] is True


def test_the_same_result_gets_the_same_identifiers(exported, result, series, tmp_path):
    export_dicom(result, series, tmp_path / "again")
    for one, other in zip(slices(exported), slices(tmp_path / "again")):
        assert one.SOPInstanceUID == other.SOPInstanceUID


@pytest.mark.parametrize("part", ["PELVIS", "PARTIALBODY", ""])
def test_dciodvfy_finds_no_error(result, series, tmp_path, part):
    """Debian's is of 2022 and does not know the attribute Synthetic Data yet."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("no dciodvfy here: apt-get install dicom3tools")
    write_series(tmp_path / "series", to_array(as_ct(read_ct(series))), part)
    export_dicom(result, tmp_path / "series", tmp_path / "out")
    for path in (tmp_path / "out" / "ct-00001.dcm", tmp_path / "out" / "nodes-seg.dcm"):
        done = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
        assert re.search(r"^(CTImage|Segmentation)", done.stderr, re.MULTILINE), done.stderr
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        assert not [line for line in errors if "(0x0008,0x001c)" not in line], path


def test_another_series_is_refused(result, series, tmp_path):
    other = tmp_path / "other"
    hu = to_array(as_ct(read_ct(series)))
    hu[5, 5, 5] += 1
    write_series(other, hu)
    with pytest.raises(InputError, match="not the series that the result was made from"):
        export_dicom(result, other, tmp_path / "out")
    write_series(tmp_path / "shorter", hu[:-1])
    with pytest.raises(InputError, match="another geometry"):
        export_dicom(result, tmp_path / "shorter", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_is_refused(result, series, tmp_path):
    (tmp_path / "ct-00099.dcm").touch()
    with pytest.raises(InputError, match="holds files already"):
        export_dicom(result, series, tmp_path)


def test_the_command_exports_what_synthesize_wrote(result, series, tmp_path, run_lngen):
    (tmp_path / "result").mkdir()
    result.write(tmp_path / "result")
    command = ["dicom", "export", str(tmp_path / "result"), "--like", str(series)]
    code, out, err = run_lngen([*command, "-o", str(tmp_path / "out")])
    assert (code, err) == (0, "")
    assert len(list((tmp_path / "out").glob("*.dcm"))) == 31
    code, _, err = run_lngen(["dicom", "export", str(series), "--like", str(series), "-o", "x"])
    assert code == 2 and "is no result" in err
