"""Stand-ins of `slicer.app`, the main window and the layout of views."""

from __future__ import annotations

import tempfile

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import QObject, Signal

from panel_host.pythonqt import StandIn
from panel_host.views import SliceView, ThreeDView, register_managers

ORIENTATIONS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
LOGICS = {
    "Markups": "vtkSlicerMarkupsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Models": "vtkSlicerModelsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
}


class ModuleManager(QObject, StandIn):
    moduleAboutToBeUnloaded = Signal(str)


class CoreModule:
    """A module of Slicer's own, such as `slicer.modules.markups`."""

    def __init__(self, name: str, logic: slicer.vtkMRMLAbstractLogic) -> None:
        self.name, self._logic = name, logic

    def logic(self) -> slicer.vtkMRMLAbstractLogic:
        return self._logic


class LayoutManager:
    """Three slice views and a 3D view, four-up."""

    def __init__(self, logic: slicer.vtkMRMLApplicationLogic) -> None:
        self._logics = vtk.vtkCollection()
        self.widget = QtWidgets.QWidget()
        grid = QtWidgets.QGridLayout(self.widget)
        grid.setSpacing(2)
        grid.setContentsMargins(0, 0, 0, 0)
        self.slices = {}
        for name, orientation in ORIENTATIONS.items():
            slice_logic = slicer.vtkMRMLSliceLogic()
            slice_logic.SetMRMLApplicationLogic(logic)
            slice_logic.SetMRMLScene(slicer.mrmlScene)
            self._logics.AddItem(slice_logic)
            self.slices[name] = SliceView(name, orientation, slice_logic)
        logic.SetSliceLogics(self._logics)
        self.three_d = ThreeDView()
        for k, view in enumerate(self.views()):
            grid.addWidget(view, *divmod((0, 3, 2, 1)[k], 2))

    def views(self) -> list[QtWidgets.QWidget]:
        return [*self.slices.values(), self.three_d]

    def sliceViewNames(self) -> list[str]:
        return list(self.slices)

    def sliceWidget(self, name: str) -> SliceView:
        return self.slices[name]

    def mrmlSliceLogics(self) -> vtk.vtkCollection:
        return self._logics

    @property
    def threeDViewCount(self) -> int:
        return 1

    def threeDWidget(self, index: int) -> ThreeDView:
        return [self.three_d][index]

    def resetSliceViews(self) -> None:
        for view in self.slices.values():
            view.logic.FitSliceToBackground()

    def resetThreeDViews(self) -> None:
        self.three_d.resetFocalPoint()


class Selector:
    """The main window's module selector."""

    selectedModule = ""

    def selectModule(self, name: str) -> None:
        if not hasattr(slicer.modules, name.lower()):
            raise RuntimeError(f"the panel host has no module {name}")
        self.selectedModule = name


class MainWindow(QtWidgets.QMainWindow, StandIn):
    """The panel at the left, the views beside it."""

    def __init__(self, views: QtWidgets.QWidget) -> None:
        super().__init__()
        self.objectName = "qSlicerMainWindow"
        self._selector = Selector()
        self._panel = QtWidgets.QScrollArea()
        self._panel.widgetResizable = True
        self._panel.horizontalScrollBarPolicy = QtCore.Qt.ScrollBarAlwaysOff
        splitter = QtWidgets.QWidget()
        row = QtWidgets.QHBoxLayout(splitter)
        row.setContentsMargins(2, 2, 2, 2)
        row.addWidget(self._panel)
        row.addWidget(views, 1)
        self.setCentralWidget(splitter)
        self.set_panel_width(400)

    def show_panel(self, panel: QtWidgets.QWidget) -> None:
        self._panel.setWidget(panel)

    def show_in_panel(self, widget: QtWidgets.QWidget) -> None:
        """Scroll the panel to one of its widgets."""
        if self._panel.isAncestorOf(widget):
            self._panel.ensureWidgetVisible(widget)

    def set_panel_width(self, pixels: int) -> None:
        self._panel.setFixedWidth(pixels)

    def moduleSelector(self) -> Selector:
        return self._selector


class Application(QtWidgets.QApplication, StandIn):
    startupCompleted = Signal()

    def open_scene(self) -> None:
        """A new scene, with logics, views and the window."""
        slicer.mrmlScene = slicer.vtkMRMLScene()
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetMRMLScene(slicer.mrmlScene)
        register_managers(self._logic)
        self._folder = tempfile.TemporaryDirectory(prefix="panel_host")
        colors = slicer.vtkMRMLColorLogic()
        self._logic.SetColorLogic(colors)
        self._logic.SetModuleLogic("Colors", colors)
        colors.SetMRMLApplicationLogic(self._logic)
        colors.SetMRMLScene(slicer.mrmlScene)
        self._modules = {
            name: self._start(getattr(slicer, kind)()) for name, kind in LOGICS.items()
        }
        for name, logic in self._modules.items():
            self._logic.SetModuleLogic(name, logic)
            setattr(slicer.modules, name.lower(), CoreModule(name, logic))
        self._remote = slicer.vtkMRMLRemoteIOLogic()  # reading a .mrb asks for it
        self._remote.SetMRMLScene(slicer.mrmlScene)
        self._remote.AddDataIOToScene()
        self._remote.GetCacheManager().SetRemoteCacheDirectory(self._folder.name)
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
        for scope in (QtCore.QSettings.UserScope, QtCore.QSettings.SystemScope):
            QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, scope, self._folder.name)
        self._manager = ModuleManager()
        self._layout = LayoutManager(self._logic)
        self._window = MainWindow(self._layout.widget)

    def _start(self, logic: slicer.vtkMRMLAbstractLogic) -> slicer.vtkMRMLAbstractLogic:
        logic.SetMRMLApplicationLogic(self._logic)
        logic.SetMRMLScene(slicer.mrmlScene)
        return logic

    def close_scene(self) -> None:
        self._window.hide()
        for view in self._layout.views():
            view.close_view()
        self._window.delete()
        slicer.mrmlScene.Clear(1)
        self._folder.cleanup()

    @property
    def temporaryPath(self) -> str:
        return self._folder.name

    def testingEnabled(self) -> bool:
        return False  # a test answers dialogs as a user does

    def layoutManager(self) -> LayoutManager:
        return self._layout

    def applicationLogic(self) -> slicer.vtkMRMLApplicationLogic:
        return self._logic

    def moduleManager(self) -> ModuleManager:
        return self._manager

    def mrmlScene(self) -> slicer.vtkMRMLScene:
        return slicer.mrmlScene

    def settings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    def userSettings(self) -> QtCore.QSettings:
        return QtCore.QSettings()
