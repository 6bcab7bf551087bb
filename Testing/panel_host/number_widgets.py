"""Stand-ins of CTK's widgets of numbers: spin box, slider, range."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Qt, Signal

from panel_host.pythonqt import StandIn
from panel_host.widgets import forward, lay_out, stored


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
