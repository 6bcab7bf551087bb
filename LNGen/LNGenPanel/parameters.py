"""What the user chose, as it is saved with the scene."""

from __future__ import annotations

from typing import Annotated, Union

from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLMarkupsROINode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
)
from slicer.parameterNodeWrapper import (
    Default,
    FloatRange,
    RangeBounds,
    WithinRange,
    parameterNodeWrapper,
    parameterPack,
)

from LNGenLib.structure.sizes import LARGEST, SMALLEST
from LNGenLib.synthesis.request import MOST_NODES
from LNGenPanel.choices import Device, Host, Law, Look, Place, Shape
from LNGenPanel.packages import unsupported


@parameterPack
class BackendChoice:
    """Where jobs are done; what is kept of a server is with `Servers` instead."""

    host: Host = Host.server if unsupported() else Host.local
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
    range: Annotated[FloatRange, RangeBounds(SMALLEST, LARGEST), Default(FloatRange(5.0, 12.0))]
    fixed: Annotated[float, WithinRange(SMALLEST, LARGEST)] = 8.0
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
    modelName - the segmentation model of the server
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
    modelName: str
    found: vtkMRMLSegmentationNode
