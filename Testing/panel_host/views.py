"""Slice and 3D views: Qt widgets over MRML's own displayable managers, drawn off-screen."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

import numpy as np
import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from vtkmodules.util.numpy_support import vtk_to_numpy

EVENTS = {  # of Qt's by VTK's names
    QtCore.QEvent.MouseButtonPress: "LeftButtonPressEvent",
    QtCore.QEvent.MouseButtonRelease: "LeftButtonReleaseEvent",
    QtCore.QEvent.MouseMove: "MouseMoveEvent",
    QtCore.QEvent.Enter: "EnterEvent",
}
SLICE_MANAGERS = "ModelSlice{} Crosshair{} Markups{} Segmentations{}2D"
THREE_D_MANAGERS = "Camera{} View{} Model{} Markups{} Segmentations{}3D"


def register_managers(logic: slicer.vtkMRMLApplicationLogic) -> None:
    for factory, names in (
        (slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(), SLICE_MANAGERS),
        (slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(), THREE_D_MANAGERS),
    ):
        factory.SetMRMLApplicationLogic(logic)
        for name in names.format(*["DisplayableManager"] * 5).split():
            name = f"vtkMRML{name}"
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)


def guarded(method: Callable) -> Callable:
    """An error in a Qt virtual is told to `sys.excepthook`: below another one it would crash."""

    @functools.wraps(method)
    def call(self: QtWidgets.QWidget, *values: object) -> object:
        try:
            return method(self, *values)
        except Exception:
            sys.excepthook(*sys.exc_info())
            return False

    return call


class View(QtWidgets.QWidget):
    """Paints what its displayable managers render, and gives them the mouse."""

    def __init__(self, factory: vtk.vtkObject, style: vtk.vtkObject, node: object) -> None:
        super().__init__()
        self.setMouseTracking(True)
        self.setMinimumSize(120, 120)
        self.node = node
        self._image, self._stale, self._closed = None, True, False
        self.renderer = vtk.vtkRenderer()
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.AddRenderer(self.renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._interactor.EnableRenderOff()
        self._interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self._style = style
        style.SetInteractor(self._interactor)
        self._managers = factory.InstantiateDisplayableManagers(self.renderer)
        self._managers.SetMRMLDisplayableNode(node)
        style.SetDisplayableManagers(self._managers)
        self._managers.AddObserver(vtk.vtkCommand.UpdateEvent, self.schedule)
        self._interactor.Initialize()

    def interactor(self) -> vtk.vtkRenderWindowInteractor:
        return self._interactor

    def close_view(self) -> None:
        self._closed = True
        self._style = self._managers = self._interactor = None
        self._window.Finalize()

    def schedule(self, *_: object) -> None:
        if not self._closed:
            self._stale = True
            self.update()

    @guarded
    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        size = event.size().width(), event.size().height()
        self._window.SetSize(*size)
        self._interactor.SetSize(*size)
        self.schedule()

    @guarded
    def paintEvent(self, _: QtGui.QPaintEvent) -> None:
        if self._stale and not self._closed and not slicer.mrmlScene.IsBatchProcessing():
            self._image, self._stale = self._render(), False
        painter = QtGui.QPainter(self)
        if self._image is not None:
            painter.drawImage(0, 0, self._image)
        painter.end()

    def _render(self) -> QtGui.QImage:
        self._window.Render()
        width, height = self._window.GetSize()
        pixels = vtk.vtkUnsignedCharArray()
        self._window.GetPixelData(0, 0, width - 1, height - 1, 0, pixels, 0)
        pixels = vtk_to_numpy(pixels).reshape(height, width, 3)[::-1]
        data = np.ascontiguousarray(pixels).tobytes()
        form = QtGui.QImage.Format_RGB888
        return QtGui.QImage(data, width, height, 3 * width, form).copy()

    @guarded
    def event(self, event: QtCore.QEvent) -> bool:
        name = EVENTS.get(event.type())
        if event.type() == QtCore.QEvent.Wheel:
            up = event.angleDelta().y() > 0
            name = "MouseWheelForwardEvent" if up else "MouseWheelBackwardEvent"
        if name is None or self._closed:
            return super().event(event)
        place = event.position().toPoint()
        self._interactor.SetEventInformation(place.x(), self._flip(place.y()), 0, 0)
        self._interactor.InvokeEvent(name)
        return True

    def _flip(self, y: float) -> int:
        """VTK counts from below."""
        return round(self._window.GetSize()[1] - 1 - y)


class SliceView(View):
    """A slice view of the layout: "Red" axial, "Yellow" sagittal, "Green" coronal."""

    def __init__(self, name: str, orientation: str, logic: slicer.vtkMRMLSliceLogic) -> None:
        self.logic = logic
        node = logic.AddSliceNode(name)
        node.SetOrientation(orientation)
        super().__init__(
            slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(),
            slicer.vtkMRMLSliceViewInteractorStyle(),
            node,
        )
        self._style.SetSliceLogic(logic)
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        mapper.SetInputConnection(logic.GetImageDataConnection())
        slice_image = vtk.vtkActor2D()
        slice_image.SetMapper(mapper)
        slice_image.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(slice_image)
        self._mapper = mapper
        logic.AddObserver(vtk.vtkCommand.ModifiedEvent, self.schedule)
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, self.schedule)

    @guarded
    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        self.logic.ResizeSliceNode(event.size().width(), event.size().height())
        super().resizeEvent(event)

    def _render(self) -> QtGui.QImage:
        self._mapper.SetInputConnection(self.logic.GetImageDataConnection())
        return super()._render()

    def to_pixel(self, ras: tuple[float, float, float]) -> QtCore.QPoint:
        """Where a point of the world (RAS mm) is in the widget."""
        to_xy = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.node.GetXYToRAS(), to_xy)
        x, y, *_ = to_xy.MultiplyPoint((*ras, 1.0))
        return QtCore.QPoint(round(x), self._flip(y))

    def go_to(self, ras: tuple[float, float, float]) -> None:
        """Go to the slice of a point, with the point in the middle."""
        self.node.JumpSliceByCentering(*ras)

    def hover(self, ras: tuple[float, float, float]) -> QtCore.QPoint:
        """Come with the mouse from nearby; Qt tells of no move to where the mouse is already."""
        place = self.to_pixel(ras)
        for off in (3, 0):
            QTest.mouseMove(self, place + QtCore.QPoint(off, off))
        return place

    def click(self, ras: tuple[float, float, float]) -> None:
        """Click at a point of the slice."""
        place = self.hover(ras)
        QTest.mouseClick(self, Qt.LeftButton, Qt.NoModifier, place)

    def wheel(self, ras: tuple[float, float, float], notches: int) -> None:
        """Turn the wheel over a point of the slice, where the mouse is already; away from the user
        where `notches` is positive."""
        place = QtCore.QPointF(self.to_pixel(ras))
        for _ in range(abs(notches)):
            turn = QtCore.QPoint(0, 120 if notches > 0 else -120)
            given = self.mapToGlobal(place), QtCore.QPoint(), turn, Qt.NoButton, Qt.NoModifier
            event = QtGui.QWheelEvent(place, *given, Qt.NoScrollPhase, False)
            QtWidgets.QApplication.sendEvent(self, event)

    def drag(self, ras: tuple[float, float, float], to_ras: tuple[float, float, float]) -> None:
        """Press at a point, move to another in steps, release."""
        self.drag_to(ras, to_ras)
        self.release(to_ras)

    def drag_to(self, ras: tuple[float, float, float], to_ras: tuple[float, float, float]) -> None:
        """Press at a point, move to another in steps."""
        start, end = self.hover(ras), self.to_pixel(to_ras)
        QTest.mousePress(self, Qt.LeftButton, Qt.NoModifier, start)
        for step in range(1, 11):
            QTest.mouseMove(self, start + (end - start) * step / 10)

    def release(self, ras: tuple[float, float, float]) -> None:
        """Release the button over a point."""
        QTest.mouseRelease(self, Qt.LeftButton, Qt.NoModifier, self.to_pixel(ras))

    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:
        return self.node

    def mrmlSliceCompositeNode(self) -> slicer.vtkMRMLSliceCompositeNode:
        return self.logic.GetSliceCompositeNode()


class ThreeDView(View):
    def __init__(self) -> None:
        node = slicer.vtkMRMLViewNode()
        node.SetSingletonTag("1")
        node.SetLayoutName("1")
        node.SetBoxVisible(False)
        super().__init__(
            slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(),
            slicer.vtkMRMLThreeDViewInteractorStyle(),
            slicer.mrmlScene.AddNode(node),
        )

    def resetFocalPoint(self) -> None:
        self.renderer.ResetCamera()
        self.schedule()
