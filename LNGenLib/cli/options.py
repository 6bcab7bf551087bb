"""Options that commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer


class Device(str, Enum):
    """Where the networks run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class SizeLaw(str, Enum):
    """Laws of the long axis."""

    clinical = "clinical"
    uniform = "uniform"


Output = Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")]
Seed = Annotated[int, typer.Option(help="Same seed, same result.")]
Count = Annotated[int, typer.Option(help="Number of lymph nodes.")]
SeriesOption = Annotated[
    Optional[str],
    typer.Option("--series", metavar="UID", help="The CT's, where its folder holds several."),
]
AnatomyOption = Annotated[
    Optional[Path],
    typer.Option(
        help="TotalSegmentator's labels: a label map, a folder of masks, or a .seg.nrrd of Slicer."
    ),
]
LongAxis = Annotated[
    tuple[float, float],
    typer.Option(metavar="MIN [MAX]", help="Bounds of the long axis in mm; one value: one size."),
]
LawOption = Annotated[
    SizeLaw,
    typer.Option(
        help="Law of the long axis within its bounds; clinical is approximate: log-normal, "
        "median 5.5 mm, most of 3 to 10 mm; uniform is the paper's."
    ),
]
AxisRatio = Annotated[
    tuple[float, float],
    typer.Option(metavar="MIN [MAX]", help="Short axis / long axis; round is 0.85 1."),
]
Irregularity = Annotated[
    tuple[float, float],
    typer.Option(metavar="MIN [MAX]", help="1 - volume / convex hull; irregular is 0.03 1."),
]
DeviceOption = Annotated[Device, typer.Option(help="Where the networks run.")]
Steps = Annotated[int, typer.Option(help="Sampling steps of the texture diffusion.")]
Weights = Annotated[Optional[Path], typer.Option(help="Own weights (.safetensors).")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that LNGen did not write, too.")
]
