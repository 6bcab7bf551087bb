"""`lngen pool` and `lngen dataset`."""

from __future__ import annotations

import LNGenLib
from LNGenLib.cli import options as opt
from LNGenLib.cli.console import cases_of, count_left_out, print_left_out, say, shown_progress
from LNGenLib.errors import InputError
from LNGenLib.files import check_output
from LNGenLib.loading import load_monai


def dataset(
    cases: opt.Cases,
    output: opt.Output,
    number: opt.CaseNumber,
    count: opt.CaseCount = (1, 10),
    long_axis: opt.LongAxis = (1.7, 30.0),
    sizes: opt.SizeDistribution = "clinical",
    anatomy: opt.CaseAnatomies = None,
    classes: opt.Classes = None,
    least_conspicuity: opt.LeastConspicuity = 1.5,
    layout: opt.Layout = "nnunet",
    steps: opt.Steps = 6,
    seed: opt.Seed = 0,
    ray: opt.Ray = None,
    workers: opt.Workers = 1,
    gpus: opt.Gpus = 0.0,
    device: opt.Device = "auto",
    structure_weights: opt.ResolvedWeights = None,
    texture_weights: opt.ResolvedWeights = None,
) -> None:
    """Write synthetic cases with manifest; the same command goes on after an interruption."""
    from LNGenLib.datasets.running import in_processes, on_ray, run_here
    from LNGenLib.structure.sizes import Sizes

    if ray is None and gpus:
        raise InputError("--gpus is Ray's: give the --ray address of a cluster")
    if ray is not None and workers > 1:
        raise InputError("the number of workers is the cluster's own: leave out --workers or --ray")
    check_output(output, (), (cases, anatomy))
    found = cases_of(cases, classes)
    axes = Sizes(sizes, *long_axis)
    load_monai()

    from LNGenLib.datasets.dataset import make_dataset
    from LNGenLib.datasets.manifest import DatasetSettings

    settings = DatasetSettings(seed, count, axes, steps, layout, least_conspicuity)
    models = LNGenLib.Models(device, structure_weights, texture_weights)
    here = run_here if workers == 1 else in_processes(workers)
    run = here if ray is None else on_ray(ray, gpus)
    with shown_progress() as progress:
        made = make_dataset(found, output, number, settings, models, anatomy, run, progress)
    print_left_out(made.left_out)
    say(
        f"{made.cases} SYNTHETIC cases made, {number - made.cases} were there"
        f"{count_left_out(made.left_out)}: {output}"
    )


def pool(
    cases: opt.Cases,
    output: opt.Output,
    number: opt.PoolNumber = 500,
    painted: opt.Painted = False,
    long_axis: opt.LongAxis = (1.7, 30.0),
    sizes: opt.SizeDistribution = "clinical",
    anatomy: opt.CaseAnatomies = None,
    classes: opt.Classes = None,
    least_conspicuity: opt.LeastConspicuity = 1.5,
    seed: opt.Seed = 0,
    device: opt.Device = "auto",
    structure_weights: opt.ResolvedWeights = None,
    texture_weights: opt.ResolvedWeights = None,
) -> None:
    """Draw lymph nodes and places for them in CTs ahead of training (docs/datasets.md)."""
    from LNGenLib.datasets.pool import FILES
    from LNGenLib.structure.sizes import Sizes

    check_output(output, FILES, (cases, anatomy))
    found = [case for case in cases_of(cases, classes) if case.part in (None, "train")]
    axes = Sizes(sizes, *long_axis)
    load_monai()

    from LNGenLib.datasets.drawing import make_pool

    models = LNGenLib.Models(device, structure_weights, texture_weights)
    with shown_progress() as progress:
        left_out = make_pool(
            *(found, output, number, axes, seed, models, painted, anatomy, progress),
            least_conspicuity,
        )
    print_left_out(left_out)
    say(
        f"{number} SYNTHETIC lymph nodes, places in {len(found) - len(left_out)} CTs"
        f"{count_left_out(left_out)}: {output}"
    )
