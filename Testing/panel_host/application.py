"""Stand-ins of `slicer.app`, of the main window with its module panel, and of the layout."""

from __future__ import annotations

import importlib.metadata
import logging
import tempfile
import types

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import QObject, Signal

from panel_host.pythonqt import StandIn
from panel_host.scripted import qSlicerScriptedLoadableModule
from panel_host.views import SliceView, ThreeDView, register_managers
from panel_host.widgets import ctkCollapsibleButton, lay_out

LOGICS = {
    "Markups": "vtkSlicerMarkupsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Models": "vtkSlicerModelsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Data": "vtkSlicerDataModuleLogic",  # removes the display nodes of what is removed
}
IN_HIERARCHY = (
    *(slicer.vtkMRMLVolumeNode, slicer.vtkMRMLSegmentationNode, slicer.vtkMRMLMarkupsNode),
    *(slicer.vtkMRMLModelNode, slicer.vtkMRMLTableNode, slicer.vtkMRMLTransformNode),
)


def keep_hierarchy(scene: slicer.vtkMRMLScene) -> None:
    """Give what is added an item of the subject hierarchy, as Slicer's application does; to remove
    what is removed already is an error."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode

    def added(_: object, __: str, node: slicer.vtkMRMLNode) -> None:
        known = isinstance(node, IN_HIERARCHY) and not node.GetHideFromEditors()
        if known and not scene.IsImporting():
            hierarchy(scene).CreateItem(hierarchy(scene).GetSceneItemID(), node)

    def leaves(_: object, __: str, node: slicer.vtkMRMLNode) -> None:
        if not scene.IsNodePresent(node):
            logging.error("RemoveNode: %s is removed already", node.GetName())
        elif not scene.IsClosing() and isinstance(node, IN_HIERARCHY):
            if item := hierarchy(scene).GetItemByDataNode(node):
                hierarchy(scene).RemoveItem(item, False, False)

    added.CallDataType = leaves.CallDataType = vtk.VTK_OBJECT
    scene.AddObserver(scene.NodeAddedEvent, added)
    scene.AddObserver(scene.NodeAboutToBeRemovedEvent, leaves)


class ModuleManager(QObject, StandIn):
    moduleAboutToBeUnloaded = Signal(str)


def core_module(name: str, logic: slicer.vtkMRMLAbstractLogic | None) -> None:
    """A module of Slicer's own, such as `slicer.modules.markups`; it has no panel here."""
    module = types.SimpleNamespace(name=name, logic=lambda: logic)
    setattr(slicer.modules, name.lower(), module)


class LayoutManager(QObject):
    """Three slice views and a 3D view, four-up; `add_slice` brings another, as a layout may."""

    layoutChanged = Signal(int)

    def __init__(self, logic: slicer.vtkMRMLApplicationLogic) -> None:
        super().__init__()
        self._logic, self._logics = logic, vtk.vtkCollection()
        self.widget = QtWidgets.QWidget()
        self._grid = QtWidgets.QGridLayout(self.widget)
        self._grid.setSpacing(2)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self.slices = {}
        for name, orientation in (("Red", "Axial"), ("Yellow", "Sagittal"), ("Green", "Coronal")):
            self._make_slice(name, orientation)
        logic.SetSliceLogics(self._logics)
        self.three_d = ThreeDView()
        for k, view in enumerate(self.views()):
            self._grid.addWidget(view, *divmod((0, 3, 2, 1)[k], 2))

    def _make_slice(self, name: str, orientation: str) -> SliceView:
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(self._logic)
        logic.SetMRMLScene(slicer.mrmlScene)
        self._logics.AddItem(logic)
        self.slices[name] = SliceView(name, orientation, logic)
        return self.slices[name]

    def add_slice(self, name: str, orientation: str) -> None:
        """Another slice view, in a row of its own."""
        view = self._make_slice(name, orientation)
        self._grid.addWidget(view, self._grid.rowCount(), 0)
        self.layoutChanged.emit(slicer.vtkMRMLLayoutNode.SlicerLayoutUserView)

    def views(self) -> list[QtWidgets.QWidget]:
        return [*self.slices.values(), self.three_d]

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self.slices)

    def sliceWidget(self, name: str) -> types.SimpleNamespace:
        return types.SimpleNamespace(sliceView=lambda: self.slices[name])

    def mrmlSliceLogics(self) -> vtk.vtkCollection:
        return self._logics

    def resetThreeDViews(self) -> None:
        self.three_d.resetFocalPoint()


