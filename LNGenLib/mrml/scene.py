"""A scene of one's own, and files through Slicer's storage nodes."""

from __future__ import annotations

from pathlib import Path

import slicer

from LNGenLib.errors import InputError
from LNGenLib.files import unwritten
from LNGenLib.image.io import read_ct, read_layers

SCALARS = "vtkMRMLScalarVolumeNode"
CLOSED_SURFACE = "Closed surface"
KINDS = (  # of Slicer's modules, which the application registers in its own scene
    "vtkMRMLSegmentationNode",
    "vtkMRMLSegmentationDisplayNode",
    "vtkMRMLSegmentationStorageNode",
    "vtkMRMLMarkupsFiducialNode",
    "vtkMRMLMarkupsROINode",
    "vtkMRMLMarkupsFiducialDisplayNode",
    "vtkMRMLMarkupsROIDisplayNode",
    "vtkMRMLMarkupsJsonStorageNode",
    "vtkMRMLMarkupsROIJsonStorageNode",
)
RULES = (  # how a segmentation's representations become one another, which it registers, too
    "vtkBinaryLabelmapToClosedSurfaceConversionRule",
    "vtkClosedSurfaceToBinaryLabelmapConversionRule",
    "vtkClosedSurfaceToFractionalLabelmapConversionRule",
    "vtkFractionalLabelmapToClosedSurfaceConversionRule",
)


def new_scene() -> slicer.vtkMRMLScene:
    """An empty scene beside the application's; in slicer-core, where there is no application, it
    can be made `slicer.mrmlScene`."""
    scene = slicer.vtkMRMLScene()
    for kind in KINDS:
        if scene.CreateNodeByClass(kind) is None:
            scene.RegisterNodeClass(getattr(slicer, kind)())
    paths = slicer.vtkSegmentationConversionPaths()
    slicer.vtkSegmentation().GetPossibleConversions(CLOSED_SURFACE, paths)
    if not paths.GetNumberOfPaths():
        factory = slicer.vtkSegmentationConverterFactory.GetInstance()
        for rule in RULES:
            factory.RegisterConverterRule(getattr(slicer, rule)())
    colors = slicer.vtkMRMLColorTableNode()  # that which displays of label maps ask for
    colors.SetTypeToLabels()
    colors.SetSingletonTag("Labels")
    colors.SaveWithSceneOff()
    scene.AddNode(colors)
    scene.AddNode(slicer.vtkMRMLSelectionNode())  # which markups ask for units
    return scene


def add_node(scene: slicer.vtkMRMLScene, kind: str, name: str) -> slicer.vtkMRMLNode:
    """A new MRML node of the class `kind`, with its display where the class has one."""
    node = scene.AddNewNodeByClass(kind, name)
    if isinstance(node, slicer.vtkMRMLDisplayableNode):
        node.CreateDefaultDisplayNodes()
    return node


def nodes_of(scene: slicer.vtkMRMLScene, kind: str) -> list[slicer.vtkMRMLNode]:
    """A scene's nodes of the class `kind`, and of those derived from it."""
    return [scene.GetNthNodeByClass(k, kind) for k in range(scene.GetNumberOfNodesByClass(kind))]


def unique_name(scene: slicer.vtkMRMLScene, name: str, *endings: str) -> str:
    """A name like `name` that no node of the scene has, alone or with one of the `endings`, which
    nodes that belong to it are to have."""
    unique, number = name, 1
    while any(scene.GetFirstNodeByName(unique + ending) for ending in ("", *endings)):
        unique, number = f"{name}_{number}", number + 1
    return unique


def remove_node(node: slicer.vtkMRMLStorableNode) -> None:
    """Take a node out of its scene, with its place in the subject hierarchy, its displays and its
    storage, which MRML would leave there for good."""
    scene = node.GetScene()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(node)
    own = [node.GetNthStorageNode(k) for k in range(node.GetNumberOfStorageNodes())]
    if isinstance(node, slicer.vtkMRMLDisplayableNode):
        own += [node.GetNthDisplayNode(k) for k in range(node.GetNumberOfDisplayNodes())]
    if item:
        hierarchy.RemoveItem(item, False)  # the node goes below, as it does without an item
    for each in filter(None, (node, *own)):
        if scene.IsNodePresent(each):  # displays go with their node
            scene.RemoveNode(each)


def load(scene: slicer.vtkMRMLScene, kind: str, path: Path) -> slicer.vtkMRMLStorableNode:
    """A new MRML node of the class `kind` with a file's content.

    Raises InputError where it has none, and where `read_ct` or `read_layers` would: Slicer's
    readers give zeros for what is cut off.
    """
    if not path.is_file():
        raise InputError(f"{path} is no file: give a volume or a segmentation that Slicer reads")
    (read_ct if kind == SCALARS else read_layers)(path)
    node = scene.AddNewNodeByClass(kind, path.name.split(".")[0])
    node.AddDefaultStorageNode(str(path))
    if not node.GetStorageNode().ReadData(node):
        scene.RemoveNode(node)
        raise InputError(f"{path} can't be read: give a volume or a segmentation that Slicer reads")
    return node


def save(node: slicer.vtkMRMLStorableNode, path: Path) -> None:
    """Write an MRML node's content, and read it again; raises OutputError where that fails."""
    node.AddDefaultStorageNode(str(path))
    try:
        if not node.GetStorageNode().WriteData(node):
            raise OSError(f"{path} can't be written")
        read_layers(path)
    except (OSError, InputError) as error:
        raise unwritten(path, error) from error
