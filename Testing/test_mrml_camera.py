"""Cameras look at what is there. Needs slicer-core (not 3D Slicer)."""

from __future__ import annotations

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
import vtk  # noqa: E402

from LNGenLib.mrml.camera import look_at  # noqa: E402


def sphere(scene, center, radius: float):
    source = vtk.vtkSphereSource()
    source.SetCenter(*center)
    source.SetRadius(radius)
    source.Update()
    model = scene.AddNewNodeByClass("vtkMRMLModelNode")
    model.SetAndObservePolyData(source.GetOutput())
    return model


@pytest.mark.parametrize("radius", [1.0, 15.0, 120.0])
def test_all_of_it_is_in_the_view_from_the_side_that_was_seen_before(scene, radius):
    camera = scene.AddNewNodeByClass("vtkMRMLCameraNode")
    camera.SetPosition(500, 100, 0)
    camera.SetFocalPoint(0, 0, 0)
    before = np.array(camera.GetCamera().GetDirectionOfProjection())
    center = np.array((40.0, -30.0, -200.0))
    look_at(sphere(scene, center, radius))
    assert np.allclose(camera.GetFocalPoint(), center, atol=0.02 * radius)
    now = np.array(camera.GetCamera().GetDirectionOfProjection())
    assert np.allclose(now, before)
    distance = np.linalg.norm(np.array(camera.GetPosition()) - camera.GetFocalPoint())
    shown = distance * np.sin(np.radians(camera.GetViewAngle() / 2))
    assert radius < shown < 2.5 * max(radius, 20)


def test_nothing_is_not_looked_at(scene):
    camera = scene.AddNewNodeByClass("vtkMRMLCameraNode")
    position = camera.GetPosition()
    look_at(scene.AddNewNodeByClass("vtkMRMLModelNode"))
    assert camera.GetPosition() == position
