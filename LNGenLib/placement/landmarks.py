"""Landmarks of the stations, from TotalSegmentator's labels where there are some, else from HU.

docs/placement.md defines each of them. All arrays are (z, y, x) on a coarse grid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.image.components import components
from LNGenLib.image.geometry import array_spacing, index_to_ras, ras_coordinate, ras_to_index
from LNGenLib.image.grid import distance_to, surroundings, voxels_of
from LNGenLib.scan.totalsegmentator import NUMBERS

RECTUM_TO_SACRUM, RECTUM_TO_MIDLINE = 50.0, 45.0  # mm
SACRUM_HALF_WIDTH = 15.0  # mm from the midline in which its front is taken
LEAST_SACRUM = 60.0  # mm of its height: where less is in the scan, no rectum is either
RECTUM_TOP = 0.6  # of the way from coccyx to promontory: above is the sigmoid
COCCYX, REFLECTION, TUMOR = "coccyx", "peritoneal reflection", "tumor"  # heights
REFLECTED = 0.5  # of the way from coccyx to the rectum's top: there the peritoneum is reflected
FORK_ABOVE_PROMONTORY = 5.0  # mm, of the iliac bifurcation where no branch is labeled
LEAST_BRANCH = 30.0  # mm of labeled internal iliac vessels
LEAST_PART = 200.0  # mm3 of a piece of them
SIDES = {"left": -1, "right": 1}  # sign of R


@dataclass
class Landmarks:
    """What is known of a scan's anatomy.

    `masks` by name: rectum, sacrum, hips, aorta, cava, common / external / internal iliac vessels,
    femoral vessels, superior rectal artery. `heights` (S in mm): promontory, coccyx, rectum top,
    peritoneal reflection, femoral tops, iliac and aortic bifurcation, and a tumor that was told.
    `estimated` names those that no label shows.
    """

    grid: sitk.Image
    masks: dict[str, np.ndarray] = field(default_factory=dict)
    heights: dict[str, float] = field(default_factory=dict)
    midline: float = 0.0  # R in mm
    estimated: set[str] = field(default_factory=set)

    @cached_property
    def ras(self) -> tuple[np.ndarray, ...]:
        """R, A and S in mm of the voxels, arrays that broadcast to the grid (z, y, x)."""
        return tuple(ras_coordinate(self.grid, axis) for axis in range(3))

    @cached_property
    def spacing(self) -> np.ndarray:
        """Spacing (z, y, x) in mm."""
        return array_spacing(self.grid)

    def put(self, name: str, mask: np.ndarray, estimated: bool = False) -> None:
        """Add a mask (z, y, x), unless it is empty."""
        if mask.any():
            self.masks[name] = mask
            if estimated:
                self.estimated.add(name)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels (z, y, x) of the grid."""
        return self.grid.GetSize()[::-1]

    def points(self, of: str | np.ndarray) -> np.ndarray:
        """RAS mm (n, 3) of the voxels of a mask (z, y, x), or of that of a name."""
        mask = self.masks[of] if isinstance(of, str) else of
        return index_to_ras(self.grid, voxels_of(mask))

    def above(self, height: float) -> np.ndarray:
        """Voxels whose S is at least `height` mm; broadcasts to the grid (z, y, x)."""
        return self.ras[2] >= height

    def by_height(self, points: np.ndarray, what: Callable[[np.ndarray], float]) -> np.ndarray:
        """What RAS points (n, 3) amount to at each height; broadcasts to the grid (z, y, x)."""
        step = self.spacing.max()
        level = np.round(points[:, 2] / step)
        levels = np.unique(level)
        values = [what(points[level == one]) for one in levels]
        return np.interp(self.ras[2], levels * step, values)

    @cached_property
    def sacral_front(self) -> np.ndarray:
        """A in mm of the front of sacrum and coccyx near the midline at each height; broadcasts to
        the grid (z, y, x)."""
        points = self.points("sacrum")
        central = points[np.abs(points[:, 0] - self.midline) < SACRUM_HALF_WIDTH]
        return self.by_height(central, lambda level: level[:, 1].max())

    def near(self, index: np.ndarray, reach: float) -> np.ndarray:
        """Voxels (z, y, x, bool) within `reach` mm of the voxel `index`."""
        axes = np.ogrid[tuple(slice(n) for n in self.shape)]
        off = [((axis - k) * step) ** 2 for axis, k, step in zip(axes, index, self.spacing)]
        return sum(off) < reach**2

    def course(self, *points: np.ndarray) -> np.ndarray:
        """Voxels (z, y, x, bool) on the line through RAS points (3,)."""
        mask = np.zeros(self.shape, bool)
        for start, end in zip(points, points[1:]):
            part = np.linspace(0, 1, int(np.linalg.norm(np.subtract(end, start))) + 2)[:, None]
            index = ras_to_index(self.grid, (1 - part) * start + part * end).round().astype(int)
            inside = ((index >= 0) & (index < mask.shape)).all(1)
            mask[tuple(index[inside].T)] = True
        return mask


