"""Volume nodes and images; where an MRML node lies in the world (RAS mm)."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import slicer
import vtk

from LNGenLib.errors import InputError
from LNGenLib.image.affine import RAS_TO_LPS, affine_of, right_angled, set_affine
from LNGenLib.image.io import to_array
from LNGenLib.mrml.scene import SCALARS, add_node

LABELS = "vtkMRMLLabelMapVolumeNode"
SOFT_TISSUE = 400, 40  # window and level, HU


def to_image(volume: slicer.vtkMRMLScalarVolumeNode) -> sitk.Image:
    """A copy of a volume's voxels (LPS), where its parent transforms put it.

    Raises InputError for volumes without voxels or of several values a voxel, and for transforms
    that are not linear or shear.
    """
    voxels = volume.GetImageData()
    if voxels is None or voxels.GetNumberOfScalarComponents() != 1:
        raise InputError(f"{volume.GetName()} holds no scalar voxels: give a CT or a label map")
    return as_image(slicer.util.arrayFromVolume(volume), ijk_to_world(volume), volume.GetName())


def to_volume(
    scene: slicer.vtkMRMLScene, image: sitk.Image, name: str, kind: str = SCALARS
) -> slicer.vtkMRMLScalarVolumeNode:
    """A new volume of the class `kind` with an image's voxels and geometry."""
    volume = add_node(scene, kind, name)
    slicer.util.updateVolumeFromArray(volume, to_array(image))
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(RAS_TO_LPS @ affine_of(image)))
    return volume


def ijk_to_world(volume: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """The matrix (4, 4) of a volume's voxels (x, y, z) to RAS mm in the world; InputError where
    its parent transforms are not linear."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return to_world(volume) @ slicer.util.arrayFromVTKMatrix(matrix)


def check_same_place(volume: slicer.vtkMRMLVolumeNode, image: sitk.Image, name: str) -> None:
    """Raise InputError unless an image lies on the grid that a volume has in the world."""
    voxels, there = volume.GetImageData(), RAS_TO_LPS @ ijk_to_world(volume)
    if (
        voxels is None
        or voxels.GetDimensions() != image.GetSize()
        or not np.allclose(right_angled(there, image.GetSize(), name), affine_of(image), atol=1e-2)
    ):
        raise InputError(f"{name} has another geometry than {volume.GetName()}: was that changed?")


def same_place(volume: slicer.vtkMRMLVolumeNode, other: slicer.vtkMRMLVolumeNode) -> bool:
    """Whether two volumes have one grid in the world; not of those under transforms that are not
    linear."""
    voxels = [each.GetImageData() for each in (volume, other)]
    if None in voxels or voxels[0].GetDimensions() != voxels[1].GetDimensions():
        return False
    try:
        return np.allclose(ijk_to_world(volume), ijk_to_world(other), atol=1e-2)
    except InputError:
        return False


def soft_tissue_window(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show a CT with a window for soft tissue, unless somebody chose one: Slicer's automatic one
    takes in all HU."""
    display = volume.GetDisplayNode()
    if display is not None and display.GetAutoWindowLevel():
        display.AutoWindowLevelOff()
        display.SetWindowLevel(*SOFT_TISSUE)


def to_world(node: slicer.vtkMRMLTransformableNode) -> np.ndarray:
    """The matrix (4, 4) of a node's parent transforms, RAS mm to RAS mm in the world.

    Raises InputError where they are not linear.
    """
    matrix, parent = vtk.vtkMatrix4x4(), node.GetParentTransformNode()
    if parent is not None:
        if not parent.IsTransformToWorldLinear():
            raise InputError(
                f"{node.GetName()} lies under a transform that is not linear: harden the transform "
                "or take the node out of it"
            )
        parent.GetMatrixTransformToWorld(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def as_image(array: np.ndarray, ijk_to_ras: np.ndarray, name: str) -> sitk.Image:
    """An image of `array` (z, y, x), copied, whose voxels (x, y, z) the matrix (4, 4) puts in RAS.

    What little shear there may be is straightened; InputError where there is more.
    """
    image = sitk.GetImageFromArray(array)
    set_affine(image, right_angled(RAS_TO_LPS @ ijk_to_ras, image.GetSize(), name))
    return image
