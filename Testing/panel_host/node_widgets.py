"""Stand-ins of widgets that have a scene, and of the box that picks one of its nodes."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk
from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal

from panel_host.dialogs import DIALOGS
from panel_host.pythonqt import StandIn
from panel_host.widgets import lay_out, stored

Scene = slicer.vtkMRMLScene
CHANGES = (Scene.NodeAddedEvent, Scene.NodeRemovedEvent, Scene.EndBatchProcessEvent)


class Observers:
    """VTK observers that are dropped together."""

    def __init__(self) -> None:
        self._tags: list[tuple[vtk.vtkObject, int]] = []

    def watch(self, what: vtk.vtkObject, event: int, call: Callable[[], None]) -> None:
        self._tags.append((what, what.AddObserver(event, lambda *_: call())))

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
        self._observers.drop()
        self._scene = scene
        self._enter_scene()
        self.mrmlSceneChanged.emit(scene)

    def _enter_scene(self) -> None:
        """What a widget does with a new scene."""


class qMRMLWidget(InScene, StandIn):
    pass


class qSlicerWidget(InScene, StandIn):
    pass


class qMRMLNodeComboBox(InScene, StandIn):
    """Picks a node of some classes; without "None" it always has one where the scene has one."""

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeAddedByUser = Signal(object)
    nodeActivated = Signal(object)

    def _update(self) -> None:
        self._refresh()

    nodeTypes = stored("QStringList", "nodeTypes", (), _update)
    noneEnabled = stored(bool, "noneEnabled", False, _update)
    noneDisplay = stored(str, "noneDisplay", "None", _update)
    addEnabled = stored(bool, "addEnabled", True, _update)
    removeEnabled = stored(bool, "removeEnabled", True, _update)
    renameEnabled = stored(bool, "renameEnabled", False, _update)
    showHidden = stored(bool, "showHidden", False, _update)
    showChildNodeTypes = stored(bool, "showChildNodeTypes", True, _update)
    selectNodeUponCreation = stored(bool, "selectNodeUponCreation", True)
    baseName = stored(str, "baseName", "")
    currentNodeID = Property(
        str,
        lambda self: self._current.GetID() if self._current else "",
        lambda self, name: self.setCurrentNode(self._scene.GetNodeByID(name)),
    )

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._current, self._shown, self._wanted, self._waiting = None, [], [], ()
        self._box = QtWidgets.QComboBox()
        self._box.setSizePolicy(QtWidgets.QSizePolicy.Ignored, QtWidgets.QSizePolicy.Fixed)
        lay_out(self, QtWidgets.QHBoxLayout, self._box)
        self._box.activated.connect(self._activated)

    def currentNode(self) -> slicer.vtkMRMLNode | None:
        return self._current

    def nodeCount(self) -> int:
        return len(self._shown)

    def comboBox(self) -> QtWidgets.QComboBox:
        return self._box

    def setCurrentNode(self, node: slicer.vtkMRMLNode | None) -> None:
        if isinstance(node, str):
            node = self._scene.GetNodeByID(node)
        self._refresh(node)

    def addAttribute(self, kind: str, name: str, value: str | None = None) -> None:
        self._wanted.append((kind, name, value))
        self._refresh()

    def addNode(self, kind: str | None = None) -> slicer.vtkMRMLNode:
        node = self._scene.AddNewNodeByClass(kind or self.nodeTypes[0], self.baseName)
        if isinstance(node, slicer.vtkMRMLDisplayableNode):
            node.CreateDefaultDisplayNodes()
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def _enter_scene(self) -> None:
        for event in CHANGES if self._scene else ():
            self._observers.watch(self._scene, event, self._refresh)
        self._refresh()

    def _fits(self, node: slicer.vtkMRMLNode) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        kind = node.GetClassName()
        if not (
            any(map(node.IsA, self.nodeTypes))
            if self.showChildNodeTypes
            else kind in self.nodeTypes
        ):
            return False
        return all(
            node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
            for of, name, value in self._wanted
            if node.IsA(of)
        )

    def _refresh(self, *wanted: slicer.vtkMRMLNode | None) -> None:
        """Show the scene's nodes, and of them `wanted` or what was shown before; while a scene is
        being loaded, `wanted` waits for its end."""
        wanted = wanted or self._waiting
        if self._scene is not None and self._scene.IsBatchProcessing():
            self._waiting = wanted
            return
        self._waiting = ()
        nodes = self._scene.GetNodes() if self._scene else None
        nodes = [nodes.GetItemAsObject(k) for k in range(nodes.GetNumberOfItems())] if nodes else []
        self._shown = [node for node in nodes if self._fits(node)]
        current = wanted[0] if wanted else self._current
        if current not in self._shown:
            current = self._shown[0] if self._shown and not self.noneEnabled else None
        self._fill(current)
        if current is not self._current:
            self._current = current
            self.currentNodeChanged.emit(current)
            self.currentNodeIDChanged.emit(self.currentNodeID)

    def _fill(self, current: slicer.vtkMRMLNode | None) -> None:
        self._box.clear()
        if self.noneEnabled:
            self._box.addItem(self.noneDisplay, None)
        for node in self._shown:
            self._box.addItem(node.GetName(), node.GetID())
        if self._scene:
            self._add_actions(current)
        self._box.currentIndex = self._box.findData(current.GetID() if current else None)
        if self._box.currentIndex < 0:
            self._box.setPlaceholderText("Select a node")

    def _add_actions(self, current: slicer.vtkMRMLNode | None) -> None:
        label = self._scene.GetTypeDisplayNameByClassName
        if self.addEnabled:
            for kind in self.nodeTypes:
                self._box.addItem(f"Create new {label(kind)}", lambda kind=kind: self.addNode(kind))
        if current is not None and self.renameEnabled:
            self._box.addItem(f"Rename current {label(current.GetClassName())}", self._rename)
        if current is not None and self.removeEnabled:
            self._box.addItem(f"Delete current {label(current.GetClassName())}", self._remove)

    def _rename(self) -> None:
        self._current.SetName(str(DIALOGS.answer(f"new name of {self._current.GetName()}")))

    def _remove(self) -> None:
        self._scene.RemoveNode(self._current)

    def _activated(self, row: int) -> None:
        picked = self._box.itemData(row)
        if callable(picked):
            picked()
            self._refresh()
            return
        self.setCurrentNode(self._scene.GetNodeByID(picked) if picked else None)
        self.nodeActivated.emit(self._current)
