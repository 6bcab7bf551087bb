"""Which widget shows a parameter of which type, and the annotations that say how."""

from __future__ import annotations

import enum
import logging
import pathlib
import typing
from collections.abc import Callable
from dataclasses import dataclass

import slicer
from PySide6 import QtWidgets

from panel_host.node_widgets import qMRMLNodeComboBox
from panel_host.pythonqt import NotInHost
from panel_host.widgets import ctkPathLineEdit, ctkRangeWidget, ctkSliderWidget


@dataclass
class Default:
    value: object = None


@dataclass
class WithinRange:
    minimum: float
    maximum: float

    def validate(self, value: float) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not allowed: {self}")


@dataclass
class RangeBounds(WithinRange):
    def validate(self, value: object) -> None:
        if not (self.minimum <= value.minimum and value.maximum <= self.maximum):
            raise ValueError(f"{value} is not allowed: {self}")


@dataclass
class Decimals:
    value: int


def split(kind: type) -> tuple[type, list[object]]:
    """A type that may be annotated, as the type and its annotations."""
    if typing.get_origin(kind) is typing.Annotated:
        return kind.__origin__, list(kind.__metadata__)
    return kind, []


def node_classes(kind: type) -> list[type]:
    """The classes of a node parameter, which may be of several and None; else nothing."""
    kinds = [one for one in typing.get_args(kind) or [kind] if one is not type(None)]
    nodes = all(isinstance(one, type) and issubclass(one, slicer.vtkMRMLNode) for one in kinds)
    return kinds if nodes else []


@dataclass
class Connector:
    """A parameter's widget: its signal of changes, how its value is read and written."""

    signal: object
    read: Callable[[], object]
    write: Callable[[object], None]

    def connect(self, call: Callable[[], None]) -> None:
        self._called = lambda *_: call()
        self.signal.connect(self._called)

    def disconnect(self) -> None:
        self.signal.disconnect(self._called)


def connector(widget: QtWidgets.QWidget, full: type) -> Connector:
    """What connects this widget with a parameter of this type; NotInHost if nothing does."""
    kind, shown = split(full)[0], type(widget)

    def held(signal: str, name: str) -> Connector:
        def write(value: object) -> None:
            if getattr(widget, name) != value:  # the cursor stays where the user types
                setattr(widget, name, str(value) if kind is pathlib.Path else value)

        return Connector(getattr(widget, signal), lambda: kind(getattr(widget, name)), write)

    if kind is bool and shown in (QtWidgets.QCheckBox, QtWidgets.QPushButton):
        if not widget.checkable:
            logging.warning("Making push button checkable: %s", widget.objectName)
            widget.checkable = True
        return held("toggled", "checked")
    if kind is str and shown is QtWidgets.QLineEdit:
        return held("textChanged", "text")
    if kind is pathlib.Path and shown is ctkPathLineEdit:
        return held("currentPathChanged", "currentPath")
    wide = shown in (QtWidgets.QDoubleSpinBox, ctkSliderWidget)
    if kind is int and shown is QtWidgets.QSpinBox or kind in (int, float) and wide:
        _limit(widget, full, (float("-inf"), float("inf")) if wide else (-(2**31), 2**31 - 1))
        return held("valueChanged", "value")
    if isinstance(kind, enum.EnumMeta) and shown is QtWidgets.QComboBox:
        choices = list(kind)
        widget.clear()
        widget.addItems([kind.label(one) if hasattr(kind, "label") else one.name for one in kind])
        return Connector(
            widget.currentIndexChanged,
            lambda: choices[widget.currentIndex],
            lambda value: setattr(widget, "currentIndex", choices.index(value)),
        )
    if getattr(kind, "__name__", "") == "FloatRange" and shown is ctkRangeWidget:
        _limit(widget, full, None)
        return Connector(
            widget.valuesChanged,
            lambda: kind(widget.minimumValue, widget.maximumValue),
            lambda value: widget.setValues(value.minimum, value.maximum),
        )
    if shown is qMRMLNodeComboBox and node_classes(kind):
        widget.nodeTypes = [each().GetClassName() for each in node_classes(kind)]
        return Connector(widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode)
    raise NotInHost(f"{shown.__name__} for a parameter of type {full}")


def _limit(widget: QtWidgets.QWidget, full: type, limits: tuple[float, float] | None) -> None:
    """Give a widget its annotations' limits and decimals."""
    kind, annotations = split(full)
    named = {type(each): each for each in annotations}
    within = named.get(WithinRange) or named.get(RangeBounds)
    unlike_default = within and Default not in named and not within.minimum <= 0 <= within.maximum
    if kind is int and not isinstance(widget, QtWidgets.QSpinBox):
        widget.decimals = 0
    elif Decimals in named:
        widget.decimals = named[Decimals].value
    if within is None and isinstance(widget, (ctkSliderWidget, ctkRangeWidget)):
        raise RuntimeError(f"{widget.objectName} shows what has no limits")
    if limits is None and unlike_default:
        raise RuntimeError(f"{widget.objectName} needs a Default, 0 being out of its RangeBounds")
    low, high = (within.minimum, within.maximum) if within else limits
    widget.setRange(low, high)
