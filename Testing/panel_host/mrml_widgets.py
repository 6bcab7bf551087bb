"""Stand-ins of widgets that pick segments and place markups; all widgets with a scene by name."""

from __future__ import annotations

import slicer
from PySide6 import QtWidgets
from PySide6.QtCore import Property, QSignalBlocker, Signal

from panel_host.node_widgets import (
    InScene,
    Observers,
    qMRMLNodeComboBox,
    qMRMLWidget,
    qSlicerWidget,
)
from panel_host.pythonqt import NotInHost, StandIn
from panel_host.widgets import lay_out, stored


class qMRMLSegmentSelectorWidget(InScene, StandIn):
    """Picks a segmentation and one of its segments."""

    currentNodeChanged = Signal(object)
    currentSegmentChanged = Signal(str)

    def _none(self) -> None:
        self._nodes.noneEnabled = self.noneEnabled
        self._refresh()

    noneEnabled = stored(bool, "noneEnabled", False, _none)
    horizontalLayout = stored(bool, "horizontalLayout", False)
    selectNodeUponCreation = stored(bool, "selectNodeUponCreation", True)
    segmentationNodeSelectorVisible = Property(
        bool,
        lambda self: not self._nodes.isHidden(),
        lambda self, on: self._nodes.setVisible(on),
    )

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._segment, self._watched = "", Observers()
        self._nodes, self._box = qMRMLNodeComboBox(), QtWidgets.QComboBox()
        self._nodes.nodeTypes = ["vtkMRMLSegmentationNode"]
        self._nodes.addEnabled = self._nodes.removeEnabled = False
        self._box.setSizePolicy(QtWidgets.QSizePolicy.Ignored, QtWidgets.QSizePolicy.Fixed)
        lay_out(self, QtWidgets.QVBoxLayout, self._nodes, self._box)
        self._nodes.currentNodeChanged.connect(self._node_changed)
        self._box.currentIndexChanged.connect(self._picked)
        self.destroyed.connect(self._watched.drop)

    def currentNode(self) -> slicer.vtkMRMLSegmentationNode | None:
        return self._nodes.currentNode()

    def currentNodeID(self) -> str:
        return self._nodes.currentNodeID

    def setCurrentNode(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        self._nodes.setCurrentNode(node)

    def setCurrentNodeID(self, name: str) -> None:
        self._nodes.currentNodeID = name

    def currentSegmentID(self) -> str:
        return self._segment

    def setCurrentSegmentID(self, name: str) -> None:
        row = self._box.findData(name)
        if row >= 0:
            self._box.currentIndex = row

    def segmentIDs(self) -> list[str]:
        node = self.currentNode()
        return list(node.GetSegmentation().GetSegmentIDs()) if node else []

    def _enter_scene(self) -> None:
        self._nodes.setMRMLScene(self._scene)

    def _node_changed(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        self._watched.drop()
        if node is not None:
            kind = slicer.vtkSegmentation
            for event in (kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified):
                self._watched.watch(node.GetSegmentation(), event, self._refresh)
        self._refresh()
        self.currentNodeChanged.emit(node)

    def _refresh(self) -> None:
        with QSignalBlocker(self._box):
            self._box.clear()
            if self.noneEnabled:
                self._box.addItem("None", "")
            for name in self.segmentIDs():
                segment = self.currentNode().GetSegmentation().GetSegment(name)
                self._box.addItem(segment.GetName(), name)
            row = self._box.findData(self._segment)
            self._box.currentIndex = row if row >= 0 else 0 if self._box.count else -1
        self._picked()

    def _picked(self, *_: int) -> None:
        picked = self._box.currentData or ""
        if picked != self._segment:
            self._segment = picked
            self.currentSegmentChanged.emit(picked)


class qSlicerMarkupsPlaceWidget(InScene, StandIn):
    """A button that starts placing control points of the current markups in the views."""

    ShowPlaceMultipleMarkupsOption, HidePlaceMultipleMarkupsOption = 0, 1
    ForcePlaceSingleMarkup, ForcePlaceMultipleMarkups = 2, 3
    activeMarkupsPlaceModeChanged = Signal(bool)

    placeMultipleMarkups = stored(int, "placeMultipleMarkups", 0)
    buttonsVisible = stored(bool, "buttonsVisible", True)
    deleteAllControlPointsOptionVisible = stored(bool, "deleteAllControlPointsOptionVisible", True)
    placeModeEnabled = Property(
        bool, lambda self: self._placing(), lambda self, on: self._place(on)
    )

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._current = None
        self._button, self._delete = QtWidgets.QToolButton(), QtWidgets.QToolButton()
        self._button.text, self._delete.text, self._button.checkable = "+", "x", True
        lay_out(self, QtWidgets.QHBoxLayout, self._button, self._delete)
        self._button.toggled.connect(self._place)
        self._delete.clicked.connect(self._delete_last)

    def placeButton(self) -> QtWidgets.QToolButton:
        return self._button

    def deleteButton(self) -> QtWidgets.QToolButton:
        return self._delete

    def currentNode(self) -> slicer.vtkMRMLMarkupsNode | None:
        return self._current

    def setCurrentNode(self, node: slicer.vtkMRMLMarkupsNode | None) -> None:
        self._current = node
        self._button.enabled = self._delete.enabled = node is not None

    def interactionNode(self) -> slicer.vtkMRMLInteractionNode:
        return slicer.app.applicationLogic().GetInteractionNode()

    def _enter_scene(self) -> None:
        event = slicer.vtkMRMLInteractionNode.InteractionModeChangedEvent
        self._observers.watch(self.interactionNode(), event, self._mode_changed)

    def _placing(self) -> bool:
        node = self.interactionNode()
        return node.GetCurrentInteractionMode() == node.Place and self._button.checked

    def _place(self, on: bool) -> None:
        if on == self._placing():
            return
        node, selection = self.interactionNode(), slicer.app.applicationLogic().GetSelectionNode()
        if on:
            if self._current is None:
                raise NotInHost("placing without current markups")
            selection.SetReferenceActivePlaceNodeClassName(self._current.GetClassName())
            selection.SetActivePlaceNodeID(self._current.GetID())
            node.SetPlaceModePersistence(
                self.placeMultipleMarkups == self.ForcePlaceMultipleMarkups
            )
            node.SetCurrentInteractionMode(node.Place)
        else:
            node.SetCurrentInteractionMode(node.ViewTransform)

    def _mode_changed(self) -> None:
        node = self.interactionNode()
        placing = node.GetCurrentInteractionMode() == node.Place
        if not placing:
            self._button.checked = False
        self.activeMarkupsPlaceModeChanged.emit(placing)

    def _delete_last(self) -> None:
        count = self._current.GetNumberOfControlPoints()
        if count:
            self._current.RemoveNthControlPoint(count - 1)


MRML = {
    kind.__name__: kind
    for kind in (
        qMRMLWidget,
        qSlicerWidget,
        qMRMLNodeComboBox,
        qMRMLSegmentSelectorWidget,
        qSlicerMarkupsPlaceWidget,
    )
}
