"""Stand-ins of CTK's widgets: their properties, signals, sizes and looks, as panels use them."""

from __future__ import annotations

import enum
from collections.abc import Callable

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Qt, Signal

from panel_host.dialogs import QFileDialog
from panel_host.pythonqt import StandIn

ARROWS = {
    True: QtWidgets.QStyle.PE_IndicatorArrowDown,
    False: QtWidgets.QStyle.PE_IndicatorArrowRight,
}
NO_LIMIT = (1 << 24) - 1  # QWIDGETSIZE_MAX


def forward(kind: type, part: str, name: str, *more: str) -> Property:
    """A property of the object's `part` as its own; set in the parts `more`, too."""

    def write(self: QtWidgets.QWidget, value: object) -> None:
        for each in (part, *more):
            setattr(getattr(self, each), name, value)

    return Property(kind, lambda self: getattr(getattr(self, part), name), write)


def stored(kind: type | str, name: str, default: object, react: Callable | None = None) -> Property:
    """A property that the object keeps; `react(self)` runs once it is another."""

    def write(self: QtCore.QObject, value: object) -> None:
        before = self.__dict__.get(f"_{name}", default)
        self.__dict__[f"_{name}"] = value
        if react is not None and value != before:
            react(self)

    return Property(kind, lambda self: self.__dict__.get(f"_{name}", default), write)


def lay_out(widget: QtWidgets.QWidget, kind: type, *parts: QtWidgets.QWidget) -> None:
    layout = kind(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part)


class ctkCollapsibleButton(QtWidgets.QAbstractButton, StandIn):
    """A header that hides what lies below it: a child that is shown meanwhile stays hidden."""

    HEADER = 26
    contentsCollapsed = Signal(bool)

    collapsed = Property(
        bool,
        lambda self: not self.checked,
        lambda self, on: setattr(self, "checked", not on),
    )
    collapsedHeight = stored(int, "collapsedHeight", 14, QtWidgets.QWidget.updateGeometry)

    def __init__(self, parent: QtWidgets.QWidget | str | None = None) -> None:
        super().__init__(None if isinstance(parent, str) else parent)
        if isinstance(parent, str):
            self.text = parent
        self._watched, self._folding = set(), False
        self.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)
        self.setContentsMargins(0, self.HEADER, 0, 0)
        self.checkable = self.checked = True
        self.toggled.connect(self._fold)

    def _fold(self) -> None:
        self.setMaximumHeight(self.sizeHint().height() if self.collapsed else NO_LIMIT)
        self._fold_children()
        self.updateGeometry()
        self.contentsCollapsed.emit(self.collapsed)

    def _fold_children(self) -> None:
        for child in self.children() if self.testAttribute(Qt.WA_WState_Created) else ():
            if not child.isWidgetType():
                continue
            if child not in self._watched:
                self._watched.add(child)
                child.installEventFilter(self)
                child.setProperty("visibilityToParent", not child.isHidden())
            if child.property("visibilityToParent"):
                self._folding = True
                child.visible = not self.collapsed
                child.setAttribute(Qt.WA_WState_ExplicitShowHide, False)
                self._folding = False

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        super().showEvent(event)
        self._fold_children()

    def eventFilter(self, child: QtCore.QObject, event: QtCore.QEvent) -> bool:
        shown = event.type() == QtCore.QEvent.ShowToParent
        if not self._folding and (shown or event.type() == QtCore.QEvent.HideToParent):
            child.setProperty("visibilityToParent", shown)
            self._fold_children()
        return False

    def _sized(self, of_contents: QtCore.QSize) -> QtCore.QSize:
        width = self.fontMetrics().horizontalAdvance(self.text) + 40
        if self.collapsed:
            return QtCore.QSize(width, self.HEADER + self.collapsedHeight)
        return of_contents.expandedTo(QtCore.QSize(width, self.HEADER))

    def sizeHint(self) -> QtCore.QSize:
        return self._sized(super().sizeHint())

    def minimumSizeHint(self) -> QtCore.QSize:
        return self._sized(super().minimumSizeHint())

    def hitButton(self, place: QtCore.QPoint) -> bool:
        return place.y() < self.HEADER

    def paintEvent(self, _: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width, self.HEADER - 2)
        painter.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option)
        option.rect = option.rect.adjusted(28, 0, 0, 0)
        painter.drawItemText(option.rect, Qt.AlignVCenter, self.palette, self.enabled, self.text)
        option.rect = QtCore.QRect(8, 6, 12, 12)
        painter.drawPrimitive(ARROWS[self.checked], option)


class ctkPathLineEdit(QtWidgets.QWidget, StandIn):
    """A path to type, or to browse for."""

    class Filter(enum.Flag):
        NoFilter, Dirs, Files, Writable = 0, 1, 2, 128

    QtCore.QFlag(Filter)
    Dirs, Files, Writable = Filter.Dirs, Filter.Files, Filter.Writable
    currentPathChanged = Signal(str)

    currentPath = forward(str, "_edit", "text")
    nameFilters = stored("QStringList", "nameFilters", [])
    filters = stored(Filter, "filters", Filter.NoFilter)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._edit, browse = QtWidgets.QLineEdit(), QtWidgets.QToolButton()
        browse.text = "..."
        lay_out(self, QtWidgets.QHBoxLayout, self._edit, browse)
        self._edit.textChanged.connect(self.currentPathChanged)
        browse.clicked.connect(self.browse)

    def browse(self) -> None:
        if path := QFileDialog.getOpenFileName():
            self.currentPath = path


