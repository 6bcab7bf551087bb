"""TotalSegmentator's classes: their numbers and names, and names as people write them."""

from __future__ import annotations

import re

import SimpleITK as sitk

# TotalSegmentator v2, task "total": the classes that are landmarks, or tell how the body lies
# (https://github.com/wasserth/TotalSegmentator#class-details)
NUMBERS = {
    "kidney_right": 2,
    "kidney_left": 3,
    "liver": 5,
    "colon": 20,
    "urinary_bladder": 21,
    "prostate": 22,
    "sacrum": 25,
    "vertebrae_S1": 26,
    "vertebrae_L5": 27,
    "vertebrae_L4": 28,
    "vertebrae_L3": 29,
    "vertebrae_L2": 30,
    "vertebrae_L1": 31,
    "aorta": 52,
    "inferior_vena_cava": 63,
    "iliac_artery_left": 65,
    "iliac_artery_right": 66,
    "iliac_vena_left": 67,
    "iliac_vena_right": 68,
    "femur_left": 75,
    "femur_right": 76,
    "hip_left": 77,
    "hip_right": 78,
    "gluteus_maximus_left": 80,
    "gluteus_maximus_right": 81,
    "autochthon_left": 86,
    "autochthon_right": 87,
    "iliopsoas_left": 88,
    "iliopsoas_right": 89,
}
BACKGROUND, OTHER = 0, 255  # OTHER: any other structure, nodes keep off it
# Numbers, in the label maps of a stand-in, of what TotalSegmentator has no class for
OTHER_VESSEL, OTHER_BOWEL, OTHER_MUSCLE = 201, 202, 203
KINDS = {  # of the numbers of "total" and those, what looks like a lymph node on some slices
    # stomach, esophagus, small bowel, duodenum, colon
    "bowel": (6, 15, 18, 19, NUMBERS["colon"], OTHER_BOWEL),
    # from the aorta to the iliac veins, but the atrial appendage
    "vessel": (*range(52, 61), *range(62, 69), OTHER_VESSEL),
    # gluteal, autochthon, iliopsoas
    "muscle": (*range(80, 90), OTHER_MUSCLE),
}
# Wholes that hold the fat in which lymph nodes lie: no structures to keep off
WHOLES = (
    "body body_trunc body_extremities whole_body patient external skin subcutaneous_fat torso_fat "
    "intermuscular_fat abdominal_cavity thoracic_cavity mediastinum"
).split()
SYNONYMS = {"vena": "vein", "vertebrae": "vertebra", "bone": "", "common": "", "rectum": "colon"}
LYMPH_NODE = (  # how Slicer codes a segment that is one
    "Segmentation category and type - DICOM master list~SCT^123037004^Anatomical Structure"
    "~SCT^59441001^Lymph node~^^~Anatomic codes - DICOM master list~^^~^^"
)


def number_of(name: str) -> int:
    """TotalSegmentator's number of a class, by its name or the words of it in any order: 255 for
    one that LNGen has no use for, 0 for the whole body and other wholes that hold fat."""
    return _BY_WORDS.get(_words(name), OTHER)


def is_known(name: str) -> bool:
    """Whether a class, or a whole, is one that LNGen knows by this name."""
    return number_of(name) != OTHER


def shows_bowel(anatomy: sitk.Image | None) -> bool:
    """Whether labels show the colon; without it, what is bowel has to be told from HU."""
    if anatomy is None:
        return False
    slices = sitk.GetArrayViewFromImage(anatomy)  # one by one: it ends at the first that shows it
    return any((labels == NUMBERS["colon"]).any() for labels in slices)


def _words(name: str) -> frozenset[str]:
    words = re.split(r"[^a-z0-9]+", name.lower())
    return frozenset(SYNONYMS.get(word, word) for word in words) - {""}


_BY_WORDS = {_words(name): BACKGROUND for name in WHOLES} | {
    _words(name): number for name, number in NUMBERS.items()
}
