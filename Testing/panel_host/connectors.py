"""Which widget shows a parameter of which type: the pairs that Slicer knows."""

from __future__ import annotations

import enum
import pathlib
import typing
from collections.abc import Callable

import slicer
from PySide6 import QtWidgets

from panel_host import number_widgets
from panel_host.annotations import (
    Choice,
    Decimals,
    Maximum,
    Minimum,
    RangeBounds,
    SingleStep,
    WithinRange,
    find,
    split,
)
from panel_host.node_widgets import qMRMLNodeComboBox
from panel_host.pythonqt import NotInHost
from panel_host.widgets import ctkPathLineEdit

INTEGERS = 2**31


class Connector:
    """A parameter's widget: its signal of changes, and the property that holds the value."""

    widgets: tuple[type, ...]
    signal: str
    value: str

    def __init__(self, widget: QtWidgets.QWidget, kind: type) -> None:
        self.widget, self.kind = widget, kind
        self._called: Callable | None = None

    @staticmethod
    def fits(kind: type) -> bool:
        raise NotImplementedError

    def read(self) -> object:
        return split(self.kind)[0](getattr(self.widget, self.value))

    def write(self, value: object) -> None:
        setattr(self.widget, self.value, value)

    def connect(self, call: Callable[[], None]) -> None:
        self._called = lambda *_: call()
        getattr(self.widget, self.signal).connect(self._called)

    def disconnect(self) -> None:
        getattr(self.widget, self.signal).disconnect(self._called)


class OnOff(Connector):
    widgets = (QtWidgets.QCheckBox, QtWidgets.QPushButton)
    signal, value = "toggled", "checked"

    def __init__(self, widget: QtWidgets.QAbstractButton, kind: type) -> None:
        super().__init__(widget, kind)
        widget.checkable = True

    @staticmethod
    def fits(kind: type) -> bool:
        return kind is bool


class Number(Connector):
    widgets = (
        QtWidgets.QSlider,
        QtWidgets.QSpinBox,
        QtWidgets.QDoubleSpinBox,
        number_widgets.ctkSliderWidget,
        number_widgets.ctkDoubleSpinBox,
    )
    signal, value = "valueChanged", "value"

    def __init__(self, widget: QtWidgets.QWidget, kind: type) -> None:
        super().__init__(widget, kind)
        only_integers = isinstance(widget, (QtWidgets.QSlider, QtWidgets.QSpinBox))
        if only_integers and split(kind)[0] is float:
            raise NotInHost(f"{type(widget).__name__} for a parameter of type float")
        if split(kind)[0] is int and not only_integers:
            widget.decimals = 0
        elif decimals := find(kind, Decimals):
            widget.decimals = decimals.value
        if step := find(kind, SingleStep):
            widget.singleStep = step.value
        within = find(kind, WithinRange)
        low, high = within or find(kind, Minimum), within or find(kind, Maximum)
        if not (low and high) and isinstance(
            widget, (QtWidgets.QSlider, number_widgets.ctkSliderWidget)
        ):
            raise RuntimeError(f"{widget.objectName} shows a number without limits")
        limit = INTEGERS if only_integers else float("inf")
        widget.minimum = low.minimum if low else -limit
        widget.maximum = high.maximum if high else limit - (1 if only_integers else 0)

    @staticmethod
    def fits(kind: type) -> bool:
        return kind in (int, float)


class Pick(Connector):
    """Filled by the choices' texts, or by an enumeration's labels or names."""

    widgets = (QtWidgets.QComboBox,)
    signal = "currentIndexChanged"

    def __init__(self, widget: QtWidgets.QComboBox, kind: type) -> None:
        super().__init__(widget, kind)
        plain, choice = split(kind)[0], find(kind, Choice)
        self.choices = list(plain) if isinstance(plain, enum.EnumMeta) else list(choice.choices)
        label = getattr(plain, "label", lambda each: getattr(each, "name", str(each)))
        widget.clear()
        widget.addItems([label(each) for each in self.choices])

    @staticmethod
    def fits(kind: type) -> bool:
        return kind in (int, float, str, bool) or isinstance(kind, enum.EnumMeta)

    def read(self) -> object:
        return self.choices[self.widget.currentIndex]

    def write(self, value: object) -> None:
        self.widget.currentIndex = self.choices.index(value)


class Text(Connector):
    widgets = (QtWidgets.QLineEdit,)
    signal, value = "textChanged", "text"

    @staticmethod
    def fits(kind: type) -> bool:
        return kind is str

    def write(self, value: str) -> None:
        if self.widget.text != value:  # the cursor stays where the user types
            self.widget.text = value


class Path(Connector):
    widgets = (ctkPathLineEdit,)
    signal, value = "currentPathChanged", "currentPath"

    @staticmethod
    def fits(kind: type) -> bool:
        return kind is pathlib.Path

    def write(self, value: pathlib.Path) -> None:
        self.widget.currentPath = str(value)


class Range(Connector):
    widgets = (number_widgets.ctkRangeWidget,)
    signal = "valuesChanged"

    def __init__(self, widget: number_widgets.ctkRangeWidget, kind: type) -> None:
        super().__init__(widget, kind)
        if decimals := find(kind, Decimals):
            widget.decimals = decimals.value
        if step := find(kind, SingleStep):
            widget.singleStep = step.value
        bounds = find(kind, RangeBounds)
        if bounds is None:
            raise RuntimeError(f"{widget.objectName} shows a range without RangeBounds")
        widget.setRange(bounds.minimum, bounds.maximum)

    @staticmethod
    def fits(kind: type) -> bool:
        return getattr(kind, "__name__", "") == "FloatRange"

    def read(self) -> object:
        return split(self.kind)[0](self.widget.minimumValue, self.widget.maximumValue)

    def write(self, value: object) -> None:
        self.widget.setValues(value.minimum, value.maximum)


class Scene(Connector):
    """Shows the nodes of the parameter's classes, whatever the .ui says."""

    widgets = (qMRMLNodeComboBox,)
    signal = "currentNodeChanged"

    def __init__(self, widget: qMRMLNodeComboBox, kind: type) -> None:
        super().__init__(widget, kind)
        widget.nodeTypes = [each().GetClassName() for each in self._classes(kind)]

    @staticmethod
    def _classes(kind: type) -> list[type]:
        plain = split(kind)[0]
        kinds = [split(each)[0] for each in typing.get_args(plain)] or [plain]
        return [each for each in kinds if each is not type(None)]

    @classmethod
    def fits(cls, kind: type) -> bool:
        return all(
            isinstance(each, type) and issubclass(each, slicer.vtkMRMLNode)
            for each in cls._classes(kind)
        )

    def read(self) -> object:
        return self.widget.currentNode()

    def write(self, value: object) -> None:
        self.widget.setCurrentNode(value)


def connector(widget: QtWidgets.QWidget, kind: type) -> Connector:
    """What connects this widget with a parameter of this type; NotInHost if nothing does."""
    for each in (OnOff, Number, Pick, Text, Path, Range, Scene):
        if type(widget) in each.widgets and each.fits(split(kind)[0]):
            return each(widget, kind)
    raise NotInHost(f"{type(widget).__name__} for a parameter of type {kind}")
