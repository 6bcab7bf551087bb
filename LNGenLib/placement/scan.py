"""The one door: a CT to paint into, and what is known of it, checked when it comes in."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.hu import window_of
from LNGenLib.image.io import as_ct, check_same_geometry, read_image, read_labels
from LNGenLib.placement.labels import read_anatomy

OTHERS = {"anatomy": "anatomy", "region": "region mask", "avoid": "mask to avoid"}


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT that lymph nodes are painted into, and what is known of it, all on its grid (LPS).

    `ct` is in HU, of any type of voxel; `anatomy` holds TotalSegmentator's labels (0 is
    background; becomes uint16); `region` is not 0 where lymph nodes may lie, `avoid` where they
    must not (real lymph nodes, say; both become masks of 0 and 1, uint8). `name` is how errors
    call the CT.

    Raises InputError where the CT is not in HU or was cut to a window, and where another image
    lies on another grid.
    """

    ct: sitk.Image
    anatomy: sitk.Image | None = None
    region: sitk.Image | None = None
    avoid: sitk.Image | None = None
    name: str = field(default="the CT", kw_only=True)

    def __post_init__(self):
        window = window_of(sitk.GetArrayViewFromImage(self.hu))
        if window is not None:
            raise InputError(
                f"{self.name} was cut to a window of {window[0]:g} to {window[1]:g} HU, in which "
                "air, fat and bone look alike: give the CT before that"
            )
        for name, what in OTHERS.items():
            image = getattr(self, name)
            if image is not None:
                check_same_geometry(self.ct, image, f"the {what}")
                image = sitk.Cast(image, sitk.sitkUInt16) if name == "anatomy" else image != 0
                object.__setattr__(self, name, image)

    @classmethod
    def read(
        cls,
        ct: Path,
        anatomy: Path | None = None,
        region: Path | None = None,
        avoid: Path | None = None,
    ) -> Scan:
        """The scan of these files: `ct` as `read_image` takes it, `anatomy` as `read_anatomy`,
        `region` and `avoid` label maps. Raises InputError that names the file."""
        image = read_image(ct)
        labels = None if anatomy is None else read_anatomy(anatomy, image)
        masks = (None if path is None else read_labels(path, image) for path in (region, avoid))
        return cls(image, labels, *masks, name=str(ct))

    @property
    def images(self) -> dict[str, sitk.Image]:
        """What there is of `ct`, `anatomy`, `region` and `avoid`."""
        named = {name: getattr(self, name) for name in ("ct", *OTHERS)}
        return {name: image for name, image in named.items() if image is not None}

    @cached_property
    def hu(self) -> sitk.Image:
        """The CT in whole HU (int16): what all decisions and all painting are made on."""
        return as_ct(self.ct, self.name)

    @property
    def spacing(self) -> np.ndarray:
        """Spacing in mm (z, y, x)."""
        return array_spacing(self.ct)
