"""What a synthesis is made of, read from the scene at once and used apart from it."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk
import slicer

from LNGenLib.image.io import as_ct
from LNGenLib.mrml.segmentations import LabelMap, Segments, copied
from LNGenLib.mrml.volumes import to_image


@dataclass(frozen=True, eq=False)
class Inputs:
    """Copies of a CT, its anatomy and the region for its lymph nodes: of the whole `region`, or of
    its segment `segment_id`."""

    name: str
    ct: sitk.Image
    anatomy: Segments | LabelMap | None = None
    region: Segments | LabelMap | None = None
    segment_id: str | None = None

    @classmethod
    def read(
        cls,
        ct: slicer.vtkMRMLScalarVolumeNode,
        anatomy: slicer.vtkMRMLNode | None = None,
        region: slicer.vtkMRMLNode | None = None,
        segment_id: str | None = None,
    ) -> Inputs:
        """Read them, on the scene's thread; InputError for nodes that can't be used."""
        parts = (None if node is None else copied(node) for node in (anatomy, region))
        return cls(ct.GetName(), to_image(ct), *parts, segment_id)

    def images(self) -> tuple[sitk.Image, sitk.Image | None, sitk.Image | None]:
        """CT (int16), anatomy and region mask on its grid, on any thread; takes seconds for large
        ones. Raises InputError for what is not HU and for label maps on another grid."""
        ct = as_ct(self.ct, self.name)
        labels = None if self.anatomy is None else self.anatomy.labels(ct)
        mask = None if self.region is None else self.region.mask(ct, self.segment_id)
        return ct, labels, mask