def show(spin: QtWidgets.QDoubleSpinBox, value: float) -> None:
    """Set what a spin box shows, if it differs: the text stays while the user types it."""
    if abs(spin.value - value) >= 0.5 * 10**-spin.decimals:
        with QtCore.QSignalBlocker(spin):
            spin.value = value


def slid(value: float, before: float, step: float) -> float:
    """What CTK's slider makes of a value: whole steps and an offset, not rounded to decimals, so
    that 7.3 in steps of 0.1 becomes 7.300000000000001."""
    steps = round(value / step)
    return value if steps == round(before / step) else step * ((value / step - steps) + steps)


class ctkSliderWidget(QtWidgets.QWidget, StandIn):
    """A slider with a spin box beside it."""

    valueChanged = Signal(float)

    def _refresh(self) -> None:
        low, high = self.minimum, self.maximum
        with QtCore.QSignalBlocker(self._slider):
            self._slider.setRange(round(low / self.singleStep), round(high / self.singleStep))
        self._take(min(max(self._value, low), high))

    def _bound(name: str) -> Property:
        def write(self: ctkSliderWidget, value: float) -> None:
            with QtCore.QSignalBlocker(self._spin):
                setattr(self._spin, name, value)
            self._refresh()

        return Property(float, lambda self: getattr(self._spin, name), write)

    minimum, maximum, singleStep = _bound("minimum"), _bound("maximum"), _bound("singleStep")
    value = Property(float, lambda self: self._value, lambda self, value: self._take(value))
    decimals = forward(int, "_spin", "decimals")
    suffix = forward(str, "_spin", "suffix")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._value = 0.0
        self._slider, self._spin = QtWidgets.QSlider(Qt.Horizontal), QtWidgets.QDoubleSpinBox()
        lay_out(self, QtWidgets.QHBoxLayout, self._slider, self._spin)
        self._spin.valueChanged.connect(self._take)
        self._slider.valueChanged.connect(lambda steps: self._take(steps * self.singleStep))
        self._refresh()

    def setRange(self, low: float, high: float) -> None:
        self.minimum, self.maximum = low, high

    def _take(self, value: float) -> None:
        before, step = self._value, self.singleStep
        value = min(max(value, self.minimum), self.maximum)
        self._value = slid(value, before, step)
        show(self._spin, self._value)
        with QtCore.QSignalBlocker(self._slider):
            self._slider.value = round(self._value / step)
        if abs(self._value - before) > step * 1e-9:
            self.valueChanged.emit(self._value)


class _Bar(QtWidgets.QWidget):
    """Shows a range within its limits."""

    def paintEvent(self, _: QtGui.QPaintEvent) -> None:
        painter, of = QtGui.QPainter(self), self.parentWidget()
        scale, y = (self.width - 8) / max(of.maximum - of.minimum, 1e-9), self.height // 2
        ends = of.minimumValue, of.maximumValue
        left, right = (4 + round((value - of.minimum) * scale) for value in ends)
        painter.fillRect(4, y - 1, self.width - 8, 3, self.palette.mid())
        painter.fillRect(left, y - 2, right - left, 5, self.palette.highlight())
        for x in (left, right):
            painter.fillRect(x - 3, y - 7, 7, 15, self.palette.dark())
        painter.end()


class ctkRangeWidget(QtWidgets.QWidget, StandIn):
    """Two spin boxes with a bar between them; neither passes the other."""

    valuesChanged = Signal(float, float)

    def _refresh(self) -> None:
        for spin, limits in (
            (self._low, (self.minimum, self._values[1])),
            (self._high, (self._values[0], self.maximum)),
        ):
            with QtCore.QSignalBlocker(spin):
                spin.setRange(*limits)
        self._bar.update()

    minimum = stored(float, "minimum", 0.0, _refresh)
    maximum = stored(float, "maximum", 99.0, _refresh)
    singleStep = forward(float, "_low", "singleStep", "_high")
    decimals = forward(int, "_low", "decimals", "_high")
    suffix = forward(str, "_low", "suffix", "_high")
    minimumValue = Property(
        float,
        lambda self: self._values[0],
        lambda self, low: self.setValues(min(low, self._values[1]), self._values[1]),
    )
    maximumValue = Property(
        float,
        lambda self: self._values[1],
        lambda self, high: self.setValues(self._values[0], max(high, self._values[0])),
    )

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._values = 0.0, 99.0
        self._low, self._high = QtWidgets.QDoubleSpinBox(), QtWidgets.QDoubleSpinBox()
        self._bar = _Bar()
        lay_out(self, QtWidgets.QHBoxLayout, self._low, self._bar, self._high)
        self.layout().setStretch(1, 1)
        self._refresh()
        self._high.value = 99.0
        self._low.valueChanged.connect(self.setMinimumValue)
        self._high.valueChanged.connect(self.setMaximumValue)

    def setRange(self, low: float, high: float) -> None:
        self.minimum, self.maximum = low, high
        self.setValues(*self._values)

    def setValues(self, low: float, high: float) -> None:
        before, step = self._values, self.singleStep
        values = (min(max(value, self.minimum), self.maximum) for value in sorted((low, high)))
        self._values = tuple(slid(value, was, step) for value, was in zip(values, before))
        self._refresh()
        for spin, value in zip((self._low, self._high), self._values):
            show(spin, value)
        if any(abs(value - was) > step * 1e-9 for value, was in zip(self._values, before)):
            self.valuesChanged.emit(*self._values)
