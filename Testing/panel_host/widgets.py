"""Stand-ins of CTK's widgets: their properties, signals and looks, as far as panels use them."""

from __future__ import annotations

import enum
from collections.abc import Callable

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Qt, Signal

from panel_host.dialogs import QFileDialog, ctkMessageBox
from panel_host.pythonqt import StandIn

ARROWS = {
    True: QtWidgets.QStyle.PE_IndicatorArrowRight,
    False: QtWidgets.QStyle.PE_IndicatorArrowDown,
}
NO_LIMIT = (1 << 24) - 1  # QWIDGETSIZE_MAX


def forward(kind: type, part: str, name: str, *more: str) -> Property:
    """A property of the object's `part` as its own; set in the parts `more`, too."""

    def write(self: QtWidgets.QWidget, value: object) -> None:
        for each in (part, *more):
            setattr(getattr(self, each), name, value)

    return Property(kind, lambda self: getattr(getattr(self, part), name), write)


def stored(kind: type | str, name: str, default: object, react: Callable | None = None) -> Property:
    """A property that the object keeps; `react(self)` runs once it is set."""

    def write(self: QtWidgets.QWidget, value: object) -> None:
        self.__dict__[f"_{name}"] = value
        if react is not None:
            react(self)

    return Property(kind, lambda self: self.__dict__.get(f"_{name}", default), write)


def lay_out(widget: QtWidgets.QWidget, kind: type, *parts: QtWidgets.QWidget) -> None:
    layout = kind(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part)


class ctkCollapsibleButton(QtWidgets.QWidget, StandIn):
    """A header that folds what lies below it, by its height: folded children can't be clicked."""

    HEADER = 26
    contentsCollapsed = Signal(bool)
    toggled = Signal(bool)
    clicked = Signal(bool)

    def _fold(self) -> None:
        self.setMaximumHeight(self.HEADER if self.collapsed else NO_LIMIT)
        self.contentsCollapsed.emit(self.collapsed)
        self.toggled.emit(not self.collapsed)
        self.update()

    text = stored(str, "text", "", QtWidgets.QWidget.update)
    collapsed = stored(bool, "collapsed", False, _fold)
    flat = stored(bool, "flat", False)
    checked = Property(
        bool,
        lambda self: not self.collapsed,
        lambda self, on: setattr(self, "collapsed", not on),
    )

    def __init__(self, parent: QtWidgets.QWidget | str | None = None) -> None:
        super().__init__(None if isinstance(parent, str) else parent)
        if isinstance(parent, str):
            self.text = parent
        self.setContentsMargins(0, self.HEADER, 0, 0)

    def paintEvent(self, _: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width, self.HEADER - 2)
        painter.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option)
        option.text, option.rect = self.text, option.rect.adjusted(28, 0, 0, 0)
        painter.drawItemText(option.rect, Qt.AlignVCenter, self.palette, self.enabled, self.text)
        option.rect = QtCore.QRect(8, 6, 12, 12)
        painter.drawPrimitive(ARROWS[self.collapsed], option)

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:
        if event.position().y() < self.HEADER:
            self.collapsed = not self.collapsed
            self.clicked.emit(self.checked)


