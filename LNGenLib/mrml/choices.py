"""What to choose to begin with, and what not to offer, of all that a scene has."""

from __future__ import annotations

import slicer

from LNGenLib.mrml.found import MODEL
from LNGenLib.mrml.markups import PLAN, POINTS
from LNGenLib.mrml.regions import REGION
from LNGenLib.mrml.results import MARK, RECORDS
from LNGenLib.mrml.scene import nodes_of
from LNGenLib.mrml.segmentations import SEGMENTATION
from LNGenLib.mrml.volumes import LABELS, SCALARS, same_place
from LNGenLib.scan.totalsegmentator import BACKGROUND, OTHER, number_of

OWN = (MARK, MODEL, REGION, PLAN)  # attributes, which are saved with the scene


def own_ids(scene: slicer.vtkMRMLScene) -> list[str]:
    """Of the nodes that LNGen made and that are no input: results and their segmentations, those of
    what models found and of candidate regions, and previews."""
    kinds = (SCALARS, SEGMENTATION, POINTS)
    nodes = [node for kind in kinds for node in nodes_of(scene, kind)]
    return [node.GetID() for node in nodes if any(map(node.GetAttribute, OWN))]


def first_ct(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLScalarVolumeNode | None:
    """The volume in the background of a slice view, or else the scene's first; neither a label map
    nor a result, None where there is no other."""
    cts = [
        volume
        for volume in nodes_of(scene, SCALARS)
        if volume.GetClassName() == SCALARS
        and volume.GetImageData() is not None
        and not volume.GetHideFromEditors()
        and volume.GetAttribute(RECORDS) is None
    ]
    shown = [view.GetBackgroundVolumeID() for view in nodes_of(scene, "vtkMRMLSliceCompositeNode")]
    return next((ct for ct in cts if ct.GetID() in shown), cts[0] if cts else None)


def first_anatomy(
    scene: slicer.vtkMRMLScene, ct: slicer.vtkMRMLScalarVolumeNode
) -> slicer.vtkMRMLNode | None:
    """The first segmentation with an organ by TotalSegmentator's name that was not made on another
    grid than that of `ct`, or else the first label map on that grid; None where there is neither.
    No voxel is read."""
    own = own_ids(scene)
    segmentations = (
        node
        for node in nodes_of(scene, SEGMENTATION)
        if node.GetID() not in own and _shows_organ(node)
    )
    offered = (*segmentations, *nodes_of(scene, LABELS))
    fits = (node for node in offered if not node.GetHideFromEditors() and lies_on(node, ct))
    return next(fits, None)


def is_filled(node: slicer.vtkMRMLNode) -> bool:
    """Whether a volume has voxels, or a segmentation segments, which readers add after the node."""
    if node.IsA(SEGMENTATION):
        return node.GetSegmentation().GetNumberOfSegments() > 0
    return node.GetImageData() is not None


def lies_on(anatomy: slicer.vtkMRMLNode, ct: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Whether a label map has the grid of `ct`, or a segmentation was made on no other."""
    if anatomy.IsA(SEGMENTATION):
        role = anatomy.GetReferenceImageGeometryReferenceRole()
        source = anatomy.GetNodeReference(role)
        return source is None or same_place(source, ct)
    return same_place(anatomy, ct)


def _shows_organ(node: slicer.vtkMRMLSegmentationNode) -> bool:
    segments = node.GetSegmentation()
    names = (segments.GetNthSegment(k).GetName() for k in range(segments.GetNumberOfSegments()))
    return any(number_of(name) not in (BACKGROUND, OTHER) for name in names)
