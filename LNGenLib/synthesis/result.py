"""What comes out: records, images, and how they came about; on disk a folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from LNGenLib.files import json_field, read_json, write_json
from LNGenLib.image.io import like, marked_synthetic, read_image, to_array, write_images
from LNGenLib.synthesis.request import HARDLY_SEEN, Point
from LNGenLib.validation import from_json

if TYPE_CHECKING:
    from LNGenLib.structure.lymph_node import LymphNode


@dataclass(frozen=True)
class LymphNodeRecord:
    """One synthetic lymph node. Lengths in mm, positions in RAS mm, intensities in HU.

    `label` is its value in the label map, and its number in the plan: where others found no room,
    there are gaps. `station` names where it lies, if it was placed by stations.
    `center_ras_mm` is the center of mass, of a bent node the nearest voxel of its label;
    `recist_axis_mm` is the largest diameter in the CT's own slices, `recist_short_axis_mm` the
    largest width perpendicular to it in that slice; `long_axis_ras_mm` the ends of the 3D long
    axis; `surrounding_mean_hu` of unchanged voxels within 3 mm of the label. `mean_hu` is that of
    its label, partial volume included, `wanted_mean_hu` that of its tissue. It looks "benign" or
    "suspicious", its `appearance`; with a `hilum` it has a notch in its long side, in which fat
    stayed, with a `necrosis` a dark core; `unevenness_hu` is the SD by which its tissue was made to
    vary. `axis_ratio` (short / long) and `irregularity` (1 - volume / convex hull) are those of its
    surface. Its place was found by an anatomy that is `anatomy_estimated` from HU, where no labels
    showed the bowel and it was not given. Its `conspicuity` is the peak change of HU, as the scan
    shows it, over the level of the noise there: below `HARDLY_SEEN` few would find it. `volume_mm3`
    is its surface's, `grid_volume_mm3` the sum of its shares of voxels, as painted.
    """

    label: int
    center_ras_mm: Point
    wanted_long_axis_mm: float
    long_axis_mm: float
    short_axis_mm: float
    recist_axis_mm: float
    long_axis_ras_mm: tuple[Point, Point]
    volume_mm3: float
    grid_volume_mm3: float
    mean_hu: float
    surrounding_mean_hu: float | None
    noise_hu: float
    structure_repaired: bool
    seed: int
    station: str | None = None
    wanted_mean_hu: float | None = None
    appearance: str | None = None
    axis_ratio: float | None = None
    irregularity: float | None = None
    hilum: bool = False
    necrosis: bool = False
    unevenness_hu: float | None = None
    anatomy_estimated: bool = False
    conspicuity: float | None = None
    recist_short_axis_mm: float | None = None

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> LymphNodeRecord:
        """The record of `dataclasses.asdict`'s JSON; InputError for fields that do not fit."""
        if isinstance(values, dict):  # older results tell more
            values = {name: values[name] for name in values if name not in ("number", "uptake")}
        return from_json(cls, values)

    @property
    def hardly_seen(self) -> bool:
        """Whether few would find it, as far as that is known."""
        return self.conspicuity is not None and self.conspicuity < HARDLY_SEEN


def warning_of_unseen(records: Sequence[LymphNodeRecord]) -> str:
    """A sentence that names the lymph nodes that can hardly be seen; empty where there are none."""
    names = [f"LN {record.label}" for record in records if record.hardly_seen]
    if not names:
        return ""
    which = "lymph node" if len(names) == 1 else "lymph nodes"
    return f"{len(names)} {which} can hardly be seen: {', '.join(names)}"


@dataclass(frozen=True, eq=False)
class SynthesisResult:
    """New CT, instance labels (uint16) and changed region (uint8: 1 where HU may differ).

    All three have the input CT's geometry; `provenance` says how they came about. `lymph_nodes` are
    the surfaces that were painted: of a result that comes from a folder or a server there are none.
    """

    ct: sitk.Image
    nodes: sitk.Image
    changed: sitk.Image
    records: tuple[LymphNodeRecord, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    lymph_nodes: tuple[LymphNode, ...] = ()

    IMAGES = {"ct": "ct.nii.gz", "nodes": "nodes.nii.gz", "changed": "changed.nii.gz"}

    def to_json(self) -> dict[str, Any]:
        """Records and provenance."""
        return {
            "synthetic": True,
            "records": [dataclasses.asdict(record) for record in self.records],
            "provenance": self.provenance,
        }

    def write(self, folder: Path) -> None:
        """Write `nodes.json` and images into an existing folder, each whole or not at all."""
        write_json(self.to_json(), folder / "nodes.json")
        write_images({folder / file: getattr(self, name) for name, file in self.IMAGES.items()})

    def with_known(self, known: sitk.Image) -> sitk.Image:
        """1 (uint8) in all lymph nodes: the synthetic ones, and those `known` (not 0) before."""
        labels = (to_array(self.nodes) > 0) | (to_array(known) > 0)
        return marked_synthetic(like(labels.astype(np.uint8), self.nodes))

    @classmethod
    def read(cls, folder: Path) -> SynthesisResult:
        """The result that `write` left in a folder; InputError where there is none."""
        file = folder / "nodes.json"
        read = partial(json_field, read_json(file), file=file, make="synthesize anew")
        records = tuple(map(LymphNodeRecord.from_json, read("records")))
        ct, nodes, changed = (read_image(folder / name) for name in cls.IMAGES.values())
        return cls(ct, nodes, changed, records, read("provenance"))
