"""The panel host: a scripted module of 3D Slicer with its real .ui, on Qt and real MRML."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from panel_host import packaging
from panel_host.application import Application
from panel_host.dialogs import DIALOGS
from panel_host.faults import Faults
from panel_host.modules import Modules
from panel_host.views import SliceView, ThreeDView
from panel_host.widgets import ctkCollapsibleButton

HANDLES = QtWidgets.QCheckBox, ctkCollapsibleButton  # are clicked at their left ends
WINDOW = 1366, 768  # pixels: a small notebook's screen


class PanelHost:
    """A new scene, four views and room for a panel; use it in a `with`.

    Errors and warnings of Python (`logging`, `warnings` and what is raised below the event loop),
    Qt and VTK, and a dialog that nothing answers, raise at the next step or at the end, but where
    the test is `expecting` them. `answers` and `messages` are those of dialogs.Dialogs; `missing`
    holds the packages that `slicer.packaging` shall not find, `failing` those it can't install.
    """

    def __init__(self) -> None:
        self._modules, self._faults = Modules(), Faults()

    def __enter__(self) -> PanelHost:
        self._app = QtWidgets.QApplication.instance() or Application(["panel host"])
        self._faults.start()
        self._modules.install(self._app)
        self._app.open_scene()
        self.window = slicer.util.mainWindow()
        self.window.resize(*WINDOW)
        self.window.set_panel_width(400)
        self.window.show()
        self.answers, self.messages = DIALOGS.answers, DIALOGS.messages
        self.missing, self.failing = packaging.missing, packaging.failing
        for each in (self.answers, self.messages, self.missing, self.failing, packaging.installed):
            each.clear()
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            self.window.panel.set_module(None)
            for module in self._modules.opened:
                self._app.moduleManager().moduleAboutToBeUnloaded.emit(module.name)
                module.delete_widget()
            self._app.processEvents()
            self._app.close_scene()
        finally:
            self._modules.remove()
            self._faults.stop()
        if kind is None:
            self.check()

    @property
    def views(self) -> dict[str, SliceView | ThreeDView]:
        """The views "Red" (axial), "Yellow" (sagittal), "Green" (coronal) and "3D"."""
        layout = self._app.layoutManager()
        return layout.slices | {"3D": layout.three_d}

    def open(self, path: Path) -> object:
        """The widget of a scripted module's file, set up, entered and shown."""
        module = self._modules.load(path)
        self._app.startupCompleted.emit()
        self.window.selectModule(module.name)
        self.turn()
        return module.widgetRepresentation().self()

    def leave(self) -> None:
        """Go to another module."""
        self.window.selectModule("Data")
        self.turn()

    def enter(self) -> None:
        """Come back to the module that was opened last."""
        self.window.selectModule(self._modules.opened[-1].name)
        self.turn()

    def reload(self) -> object:
        """Reload the module as its Reload button does; returns its new widget."""
        panel = self._modules.opened[-1].widgetRepresentation()
        panel.self().onReload()
        self.turn()
        return panel.self()

    @contextlib.contextmanager
    def expecting(self, pattern: str) -> Iterator[None]:
        """Errors and warnings that match are none meanwhile; AssertionError if there is none."""
        self._faults.awaited, self._faults.met = re.compile(pattern), False
        try:
            yield
            self.turn()
        finally:
            self._faults.awaited = None
        if not self._faults.met:
            raise AssertionError(f"no error or warning matched {pattern}")

    def in_view(self, widget: QtWidgets.QWidget) -> bool:
        """Whether all of a widget is on the screen as it is, without scrolling."""
        self.turn()
        hidden = QtGui.QRegion(widget.rect).subtracted(widget.visibleRegion())
        return widget.visible and hidden.isEmpty()

    def click(self, widget: QtWidgets.QWidget) -> None:
        """Press the left button in the middle of a widget that is in sight."""
        self._reach(widget)
        place = QtCore.QPoint(10, 8) if isinstance(widget, HANDLES) else QtCore.QPoint()
        QTest.mouseClick(widget, Qt.LeftButton, Qt.NoModifier, place)
        self.turn()

    def type(self, widget: QtWidgets.QWidget, text: str) -> None:
        """Replace a field's text by keys, and leave the field."""
        line = QtWidgets.QLineEdit
        edit = widget if isinstance(widget, line) else widget.findChild(line)
        self._reach(edit)
        QTest.mouseClick(edit, Qt.LeftButton)
        QTest.keySequence(edit, "Ctrl+A")
        QTest.keyClicks(edit, text)
        QTest.keyClick(edit, Qt.Key_Tab)
        self.turn()

    def choose(self, widget: QtWidgets.QWidget, text: str) -> None:
        """Open a combo box and click the item of this text."""
        box = QtWidgets.QComboBox
        box = widget if isinstance(widget, box) else widget.findChild(box)
        self._reach(box)
        row = box.findText(text)
        if row < 0:
            raise AssertionError(f"{[box.itemText(k) for k in range(box.count)]} lacks {text}")
        QTest.keyClick(box, Qt.Key_F4)
        view = box.view()
        view.scrollTo(box.model().index(row, 0))
        place = view.visualRect(box.model().index(row, 0)).center()
        QTest.mouseMove(view.viewport(), place)
        QTest.mouseClick(view.viewport(), Qt.LeftButton, Qt.NoModifier, place)
        self.turn()

    def click_cell(self, table: QtWidgets.QTableWidget, row: int, column: int) -> None:
        self._reach(table)
        index = table.model().index(row, column)
        table.scrollTo(index)
        place = table.visualRect(index).center()
        QTest.mouseClick(table.viewport(), Qt.LeftButton, Qt.NoModifier, place)
        self.turn()

    def turn(self) -> None:
        """Handle the events that are due."""
        for _ in range(3):
            self._app.processEvents()
        self.check()

    def wait(self, until: Callable[[], object], seconds: float = 10, what: str = "it") -> None:
        """Turn the event loop until something holds; AssertionError once time is up."""
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s for {what} in vain")
            QTest.qWait(10)
            self.check()

    def screenshot(self, path: Path, panel_width: int = 400) -> None:
        """The window as a PNG, the panel being of this width in pixels."""
        self.window.set_panel_width(panel_width)
        self.turn()
        if not self.window.grab().save(str(path)):
            raise OSError(f"{path} can't be written")

    def save(self, path: Path) -> None:
        """Write the scene as .mrb."""
        if not slicer.mrmlScene.WriteToMRB(str(path)):
            raise OSError(f"{path} can't be written")

    def clear(self) -> None:
        """Close the scene."""
        slicer.mrmlScene.Clear(0)
        self.turn()

    def load(self, path: Path) -> None:
        """Close the scene and load another .mrb."""
        if not slicer.mrmlScene.ReadFromMRB(str(path), True):
            raise OSError(f"{path} can't be read")
        self.turn()

    def check(self) -> None:
        """Raise what went wrong below the event loop."""
        if self._faults.found:
            errors, self._faults.found = self._faults.found, []
            raise AssertionError(f"{len(errors)} error(s) in the panel: {errors}") from errors[0]

    def _reach(self, widget: QtWidgets.QWidget) -> None:
        """Scroll to a widget, which must be there to be used."""
        around = widget.parentWidget()
        while around is not None:
            if isinstance(around, QtWidgets.QScrollArea):
                around.ensureWidgetVisible(widget, 0, 0)
            around = around.parentWidget()
        self.turn()
        if not widget.enabled:
            raise AssertionError(f"{widget.objectName} is not enabled")
        if not widget.visible or widget.visibleRegion().isEmpty():
            raise AssertionError(f"{widget.objectName} is not in sight")
