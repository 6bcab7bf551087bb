"""Places in the subject hierarchy: beside a CT, or in the study of what is synthetic.

Slicer exports as DICOM what lies in a study of a patient, with the attributes that these items have
(https://slicer.readthedocs.io/en/latest/user_guide/modules/dicom.html). What lies elsewhere it
moves into a study first: that of the CT which a result refers to. So results have a patient and a
study of their own.
"""

from __future__ import annotations

import slicer

from LNGenLib.image.io import SYNTHETIC

UID, STUDY = "LNGen", "synthetic"  # by which the study is found again, whatever its name
NAME = "SYNTHETIC"
PATIENT_TAGS = {"PatientName": NAME, "PatientID": NAME, "PatientComments": SYNTHETIC}
STUDY_TAGS = {"StudyDescription": "SYNTHETIC lymph nodes"}


def put_beside(ct: slicer.vtkMRMLNode, node: slicer.vtkMRMLNode) -> None:
    """Give a node the place of the CT's siblings."""
    hierarchy = hierarchy_of(ct)
    beside = hierarchy.GetItemByDataNode(ct)
    _put(hierarchy, node, hierarchy.GetItemParent(beside) if beside else hierarchy.GetSceneItemID())


def put_in_synthetic_study(node: slicer.vtkMRMLNode, modality: str) -> None:
    """Put a node into the scene's study of what is synthetic, which is made where there is none,
    and let its attributes say so; `modality` as DICOM has it."""
    hierarchy = hierarchy_of(node)
    _put(hierarchy, node, _study(hierarchy))
    tags = {"SeriesDescription": node.GetName(), "Modality": modality}
    _describe(hierarchy, hierarchy.GetItemByDataNode(node), tags)


def hierarchy_of(node: slicer.vtkMRMLNode) -> slicer.vtkMRMLSubjectHierarchyNode:
    """The subject hierarchy of a node's scene."""
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())


def _study(hierarchy: slicer.vtkMRMLSubjectHierarchyNode) -> int:
    """The item of the study of what is synthetic."""
    study = hierarchy.GetItemByUID(UID, STUDY)
    if not study:
        patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), NAME)
        _describe(hierarchy, patient, PATIENT_TAGS)
        study = hierarchy.CreateStudyItem(patient, STUDY_TAGS["StudyDescription"])
        _describe(hierarchy, study, STUDY_TAGS)
        hierarchy.SetItemUID(study, UID, STUDY)
    return study


def _describe(
    hierarchy: slicer.vtkMRMLSubjectHierarchyNode, item: int, tags: dict[str, str]
) -> None:
    prefix = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMAttributePrefix()
    for tag, value in tags.items():
        hierarchy.SetItemAttribute(item, f"{prefix}{tag}", value)


def _put(
    hierarchy: slicer.vtkMRMLSubjectHierarchyNode, node: slicer.vtkMRMLNode, parent: int
) -> None:
    item = hierarchy.GetItemByDataNode(node)
    if item:  # Slicer's application makes items by itself, slicer-core does not
        hierarchy.SetItemParent(item, parent)
    else:
        hierarchy.CreateItem(parent, node)
