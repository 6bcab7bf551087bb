"""`lngen evaluate`: structures, texture and segmentation."""

from __future__ import annotations

import dataclasses
from typing import Any

import typer
from rich.table import Table

import LNGenLib
from LNGenLib.cli import options as opt
from LNGenLib.cli.console import (
    cases_of,
    check_figures,
    console,
    count_left_out,
    print_left_out,
    say,
    shown_progress,
    write_figures,
)
from LNGenLib.files import check_output
from LNGenLib.synthesis.method import Method

evaluate = typer.Typer(help="How close generated results are to real ones.", no_args_is_help=True)


@evaluate.command()
def structures(
    real: opt.RealShapes,
    generated: opt.GeneratedShapes,
    output: opt.Figures = None,
    seed: opt.Seed = 0,
    overwrite: opt.Overwrite = False,
) -> None:
    """Compare generated lymph-node surfaces with real ones, by bins of the long axis."""
    from LNGenLib.evaluation.shape.comparison import compare
    from LNGenLib.evaluation.shape.loading import read_generated, read_real
    from LNGenLib.evaluation.shape.tables import cleaning_line, structure_tables

    check_figures(output, (real, generated), overwrite)
    with shown_progress() as progress:
        surfaces = read_generated(generated, progress)
        report = compare(read_real(real, progress), surfaces, seed, progress)
    for table in structure_tables(report):
        console.print(table)
    say(cleaning_line(report.cleaning))
    write_figures(dataclasses.asdict(report), output)


@evaluate.command()
def texture(
    data: opt.TextureData,
    output: opt.Figures = None,
    device: opt.Device = "auto",
    structure_weights: opt.Weights = None,
    texture_weights: opt.Weights = None,
    difftumor_weights: opt.Weights = None,
    work: opt.Work = None,
    seed: opt.Seed = 0,
    overwrite: opt.Overwrite = False,
) -> None:
    """Paint the CTs; compare the nodes with real bodies by a classifier two-sample test."""
    from LNGenLib.evaluation.realism.tables import fidelity_table, texture_table
    from LNGenLib.evaluation.realism.texture import evaluate_texture

    check_figures(output, (data,), overwrite)
    if work is not None:
        check_output(work)
    models = LNGenLib.Models(device, structure_weights, texture_weights)
    baseline = LNGenLib.Models(device, None, difftumor_weights, Method.difftumor)
    with shown_progress() as progress:
        other = None if difftumor_weights is None else baseline.texture
        report = evaluate_texture(data, models, seed, progress, other, work)
    console.print(texture_table(report))
    if report.difference is not None:
        console.print(
            f"DiffTumor less LN-Gen: {report.difference.value:+.3f} "
            f"({report.difference.low:+.3f} to {report.difference.high:+.3f}) "
            f"over {report.difference.bodies} bodies"
        )
    console.print(
        f"halves of the real bodies: AUC {report.real:.3f} (0.45 to 0.55 is valid), "
        f"HU (KS) {report.hu['real']:.3f}"
    )
    console.print(fidelity_table(report.fidelity))
    write_figures(dataclasses.asdict(report), output)


@evaluate.command()
def segmentation(
    real: opt.LabeledCases,
    found: opt.Found,
    baseline: opt.OtherFound = None,
    output: opt.Figures = None,
    classes: opt.Classes = None,
    seed: opt.BootstrapSeed = 0,
    overwrite: opt.Overwrite = False,
) -> None:
    """Score label images against the truth, by voxel and by lymph node (docs/segmentation.md)."""
    from LNGenLib.evaluation.segmentation.metrics import estimate, paired
    from LNGenLib.segmentation.scoring import score_cases

    check_figures(output, (real, found, baseline), overwrite)
    cases = cases_of(real, classes)
    scored = score_cases(cases, [folder for folder in (found, baseline) if folder is not None])
    scores, *others = scored.scans
    figures: dict[str, Any] = {"figures": estimate({0: scores}, seed)}
    if others:
        figures["difference"] = paired({0: scores}, {0: others[0]}, seed)
    table = Table("figure", *("value (95 % interval)", "difference")[: len(figures)])
    for name in figures["figures"]:
        table.add_row(name, *(str(column[name]) for column in figures.values()))
    console.print(table)
    print_left_out(scored.left_out)
    say(f"{len(scores)} of {len(cases)} cases scored{count_left_out(scored.left_out)}")
    write_figures(figures | {"scans": scores, "left_out": scored.left_out}, output)
