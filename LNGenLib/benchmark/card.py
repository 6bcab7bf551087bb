"""The stand-in's data card: what it is, what is in it, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from LNGenLib.files import write_bytes

CARD = "README.md"
TEXT = """# {stand_in}

**Synthetic: no patient looks like this, and what is measured on it says nothing about patients.**
It compares ways of training a segmentation of lymph nodes with each other. Made by `lngen benchmark
standin --seed {seed}` ({software}).

| part | scans | nodes | sizes | long axis in mm: median (5-95 %) | shapes | phantoms | real crops |
|---|---|---|---|---|---|---|---|
{rows}

- **Backgrounds**: pelves of varied phantoms (sex, girth, bowel that is collapsed or full of stool,
  gas or fluid, streaks of hip metal) with distractors: vessels cut across, loops of bowel, ureters,
  ovaries; and crops of real CTs, whose own nodes nobody labeled. Each real CT is of one part.
- **Shapes**: surfaces of real lymph nodes of the part's own patients. Below 15 mm they are
  those of up to 20 mm, scaled, above those within a factor of two.
- **Tissue, scanner and noise**: the stand-in's own (`LNGenLib/benchmark/scanner.py`). No network,
  no measure and no number of LN-Gen's is in them.
- **Labels**: `labels/` are instances. `organs/` tell what else is there, in TotalSegmentator's
  numbers; 201 is a vessel, 202 a loop of bowel, 203 a muscle, 255 another thing that it does not
  name.
- **Left out**: {no_room} lymph nodes found no room.
- **Licence**: that of the masks and CTs that it was made of.
"""


def write_card(
    folder: Path,
    laws: Mapping[str, str],
    records: Sequence[Mapping[str, Any]],
    about: Mapping[str, Any],
) -> None:
    """Write the card of a stand-in into its folder; `laws` are the distributions of sizes by part,
    `records` those of the scans, `about` what its `standin.json` says."""
    rows = []
    for part, law in laws.items():
        own = [record for record in records if record["part"] == part]
        nodes = [node for record in own for node in record["nodes"]]
        axes = [node["long_axis_mm"] for node in nodes] or [np.nan]
        low, middle, high = np.percentile(axes, (5, 50, 95))
        shapes = len({node["shape"] for node in nodes})
        real = [one["background"] for one in own if not one["background"].startswith("phantom")]
        size = f"{middle:.1f} ({low:.1f} to {high:.1f})"
        crops = f"{len(real)} of {len(set(real))} CTs"
        cells = (part, len(own), len(nodes), law, size, shapes, len(own) - len(real), crops)
        rows.append(f"| {' | '.join(map(str, cells))} |")
    write_bytes(TEXT.format(rows="\n".join(rows), **about).encode(), folder / CARD)
