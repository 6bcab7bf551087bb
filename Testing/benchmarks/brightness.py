"""Are painted lymph nodes as bright as the scan's phase makes them?

    python Testing/benchmarks/brightness.py CT --region-box -12 48 1 61 -365 -325 --nodes 300
    python Testing/benchmarks/brightness.py CT --anatomy LABELS

Paints lymph nodes over 10 mm in several passes, and compares the mean HU of their cores with the
wanted mean of each, and with the law it was drawn by. A core is the deepest quarter of a lymph
node, where what lies round it shows by less than 1 %; flat ones in thick slices have none.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from LNGenLib.image.edge import edge_spread
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import inside_grid
from LNGenLib.image.io import as_ct, read_ct, to_array
from LNGenLib.placement.candidate_region import NoPlace
from LNGenLib.scan import Scan
from LNGenLib.scan.labels import read_anatomy
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.enhancement import UPTAKES
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.synthesis.result import SynthesisResult
from LNGenLib.texture.blending import REACH, label_of, scanned

SIZES = Sizes("uniform", 10, 20)
A_PASS = 20  # lymph nodes asked for at a time; fewer find room
LEAST_SHARE = 0.99  # of the lymph node in a voxel of its core
BRIGHT = 15.0  # HU over muscle


def cores(result: SynthesisResult, spread: float) -> list[float | None]:
    """Mean HU of the core of each lymph node, None without one."""
    hu = to_array(result.ct)
    return [_core(hu, node, spread) for node in result.lymph_nodes]


def _core(hu: np.ndarray, node: LymphNode, spread: float) -> float | None:
    box = inside_grid(node.box(REACH), hu.shape)
    share = scanned(node, box, spread)
    label = label_of(share)
    core = label & (share >= max(LEAST_SHARE, np.quantile(share[label], 0.75)))
    return float(hu[box][core].mean()) if core.any() else None


def main(
    path: Annotated[Path, typer.Argument(metavar="CT")],
    region_box: Annotated[
        Optional[tuple[float, float, float, float, float, float]], typer.Option()
    ] = None,
    anatomy: Optional[Path] = None,
    artery: Optional[float] = None,
    nodes: int = 60,
    seed: int = 0,
) -> None:
    """Print a row for benign and for suspicious lymph nodes."""
    ct, models = as_ct(read_ct(path)), Models("cpu")
    rows, painted, turn = [], 0, 0
    labels = None if anatomy is None else read_anatomy(anatomy, ct)
    spread = edge_spread(to_array(ct), array_spacing(ct))
    while len(rows) < nodes:
        request = SynthesisRequest(
            *(A_PASS, SIZES, seed + turn, region_box), allow_fewer=True, artery_hu=artery
        )
        turn += 1
        try:
            result = synthesize(Scan(ct, labels), request, models)
        except NoPlace:
            continue
        found = cores(result, spread)
        rows += [
            (record.appearance, record.wanted_mean_hu, core)
            for record, core in zip(result.records, found, strict=True)
            if core is not None
        ]
        painted += len(found)
        print(f"{len(rows)} of {nodes}", file=sys.stderr)
    phase = result.provenance["plan"]["phase"]
    muscle, console = phase["muscle_hu"], Console(width=100)
    console.print(f"{path.name}: {phase}; {painted} painted, {len(rows)} with a core")
    table = Table("", "nodes", "law (SD)", "wanted", "cores", "less", "SD wanted", "SD of cores")
    for name in UPTAKES:
        wanted, core = np.array([row[1:] for row in rows if row[0] == name]).T
        mean, deviation = result.provenance["enhancement_hu"][name]
        table.add_row(
            *(name, str(len(core)), f"{muscle + mean:.1f} ({deviation:.1f})"),
            *(f"{wanted.mean():.1f}", f"{core.mean():.1f}", f"{(core - wanted).mean():+.1f}"),
            *(f"{wanted.std():.1f}", f"{core.std():.1f} ({core.std() / wanted.std() - 1:+.0%})"),
        )
    console.print(table)
    bright = [core for _, _, core in rows if core > muscle + BRIGHT]
    console.print(f"{len(bright)} of {len(rows)} are more than {BRIGHT:.0f} HU over muscle")


if __name__ == "__main__":
    typer.run(main)
