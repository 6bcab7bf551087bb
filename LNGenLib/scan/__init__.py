"""A CT to paint into, and what is known of it, checked when it comes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.affine import affine_of, right_angled
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.hu import window_of
from LNGenLib.image.io import as_ct, as_labels, read_ct, read_labels, scalar
from LNGenLib.scan.checks import check_anatomy
from LNGenLib.scan.labels import read_anatomy

T = TypeVar("T")

IMAGES = {
    "ct": "the CT",
    "anatomy": "the anatomy",
    "region": "the region mask",
    "avoid": "the mask to avoid",
}


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT that lymph nodes are painted into, and what is known of it, all on its grid (LPS).

    `ct` is in HU, of any type of voxel; `anatomy` holds TotalSegmentator's labels (0 is
    background; becomes uint16); `region` is not 0 where lymph nodes may lie, `avoid` where they
    must not (real lymph nodes, say; both become masks of 0 and 1, uint8). `names` is how errors
    call them, where `IMAGES` do not do.

    Raises InputError where the CT is no 3D scalar image with axes at right angles, is not in HU or
    was cut to a window, where another image lies on another grid, and where the anatomy is not of
    this CT (`check_anatomy`).

        >>> from LNGenLib import Scan
        >>> from LNGenLib.phantom import pelvic_phantom
        >>> phantom = pelvic_phantom(spacing=(4.0, 4.0, 4.0))
        >>> scan = Scan(phantom.ct, anatomy=phantom.labels)  # of files: Scan.read
        >>> scan.spacing.tolist(), list(scan.images)
        ([4.0, 4.0, 4.0], ['ct', 'anatomy'])
    """

    ct: sitk.Image
    anatomy: sitk.Image | None = None
    region: sitk.Image | None = None
    avoid: sitk.Image | None = None
    names: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    _found: dict[str, tuple[object, Any]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self):
        for name in IMAGES:
            image = getattr(self, name)
            if not isinstance(image, sitk.Image) and (image is not None or name == "ct"):
                raise InputError(
                    f"{self.name(name)} is a {type(image).__name__}: give a SimpleITK.Image; "
                    "Scan.read takes files"
                )
        _check_volume(self.ct, self.name("ct"))
        window = window_of(sitk.GetArrayViewFromImage(self.hu))
        if window is not None:
            raise InputError(
                f"{self.name('ct')} was cut to a window of {window[0]:g} to {window[1]:g} HU, in "
                "which air, fat and bone look alike: give the CT before that"
            )
        for name in ("anatomy", "region", "avoid"):
            image = getattr(self, name)
            if image is not None:
                labels = as_labels(image, self.ct, self.name(name))
                object.__setattr__(self, name, labels if name == "anatomy" else labels != 0)
        if self.anatomy is not None:
            check_anatomy(self.hu, self.anatomy, self.name("anatomy"))

    @classmethod
    def read(
        cls,
        ct: str | Path,
        anatomy: str | Path | None = None,
        region: str | Path | None = None,
        avoid: str | Path | None = None,
        series: str | None = None,
    ) -> Scan:
        """The scan of these files: `ct` and `series` as `read_ct` takes them, `anatomy` as
        `read_anatomy`, `region` and `avoid` label maps. Raises InputError that names the file."""
        image = read_ct(ct, series)
        labels = None if anatomy is None else read_anatomy(Path(anatomy), image)
        masks = (None if path is None else read_labels(path, image) for path in (region, avoid))
        paths = zip(IMAGES, (ct, anatomy, region, avoid))
        return cls(image, labels, *masks, names={name: str(path) for name, path in paths})

    def name(self, image: str) -> str:
        """How errors call one of the images, "ct", say."""
        return self.names.get(image, IMAGES[image])

    def once(self, what: str, asked: object, find: Callable[[], T]) -> T:
        """What `find` gives, or what it gave before, if the last that asked for `what` did `asked`
        the same: a scan does not change. What it gives must not be changed."""
        before = self._found.get(what)
        if before is not None and before[0] == asked:
            return before[1]
        found = find()
        self._found[what] = asked, found
        return found

    @property
    def images(self) -> dict[str, sitk.Image]:
        """What there is of `ct` (in whole HU), `anatomy`, `region` and `avoid`."""
        named = {name: getattr(self, name) for name in IMAGES} | {"ct": self.hu}
        return {name: image for name, image in named.items() if image is not None}

    @cached_property
    def hu(self) -> sitk.Image:
        """The CT in whole HU (int16): what all decisions and all painting are made on."""
        return as_ct(self.ct, self.name("ct"))

    @property
    def spacing(self) -> np.ndarray:
        """Spacing in mm (z, y, x)."""
        return array_spacing(self.ct)


def _check_volume(image: sitk.Image, name: str) -> None:
    """What holds of every file that is read."""
    size = image.GetSize()
    if len(size) != 3 or min(size) < 2:
        raise InputError(f"{name} has the size {' x '.join(map(str, size))}: give one 3D volume")
    right_angled(affine_of(scalar(image, name)), size, name)
