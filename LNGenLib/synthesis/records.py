"""What is asked for, what comes out: frozen dataclasses that turn into JSON and back."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.files import json_field, read_json, write_json
from LNGenLib.image.io import like, marked_synthetic, read_image, to_array, write_image
from LNGenLib.plain import as_python, check_types, whole
from LNGenLib.structure.shape_range import ANY_SHAPE, ShapeRange
from LNGenLib.structure.sizes import Sizes

if TYPE_CHECKING:
    from LNGenLib.structure.lymph_node import LymphNode

MOST_NODES = 1000

Point = tuple[float, float, float]


@dataclass(frozen=True)
class SynthesisRequest:
    """How many lymph nodes of which sizes and shapes, where, by which seed.

    Where: at `stations` by name; or in `region_box`, (R1, R2, A1, A2, S1, S2) in RAS mm; or one at
    each of `points` (RAS mm), within `tolerance_mm`; with none of them at all stations, or in a
    mask that is given apart. `short_axis_mm` asks for shapes of that short axis. With
    `allow_fewer`, lymph nodes that find no room are left out. How bright they are (0 to 170 HU at
    all) follows the scan's phase, which `artery_hu` tells where it is not to be measured, or
    `enhancement`: HU over the scan's muscle between which their means lie. `hilum` is the share of
    lymph nodes with a fatty hilum; without it that grows with their size. Raises InputError for
    values out of range.

        >>> from LNGenLib import SynthesisRequest
        >>> from LNGenLib.structure.sizes import Sizes
        >>> small = Sizes("clinical", 3.0, 9.0)  # mm
        >>> request = SynthesisRequest(count=8, sizes=small, stations=("mesorectal",), seed=1)
        >>> SynthesisRequest(count=0)
        Traceback (most recent call last):
        LNGenLib.errors.InputError: count 0: ask for 1 to 1000 lymph nodes
    """

    count: int = 5
    sizes: Sizes = Sizes()
    seed: int = 0
    region_box: tuple[float, float, float, float, float, float] | None = None
    shape: ShapeRange = ANY_SHAPE
    texture_steps: int = 6
    structure_steps: int = 20
    stations: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()
    tolerance_mm: float = 5.0
    short_axis_mm: float | None = None
    allow_fewer: bool = False
    enhancement: tuple[float, float] | None = None
    artery_hu: float | None = None
    hilum: float | None = None

    def __post_init__(self):
        for name in ("count", "seed", "texture_steps", "structure_steps"):
            whole(getattr(self, name), name)
        as_python(self)
        if not isinstance(self.sizes, Sizes):
            raise InputError(f"sizes {self.sizes}: give Sizes(law, low_mm, high_mm)")
        if not isinstance(self.shape, ShapeRange):
            raise InputError(f"shape {self.shape}: give ShapeRange(axis_ratio, irregularity)")
        if not 1 <= self.count <= MOST_NODES:
            raise InputError(f"count {self.count}: ask for 1 to {MOST_NODES} lymph nodes")
        for name in ("texture_steps", "structure_steps"):
            if not 1 <= getattr(self, name) <= 1000:
                raise InputError(f"{name} {getattr(self, name)}: give 1 to 1000 sampling steps")
        if sum(map(bool, (self.region_box, self.stations, self.points))) > 1:
            raise InputError("give one of stations, region box and points")
        if self.points and self.count != len(self.points):
            raise InputError(
                f"{self.count} lymph nodes at {len(self.points)} points: ask for as many as points"
            )
        if not all(len(p) == 3 and all(map(math.isfinite, p)) for p in self.points):
            raise InputError("points: give three numbers each, R A S in mm")
        if not 0 <= self.tolerance_mm <= 100:
            raise InputError(f"tolerance {self.tolerance_mm:g} mm: give 0 to 100 mm")
        short = self.short_axis_mm
        if short is not None and not 0 < short <= self.sizes.low_mm:
            raise InputError(
                f"short axis {short:g} mm: give more than 0 and at most the smallest long axis, "
                f"{self.sizes.low_mm:g} mm"
            )
        if self.enhancement is not None:
            _check_enhancement(self.enhancement)
        if self.artery_hu is not None:
            if not 0 <= self.artery_hu <= 1000:  # NaN is not, either
                raise InputError(f"artery {self.artery_hu:g} HU: give 0 to 1000 HU; blood is 42")
            if self.enhancement is not None:
                raise InputError("the artery's HU and enhancement both say how bright: give one")
        if self.hilum is not None and not 0 <= self.hilum <= 1:
            raise InputError(f"hilum {self.hilum:g}: give the share that have one, 0 to 1")
        box = self.region_box
        if box is None:
            return
        if len(box) != 6 or not all(math.isfinite(value) for value in box):
            raise InputError(f"region box {box}: give six values R1 R2 A1 A2 S1 S2 in RAS mm")
        if any(box[k] == box[k + 1] for k in (0, 2, 4)):
            raise InputError(f"region box {box} is flat: give two different values along each axis")

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> SynthesisRequest:
        """The request of `dataclasses.asdict`'s JSON; InputError for fields that do not fit."""
        return from_json(cls, values, {"sizes": Sizes, "shape": ShapeRange})

    def painted_as(self, other: SynthesisRequest) -> SynthesisRequest:
        """This request, painted as `other` says (`PAINTING`); InputError where the two ask for
        different lymph nodes."""
        new = dataclasses.replace(self, **{name: getattr(other, name) for name in PAINTING})
        for name in (part.name for part in dataclasses.fields(self)):
            own, wanted = getattr(new, name), getattr(other, name)
            if own != wanted:
                raise InputError(
                    f"the plan was made for {name} {own}, not {wanted}: paint it as it was asked "
                    "for, or make a plan anew"
                )
        return new


