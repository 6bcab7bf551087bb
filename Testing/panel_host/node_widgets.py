"""Stand-ins of widgets that have a scene, and of the box that picks one of its nodes."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import QSignalBlocker, Signal

from panel_host.pythonqt import StandIn
from panel_host.widgets import lay_out, stored

Scene = slicer.vtkMRMLScene


class Observers:
    """VTK observers that are dropped together."""

    def __init__(self) -> None:
        self._tags: list[tuple[vtk.vtkObject, int]] = []

    def watch(self, what: vtk.vtkObject, call: Callable, *events: int) -> None:
        self._tags += [(what, what.AddObserver(event, call)) for event in events]

    def drop(self) -> None:
        for what, tag in self._tags:
            what.RemoveObserver(tag)
        self._tags.clear()


class InScene(QtWidgets.QWidget):
    """A widget that has a scene."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Scene | None = None
        self._observers = Observers()
        self.destroyed.connect(self._observers.drop)

    def mrmlScene(self) -> Scene | None:
        return self._scene

    def setMRMLScene(self, scene: Scene | None) -> None:
        if scene is not self._scene:
            self._observers.drop()
            self._scene = scene
            self._enter_scene()
            self.mrmlSceneChanged.emit(scene)

    def _enter_scene(self) -> None:
        """What a widget does with a new scene."""


class qMRMLWidget(InScene, StandIn):
    pass


class qMRMLSortFilterProxyModel(QtCore.QObject, StandIn):
    """Which nodes a box offers."""

    hiddenNodeIDs = stored("QStringList", "hiddenNodeIDs", (), lambda self: self.parent().refresh())


