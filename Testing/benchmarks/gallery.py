"""A figure of shapes: a labeled row a set, its first shapes as surfaces, rendered by VTK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from LNGenLib.structure.frame import GRID, TRUNCATION

COLUMNS, PIXELS, LABEL = 9, 150, 210  # shapes a row, width of a shape, width of the label
PITCH = GRID + 1


def render(sets: dict[str, np.ndarray], path: Path) -> None:
    """Write a JPEG of TSDFs (n, 32, 32, 32) by the name of their row."""
    renderer = vtk.vtkRenderer()
    renderer.SetBackground(1, 1, 1)
    size = (LABEL + COLUMNS * PIXELS, len(sets) * PIXELS)
    for row, (name, tsdf) in enumerate(sets.items()):
        for column, shape in enumerate(tsdf[:COLUMNS]):
            renderer.AddActor(_surface(shape, (PITCH * column, -PITCH * row, 0)))
        renderer.AddViewProp(_label(name, (8, size[1] - (row + 0.5) * PIXELS)))
    camera = renderer.GetActiveCamera()
    camera.ParallelProjectionOn()
    middle = PITCH / PIXELS * (size[0] / 2 - LABEL) - 0.5, -PITCH * (len(sets) / 2 - 1) - 0.5
    camera.SetFocalPoint(*middle, GRID / 2)
    camera.SetPosition(*middle, 1000)
    camera.SetParallelScale(PITCH * len(sets) / 2)
    renderer.ResetCameraClippingRange()
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(8)
    window.SetSize(*size)
    window.AddRenderer(renderer)
    window.Render()
    picture = vtk.vtkWindowToImageFilter()
    picture.SetInput(window)
    writer = vtk.vtkJPEGWriter()
    writer.SetQuality(85)
    writer.SetFileName(str(path))
    writer.SetInputConnection(picture.GetOutputPort())
    writer.Write()


def _surface(tsdf: np.ndarray, position: tuple[float, float, float]) -> vtk.vtkActor:
    padded = np.pad(tsdf, 1, constant_values=TRUNCATION).astype(np.float32)
    image = vtk.vtkImageData()
    image.SetDimensions(padded.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(padded.ravel(), deep=True))
    contour = vtk.vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, 0.0)
    mapper = vtk.vtkPolyDataMapper()
    mapper.SetInputConnection(contour.GetOutputPort())
    mapper.ScalarVisibilityOff()
    actor = vtk.vtkActor()
    actor.SetMapper(mapper)
    actor.SetOrigin(*[PITCH / 2] * 3)
    actor.RotateX(25)
    actor.RotateY(25)
    actor.SetPosition(*position)
    actor.GetProperty().SetColor(0.62, 0.72, 0.55)
    return actor


def _label(text: str, position: tuple[float, float]) -> vtk.vtkTextActor:
    actor = vtk.vtkTextActor()
    actor.SetInput(text)
    actor.SetPosition(*position)
    actor.GetTextProperty().SetFontSize(20)
    actor.GetTextProperty().SetColor(0, 0, 0)
    return actor