PAINTING = ("texture_steps", "enhancement", "artery_hu")  # fields that a plan does not depend on


def _check_enhancement(bounds: tuple[float, float]) -> None:
    if len(bounds) != 2 or not -150 <= bounds[0] <= bounds[1] <= 150:  # NaN is not, either
        raise InputError(
            f"enhancement {bounds}: give LOW <= HIGH within -150 to 150 HU over muscle"
        )


@dataclass(frozen=True)
class Phase:
    """HU of a scan's arteries and of its muscle, and where those of the arteries come from.

    `source` is "labels", "tubes" (the brightest ones of the scan), "given", or "none": no artery
    stands out, the scan is taken as unenhanced.
    """

    artery_hu: float
    muscle_hu: float
    source: str

    def __post_init__(self):
        as_python(self)
        check_types(Phase, vars(self))


@dataclass(frozen=True)
class LymphNodeRecord:
    """One synthetic lymph node. Lengths in mm, positions in RAS mm, intensities in HU.

    `label` is its value in the label map, and its number in the plan: where others found no room,
    there are gaps. `station` names where it lies, if it was placed by stations.
    `center_ras_mm` is the center of mass, of a bent node the nearest voxel of its label;
    `recist_axis_mm` is the largest diameter in the CT's own slices; `long_axis_ras_mm` the ends of
    the 3D long axis; `surrounding_mean_hu` of unchanged voxels within 3 mm of the label. `mean_hu`
    is that of its label, partial volume included, `wanted_mean_hu` that of its tissue; `uptake` is
    "benign" or "metastatic", the law by which it was drawn, if it was by one. With a `hilum` it has
    a notch in its long side, in which fat stayed.
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
    uptake: str | None = None
    hilum: bool = False

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> LymphNodeRecord:
        """The record of `dataclasses.asdict`'s JSON; InputError for fields that do not fit."""
        if isinstance(values, dict):  # older results tell a number, too
            values = {name: value for name, value in values.items() if name != "number"}
        return from_json(cls, values)


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
        for name, file in self.IMAGES.items():
            write_image(getattr(self, name), folder / file)

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


def from_json(kind: type, values: dict[str, Any], parts: dict[str, type] | None = None) -> Any:
    """The dataclass `kind` of `dataclasses.asdict`'s JSON; InputError for fields that do not fit.

    `parts` are the fields that are dataclasses or enumerations themselves.
    """
    if not isinstance(values, dict):
        raise InputError(f"{kind.__name__} is a JSON object, not {values!r}")
    unknown = set(values) - {f.name for f in dataclasses.fields(kind)}
    if unknown:
        raise InputError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    parts = {name: part for name, part in (parts or {}).items() if name in values}
    try:
        made = {name: _part(part, values[name]) for name, part in parts.items()}
        given = {name: _tupled(value) for name, value in (values | made).items()}
        check_types(kind, given)
        return kind(**given)
    except InputError:
        raise
    except (TypeError, ValueError, OverflowError) as error:  # a field missing or of another type
        raise InputError(f"{kind.__name__} can't be made of {str(values)[:99]}: {error}") from error


def _part(kind: type, value: Any) -> Any:
    return from_json(kind, value) if dataclasses.is_dataclass(kind) else kind(value)


def _tupled(value: Any) -> Any:
    return tuple(_tupled(v) for v in value) if isinstance(value, list) else value
