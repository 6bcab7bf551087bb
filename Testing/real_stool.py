"""Blocks of stool cut from real colons, to fill the bowel of phantoms with."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from LNGenLib.image.io import read_image

# Boxes of voxels (x, y, z): the first, and how many. Those of the pelvis lie 6 mm or more within
# its label of the colon; the one of crlm1004, found by eye, holds oral contrast as well.
BOXES = {
    "totalsegmentator_pelvis.nii.gz": [
        ((46, 71, 63), (8, 8, 8)),
        ((57, 66, 31), (8, 8, 8)),
        ((52, 69, 42), (8, 8, 8)),
        ((38, 69, 73), (8, 8, 8)),
        ((80, 64, 50), (8, 8, 8)),
    ],
    "crlm1004.nii.gz": [((148, 200, 0), (22, 30, 4))],
}


def real_stool(shared: Path) -> list[sitk.Image]:
    """The blocks of ``BOXES``, in HU, from the folder of real data."""
    blocks = []
    for name, boxes in BOXES.items():
        image = read_image(shared / "ct" / name)
        blocks += [sitk.RegionOfInterest(image, size, first) for first, size in boxes]
    return blocks
