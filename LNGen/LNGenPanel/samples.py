"""Sample data: a procedural pelvis with its organs, and two of Slicer's own CTs."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from LNGenLib.mrml.volumes import LABELS, to_volume
from LNGenLib.phantom import pelvic_phantom

# name, file, SHA-256; as Slicer's SampleData.py has them
PUBLIC = (
    (
        *("CTAAbdomenPanoramix", "Panoramix-cropped.nrrd"),
        "146af87511520c500a3706b7b2bfb545f40d5d04dd180be3a7a2c6940e447433",
    ),
    (
        *("CTLiver", "CTLiver.nrrd"),
        "e16eae0ae6fefa858c5c11e58f0f1bb81834d81b7102e021571056324ef6f37e",
    ),
)


def registerSampleData() -> None:
    """Add a category to the module Sample Data."""
    from SampleData import SampleDataLogic

    SampleDataLogic.registerCustomSampleDataCategory("LNGen", title=_("LNGen"))
    SampleDataLogic.registerCustomSampleDataSource(
        category="LNGen",
        sampleName=_("Pelvic phantom with organs"),
        uris="",
        fileNames="",
        nodeNames="",
        customDownloader=lambda source: addPhantom(),
    )
    for name, file, checksum in PUBLIC:
        SampleDataLogic.registerCustomSampleDataSource(
            category="LNGen",
            sampleName=name,
            uris=f"{slicer.util.TESTING_DATA_URL}SHA256/{checksum}",
            fileNames=file,
            nodeNames=name,
            checksums=f"SHA256:{checksum}",
        )


def addPhantom(
    spacing: tuple[float, float, float] = (1.5, 1.5, 3.0),
) -> tuple[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLLabelMapVolumeNode]:
    """A synthetic pelvic CT and its organs, new in the scene; shown in the slice views."""
    phantom = pelvic_phantom(1, spacing)
    ct = to_volume(slicer.mrmlScene, phantom.ct, _("Pelvic phantom"))
    organs = to_volume(slicer.mrmlScene, phantom.labels, _("Pelvic phantom organs"), LABELS)
    display = ct.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(400, 40)
    slicer.util.setSliceViewerLayers(background=ct, fit=True)
    return ct, organs
