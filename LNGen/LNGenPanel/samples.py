"""Sample data: a procedural pelvis with its organs, made on this computer when asked for.

Nothing of it is imported before: Slicer runs this file at each start.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import slicer
from slicer.i18n import tr as _

RESOURCES = Path(__file__).parents[1] / "Resources"
SAMPLE = "Pelvic phantom with organs"  # as SampleData.downloadSample asks for it: not translated
FILE_TYPE, ENDING = "LNGenPhantom", ".lngen"


def registerSampleData() -> None:
    """Add the phantom to the module Sample Data, once however often it is called.

    Sample Data knows files only, and calls a downloader of one's own from its buttons but not from
    `downloadSample`; so the sample is a small file, of which `PhantomReader` makes the phantom.
    """
    from SampleData import SampleDataLogic

    file = RESOURCES / f"pelvis{ENDING}"
    SampleDataLogic.registerCustomSampleDataCategory("LNGen", title="LNGen")
    SampleDataLogic.registerCustomSampleDataSource(
        category="LNGen",
        sampleName=SAMPLE,
        uris=file.as_uri(),
        fileNames=f"LNGen-{file.name}",
        nodeNames="PelvicPhantom",
        checksums=f"SHA256:{hashlib.sha256(file.read_bytes()).hexdigest()}",
        loadFileTypes=FILE_TYPE,
        thumbnailFileName=str(RESOURCES / "Icons/PelvicPhantom.png"),
    )


class PhantomReader:
    """Slicer's reader of files that say which phantom to make.

    LNGen.py has it under the name LNGenFileReader, by which Slicer finds a module's reader.
    """

    def __init__(self, parent):
        self.parent = parent

    def description(self) -> str:
        """Called by Slicer: what such files are."""
        return _("Procedural pelvis of LNGen")

    def fileType(self) -> str:
        """Called by Slicer: by which name a file is loaded."""
        return FILE_TYPE

    def extensions(self) -> list[str]:
        """Called by Slicer: how such files end."""
        return [f"{self.description()} (*{ENDING})"]

    def canLoadFile(self, filePath: str) -> bool:
        """Called by Slicer."""
        return filePath.lower().endswith(ENDING)

    def load(self, properties: dict) -> bool:
        """Called by Slicer: make the phantom of the file `fileName`; False where it can't be."""
        try:
            wanted = json.loads(Path(properties["fileName"]).read_text())
            nodes = addPhantom(tuple(wanted["spacing_mm"]), wanted["seed"])
        except Exception:  # Slicer says that the file can't be loaded
            logging.exception("LNGen: no phantom was made")
            return False
        self.parent.loadedNodes = [node.GetID() for node in nodes]
        return True


def addPhantom(
    spacing: tuple[float, float, float] = (1.5, 1.5, 3.0), seed: int = 1
) -> tuple[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLLabelMapVolumeNode]:
    """A synthetic pelvic CT and its organs, new in the scene; shown in the slice views.

    `spacing` is in mm (x, y, z).
    """
    from LNGenLib.mrml.volumes import LABELS, to_volume
    from LNGenLib.phantom import pelvic_phantom

    phantom = pelvic_phantom(seed, spacing)
    ct = to_volume(slicer.mrmlScene, phantom.ct, _("Pelvic phantom"))
    organs = to_volume(slicer.mrmlScene, phantom.labels, _("Pelvic phantom organs"), LABELS)
    display = ct.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(400, 40)
    slicer.util.setSliceViewerLayers(background=ct, fit=True)
    return ct, organs
