"""Stand-ins of CTK's widgets: their properties, signals and looks, as far as panels use them."""

from __future__ import annotations

import enum
from collections.abc import Callable

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Qt, Signal

from panel_host.dialogs import QFileDialog
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
