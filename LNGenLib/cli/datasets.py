"""`lngen pool` and `lngen dataset`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from LNGenLib.cli.console import console, shown_progress
from LNGenLib.cli.options import Device, DeviceOption, LawOption, LongAxis, Output, Seed, SizeLaw
from LNGenLib.errors import InputError
from LNGenLib.files import check_output

if TYPE_CHECKING:
    from LNGenLib.datasets.case import Case


class LayoutName(str, Enum):
    """Layouts that are written."""

    nnunet = "nnunet"
    plain = "plain"


Cases = Annotated[
    Path, typer.Option(help="Data set of CTs, with or without labels (docs/datasets.md).")
]
Weights = Annotated[
    Optional[Path], typer.Option(help="Own weights (.safetensors).", resolve_path=True)
]
Anatomy = Annotated[
    Optional[Path],
    typer.Option(help="Folder of TotalSegmentator's labels, ID.nii.gz or a folder ID a case."),
]
Classes = Annotated[
    Optional[list[str]],
    typer.Option(
        "--class",
        metavar="NAME",
        help="Class of lymph nodes, where dataset.json names several; repeat for more.",
    ),
]


def dataset(
    cases: Cases,
    output: Output,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="Synthetic cases.")],
    count: Annotated[
        tuple[int, int], typer.Option(metavar="MIN [MAX]", help="Lymph nodes a case.")
    ] = (1, 10),
    long_axis: LongAxis = (1.7, 30.0),
    sizes: LawOption = SizeLaw.clinical,
    anatomy: Anatomy = None,
    classes: Classes = None,
    layout: Annotated[LayoutName, typer.Option(help="nnU-Net raw, or a folder a case.")] = (
        LayoutName.nnunet
    ),
    steps: Annotated[int, typer.Option(help="Sampling steps of the texture diffusion.")] = 6,
    seed: Seed = 0,
    ray: Annotated[
        Optional[str], typer.Option(metavar="ADDRESS|local", help="Work on a Ray cluster.")
    ] = None,
    workers: Annotated[
        Optional[int], typer.Option(min=1, help="Processes with --ray local; one a core.")
    ] = None,
    gpus: Annotated[
        float, typer.Option(min=0.0, help="GPUs a Ray task takes; 0.25: four share one.")
    ] = 0.0,
    device: DeviceOption = Device.auto,
    structure_weights: Weights = None,
    texture_weights: Weights = None,
) -> None:
    """Write synthetic cases with manifest; the same command goes on after an interruption."""
    from LNGenLib.datasets.running import on_ray, run_here
    from LNGenLib.structure.sizes import Sizes

    if ray is None and (workers is not None or gpus):
        raise InputError("--workers and --gpus are Ray's: give --ray local, or an address")
    check_output(output, (), (cases, anatomy))
    found = cases_of(cases, classes)
    law = Sizes(sizes.value, *long_axis)

    from LNGenLib.datasets.dataset import make_dataset
    from LNGenLib.datasets.settings import DatasetSettings
    from LNGenLib.synthesis.engine import Models

    settings = DatasetSettings(seed, count, law, steps, layout.value)
    models = Models(device.value, structure_weights, texture_weights)
    run = run_here if ray is None else on_ray(ray, workers, gpus)
    with shown_progress() as progress:
        progress.stage("cases", number)
        made = make_dataset(found, output, number, settings, models, anatomy, run, progress)
    tell_left_out(made.left_out)
    console.print(
        f"{made.cases} SYNTHETIC cases made, {number - made.cases} were there"
        f"{count_left_out(made.left_out)}: {output}",
        soft_wrap=True,
    )


def pool(
    cases: Cases,
    output: Output,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="Lymph nodes.")] = 500,
    painted: Annotated[
        bool, typer.Option("--painted", help="Generate their tissue, too: quick to paste.")
    ] = False,
    long_axis: LongAxis = (1.7, 30.0),
    sizes: LawOption = SizeLaw.clinical,
    anatomy: Anatomy = None,
    classes: Classes = None,
    seed: Seed = 0,
    device: DeviceOption = Device.auto,
    structure_weights: Weights = None,
    texture_weights: Weights = None,
) -> None:
    """Draw lymph nodes and places for them in CTs ahead of training (docs/datasets.md)."""
    from LNGenLib.datasets.pool import FILES
    from LNGenLib.structure.sizes import Sizes

    check_output(output, FILES, (cases, anatomy))
    found = [case for case in cases_of(cases, classes) if case.part in (None, "train")]
    law = Sizes(sizes.value, *long_axis)

    from LNGenLib.datasets.drawing import make_pool
    from LNGenLib.synthesis.engine import Models

    models = Models(device.value, structure_weights, texture_weights)
    with shown_progress() as progress:
        options = painted, anatomy, progress
        left_out = make_pool(found, output, number, law, seed, models, *options)
    tell_left_out(left_out)
    console.print(
        f"{number} SYNTHETIC lymph nodes, places in {len(found) - len(left_out)} CTs"
        f"{count_left_out(left_out)}: {output}",
        soft_wrap=True,
    )


def cases_of(path: Path, classes: Sequence[str] | None) -> list[Case]:
    """The cases of a data set; says which class is taken for lymph nodes where its name does
    not."""
    from LNGenLib.datasets.cases import read_cases

    found = read_cases(path, classes or ())
    odd = {case.meaning.name for case in found if case.meaning.odd and case.label is not None}
    if odd and not classes:
        console.print(f"lymph nodes: the class {odd.pop()!r} of {path}", soft_wrap=True)
    return found


def tell_left_out(left_out: Mapping[str, str]) -> None:
    """A line for each case that could not be used, with the reason."""
    for id, why in left_out.items():
        console.print(f"left out: {id}: {why}", soft_wrap=True)


def count_left_out(left_out: Mapping[str, str]) -> str:
    """What the last line of a command adds where cases were left out."""
    return f" ({len(left_out)} of the cases left out)" if left_out else ""
