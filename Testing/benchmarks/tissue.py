"""Is the painted tissue as noisy as the scan's own muscle, and of a plausible mean?

Places lymph nodes of 15-30 mm one at a time (seed 0, 1, ...) until `--count` are painted into a CT,
pools the voxels wholly inside (occupancy 1, and in the label eroded by one voxel, in-plane only
where slices exceed 3 mm), and compares them with eroded muscle: TotalSegmentator's muscles (80-89)
with --anatomy, else what lies in --muscle-box. Nodes that find no room are counted, not replaced by
smaller ones.

    python Testing/benchmarks/tissue.py CT --anatomy SEG
    python Testing/benchmarks/tissue.py CT --region-box R1 R2 A1 A2 S1 S2 --muscle-box R1 R2 ...
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import ndimage

from LNGenLib.errors import InputError
from LNGenLib.image.geometry import array_spacing, box_mask
from LNGenLib.image.io import as_ct, read_image, read_labels, to_array
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis import engine
from LNGenLib.synthesis.records import SynthesisRequest
from LNGenLib.texture.inpainting import Inpainting

MUSCLES = range(80, 90)
Box = Optional[tuple[float, float, float, float, float, float]]


def erode(mask: np.ndarray, slice_mm: float) -> np.ndarray:
    """A mask less its outermost voxels, in-plane only where slices exceed 3 mm."""
    return ndimage.binary_erosion(mask, np.ones((1 if slice_mm > 3 else 3, 3, 3)))


def main(
    ct: Path,
    anatomy: Optional[Path] = None,
    region_box: Annotated[Box, typer.Option()] = None,
    muscle_box: Annotated[Box, typer.Option()] = None,
    count: int = 100,
) -> None:
    """Print the table."""
    image = as_ct(read_image(ct))
    labels = None if anatomy is None else read_labels(anatomy, image)
    slice_mm = array_spacing(image)[0]
    hu = to_array(image)
    muscle = box_mask(image, muscle_box) if labels is None else np.isin(to_array(labels), MUSCLES)
    muscle = hu[erode(muscle, slice_mm)]

    inpaintings: list[Inpainting] = []  # the engine keeps labels only, not the occupancy
    inpaint = engine.inpaint
    engine.inpaint = lambda *args: inpaintings.append(inpaint(*args)) or inpaintings[-1]

    models = engine.Models("cpu")
    painted, refused, seed = [], 0, 0
    for _ in track(range(count), "painting"):
        while True:
            request = SynthesisRequest(1, Sizes("uniform", 15, 30), seed, region_box)
            seed += 1
            try:
                engine.synthesize(image, request, labels, models=models)
                break
            except InputError:
                refused += 1
                if refused > 20 * count:
                    raise
        last = inpaintings[-1]
        painted.append(last.hu[erode(last.label, slice_mm) & (last.occupancy > 0.999)])
    pooled = np.concatenate(painted)

    table = Table("", "voxels", "mean HU", "SD HU", title=f"{ct.name}: {count} nodes of 15-30 mm")
    table.add_row("painted", str(len(pooled)), f"{pooled.mean():.1f}", f"{pooled.std():.1f}")
    table.add_row("muscle", str(len(muscle)), f"{muscle.mean():.1f}", f"{muscle.std():.1f}")
    console = Console()
    console.print(table)
    means = [part.mean() for part in painted if len(part)]
    console.print(
        f"SD ratio {pooled.std() / muscle.std():.2f}; {len(means)} nodes hold such voxels, the SD "
        f"of their means is {np.std(means):.1f} HU; {refused} nodes found no room, left out",
        soft_wrap=True,
    )


if __name__ == "__main__":
    typer.run(main)
