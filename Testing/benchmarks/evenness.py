"""Are painted lymph nodes as even inside as the muscle of their scan?

Two voxels inside the label, so that nothing of the edge counts: the standard deviation of HU in a
slice, over the median of that in squares of muscle.

    python Testing/benchmarks/evenness.py crlm1004.nii.gz -12 48 1 61 -365 -325
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import typer
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from LNGenLib.image.hu import MUSCLE
from LNGenLib.image.io import as_ct, read_ct, to_array
from LNGenLib.placement.candidate_region import NoPlace
from LNGenLib.scan import Scan
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.request import SynthesisRequest

INSIDE = 2  # voxels
FEWEST = 20  # voxels in a slice
SQUARE = 7  # voxels of muscle on a side


def of_nodes(hu: np.ndarray, labels: np.ndarray) -> Iterator[float]:
    """SD of each lymph node of `labels` (z, y, x) that is large enough, mean over its slices."""
    for number in range(1, labels.max() + 1):
        core = ndimage.binary_erosion(labels == number, np.ones((1, 3, 3)), INSIDE)
        found = [hu[z][part].std() for z, part in enumerate(core) if part.sum() >= FEWEST]
        if found:
            yield float(np.mean(found))


def of_muscle(hu: np.ndarray) -> float:
    """Median SD of squares that are all muscle."""
    smooth = ndimage.gaussian_filter(hu.astype(np.float32), (0, 2, 2))
    muscle = (smooth > MUSCLE[0]) & (smooth < MUSCLE[1])
    found = []
    for values, inside in zip(hu, muscle):
        whole = sliding_window_view(inside, (SQUARE, SQUARE))[::SQUARE, ::SQUARE].all((2, 3))
        squares = sliding_window_view(values, (SQUARE, SQUARE))[::SQUARE, ::SQUARE][whole]
        found.extend(squares.std((1, 2)))
    return float(np.median(found))


def main(ct: Path, region_box: tuple[float, float, float, float, float, float], seed: int = 0):
    """Print the ratios over lymph nodes of 12 to 25 mm in a box, in RAS mm."""
    scan, models, ratios = as_ct(read_ct(ct)), Models("cpu"), []
    muscle = of_muscle(sitk.GetArrayViewFromImage(scan))
    for turn in range(4):
        request = SynthesisRequest(
            *(8, Sizes("uniform", 12, 25), seed + turn, region_box), allow_fewer=True, hilum=0.0
        )
        try:
            result = synthesize(Scan(scan), request, models)
        except NoPlace:
            continue
        found = of_nodes(to_array(result.ct), to_array(result.nodes))
        ratios += [value / muscle for value in found]
    low, middle, high = np.quantile(ratios, (0.1, 0.5, 0.9))
    print(f"muscle: SD {muscle:.1f} HU; {len(ratios)} lymph nodes: {middle:.2f} times as much")
    print(f"10 to 90 %: {low:.2f} to {high:.2f}")


if __name__ == "__main__":
    typer.run(main)
