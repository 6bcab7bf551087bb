"""What the user chose, as it is saved with the scene."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Union

import slicer
from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLMarkupsROINode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
)
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import (
    Decimals,
    Default,
    FloatRange,
    RangeBounds,
    WithinRange,
    parameterNodeWrapper,
    parameterPack,
)

from LNGenLib.errors import InputError
from LNGenLib.mrml.markups import to_box, to_points
from LNGenLib.placement.stations import STATION_NAMES
from LNGenLib.structure.shape_range import ANY_SHAPE, ShapeRange
from LNGenLib.structure.sizes import LARGEST, SMALLEST, Sizes
from LNGenLib.synthesis.plan import PlannedNode
from LNGenLib.synthesis.request import MOST_NODES, SynthesisRequest
from LNGenLib.synthesis.result import LymphNodeRecord


class Host(Enum):
    """Where jobs are done."""

    local = 0
    server = 1

    def label(self) -> str:
        """What the user reads."""
        return {Host.local: _("This computer"), Host.server: _("Server")}[self]


class Device(Enum):
    """What this computer's networks run on."""

    automatic = 0
    cpu = 1

    def label(self) -> str:
        """What the user reads."""
        return {Device.automatic: _("GPU where there is one"), Device.cpu: _("CPU only")}[self]


class Place(Enum):
    """How the user says where lymph nodes may lie."""

    automatic = 0
    stations = 1
    roi = 2
    segment = 3
    points = 4

    def label(self) -> str:
        """What the user reads."""
        return {
            Place.automatic: _("Automatic: all stations by their weights"),
            Place.stations: _("Chosen stations"),
            Place.roi: _("Box (ROI)"),
            Place.segment: _("Segment"),
            Place.points: _("Points, one lymph node each"),
        }[self]


class Law(Enum):
    """How sizes are drawn."""

    clinical = 0
    uniform = 1
    range = 2
    fixed = 3

    def label(self) -> str:
        """What the user reads."""
        return {
            Law.clinical: _("Clinical: most 3 to 10 mm"),
            Law.uniform: _("Uniform over 1.7 to 30 mm"),
            Law.range: _("Uniform over a range"),
            Law.fixed: _("One size"),
        }[self]


class Shape(Enum):
    """Which shapes are wanted."""

    any = 0
    round = 1
    irregular = 2

    def label(self) -> str:
        """What the user reads."""
        return {
            Shape.any: _("Any"),
            Shape.round: _("Round"),
            Shape.irregular: _("Irregular"),
        }[self]


class Look(Enum):
    """How lymph nodes shall look: the appearances of a request by their names."""

    mixed = 0
    benign = 1
    suspicious = 2

    def label(self) -> str:
        """What the user reads."""
        return {
            Look.mixed: _("Mixed"),
            Look.benign: _("Benign"),
            Look.suspicious: _("Suspicious"),
        }[self]


SHAPES = {  # the ranges that README.md gives for these words
    Shape.any: ANY_SHAPE,
    Shape.round: ShapeRange(axis_ratio=(0.85, 1.0)),
    Shape.irregular: ShapeRange(irregularity=(0.03, 1.0)),
}


@parameterPack
class BackendChoice:
    """Where jobs are done; the token of a server is in the application's settings instead."""

    host: Host
    device: Device
    url: str


@parameterPack
class StationChoice:
    """Which stations are wanted."""

    mesorectal: bool = True
    superiorRectal: bool = True
    internalIliac: bool = True
    obturator: bool = True
    presacral: bool = True
    externalIliac: bool = False
    commonIliac: bool = False
    paraAortic: bool = False
    inguinal: bool = False


@parameterPack
class NodesChoice:
    """How many lymph nodes of which sizes and shapes."""

    count: Annotated[int, WithinRange(1, MOST_NODES)] = 5
    law: Law
    range: Annotated[
        FloatRange, RangeBounds(SMALLEST, LARGEST), Decimals(1), Default(FloatRange(5.0, 12.0))
    ]
    fixed: Annotated[float, WithinRange(SMALLEST, LARGEST), Decimals(1)] = 8.0
    shape: Shape
    seed: Annotated[int, WithinRange(0, 2**31 - 1)] = 0