def label_landmarks(grid: sitk.Image, labels: np.ndarray) -> Landmarks:
    """Landmarks that `labels` (z, y, x) show; of great vessels' branches also what follows."""
    marks = Landmarks(grid)

    def of(*names: str) -> np.ndarray:
        return np.isin(labels, [NUMBERS[name] for name in names])

    marks.put("hips", of("hip_left", "hip_right"))
    marks.put("aorta", of("aorta"))
    marks.put("cava", of("inferior_vena_cava"))
    femurs = of("femur_left", "femur_right")
    if femurs.any():
        marks.heights["femoral tops"] = marks.points(femurs)[:, 2].max()
    add_sacrum(marks, of("sacrum", "vertebrae_S1"))
    if "sacrum" in marks.masks:
        marks.put("rectum", _rectum(marks, of("colon")), estimated=True)
    if "aorta" in marks.masks:
        marks.heights["aortic bifurcation"] = marks.points("aorta")[:, 2].min()
    vessels = {side: [of(f"iliac_{kind}_{side}") for kind in ("artery", "vena")] for side in SIDES}
    _add_iliac_vessels(marks, vessels)
    return marks


def add_sacrum(marks: Landmarks, mask: np.ndarray, estimated: bool = False) -> None:
    """Add the sacrum (z, y, x), unless it is empty, and its midline, promontory and coccyx."""
    marks.put("sacrum", mask, estimated)
    if not mask.any():
        return
    points = marks.points(mask)
    marks.midline = float(points[:, 0].mean())
    central = points[np.abs(points[:, 0] - marks.midline) < SACRUM_HALF_WIDTH]
    foremost = central[central[:, 1] > central[:, 1].max() - marks.spacing.max() / 2]
    marks.heights |= {"promontory": foremost[:, 2].mean(), COCCYX: central[:, 2].min()}


def finish(marks: Landmarks) -> None:
    """Add what follows: great vessels, the rectum's top and the superior rectal artery."""
    great = [marks.masks[name] for name in ("aorta", "cava") if name in marks.masks]
    if great:
        marks.put("great vessels", np.any(great, axis=0))
    if "rectum" in marks.masks:
        top, bottom = marks.points("rectum")[:, 2].max(), marks.heights[COCCYX]
        marks.heights |= {"rectum top": top, REFLECTION: bottom + REFLECTED * (top - bottom)}
        marks.estimated.add(REFLECTION)
        marks.put("superior rectal artery", _superior_rectal_artery(marks), estimated=True)


def on_sacrum(marks: Landmarks, height: float, lateral: float = 0.0) -> np.ndarray:
    """The sacrum's front, (3,) in RAS mm, at the height S in mm, `lateral` mm from the midline.

    `lateral` is positive on the right.
    """
    points = marks.points("sacrum")
    off = np.abs(points[:, [0, 2]] - (marks.midline + lateral, height)).max(1)
    near = points[off <= max(off.min(), marks.spacing.max())]
    front = near[near[:, 1] > near[:, 1].max() - marks.spacing.max() / 2]
    return front.mean(0)


def _rectum(marks: Landmarks, colon: np.ndarray) -> np.ndarray:
    top, bottom = marks.heights["promontory"], marks.heights[COCCYX]
    if top - bottom < LEAST_SACRUM:
        return np.zeros(marks.shape, bool)
    near = distance_to(marks.masks["sacrum"], RECTUM_TO_SACRUM, marks.spacing) < np.inf
    central = np.abs(marks.ras[0] - marks.midline) < RECTUM_TO_MIDLINE
    return colon & near & central & ~marks.above(bottom + RECTUM_TOP * (top - bottom))


def _superior_rectal_artery(marks: Landmarks) -> np.ndarray:
    """The course of it and of the inferior mesenteric artery, in parts that landmarks tell."""
    rectum = marks.points("rectum")
    top = rectum[rectum[:, 2] >= marks.heights["rectum top"] - 6]
    behind = np.array([top[:, 0].mean(), top[:, 1].min(), marks.heights["rectum top"]])
    points = [behind, on_sacrum(marks, marks.heights["promontory"]) + (-10, 15, 0)]
    if "aorta" in marks.masks:
        aorta, fork = marks.points("aorta"), marks.heights["aortic bifurcation"]
        for height in (fork, fork + 45):
            here = aorta[np.abs(aorta[:, 2] - height) <= marks.spacing.max()]
            if len(here):
                points.append(here.mean(0) + (-12, 12, 0))
    return marks.course(*points)