class ctkCollapsibleGroupBox(QtWidgets.QGroupBox, StandIn):
    """A group box whose title folds it."""

    collapsed = Property(
        bool,
        lambda self: not self.checked,
        lambda self, on: setattr(self, "checked", not on),
    )

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.checkable = True
        self.toggled.connect(self._fold)

    def _fold(self, open: bool) -> None:
        self.setMaximumHeight(NO_LIMIT if open else self.fontMetrics().height() + 8)

    def paintEvent(self, _: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionGroupBox()
        self.initStyleOption(option)
        box = self.style().subControlRect(
            QtWidgets.QStyle.CC_GroupBox, option, QtWidgets.QStyle.SC_GroupBoxCheckBox, self
        )
        option.subControls &= ~QtWidgets.QStyle.SC_GroupBoxCheckBox
        painter.drawComplexControl(QtWidgets.QStyle.CC_GroupBox, option)
        option.rect = box
        painter.drawPrimitive(ARROWS[self.collapsed], option)


class ctkDoubleSpinBox(QtWidgets.QWidget, StandIn):
    valueChanged = Signal(float)

    value = forward(float, "_spin", "value")
    minimum = forward(float, "_spin", "minimum")
    maximum = forward(float, "_spin", "maximum")
    singleStep = forward(float, "_spin", "singleStep")
    decimals = forward(int, "_spin", "decimals")
    prefix = forward(str, "_spin", "prefix")
    suffix = forward(str, "_spin", "suffix")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._spin = QtWidgets.QDoubleSpinBox()
        self._spin.valueChanged.connect(self.valueChanged)
        lay_out(self, QtWidgets.QHBoxLayout, self._spin)

    def setRange(self, minimum: float, maximum: float) -> None:
        self._spin.setRange(minimum, maximum)


class ctkSliderWidget(QtWidgets.QWidget, StandIn):
    """A slider with a spin box beside it."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)

    def _steps(self) -> None:
        steps = round((self.maximum - self.minimum) / self.singleStep)
        blocker = QtCore.QSignalBlocker(self._slider)
        self._slider.setRange(0, steps)
        self._slider.value = round((self.value - self.minimum) / self.singleStep)
        del blocker

    def _bound(name: str) -> Property:
        def write(self: ctkSliderWidget, value: float) -> None:
            setattr(self._spin, name, value)
            self._steps()

        return Property(float, lambda self: getattr(self._spin, name), write)

    minimum, maximum, singleStep = _bound("minimum"), _bound("maximum"), _bound("singleStep")
    value = forward(float, "_spin", "value")
    decimals = forward(int, "_spin", "decimals")
    prefix = forward(str, "_spin", "prefix")
    suffix = forward(str, "_spin", "suffix")
    pageStep = stored(float, "pageStep", 10.0)
    tracking = forward(bool, "_slider", "tracking")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(Qt.Horizontal)
        self._spin = QtWidgets.QDoubleSpinBox()
        lay_out(self, QtWidgets.QHBoxLayout, self._slider, self._spin)
        self._spin.valueChanged.connect(self._changed)
        self._slider.valueChanged.connect(self._slid)
        self._steps()

    def _changed(self, value: float) -> None:
        self._steps()
        self.valueIsChanging.emit(value)
        self.valueChanged.emit(value)

    def _slid(self, step: int) -> None:
        self.value = self.minimum + step * self.singleStep


class _Bar(QtWidgets.QWidget):
    """Shows a range within its limits."""

    def __init__(self, of: ctkRangeWidget) -> None:
        super().__init__()
        self._of = of
        self.setMinimumWidth(40)

    def paintEvent(self, _: QtGui.QPaintEvent) -> None:
        painter, of = QtGui.QPainter(self), self._of
        width, middle = self.width - 8, self.height // 2
        scale = width / max(of.maximum - of.minimum, 1e-9)
        left, right = (
            4 + round((value - of.minimum) * scale) for value in (of.minimumValue, of.maximumValue)
        )
        painter.fillRect(4, middle - 1, width, 3, self.palette.mid())
        painter.fillRect(left, middle - 2, right - left, 5, self.palette.highlight())
        for x in (left, right):
            painter.fillRect(x - 3, middle - 7, 7, 15, self.palette.dark())
        painter.end()


class ctkRangeWidget(QtWidgets.QWidget, StandIn):
    """Two spin boxes with a bar between them; a value follows when the other passes it."""

    valuesChanged = Signal(float, float)
    minimumValueChanged = Signal(float)
    maximumValueChanged = Signal(float)
    rangeChanged = Signal(float, float)

    minimum = forward(float, "_low", "minimum", "_high")
    maximum = forward(float, "_low", "maximum", "_high")
    singleStep = forward(float, "_low", "singleStep", "_high")
    decimals = forward(int, "_low", "decimals", "_high")
    prefix = forward(str, "_low", "prefix", "_high")
    suffix = forward(str, "_low", "suffix", "_high")
    minimumValue = forward(float, "_low", "value")
    maximumValue = forward(float, "_high", "value")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._low, self._high = QtWidgets.QDoubleSpinBox(), QtWidgets.QDoubleSpinBox()
        self._bar = _Bar(self)
        lay_out(self, QtWidgets.QHBoxLayout, self._low, self._bar, self._high)
        self.layout().setStretch(1, 1)
        self._high.value = self.maximum
        self._low.valueChanged.connect(self._low_changed)
        self._high.valueChanged.connect(self._high_changed)

    def setRange(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum
        self.rangeChanged.emit(minimum, maximum)

    def setValues(self, low: float, high: float) -> None:
        before = self.minimumValue, self.maximumValue
        with QtCore.QSignalBlocker(self):
            self.minimumValue, self.maximumValue = low, high
            self.minimumValue = low
        if before != (self.minimumValue, self.maximumValue):
            self._changed()

    def _low_changed(self, value: float) -> None:
        if value > self.maximumValue:
            with QtCore.QSignalBlocker(self._high):
                self.maximumValue = value
        self.minimumValueChanged.emit(value)
        self._changed()

    def _high_changed(self, value: float) -> None:
        if value < self.minimumValue:
            with QtCore.QSignalBlocker(self._low):
                self.minimumValue = value
        self.maximumValueChanged.emit(value)
        self._changed()

    def _changed(self) -> None:
        self._bar.update()
        self.valuesChanged.emit(self.minimumValue, self.maximumValue)


class ctkPathLineEdit(QtWidgets.QWidget, StandIn):
    """A path to type, or to browse for."""

    class Filter(enum.Flag):
        NoFilter, Dirs, Files, Writable = 0, 1, 2, 128

    QtCore.QFlag(Filter)
    Dirs, Files, Writable = Filter.Dirs, Filter.Files, Filter.Writable
    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    currentPath = forward(str, "_edit", "text")
    settingKey = stored(str, "settingKey", "")
    nameFilters = stored("QStringList", "nameFilters", [])
    label = stored(str, "label", "")
    filters = stored(Filter, "filters", Filter.NoFilter)
    showHistoryButton = stored(bool, "showHistoryButton", False)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._edit, self._browse = QtWidgets.QLineEdit(), QtWidgets.QToolButton()
        self._browse.text = "..."
        lay_out(self, QtWidgets.QHBoxLayout, self._edit, self._browse)
        self._edit.textChanged.connect(self.currentPathChanged)
        self._browse.clicked.connect(self.browse)

    def browse(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, self.label):
            self.currentPath = path

    def addCurrentPathToHistory(self) -> None:
        """No history is kept."""


CTK = {
    kind.__name__: kind
    for kind in (
        ctkMessageBox,
        ctkCollapsibleButton,
        ctkCollapsibleGroupBox,
        ctkDoubleSpinBox,
        ctkSliderWidget,
        ctkRangeWidget,
        ctkPathLineEdit,
    )
}
