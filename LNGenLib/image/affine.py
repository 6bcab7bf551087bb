"""Where an image's voxels lie: affine forms in LPS mm of indices (x, y, z), and right angles."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError

TOLERANCE_MM = 1.0  # how far a voxel may lie from where the header says
DIGITS = 12  # of spacings and cosines; ITK stumbles over cosines of 1e-310
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # and back
SAME_MM = 1e-2  # what rounding does


def affine_of(image: sitk.Image) -> np.ndarray:
    """The form (4, 4) of a 3D image: LPS mm of indices (x, y, z)."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return affine


def distance(one: np.ndarray, other: np.ndarray, size: Sequence[int]) -> float:
    """How far two forms (4, 4) take a corner of a volume of `size` (x, y, z) apart, mm."""
    corners = np.array([[*c, 1] for c in itertools.product(*((0, n - 1) for n in size))])
    return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())


def right_angled(affine: np.ndarray, size: Sequence[int], name: str) -> np.ndarray:
    """The form (4, 4) with right angles that is nearest to one, about the volume's center.

    Raises InputError that names the image `name` where that moves a corner of a volume of `size`
    (x, y, z) by more than TOLERANCE_MM, and where there is none.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or not ((spacing > 1e-6) & (spacing < 1e6)).all():
        raise InputError(f"{name} has no valid spacing, origin or direction: mend its header")
    left, scales, right = np.linalg.svd(affine[:3, :3] / spacing)
    straight, center = affine.copy(), (np.array(size) - 1) / 2
    straight[:3, :3] = left @ right * spacing
    straight[:3, 3] += (affine[:3, :3] - straight[:3, :3]) @ center
    moved = distance(affine, straight, size)
    if not moved <= TOLERANCE_MM:
        raise InputError(
            f"{name} is sheared: its axes are not at right angles, by {moved:.1f} mm at a corner; "
            "resample it onto a straight grid"
        )
    return straight


def set_forms(image: sitk.Image, forms: Sequence[np.ndarray], name: str) -> None:
    """Put a 3D image, called `name`, where its forms (4, 4) say, the first before the second.

    Raises InputError where they have no right angles, see `right_angled`, and where two differ.
    """
    size = image.GetSize()
    straight = [right_angled(form, size, name) for form in forms]
    if len(forms) == 2 and (apart := distance(straight[0], straight[1], size)) > TOLERANCE_MM:
        raise InputError(
            f"{name} tells two places: its qform and sform are up to {apart:.1f} mm apart; keep "
            "the right one, and set the code of the other one to 0"
        )
    if forms and min(distance(affine_of(image), form, size) for form in straight) > SAME_MM:
        set_affine(image, straight[0])


def set_affine(image: sitk.Image, affine: np.ndarray) -> None:
    """Give a 3D image a form (4, 4) with right angles."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(np.round(spacing, DIGITS).tolist())
    image.SetDirection(np.round(affine[:3, :3] / spacing, DIGITS).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
