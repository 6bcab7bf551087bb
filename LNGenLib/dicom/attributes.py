"""What the DICOM headers say: nothing of the patient, and everywhere that it is synthetic.

Attributes: DICOM PS3.3 (https://dicom.nema.org/medical/dicom/current/output/html/part03.html),
C.12.1 SOP Common (Synthetic Data, Contributing Equipment), C.7.6.1 General Image, A.3 CT Image.
"""

from __future__ import annotations

from datetime import datetime

from highdicom import ContributingEquipment
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from LNGenLib import __version__

SERIES_DESCRIPTION = "SYNTHETIC lymph nodes"
NOTE = "SYNTHETIC lymph nodes painted by LNGen. Not acquired, not for diagnosis."
KEPT = """
    Manufacturer ManufacturerModelName BodyPartExamined PatientPosition ScanOptions KVP
    SliceThickness SpacingBetweenSlices DataCollectionDiameter ReconstructionDiameter
    DistanceSourceToDetector DistanceSourceToPatient GantryDetectorTilt TableHeight
    RotationDirection ExposureTime XRayTubeCurrent Exposure FilterType GeneratorPower
    FocalSpots ConvolutionKernel RevolutionTime SingleCollimationWidth TotalCollimationWidth
    TableSpeed TableFeedPerRotation SpiralPitchFactor AcquisitionNumber ImagePositionPatient
    ImageOrientationPatient PixelSpacing SliceLocation WindowCenter WindowWidth
    BurnedInAnnotation LossyImageCompression LossyImageCompressionRatio
    LossyImageCompressionMethod InstanceNumber
""".split()  # of the source: how it was acquired and where it lies; nothing that names anyone
UNPAIRED = ("ABDOMEN", "ABDOMENPELVIS", "CHEST", "CHESTABDPELVIS", "HEAD", "NECK", "PELVIS")
EMPTY = """
    AccessionNumber ReferringPhysicianName PatientBirthDate PatientSex StudyID Manufacturer
    KVP SliceThickness AcquisitionNumber PositionReferenceIndicator
""".split()  # to be there, and may be empty


class Identifiers:
    """New UIDs that depend only on `seed`: the same result gives the same ones."""

    def __init__(self, *seed: str):
        self.seed = seed

    def uid(self, *what: str) -> str:
        """The UID of what is named, e.g. ("instance", "3")."""
        return generate_uid(entropy_srcs=[*self.seed, *what])

    @property
    def patient(self) -> str:
        """A patient ID that no hospital gave."""
        return f"LNGEN-{self.uid('patient').split('.')[-1][:12]}"


def equipment(now: datetime) -> ContributingEquipment:
    """LNGen as equipment that modified the images."""
    return ContributingEquipment(
        "LNGen",
        codes.DCM.ModifyingEquipment,
        manufacturer_model_name="LNGen",
        software_versions=__version__,
        contribution_datetime=now,
        contribution_description=NOTE,
    )


def new_slice(source: Dataset, ids: Identifiers, number: int, now: datetime) -> Dataset:
    """The header of the CT slice `number` (from 1): the source's acquisition, a new identity."""
    made = Dataset()
    for keyword in EMPTY:
        setattr(made, keyword, None)
    for keyword in KEPT:
        if keyword in source:
            made[keyword] = source[keyword]
    made.PatientName = "SYNTHETIC^LNGEN"
    made.PatientID = ids.patient
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = "LNGen: acquisition attributes kept, all others dropped"
    made.PatientComments = NOTE
    made.StudyInstanceUID = ids.uid("study")
    made.StudyDescription = SERIES_DESCRIPTION
    made.StudyDate, made.StudyTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    made.SeriesInstanceUID = ids.uid("series")
    made.SeriesDescription = SERIES_DESCRIPTION
    made.SeriesNumber = 1
    made.FrameOfReferenceUID = ids.uid("frame of reference")
    made.Modality = "CT"
    made.SOPInstanceUID = ids.uid("instance", str(number))
    made.SyntheticData = "YES"
    made.ImageType = ["DERIVED", "SECONDARY", (*source.get("ImageType", ()), "", "", "")[2]]
    if made.ImageType[2] not in ("AXIAL", "LOCALIZER"):
        made.ImageType[2] = "AXIAL"
    made.DerivationDescription = NOTE
    made.ImageComments = NOTE
    made.ContentDate, made.ContentTime = made.StudyDate, made.StudyTime
    made.InstanceCreationDate, made.InstanceCreationTime = made.StudyDate, made.StudyTime
    made.ContributingEquipmentSequence = [equipment(now)]
    if made.get("BodyPartExamined") not in UNPAIRED:
        made.Laterality = None  # wanted, and may be empty, where the part may be a paired one
    if "InstanceNumber" not in made:
        made.InstanceNumber = number
    return made
