"""Does conspicuity tell which lymph nodes can be seen, and how many can be?

    python Testing/benchmarks/visibility.py --nodes 300

Paints lymph nodes of 1.7 to 12 mm into phantoms of three slice thicknesses and levels of noise.
The conspicuity of each, in its record, is compared with the contrast-to-noise ratio that is
measured in the painted CT: mean HU of its label over the median of what lies round it, by the
standard deviation of the noise there, which is known: it is added to a phantom that is almost free
of it. A table says how many can be seen, as `HARDLY_SEEN` draws the line.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy import ndimage, stats

from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import inside_grid
from LNGenLib.image.io import like, to_array
from LNGenLib.phantom import Phantom, pelvic_phantom
from LNGenLib.phantom.patient import Patient
from LNGenLib.scan import Scan
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.request import HARDLY_SEEN, SynthesisRequest
from LNGenLib.synthesis.result import SynthesisResult

THICKNESSES, NOISES = (1.0, 2.5, 5.0), (10.0, 20.0, 30.0)  # mm, HU
BINS = (1.7, 3.0, 5.0, 8.0, 12.0)  # mm
SIZES = Sizes("uniform", BINS[0], BINS[-1])
PIXEL, WIDTH, LENGTH = 0.8, 160.0, 100.0  # mm: of the phantom's middle
A_PASS, MOST_PASSES = 18, 8  # lymph nodes asked for at a time; fewer find room
RING = (3.0, 6.0)  # mm round a label
QUIET, LOUD = 0.01, 30.0  # HU


class Seen(NamedTuple):
    """A painted lymph node: its long axis (mm), its conspicuity, and the contrast-to-noise ratio
    as measured."""

    long_axis: float
    conspicuity: float
    measured: float


def pelvis(thickness: float) -> tuple[Phantom, np.ndarray]:
    """The middle of the phantom in slices of this thickness (mm), almost free of noise; and noise
    (z, y, x) as it would have, of a level of 1."""
    across, slices = round(WIDTH / PIXEL), round(LENGTH / thickness)
    grid = (PIXEL, PIXEL, thickness), (across, across, slices)
    quiet, noisy = (pelvic_phantom(0, *grid, Patient(noise=level)) for level in (QUIET, LOUD))
    return quiet, (to_array(noisy.ct) - to_array(quiet.ct).astype(float)) / LOUD


def ratios(result: SynthesisResult, phantom: Phantom, noise: np.ndarray) -> list[float]:
    """The measured contrast-to-noise ratio of each lymph node; `noise` (z, y, x) is the scan's."""
    after, labels, organs = (to_array(i) for i in (result.ct, result.nodes, phantom.labels))
    spacing, found = array_spacing(phantom.ct), []
    pad = np.ceil((RING[1] + 1) / spacing).astype(int)
    places = ndimage.find_objects(labels)
    for record in result.records:
        box = inside_grid(places[record.label - 1], labels.shape, pad)
        own = labels[box] == record.label
        off = ndimage.distance_transform_edt(~own, sampling=spacing)
        ring = (off > RING[0]) & (off < RING[1]) & (organs[box] == 0) & (labels[box] == 0)
        contrast = float(after[box][own].mean() - np.median(after[box][ring]))
        found.append(abs(contrast) / float(noise[box].std()))
    return found


def seen_in(phantom: Phantom, noise: np.ndarray, count: int, models: Models) -> list[Seen]:
    """`count` lymph nodes in a phantom with this noise (HU; z, y, x)."""
    ct = like(np.rint(to_array(phantom.ct) + noise).astype(np.int16), phantom.ct)
    rows: list[Seen] = []
    for seed in range(MOST_PASSES):
        request = SynthesisRequest(A_PASS, SIZES, seed, allow_fewer=True, texture_steps=2)
        result = synthesize(Scan(ct, phantom.labels), request, models)
        for record, ratio in zip(result.records, ratios(result, phantom, noise), strict=True):
            assert record.conspicuity is not None
            rows.append(Seen(record.long_axis_mm, record.conspicuity, ratio))
        if len(rows) >= count:
            break
    return rows[:count]


def main(nodes: int = 300) -> None:
    """Print the rank correlation, and the share that can be seen by size, slices and noise."""
    each, models = -(-nodes // (len(THICKNESSES) * len(NOISES))), Models("cpu")
    bins, everything, console = list(zip(BINS, BINS[1:])), [], Console(width=100)
    table = Table("slices", "noise", *(f"{low:g} to {high:g} mm" for low, high in bins))
    for thickness in THICKNESSES:
        phantom, unit = pelvis(thickness)
        for level in NOISES:
            rows = seen_in(phantom, level * unit, each, models)
            everything += rows
            print(f"{thickness:g} mm, {level:g} HU: {len(rows)}", file=sys.stderr)
            cells = []
            for low, high in bins:
                own = [row for row in rows if low <= row.long_axis < high]
                seen = sum(row.conspicuity >= HARDLY_SEEN for row in own)
                cells.append(f"{seen} of {len(own)}")
            table.add_row(f"{thickness:g} mm", f"{level:g} HU", *cells)
    _, told, measured = zip(*everything)
    rank = stats.spearmanr(told, measured).statistic
    console.print(f"{len(told)} lymph nodes, rank correlation with the measured ratio {rank:.3f}")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