class ModulePanel(QtWidgets.QScrollArea):
    """The help's header above the panel of the selected module; it scrolls down, never aside."""

    def __init__(self) -> None:
        super().__init__()
        self.horizontalScrollBarPolicy = QtCore.Qt.ScrollBarAlwaysOff
        self.frameShape, self.widgetResizable = QtWidgets.QFrame.NoFrame, True
        content, help = QtWidgets.QWidget(), ctkCollapsibleButton("Help & Acknowledgement")
        help.collapsed = True
        help.setSizePolicy(QtWidgets.QSizePolicy.Ignored, QtWidgets.QSizePolicy.Fixed)
        lay_out(content, QtWidgets.QVBoxLayout, help)
        spread = QtWidgets.QSizePolicy.MinimumExpanding
        content.layout().addItem(QtWidgets.QSpacerItem(0, 0, QtWidgets.QSizePolicy.Minimum, spread))
        content.layout().setSizeConstraint(QtWidgets.QLayout.SetMinAndMaxSize)
        self.setWidget(content)
        self._module = None

    def set_module(self, module: object) -> None:
        """Leave the module that is shown, and enter this one."""
        scripted = isinstance(module, qSlicerScriptedLoadableModule)
        new = module.widgetRepresentation() if scripted else None
        old, self._module = self._module, new
        if new is old:
            return
        layout = self.widget().layout()
        if old is not None:
            old.exit()
            layout.removeWidget(old)
            old.hide()
            old.setParent(None)
        if new is not None:
            new.layout().setContentsMargins(0, 0, 0, 0)
            layout.insertWidget(1, new, 1)
            new.setSizePolicy(QtWidgets.QSizePolicy.Minimum, new.sizePolicy.verticalPolicy())
            new.show()
            new.enter()

    def narrowest(self) -> int:
        """The least width, which the user can't go below."""
        bar = self.verticalScrollBar().sizeHint().width()
        return self.widget().minimumSizeHint().width() + bar


class MainWindow(QtWidgets.QMainWindow, StandIn):
    """The panel at the left between logo and data probe, the views beside it; bars above and below
    that take as much room as Slicer's."""

    def __init__(self, views: QtWidgets.QWidget) -> None:
        super().__init__()
        self.objectName = "qSlicerMainWindow"
        self._panel, self._dock = ModulePanel(), QtWidgets.QWidget()
        logo, probe = QtWidgets.QLabel("3D Slicer"), ctkCollapsibleButton("Data Probe")
        logo.setFixedHeight(44)
        probe.setFixedHeight(188)  # leaves 447 px at 768, as measured in Slicer
        lay_out(self._dock, QtWidgets.QVBoxLayout, logo, self._panel, probe)
        self._dock.layout().setStretch(1, 1)
        center = QtWidgets.QWidget()
        lay_out(center, QtWidgets.QHBoxLayout, self._dock, views)
        center.layout().setStretch(1, 1)
        self.setCentralWidget(center)
        for name in ("File", "Edit", "View", "Help"):
            self.menuBar().addMenu(name)
        bar = self.addToolBar("Modules")
        self._title = QtWidgets.QLabel()
        bar.addWidget(self._title)
        bar.setFixedHeight(36)
        self.statusBar().showMessage("")

    def set_panel_width(self, pixels: int) -> None:
        if self._panel.narrowest() > pixels:
            raise AssertionError(f"the panel takes {self._panel.narrowest()} px, not {pixels}")
        self._dock.setFixedWidth(pixels)

    panel = property(lambda self: self._panel)

    def moduleSelector(self) -> MainWindow:
        return self

    @property
    def selectedModule(self) -> str:
        return self._title.text

    def selectModule(self, name: str) -> None:
        module = getattr(slicer.modules, name.lower(), None)
        if module is None:
            raise RuntimeError(f"the panel host has no module {name}")
        self._title.text = name
        self._panel.set_module(module)


class Application(QtWidgets.QApplication, StandIn):
    startupCompleted = Signal()
    majorVersion, minorVersion = map(int, importlib.metadata.version("slicer-core").split(".")[:2])

    def open_scene(self) -> None:
        """A new scene, with logics, views and the window."""
        slicer.mrmlScene = slicer.vtkMRMLScene()
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetMRMLScene(slicer.mrmlScene)
        register_managers(self._logic)
        self._folder = tempfile.TemporaryDirectory(prefix="panel_host")
        colors = slicer.vtkMRMLColorLogic()
        self._logic.SetColorLogic(colors)
        self._start("Colors", colors)
        for name, kind in LOGICS.items():
            self._start(name, getattr(slicer, kind)())
        core_module("SampleData", None)
        keep_hierarchy(slicer.mrmlScene)
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

    def _start(self, name: str, logic: slicer.vtkMRMLAbstractLogic) -> None:
        self._logic.SetModuleLogic(name, logic)
        core_module(name, logic)
        logic.SetMRMLApplicationLogic(self._logic)
        logic.SetMRMLScene(slicer.mrmlScene)

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

    @property
    def slicerUserSettingsFilePath(self) -> str:
        return self.userSettings().fileName()

    def testingEnabled(self) -> bool:
        return False  # a test answers dialogs as a user does

    def layoutManager(self) -> LayoutManager:
        return self._layout

    def applicationLogic(self) -> slicer.vtkMRMLApplicationLogic:
        return self._logic

    def moduleManager(self) -> ModuleManager:
        return self._manager

    def userSettings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    settings = userSettings
