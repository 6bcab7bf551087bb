"""A synthesis result on a DICOM series as a new CT series, and its labels as a DICOM SEG."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from LNGenLib import __version__
from LNGenLib.dicom.attributes import SERIES_DESCRIPTION, Identifiers, equipment, new_slice
from LNGenLib.errors import InputError
from LNGenLib.files import output_folder, write_json
from LNGenLib.image.dicom_series import dicom_files
from LNGenLib.image.io import as_ct, check_same_geometry, read_ct, to_array
from LNGenLib.synthesis.result import LymphNodeRecord, SynthesisResult

COLOR = (68, 172, 100)  # of lymph nodes in Slicer's terminology


def export_dicom(
    result: SynthesisResult, series: Path, output: Path, uid: str | None = None
) -> None:
    """Write a result as DICOM: ct-00001.dcm ..., nodes-seg.dcm and nodes.json, all or nothing.

    `series` is the folder of the DICOM series that the result was made from, `uid` says which where
    it holds several. Slices keep its place, spacing and acquisition; patient, study, series,
    instances and frame of reference are new, and each header says in several attributes that the
    content is synthetic. Voxels are stored as HU (int16, slope 1, intercept 0). Raises InputError
    where the series is not the one that the result was made from, or `output` holds files already.
    """
    if output.is_dir() and any(output.iterdir()):
        raise InputError(f"{output} holds files already: give a new folder for the series")
    image = as_ct(read_ct(series, uid), str(series))
    check_same_geometry(image, result.ct, "the result")
    voxels = hashlib.sha256(sitk.GetArrayViewFromImage(image).data).hexdigest()
    if result.provenance.get("input_voxels_sha256", {}).get("ct") != voxels:
        raise InputError(
            f"{series} is not the series that the result was made from: give that one, or "
            "synthesize on this one"
        )
    files = dicom_files(series, uid)
    if len(files) != image.GetSize()[2]:
        raise InputError(f"{series} is no series of one file a slice: convert it to classic CT")
    sources = [dcmread(file, stop_before_pixels=True) for file in files]
    now = datetime.now()
    hu = to_array(as_ct(result.ct))
    ids = Identifiers(sources[0].SeriesInstanceUID, hashlib.sha256(hu.data).hexdigest())
    slices = [
        _with_pixels(new_slice(source, ids, k + 1, now), hu[k]) for k, source in enumerate(sources)
    ]
    with output_folder(output) as folder:
        for k, made in enumerate(slices):
            made.save_as(folder / f"ct-{k + 1:05d}.dcm", enforce_file_format=True)
        if result.records:
            segmentation = _segmentation(result, slices, ids, now)
            segmentation.save_as(folder / "nodes-seg.dcm")
        write_json(result.to_json(), folder / "nodes.json")


def _with_pixels(made: Dataset, hu: np.ndarray) -> Dataset:
    """The slice with its HU (y, x) as stored values."""
    made.ensure_file_meta()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = CTImageStorage
    made.set_pixel_data(np.ascontiguousarray(hu), "MONOCHROME2", 16, generate_instance_uid=False)
    made.RescaleIntercept, made.RescaleSlope, made.RescaleType = 0, 1, "HU"
    return made


def _segmentation(
    result: SynthesisResult, slices: list[Dataset], ids: Identifiers, now: datetime
) -> Segmentation:
    """One segment a lymph node, in the order of the records."""
    labels = to_array(result.nodes)
    numbers = np.zeros(int(labels.max()) + 1, np.uint16)
    for number, record in enumerate(result.records, 1):
        numbers[record.label] = number
    made = Segmentation(
        slices,
        numbers[labels],
        "BINARY",
        [_segment(record, k, ids) for k, record in enumerate(result.records, 1)],
        series_instance_uid=ids.uid("segmentation series"),
        series_number=2,
        sop_instance_uid=ids.uid("segmentation"),
        instance_number=1,
        manufacturer="LNGen",
        manufacturer_model_name="LNGen",
        software_versions=__version__,
        device_serial_number="none",
        content_label="LYMPH_NODES",
        content_description=SERIES_DESCRIPTION,
        series_description=f"{SERIES_DESCRIPTION}, labels",
        contributing_equipment=[equipment(now)],
    )
    made.SyntheticData = "YES"
    return made


def _segment(record: LymphNodeRecord, number: int, ids: Identifiers) -> SegmentDescription:
    return SegmentDescription(
        number,
        f"SYNTHETIC lymph node {record.label}",
        codes.SCT.AnatomicalStructure,
        codes.SCT.LymphNode,
        "AUTOMATIC",
        AlgorithmIdentificationSequence("LNGen", codes.DCM.ArtificialIntelligence, __version__),
        tracking_uid=ids.uid("lymph node", str(record.label)),
        tracking_id=f"LNGen {record.label}",
        display_color=CIELabColor.from_rgb(*COLOR),
    )
