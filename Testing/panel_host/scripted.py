"""Stand-ins of `slicer.ScriptedLoadableModule` and of what surrounds a scripted module."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from panel_host.node_widgets import InScene
from panel_host.pythonqt import StandIn


class qSlicerScriptedLoadableModule:
    """What a scripted module describes itself to; other attributes it can't set."""

    __slots__ = (
        *("acknowledgementText", "associatedNodeTypes", "categories", "contributors"),
        *("dependencies", "helpText", "hidden", "icon", "name", "path", "title", "_widget"),
        "widgetRepresentationCreationEnabled",
    )

    def __init__(self, path: Path) -> None:
        self.path, self.name, self._widget = str(path), path.stem, None

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        """The panel, which is set up when it is asked for first."""
        if self._widget is None:
            self._widget = qSlicerScriptedLoadableModuleWidget(self.name)
            self._widget.setMRMLScene(slicer.mrmlScene)
            self._widget.reload()
        return self._widget

    def delete_widget(self) -> None:
        if self._widget is not None:
            self._widget.delete()


class qSlicerScriptedLoadableModuleWidget(InScene, StandIn):
    """The panel: holds the widget that a scripted module makes."""

    def __init__(self, name: str) -> None:
        super().__init__()
        QtWidgets.QVBoxLayout(self)
        self._name, self._widget, self._entered = f"{name}Widget", None, False

    isEntered = QtCore.Property(bool, lambda self: self._entered)

    def enter(self) -> None:
        self._entered = True
        self._widget.enter()

    def exit(self) -> None:
        self._entered = False
        self._widget.exit()

    def self(self) -> object:
        return self._widget

    def reload(self) -> None:
        self._widget = getattr(sys.modules[self._name.removesuffix("Widget")], self._name)(self)
        setattr(slicer.modules, self._name, self._widget)
        self._widget.setup()


class ScriptedLoadableModule:
    def __init__(self, parent: qSlicerScriptedLoadableModule) -> None:
        super().__init__()
        self.parent, self.moduleName = parent, type(self).__name__
        parent.title, parent.categories, parent.dependencies = "", [], []
        parent.contributors, parent.helpText, parent.acknowledgementText = [], "", ""
        icon = Path(self.resourcePath(f"Icons/{self.moduleName}.png"))
        if icon.is_file():
            parent.icon = QtGui.QIcon(str(icon))

    def resourcePath(self, name: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / name)


class ScriptedLoadableModuleWidget:
    SIGNAL = "moduleAboutToBeUnloaded(QString)"

    def __init__(self, parent: QtWidgets.QWidget) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode, self.parent, self.layout = False, parent, parent.layout()
        slicer.app.moduleManager().connect(self.SIGNAL, self._onModuleAboutToBeUnloaded)

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect(self.SIGNAL, self._onModuleAboutToBeUnloaded)

    def resourcePath(self, name: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / name)

    def setup(self) -> None:
        """No developer's section: that mode is off."""

    enter = exit = cleanup = setup

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    def __init__(self, parent: object = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:
        """The scene's singleton."""
        kind = "vtkMRMLScriptedModuleNode"
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, kind)
        if node is None:
            return slicer.mrmlScene.AddNode(self.createParameterNode())
        if node.GetAttribute("ModuleName") != self.moduleName:  # closing the scene removes it
            node.SetAttribute("ModuleName", self.moduleName)
        return node

    def createParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    def delayDisplay(self, message: str, *_: object) -> None:
        slicer.util.delayDisplay(message, 0)
