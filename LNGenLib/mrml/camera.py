"""The cameras of 3D views."""

from __future__ import annotations

import numpy as np
import slicer

from LNGenLib.mrml.scene import nodes_of

ROOM = 1.2  # of what is looked at, so that it does not touch the view's edge
LEAST = 20.0  # mm, the radius that is shown of something small


def look_at(node: slicer.vtkMRMLDisplayableNode) -> None:
    """Let the cameras of the node's scene show all of it, from where they look."""
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    low, high = bounds.reshape(3, 2).T
    if not (high > low).any():
        return
    center, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, LEAST)
    for camera in nodes_of(node.GetScene(), "vtkMRMLCameraNode"):
        backward = -np.array(camera.GetCamera().GetDirectionOfProjection())
        distance = ROOM * radius / np.sin(np.radians(camera.GetViewAngle() / 2))
        camera.SetFocalPoint(*center)
        camera.SetPosition(*(center + distance * backward))
        camera.SetParallelScale(ROOM * radius)
        camera.ResetClippingRange()
