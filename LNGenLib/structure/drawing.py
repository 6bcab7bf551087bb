"""Structures at sizes of their own: drawn for a look at them, placed nowhere."""

from __future__ import annotations

from dataclasses import dataclass

from LNGenLib.progress import Progress
from LNGenLib.randomness import node_rng
from LNGenLib.structure.ellipsoids import EllipsoidModel
from LNGenLib.structure.model import StructureModel
from LNGenLib.structure.shape import Structure
from LNGenLib.structure.shape_range import ShapeRange
from LNGenLib.structure.sizes import Sizes


@dataclass(frozen=True, eq=False)
class SizedStructure:
    """A structure, its long axis in mm, and whether `repair` changed it."""

    structure: Structure
    long_axis: float
    repaired: bool

    def measures(self) -> dict[str, float | bool]:
        """Axes in mm, volume in mm3, and whether it was repaired; JSON."""
        return {
            "long_axis_mm": round(self.long_axis, 3),
            "short_axis_mm": round(self.structure.short_axis(self.long_axis), 3),
            "volume_mm3": round(self.structure.volume(self.long_axis), 3),
            "repaired": self.repaired,
        }


def draw_sized_structures(
    model: StructureModel | EllipsoidModel,
    count: int,
    sizes: Sizes,
    seed: int,
    shape: ShapeRange,
    progress: Progress,
) -> list[SizedStructure]:
    """Draw `count` long axes and, for each, a structure of that size within `shape`."""
    progress.stage("structures")
    numbers = range(count)
    axes = [sizes.draw(node_rng(seed, k, "size")) for k in numbers]
    samples = model.sample(numbers, axes, seed, progress=progress, shapes=shape)
    drawn = zip(samples.structures, axes, samples.repaired)
    return [SizedStructure(structure, axis, repaired) for structure, axis, repaired in drawn]
