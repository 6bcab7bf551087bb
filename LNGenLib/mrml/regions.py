"""Where lymph nodes may lie, over the CT: a segment a station."""

from __future__ import annotations

from typing import Any

import SimpleITK as sitk
import slicer

from LNGenLib.errors import InputError
from LNGenLib.image.io import to_array
from LNGenLib.mrml.scene import unique_name
from LNGenLib.mrml.segmentations import NewSegment, add_segments, rgb
from LNGenLib.mrml.volumes import check_same_place
from LNGenLib.placement.stations import STATIONS

REGION = "LNGen.region"


def add_region(
    ct: slicer.vtkMRMLScalarVolumeNode, stations: sitk.Image, summary: dict[str, Any], name: str
) -> slicer.vtkMRMLSegmentationNode:
    """A new segmentation of the stations, as the service's `placement` gives them, of which the
    outlines are shown.

    Raises InputError where none is available, and where the CT is no longer where it was.
    """
    check_same_place(ct, stations, "the candidate region")
    found = [row for row in summary["stations"] if row["available"]]
    if not found:
        reasons = "; ".join(f"{row['name']}: {row['reason']}" for row in summary["stations"])
        raise InputError(f"no station is available in this CT ({reasons})")
    rows = [
        NewSegment(
            label=row["label"],
            id=row["name"].replace(" ", "_"),
            name=row["name"],
            color=rgb(*STATIONS[row["label"] - 1].color),
        )
        for row in found
    ]
    unique = unique_name(ct.GetScene(), name)
    node = add_segments(ct, to_array(stations), rows, unique, in_3d=False)
    node.SetAttribute(REGION, ct.GetName())
    return node
