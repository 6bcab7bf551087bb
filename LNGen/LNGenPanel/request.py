"""From the panel's choices to what the library is asked for. Needs no Qt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from LNGenLib.errors import InputError
from LNGenLib.mrml.markups import to_box, to_points
from LNGenLib.placement.stations import STATION_NAMES
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenPanel.choices import SHAPES, Law, Place

if TYPE_CHECKING:
    from LNGenPanel.parameters import LNGenParameterNode, NodesChoice


def stationFields() -> dict[str, str]:
    """The stations of the library by the names that parameters and widgets have of them:
    "para-aortic" is paraAortic."""
    return {re.sub(r"[ -](\w)", lambda part: part[1].upper(), name): name for name in STATION_NAMES}


def sizesOf(nodes: NodesChoice) -> Sizes:
    """The distribution of sizes that is chosen."""
    fixed, ends = round(nodes.fixed, 1), (nodes.range.minimum, nodes.range.maximum)
    return {
        Law.clinical: Sizes("clinical"),
        Law.uniform: Sizes("uniform"),
        Law.range: Sizes("uniform", *(round(end, 1) for end in ends)),
        Law.fixed: Sizes("uniform", fixed, fixed),
    }[nodes.law]


def requestOf(parameters: LNGenParameterNode) -> SynthesisRequest:
    """The request that the choices make; InputError where one is missing."""
    where, count = {}, parameters.nodes.count
    if parameters.place is Place.stations:
        wanted = parameters.stations
        where["stations"] = tuple(
            name for field, name in stationFields().items() if getattr(wanted, field)
        )
        if not where["stations"]:
            raise InputError(_("Check at least one station."))
    elif parameters.place is Place.roi:
        where["region_box"] = to_box(chosen(parameters.roi, _("Select or place a box (ROI).")))
    elif parameters.place is Place.points:
        where["points"] = to_points(chosen(parameters.points, _("Select or place points.")))
        if not where["points"]:
            raise InputError(_("Place at least one point."))
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


def chosen(node: slicer.vtkMRMLNode | None, otherwise: str) -> slicer.vtkMRMLNode:
    """The node, or InputError that says to choose one."""
    if node is None:
        raise InputError(otherwise)
    return node


def checkThere(node: slicer.vtkMRMLNode) -> None:
    """Raise InputError where a node that a job began with has gone."""
    if not slicer.mrmlScene.IsNodePresent(node):
        raise InputError(_("The CT is no longer in the scene: the result was not added."))