class qMRMLNodeComboBox(InScene, StandIn):
    """Picks a node of some classes. Its rows come and go one by one in a QComboBox, as in the real
    one, so that Qt picks the row that follows one that goes."""

    currentNodeChanged = Signal(object)

    def refresh(self, gone: slicer.vtkMRMLNode | None = None) -> None:
        """Let the rows be those that belong there now, `gone` being about to leave the scene."""
        if self._scene is not None and (self._scene.IsImporting() or self._scene.IsClosing()):
            return
        box, wanted = self._box, self._rows(gone)
        for row in reversed(range(box.count)):
            if box.itemData(row) not in [data for _, data in wanted]:
                box.removeItem(row)
        for row, (text, data) in enumerate(wanted):
            if row >= box.count or box.itemData(row) != data:
                box.insertItem(row, text, data)
            box.setItemText(row, text)
            if data and data[:3] != "vtk":
                box.model().item(row).setFlags(QtCore.Qt.ItemIsEnabled)
        if self.currentNode() is None:
            self._pick("")

    nodeTypes = stored("QStringList", "nodeTypes", (), refresh)
    noneEnabled = stored(bool, "noneEnabled", False, refresh)
    noneDisplay = stored(str, "noneDisplay", "None", refresh)
    addEnabled = stored(bool, "addEnabled", True, refresh)
    removeEnabled = stored(bool, "removeEnabled", True, refresh)
    showChildNodeTypes = stored(bool, "showChildNodeTypes", True, refresh)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._filter, self._attributes = qMRMLSortFilterProxyModel(self), []
        self._box = QtWidgets.QComboBox()
        self._box.setSizePolicy(QtWidgets.QSizePolicy.Ignored, QtWidgets.QSizePolicy.Fixed)
        self._box.setPlaceholderText("Select a node")
        lay_out(self, QtWidgets.QHBoxLayout, self._box)
        self._box.currentIndexChanged.connect(self._changed)
        self._box.view().clicked.connect(self._act)
        self.enabled = False  # until it has a scene

    def sortFilterProxyModel(self) -> qMRMLSortFilterProxyModel:
        return self._filter

    def currentNode(self) -> slicer.vtkMRMLNode | None:
        name = self._box.currentData or ""
        return self._scene.GetNodeByID(name) if self._scene and name[:3] == "vtk" else None

    def setCurrentNode(self, node: slicer.vtkMRMLNode | None) -> None:
        self.refresh()  # by what nodes are now, which the real one hears of as they change
        self._pick(node.GetID() if node else "")

    def _pick(self, name: str) -> None:
        """Show this node's row; where it has none, "None" or nothing."""
        found = self._box.findData(name)
        self._box.currentIndex = found if found >= 0 else self._box.findData("")

    def addAttribute(self, kind: str, name: str, value: str | None = None) -> None:
        self._attributes.append((kind, name, value))
        self.refresh()

    def addNode(self, kind: str | None = None) -> slicer.vtkMRMLNode:
        node = self._scene.CreateNodeByClass(kind or self.nodeTypes[0])
        node.UnRegister(None)
        name = node.GetName() or node.GetDefaultNodeNamePrefix()
        node.SetName(self._scene.GetUniqueNameByString(name))
        for _, attribute, value in self._attributes:
            node.SetAttribute(attribute, value or "")
        self._scene.AddNode(node)
        self.setCurrentNode(node)
        return node

    def _enter_scene(self) -> None:
        def leaves(_: object, __: str, node: slicer.vtkMRMLNode) -> None:
            self.refresh(node)

        leaves.CallDataType = vtk.VTK_OBJECT
        self.enabled = self._scene is not None
        if self._scene:
            self._observers.watch(self._scene, leaves, Scene.NodeAboutToBeRemovedEvent)
            self._observers.watch(self._scene, lambda *_: self.refresh(), Scene.NodeAddedEvent)
            events = Scene.EndCloseEvent, Scene.EndImportEvent
            self._observers.watch(self._scene, self._begin_anew, *events)
        self.refresh()

    def _begin_anew(self, *_: object) -> None:
        before = self._box.currentData
        with QSignalBlocker(self._box):
            self._box.clear()
            self.refresh()
            self._pick(before)
        self._changed(self._box.currentIndex)

    def _nodes(self) -> list[slicer.vtkMRMLNode]:
        nodes = self._scene.GetNodes() if self._scene else ()
        return [node for node in nodes if self._fits(node)]

    def _fits(self, node: slicer.vtkMRMLNode) -> bool:
        if node.GetHideFromEditors():
            return False
        kind, types = node.GetClassName(), self.nodeTypes
        fits = any(map(node.IsA, types)) if self.showChildNodeTypes else kind in types
        return fits and all(
            node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
            for of, name, value in self._attributes
            if node.IsA(of)
        )

    def _rows(self, gone: slicer.vtkMRMLNode | None) -> list[tuple[str, str]]:
        """Texts and data: a node's ID, or what the row does."""
        hidden = self._filter.hiddenNodeIDs
        nodes = [node for node in self._nodes() if node is not gone and node.GetID() not in hidden]
        rows = [(self.noneDisplay, "")] if self.noneEnabled else []
        rows += [(node.GetName(), node.GetID()) for node in nodes]
        if self._scene is None:
            return rows
        names = [self._scene.GetTypeDisplayNameByClassName(kind) for kind in self.nodeTypes]
        label = names[0] if len(names) == 1 else "node"
        if self.addEnabled:
            rows += [
                (f"Create new {name}", f"create/{kind}")
                for name, kind in zip(names, self.nodeTypes)
            ]
        return rows + ([(f"Delete current {label}", "delete")] if self.removeEnabled else [])

    def _changed(self, row: int) -> None:
        """Tell the current node; a row that acts can't be current, the last node is then."""
        node = self.currentNode()
        if node is None and row >= 0 and self._box.itemData(row):
            nodes = [k for k in range(self._box.count) if self._box.itemData(k)[:3] == "vtk"]
            if nodes:
                self._box.currentIndex = nodes[-1]
        else:
            self.currentNodeChanged.emit(node)

    def _act(self, index: QtCore.QModelIndex) -> None:
        """Do what a row says that the user clicked at."""
        action, _, kind = (self._box.itemData(index.row()) or "").partition("/")
        if action in ("create", "delete"):
            self._box.hidePopup()
        if action == "create":
            self.addNode(kind)
        elif action == "delete":
            self._scene.RemoveNode(self.currentNode())
