"""Stand-ins of `slicer.ScriptedLoadableModule` and of what surrounds a scripted module."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from pathlib import Path

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from panel_host.node_widgets import InScene
from panel_host.pythonqt import StandIn


class qSlicerScriptedLoadableModule:
    """What a scripted module describes itself to; its widget and logic."""

    __slots__ = (
        "acknowledgementText",
        "associatedNodeTypes",
        "categories",
        "contributors",
        "dependencies",
        "helpText",
        "hidden",
        "icon",
        "name",
        "path",
        "title",
        "widgetRepresentationCreationEnabled",
        "_widget",
    )

    def __init__(self, path: Path) -> None:
        self.path, self.name, self._widget = str(path), path.stem, None

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        return self._widget


class qSlicerScriptedLoadableModuleWidget(InScene, StandIn):
    """The panel: holds the widget that a scripted module makes."""

    def __init__(self, kind: Callable[[], type]) -> None:
        super().__init__()
        QtWidgets.QVBoxLayout(self)
        self._kind, self._widget, self._entered = kind, None, False

    isEntered = QtCore.Property(bool, lambda self: self._entered)

    def enter(self) -> None:
        self._entered = True
        self._widget.enter()

    def self(self) -> object:
        return self._widget

    def reload(self) -> None:
        kind = self._kind()
        self._widget = kind(self)
        setattr(slicer.modules, kind.__name__, self._widget)
        self._widget.setup()


class ScriptedLoadableModule:
    def __init__(self, parent: qSlicerScriptedLoadableModule) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title, parent.categories, parent.dependencies = "", [], []
        parent.contributors, parent.helpText, parent.acknowledgementText = [], "", ""
        icon = Path(self.resourcePath(f"Icons/{self.moduleName}.png"))
        if icon.is_file():
            parent.icon = QtGui.QIcon(str(icon))

    def resourcePath(self, name: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / name)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        return f'<p>For more information, see the <a href="{docPage}">online documentation</a>.</p>'


class ScriptedLoadableModuleWidget:
    def __init__(self, parent: QtWidgets.QWidget) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent, self.layout = parent, parent.layout()
        signal = "moduleAboutToBeUnloaded(QString)"
        slicer.app.moduleManager().connect(signal, self._onModuleAboutToBeUnloaded)

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()

    def resourcePath(self, name: str) -> str:
        path = slicer.util.modulePath(self.moduleName)
        return str(Path(path).parent / "Resources" / name)

    def setup(self) -> None:
        """No developer's section: that mode is off."""

    def enter(self) -> None:
        """What a module does when it is shown."""

    def cleanup(self) -> None:
        """What a module does when it goes."""


class ScriptedLoadableModuleLogic:
    def __init__(self, parent: object = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:
        if not self.isSingletonParameterNode:
            raise NotImplementedError("the panel host knows parameter nodes that are singletons")
        kind = "vtkMRMLScriptedModuleNode"
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, kind)
        if node is None:
            node = slicer.mrmlScene.AddNode(self.createParameterNode())
        node.SetAttribute("ModuleName", self.moduleName)  # which closing the scene removes
        return node

    def createParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(self.moduleName)
        node.SetModuleName(self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    def runTest(self) -> None:
        """To be overridden."""

    def delayDisplay(self, message: str, *_: object) -> None:
        slicer.util.delayDisplay(message, 0)
