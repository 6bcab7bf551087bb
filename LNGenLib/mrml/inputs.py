"""What a synthesis is made of, read from the scene at once and used apart from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk
import slicer

from LNGenLib.mrml.segmentations import LabelMap, Segments, copied
from LNGenLib.mrml.volumes import to_image
from LNGenLib.scan import Scan


@dataclass(frozen=True, eq=False)
class Inputs:
    """Copies of a CT and, as `parts` by name, of its anatomy, the region for its lymph nodes and
    what they avoid: of the whole region, or of its segment `segment_id`."""

    name: str
    ct: sitk.Image
    parts: dict[str, Segments | LabelMap]
    segment_id: str | None = None

    @classmethod
    def read(
        cls,
        ct: slicer.vtkMRMLScalarVolumeNode,
        anatomy: slicer.vtkMRMLNode | None = None,
        region: slicer.vtkMRMLNode | None = None,
        avoid: slicer.vtkMRMLNode | None = None,
        segment_id: str | None = None,
    ) -> Inputs:
        """Read them, on the scene's thread; InputError for nodes that can't be used."""
        name, image = ct.GetName(), to_image(ct)
        nodes = {"anatomy": anatomy, "region": region, "avoid": avoid}
        parts = {part: copied(node) for part, node in nodes.items() if node is not None}
        return cls(name, image, parts, segment_id)

    def scan(self) -> Scan:
        """All of it on the CT's grid, on any thread; takes seconds for large ones. Raises
        InputError for what is not HU and for label maps on another grid."""
        images: dict[str, Any] = {}
        for name, part in self.parts.items():
            if name == "anatomy":
                images[name] = part.labels(self.ct)
            else:
                images[name] = part.mask(self.ct, self.segment_id if name == "region" else None)
        names = {name: part.name for name, part in self.parts.items()} | {"ct": self.name}
        return Scan(self.ct, **images, names=names)
