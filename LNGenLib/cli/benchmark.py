"""`lngen benchmark`: standin, table1 and table2."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import typer

import LNGenLib
from LNGenLib.benchmark.arms import Arm
from LNGenLib.cli import options as opt
from LNGenLib.cli.console import (
    check_figures,
    check_picture,
    console,
    say,
    say_class,
    shown_progress,
    write_figures,
)
from LNGenLib.files import check_output, read_json
from LNGenLib.validation import from_json

if TYPE_CHECKING:
    from LNGenLib.benchmark.experiment import Benchmark, Run

benchmark = typer.Typer(
    help="The paper's tables: does synthesis help segmentation (I), and which variant draws the "
    "best shapes (II)?",
    no_args_is_help=True,
)


@benchmark.command()
def standin(data: opt.StandinData, output: opt.Output, seed: opt.ScanSeed = 0) -> None:
    """Write a STAND-IN for the paper's private cohort; the same command resumes."""
    from LNGenLib.benchmark.standin import MARK, make_standin

    check_output(output)
    with shown_progress() as progress:
        make_standin(data, output, seed, progress)
    say(f"{MARK}, written to {output}")


@benchmark.command()
def table1(
    data: opt.SplitCases,
    output: opt.Output,
    networks: opt.Networks = None,
    arms: opt.Arms = None,
    seeds: opt.Runs = 3,
    baseline: opt.BaselineArm = Arm.real,
    on: opt.Part = opt.ScoredPart.test,
    most: opt.MostRuns = None,
    config: opt.SegmentationConfigFile = None,
    device: opt.AnyDevice = "auto",
    structure_weights: opt.OwnWeights = None,
    texture_weights: opt.OwnWeights = None,
    difftumor_weights: opt.DifftumorWeights = None,
    classes: opt.Classes = None,
) -> None:
    """Train each network on real scans, and on real and synthetic ones; print Table I.

    The same command goes on where it was interrupted; what was done is not done again. Choose by
    `--on validation`: the test scans are for the last word.
    """
    from LNGenLib.benchmark.experiment import Benchmark, runs
    from LNGenLib.segmentation.config import SegmentationConfig
    from LNGenLib.synthesis.method import Method

    changes = {} if config is None else read_json(config)
    configs = [
        from_json(SegmentationConfig, changes | {"network": n.value})
        for n in networks or [opt.NetworkName.unet]
    ]
    check_output(output)
    models = LNGenLib.Models(device, structure_weights, texture_weights)
    difftumor = LNGenLib.Models(device, None, difftumor_weights, Method.difftumor)
    own = difftumor if difftumor_weights else None
    bench = Benchmark(data, output, models, own, tuple(classes or ()))
    say_class(chain.from_iterable(bench.cases.values()), data, classes)
    cells = runs(configs, arms or list(Arm), seeds)
    parts = ["validation"] if on == opt.ScoredPart.validation else bench.tests
    runnable = [run for run in cells if bench.runnable(run.arm)]
    waiting = [run for run in runnable if bench.result(run, parts) is None]
    for run in waiting[:most]:
        console.print(f"{run.config.network}, {run.arm.value}, seed {run.seed}")
        with shown_progress() as progress:
            bench.do(run, parts, progress)
        _print(bench, cells, parts, baseline)
    if not waiting[:most]:
        _print(bench, cells, parts, baseline)


@benchmark.command()
def table2(
    data: opt.Table2Data,
    output: opt.Output,
    config: opt.ExplicitConfigFile = None,
    structure_weights: opt.OwnWeights = None,
    picture: opt.Gallery = None,
    seed: opt.ShapeSeed = 0,
    overwrite: opt.Overwrite = False,
) -> None:
    """Train the explicit variant with as much compute as the structure model; print Table II.

    The same command goes on where it was interrupted; what was trained is not trained again.
    """
    from LNGenLib.benchmark import table2 as bench
    from LNGenLib.benchmark.explicit import ExplicitConfig, training_tflops
    from LNGenLib.benchmark.gallery import gallery
    from LNGenLib.evaluation.shape.loading import read_real
    from LNGenLib.image.io import write_picture
    from LNGenLib.structure.model import StructureModel

    sizes = from_json(ExplicitConfig, {} if config is None else read_json(config), name="explicit")
    figures = output / "table2.json"
    check_figures(figures, (config,), overwrite)
    check_picture(picture, (config,), overwrite)
    model = StructureModel(structure_weights)
    with shown_progress() as progress:
        explicit = bench.trained_explicit(data, output, sizes, seed, progress)
        real = read_real(bench.prepared(data, output, progress), progress)
        variants = {
            "explicit": explicit.draw,
            "implicit": partial(model.draw, adapted=False),
            "implicit + adapter": model.draw,
        }
        found = bench.compare(real, variants, seed, progress)
    for name, rows in found.items():
        console.print(bench.table(name, rows))
    console.print(
        f"training: {explicit.tflops:,.0f} TFLOP (explicit), "
        f"{training_tflops(model.networks.config):,.0f} TFLOP (implicit + adapter)"
    )
    if picture is not None:
        write_picture(gallery(next(iter(found.values())).shapes), picture)
    write_figures(bench.figures(found), figures)


def _print(bench: Benchmark, cells: list[Run], parts: list[str], baseline: Arm) -> None:
    from LNGenLib.benchmark.table1 import tables, title, write_scans

    say(title(bench, cells, baseline))
    for shown in [[part] for part in parts] + ([parts] if len(parts) > 1 else []):
        for table in tables(bench, cells, shown, baseline):
            console.print(table)
    say(f"by scan: {write_scans(bench, cells, parts, bench.folder)}")