def _add_iliac_vessels(marks: Landmarks, vessels: dict[str, list[np.ndarray]]) -> None:
    """Common, external, internal iliac and femoral vessels, of the arteries and veins a side."""
    names = ("common iliac vessels", "external iliac vessels", "internal iliac vessels")
    common, external, internal, femoral = np.zeros((4, *marks.shape), bool)
    tops = marks.above(marks.heights.get("femoral tops", -np.inf))
    for side, masks in vessels.items():
        masks = [mask for mask in masks if mask.any()]
        branches = [_branch(marks, mask) for mask in masks]
        branch = np.any(branches, axis=0)
        if branch.any():
            fork = marks.points(branch)[:, 2].max()
        elif masks and "promontory" in marks.heights:
            fork = marks.heights["promontory"] + FORK_ABOVE_PROMONTORY
            marks.estimated |= set(names[:2])
        else:
            continue
        marks.heights[f"iliac bifurcation {side}"] = fork
        trunk, below = np.any(masks, axis=0) & ~branch, ~marks.above(fork)
        common |= trunk & ~below
        external |= trunk & below & tops
        femoral |= trunk & ~tops
        internal |= branch
        if not branch.any() or np.ptp(marks.points(branch)[:, 2]) < LEAST_BRANCH:
            internal |= _internal_course(marks, side, trunk, fork)
            marks.estimated.add(names[2])
    for name, mask in zip(names, (common, external, internal)):
        marks.put(name, mask)
    marks.put("femoral vessels", femoral)


def _branch(marks: Landmarks, vessel: np.ndarray) -> np.ndarray:
    """The part of an iliac vessel that lies off its course from groin to aorta."""
    from skimage.graph import route_through_array

    box = surroundings(vessel, 0, marks.spacing)
    own = np.pad(vessel[box], 1)
    heights = np.pad(np.broadcast_to(marks.ras[2], marks.shape)[box], 1)
    inside = ndimage.distance_transform_edt(own, sampling=marks.spacing)
    voxels, ends = np.argwhere(own), heights[own]
    cost = np.where(own, 1 + 3 / (inside + 0.5), 1e3)  # in the middle, through gaps if need be
    path = route_through_array(cost, voxels[ends.argmin()], voxels[ends.argmax()])[0]
    course = np.zeros(own.shape, bool)
    course[tuple(np.transpose(path))] = True
    off, nearest = ndimage.distance_transform_edt(
        ~course, sampling=marks.spacing, return_indices=True
    )
    radius = inside[tuple(nearest)]
    aside = own & (off > np.maximum(2 * radius, radius + 4))
    parts, sizes = components(aside)
    branch = np.zeros(own.shape, bool)
    for number in np.flatnonzero(sizes * marks.spacing.prod() > LEAST_PART):
        part = parts == number
        # the stumps at its upper end are those of the other side or of the aorta
        if heights[part].max() < ends.max() - 25:
            branch |= part
    whole = np.zeros(marks.shape, bool)
    whole[box] = branch[1:-1, 1:-1, 1:-1]
    return whole


def _internal_course(marks: Landmarks, side: str, trunk: np.ndarray, fork: float) -> np.ndarray:
    """Where the internal iliac vessels run, from the bifurcation along the pelvic side wall."""
    if not {"sacrum", "hips"} <= set(marks.masks) or "femoral tops" not in marks.heights:
        return np.zeros(marks.shape, bool)
    sign, points = SIDES[side], marks.points(trunk)
    start = points[np.abs(points[:, 2] - fork) <= marks.spacing.max()].mean(0)
    top, bottom = marks.heights["promontory"], marks.heights[COCCYX]
    middle = on_sacrum(marks, top - 0.4 * (top - bottom), sign * 38) + (0, 15, 0)
    hips = marks.points("hips")
    hips = hips[(np.abs(hips[:, 2] - marks.heights["femoral tops"] - 15) < 6)]
    hips = hips[np.sign(hips[:, 0] - marks.midline) == sign]
    if not len(hips):
        return marks.course(start, middle)
    lateral = np.abs(hips[:, 0] - marks.midline)
    wall = hips[lateral < lateral.min() + marks.spacing.max() / 2].mean(0)
    return marks.course(start, middle, wall - (sign * 12, 0, 0))
