"""What the user chooses among, and how each choice is called in the panel."""

from __future__ import annotations

from enum import Enum

from slicer.i18n import tr as _

from LNGenLib.structure.shape_range import ANY_SHAPE, ShapeRange


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