@parameterPack
class AppearanceChoice:
    """How lymph nodes look, and how many percent of mixed ones suspicious.

    Apart from `NodesChoice`, since Slicer cannot read a pack that a scene was saved with fewer
    members of.
    """

    look: Look
    suspicious: Annotated[int, WithinRange(0, 100)] = 30


@parameterNodeWrapper
class LNGenParameterNode:
    """All choices of the panel, and what came of them.

    ct, anatomy - what lymph nodes are painted into, and the organs there
    backend - where jobs are done
    place, stations, roi, segmentation, segment, points - where lymph nodes may lie
    region - the candidate region that is shown
    nodes - how many of which sizes and shapes
    appearance - whether they look benign or suspicious
    preview - the lymph nodes that will be painted
    result - the synthetic CT that is shown
    folder - where results are exported to
    modelFolder, modelName - the segmentation model, on this computer and of the server
    found - the lymph nodes that a model found, of which Remove speaks
    """

    ct: vtkMRMLScalarVolumeNode
    anatomy: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    backend: BackendChoice
    place: Place
    stations: StationChoice
    roi: vtkMRMLMarkupsROINode
    segmentation: vtkMRMLSegmentationNode
    segment: str
    points: vtkMRMLMarkupsFiducialNode
    region: vtkMRMLSegmentationNode
    nodes: NodesChoice
    appearance: AppearanceChoice
    preview: vtkMRMLMarkupsFiducialNode
    result: vtkMRMLScalarVolumeNode
    folder: Path = Path.home()
    modelFolder: Path = Path.home()
    modelName: str
    found: vtkMRMLSegmentationNode


def stationFields() -> dict[str, str]:
    """The stations of the library by the fields of `StationChoice`."""
    return dict(zip(StationChoice.allParameters, STATION_NAMES, strict=True))


def sizesOf(nodes: NodesChoice) -> Sizes:
    """The distribution of sizes that is chosen."""
    ends = nodes.range.minimum, nodes.range.maximum
    return {
        Law.clinical: Sizes("clinical"),
        Law.uniform: Sizes("uniform"),
        Law.range: Sizes("uniform", *(round(end, 1) for end in ends)),
        Law.fixed: Sizes("uniform", nodes.fixed, nodes.fixed),
    }[nodes.law]


def requestOf(parameters: LNGenParameterNode) -> SynthesisRequest:
    """The request that the choices make; InputError where one is missing."""
    where, count = {}, parameters.nodes.count
    if parameters.place is Place.stations:
        wanted = parameters.stations
        where["stations"] = tuple(
            name for field, name in stationFields().items() if wanted.getValue(field)
        )
        if not where["stations"]:
            raise InputError(_("choose a station at least"))
    elif parameters.place is Place.roi:
        where["region_box"] = to_box(chosen(parameters.roi, _("choose or place a box (ROI)")))
    elif parameters.place is Place.points:
        where["points"] = to_points(chosen(parameters.points, _("choose or place points")))
        if not where["points"]:
            raise InputError(_("place a point at least"))
        count = len(where["points"])
    return SynthesisRequest(
        count,
        sizesOf(parameters.nodes),
        parameters.nodes.seed,
        shape=SHAPES[parameters.nodes.shape],
        appearance=parameters.appearance.look.name,
        suspicious=parameters.appearance.suspicious / 100,
        allow_fewer=True,
        **where,
    )


def lookOf(node: LymphNodeRecord | PlannedNode) -> str:
    """How a lymph node looks, in words; empty where that is not known."""
    words = [] if node.appearance is None else [Look[node.appearance].label()]
    if node.hilum:
        words.append(_("fatty hilum"))
    if node.necrosis:
        words.append(_("necrotic core"))
    return ", ".join(words)


def chosen(node: slicer.vtkMRMLNode | None, otherwise: str) -> slicer.vtkMRMLNode:
    """The node, or InputError that says to choose one."""
    if node is None:
        raise InputError(otherwise)
    return node
