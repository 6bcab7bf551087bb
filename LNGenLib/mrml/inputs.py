"""What a synthesis is made of, read from the scene at once and used apart from it."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk
import slicer

from LNGenLib.mrml.segmentations import LabelMap, Segments, copied
from LNGenLib.mrml.volumes import to_image
from LNGenLib.placement.scan import Scan


@dataclass(frozen=True, eq=False)
class Inputs:
    """Copies of a CT, its anatomy, the region for its lymph nodes and what they keep off: of the
    whole `region`, or of its segment `segment_id`."""

    name: str
    ct: sitk.Image
    anatomy: Segments | LabelMap | None = None
    region: Segments | LabelMap | None = None
    avoid: Segments | LabelMap | None = None
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
        return cls(name, image, segment_id=segment_id, **parts)

    def scan(self) -> Scan:
        """All of it on the CT's grid, on any thread; takes seconds for large ones. Raises
        InputError for what is not HU and for label maps on another grid."""
        labels = None if self.anatomy is None else self.anatomy.labels(self.ct)
        region = None if self.region is None else self.region.mask(self.ct, self.segment_id)
        avoid = None if self.avoid is None else self.avoid.mask(self.ct)
        parts = {"anatomy": self.anatomy, "region": self.region, "avoid": self.avoid}
        names = {name: part.name for name, part in parts.items() if part is not None}
        return Scan(self.ct, labels, region, avoid, names=names | {"ct": self.name})
