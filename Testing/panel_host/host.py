"""The panel host: a scripted module of 3D Slicer with its real .ui, on Qt and real MRML."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import slicer
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from panel_host import packaging
from panel_host.application import Application
from panel_host.dialogs import DIALOGS
from panel_host.modules import Modules
from panel_host.scripted import (
    qSlicerScriptedLoadableModule,
    qSlicerScriptedLoadableModuleWidget,
)
from panel_host.views import SliceView, ThreeDView
from panel_host.widgets import ctkCollapsibleButton

HANDLES = (QtWidgets.QCheckBox, QtWidgets.QRadioButton, QtWidgets.QGroupBox, ctkCollapsibleButton)


class PanelHost:
    """A new scene, four views and room for a panel; use it in a `with`.

    A Python error anywhere below the event loop, and a dialog that nothing answers, raise at the
    next step or at the end. `answers` and `messages` are those of dialogs.Dialogs; `missing` holds
    the names of packages that `slicer.packaging` shall not find. With SLICER_PYTHON in the
    environment (the folder Base/Python of 3D Slicer's source) its ScriptedLoadableModule,
    parameterNodeWrapper and i18n take the place of our stand-ins.
    """

    def __init__(self) -> None:
        self._modules = Modules()
        self._errors: list[BaseException] = []

    def __enter__(self) -> PanelHost:
        self._hook, sys.excepthook = sys.excepthook, self._note
        QtCore.qInstallMessageHandler(self._hear)
        self._app = QtWidgets.QApplication.instance() or Application(["panel host"])
        self._modules.install(self._app)
        self._app.open_scene()
        self.window = slicer.util.mainWindow()
        self.window.resize(1400, 900)
        self.window.show()
        self.answers, self.messages = DIALOGS.answers, DIALOGS.messages
        self.missing = packaging.missing
        for each in (self.answers, self.messages, self.missing, packaging.installed):
            each.clear()
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            names = [module.name for module in self._modules.opened]
            for name in names:
                self._app.moduleManager().moduleAboutToBeUnloaded.emit(name)
            self._app.processEvents()
            self._app.close_scene()
        finally:
            self._modules.remove()
            sys.excepthook = self._hook
            QtCore.qInstallMessageHandler(None)
        if kind is None:
            self.check()

    @property
    def views(self) -> dict[str, SliceView | ThreeDView]:
        """The views "Red" (axial), "Yellow" (sagittal), "Green" (coronal) and "3D"."""
        layout = self._app.layoutManager()
        return layout.slices | {"3D": layout.three_d}

    def open(self, path: Path) -> object:
        """The widget of a scripted module's file, set up, entered and shown."""
        module = qSlicerScriptedLoadableModule(path)
        kind = self._modules.load(module)
        instance = kind(module)
        panel = qSlicerScriptedLoadableModuleWidget(lambda: self._modules.widget(module))
        panel.setMRMLScene(slicer.mrmlScene)
        self._modules.add(module, instance, panel)
        self._app.startupCompleted.emit()
        panel.reload()
        self.window.show_panel(panel)
        panel.enter()
        self.turn()
        return panel.self()

    def reload(self) -> object:
        """Reload the module as its Reload button does; returns its new widget."""
        module = self._modules.opened[-1]
        slicer.util.reloadScriptedModule(module.name)
        self.turn()
        return module.widgetRepresentation().self()

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
        """Write the scene, .mrb or .mrml, through MRML."""
        if path.suffix == ".mrb":
            done = slicer.mrmlScene.WriteToMRB(str(path))
        else:
            done = slicer.mrmlScene.Commit(str(path))
        if not done:
            raise OSError(f"{path} can't be written")

    def clear(self) -> None:
        """Close the scene."""
        slicer.mrmlScene.Clear(0)
        self.turn()

    def load(self, path: Path) -> None:
        """Close the scene and load another, .mrb or .mrml, through MRML."""
        if path.suffix == ".mrb":
            done = slicer.mrmlScene.ReadFromMRB(str(path), True)
        else:
            slicer.mrmlScene.SetURL(str(path))
            done = slicer.mrmlScene.Connect()
        if not done:
            raise OSError(f"{path} can't be read")
        self.turn()

    def check(self) -> None:
        """Raise what went wrong below the event loop."""
        if self._errors:
            errors, self._errors = self._errors, []
            raise AssertionError(f"{len(errors)} error(s) in the panel: {errors}") from errors[0]

    def _note(self, kind: type, error: BaseException, trace: object) -> None:
        self._hook(kind, error, trace)
        self._errors.append(error)

    def _hear(self, kind: QtCore.QtMsgType, _: object, text: str) -> None:
        """Take Qt's warnings for errors, but for what a platform without windows lacks."""
        if kind != QtCore.QtMsgType.QtDebugMsg and not text.startswith("This plugin does not"):
            self._errors.append(RuntimeError(text))

    def _reach(self, widget: QtWidgets.QWidget) -> None:
        self.window.show_in_panel(widget)
        self.turn()
        if not widget.enabled:
            raise AssertionError(f"{widget.objectName} is not enabled")
        if not widget.visible or widget.visibleRegion().isEmpty():
            raise AssertionError(f"{widget.objectName} is not in sight")
