"""Stand-ins of widgets that pick segments and place markups; all widgets with a scene by name."""

from __future__ import annotations

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, QSignalBlocker, Signal

from panel_host.node_widgets import InScene, Observers, qMRMLNodeComboBox, qMRMLWidget
from panel_host.pythonqt import StandIn
from panel_host.widgets import lay_out, stored


class qMRMLSegmentSelectorWidget(InScene, StandIn):
    """Picks a segmentation and one of its segments; what was picked outlives its segmentation."""

    NONE = "None"
    currentNodeChanged = Signal(object)
    currentSegmentChanged = Signal(str)

    def _none(self) -> None:
        self._nodes.noneEnabled = self.noneEnabled
        self._fill()

    noneEnabled = stored(bool, "noneEnabled", False, _none)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._segment, self._watched = "", Observers()
        self._nodes, self._message = qMRMLNodeComboBox(), QtWidgets.QLabel()
        self._box = QtWidgets.QComboBox()
        self._nodes.nodeTypes, self._nodes.addEnabled = ["vtkMRMLSegmentationNode"], False
        lay_out(self, QtWidgets.QVBoxLayout, self._nodes, self._box, self._message)
        self._nodes.currentNodeChanged.connect(self._node_changed)
        self._box.currentIndexChanged.connect(self._picked)
        self.destroyed.connect(self._watched.drop)
        self._fill()

    def currentNode(self) -> slicer.vtkMRMLSegmentationNode | None:
        return self._nodes.currentNode()

    def setCurrentNode(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        self._nodes.setCurrentNode(node)

    def currentSegmentID(self) -> str:
        return self._segment

    def setCurrentSegmentID(self, name: str) -> None:
        row = self._box.findData(name or self.NONE)
        if row >= 0:
            self._box.currentIndex = row

    def _enter_scene(self) -> None:
        self._nodes.setMRMLScene(self._scene)

    def _node_changed(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        self._watched.drop()
        if node is not None:
            kind = slicer.vtkSegmentation
            events = kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified
            self._watched.watch(node.GetSegmentation(), self._fill, *events)
        self._fill()
        self.currentNodeChanged.emit(node)

    def _fill(self, *_: object) -> None:
        node = self.currentNode()
        segmentation = node and node.GetSegmentation()
        names = list(segmentation.GetSegmentIDs()) if segmentation else []
        with QSignalBlocker(self._box):
            self._box.clear()
            if names and self.noneEnabled:
                self._box.addItem("None", self.NONE)
            for name in names:
                self._box.addItem(segmentation.GetSegment(name).GetName(), name)
            known = self._segment in names or (self.noneEnabled and not self._segment)
            self._box.currentIndex = self._box.findData(self._segment or self.NONE) if known else -1
        self._message.text = "No segments in segmentation" if node else "No node is selected"
        self._message.visible, self._box.visible = not names, bool(names)
        if names and not known:
            self._box.currentIndex = int(self.noneEnabled)

    def _picked(self, row: int) -> None:
        name = self._box.itemData(row) or ""
        self._segment = "" if name == self.NONE else name
        self.currentSegmentChanged.emit(self._segment)


class qSlicerMarkupsPlaceWidget(InScene, StandIn):
    """Places control points of the current markups. Its buttons' visibility is that of the node and
    the options at each update; the place mode is the interaction node's and stays there."""

    ShowPlaceMultipleMarkupsOption, HidePlaceMultipleMarkupsOption = 0, 1
    ForcePlaceSingleMarkup, ForcePlaceMultipleMarkups = 2, 3
    activeMarkupsPlaceModeChanged = Signal(bool)

    def _show_buttons(self, on: bool) -> None:
        for button in self._buttons:
            button.visible = on

    def _offer(self) -> None:
        multiple = self.placeMultipleMarkups == self.ShowPlaceMultipleMarkupsOption
        self._with_menu(self._place, "Place multiple control points" if multiple else "")
        if self.placeModeEnabled:
            self._persist()

    def _offer_delete(self) -> None:
        node, menu = self._current, self.deleteAllControlPointsOptionVisible
        self._with_menu(self._delete, "Delete all control points" if menu else "")
        if node is not None:
            self._delete.visible = menu or not node.GetFixedNumberOfControlPoints()

    buttonsVisible = Property(
        bool, lambda self: all(each.visible for each in self._buttons), _show_buttons
    )
    placeMultipleMarkups = stored(int, "placeMultipleMarkups", 0, _offer)
    deleteAllControlPointsOptionVisible = stored(
        bool, "deleteAllControlPointsOptionVisible", True, _offer_delete
    )
    placeModeEnabled = Property(
        bool, lambda self: self._placing(), lambda self, on: self._set_placing(on)
    )

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._current, self._updating, self._signaled = None, False, False
        self._watched = Observers()
        self._logic = slicer.modules.markups.logic()
        self._buttons = [QtWidgets.QToolButton() for _ in range(4)]
        color, self._place, self._delete, more = self._buttons
        for button, text in zip(self._buttons, "#+x:"):
            button.text = text
        self._place.checkable = True
        lay_out(self, QtWidgets.QHBoxLayout, *self._buttons)
        self._place.toggled.connect(self._set_placing)
        self._delete.clicked.connect(self._delete_last)
        self.destroyed.connect(self._watched.drop)
        self._offer()
        self._update()

    @staticmethod
    def _with_menu(button: QtWidgets.QToolButton, text: str) -> None:
        menu = QtWidgets.QMenu(button)
        menu.addAction(text)
        button.setMenu(menu if text else None)
        kind = QtWidgets.QToolButton
        button.popupMode = kind.MenuButtonPopup if text else kind.DelayedPopup

    def placeButton(self) -> QtWidgets.QToolButton:
        return self._place

    def deleteButton(self) -> QtWidgets.QToolButton:
        return self._delete

    def currentNode(self) -> slicer.vtkMRMLMarkupsNode | None:
        return self._current

    def setCurrentNode(self, node: slicer.vtkMRMLMarkupsNode | None) -> None:
        if node is not self._current:
            self._watched.drop()
            self._current = node
            if node is not None:
                self._watched.watch(node, self._update, vtk.vtkCommand.AnyEvent)
            self._update()

    def interactionNode(self) -> slicer.vtkMRMLInteractionNode:
        return slicer.app.applicationLogic().GetInteractionNode()

    def _enter_scene(self) -> None:
        selection = slicer.app.applicationLogic().GetSelectionNode()
        for node in (self.interactionNode(), selection):
            self._observers.watch(node, self._update, vtk.vtkCommand.ModifiedEvent)
        self._update()

    def _active(self) -> bool:
        ready = self._current is not None and self._scene is not None
        return ready and self._logic.GetActiveListID() == self._current.GetID()

    def _placing(self) -> bool:
        node = self.interactionNode()
        return self._active() and node.GetCurrentInteractionMode() == node.Place

    def _persist(self) -> None:
        several = self.placeMultipleMarkups == self.ForcePlaceMultipleMarkups
        if several or self.placeMultipleMarkups == self.ForcePlaceSingleMarkup:
            self.interactionNode().SetPlaceModePersistence(several)

    def _set_placing(self, on: bool) -> None:
        node = self.interactionNode()
        if self._current is None or self._scene is None:
            if on:
                QtCore.qCritical("setPlaceModeEnabled activate failed: node or scene is invalid")
        elif on:
            if not self._active():
                self._logic.SetActiveList(self._current)
            self._persist()
            node.SetCurrentInteractionMode(node.Place)
        else:
            node.SetCurrentInteractionMode(node.ViewTransform)

    def _delete_last(self) -> None:
        count = self._current.GetNumberOfControlPoints()
        if count:
            self._current.RemoveNthControlPoint(count - 1)

    def _update(self, *_: object) -> None:
        if self._updating:
            return
        self._updating, node, placing = True, self._current, self._placing()
        for button in self._buttons:
            button.enabled = node is not None and self._scene is not None
        if node is not None:
            self._place.enabled = not node.GetControlPointPlacementComplete()
            self._delete.enabled = node.GetNumberOfControlPoints() > 0
            self._offer_delete()
            with QSignalBlocker(self._place):
                self._place.checked = placing
        if placing != self._signaled:
            self._signaled = placing
            self.activeMarkupsPlaceModeChanged.emit(placing)
        self._updating = False


MRML = {
    kind.__name__: kind
    for kind in (
        *(qMRMLWidget, qMRMLNodeComboBox),
        *(qMRMLSegmentSelectorWidget, qSlicerMarkupsPlaceWidget),
    )
}
