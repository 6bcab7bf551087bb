"""`lngen study`: make and score."""

from __future__ import annotations

import dataclasses

import typer

import LNGenLib
from LNGenLib.cli import options as opt
from LNGenLib.cli.console import (
    cases_of,
    check_figures,
    check_picture,
    console,
    print_left_out,
    say,
    shown_progress,
    write_figures,
)
from LNGenLib.files import check_output
from LNGenLib.loading import load_monai

study = typer.Typer(
    help="A reader study: can people tell painted lymph nodes from real ones?",
    no_args_is_help=True,
)


@study.command()
def make(
    cases: opt.Cases,
    output: opt.Output,
    count: opt.StudyCases = 40,
    seed: opt.Seed = 0,
    classes: opt.Classes = None,
    device: opt.Device = "auto",
    structure_weights: opt.ResolvedWeights = None,
    texture_weights: opt.ResolvedWeights = None,
) -> None:
    """Write a blinded study, half of its cases painted: a page for readers and the key to it."""
    check_output(output, (), (cases,))
    found = cases_of(cases, classes)
    load_monai()

    from LNGenLib.study.answers import KEY, read_readers, read_study
    from LNGenLib.study.making import BLIND, PAGE, make_study
    from LNGenLib.study.scoring import score

    models = LNGenLib.Models(device, structure_weights, texture_weights)
    with shown_progress() as progress:
        left_out = make_study(found, output, count, seed, models, progress)
    print_left_out(left_out)
    made = read_study(output)
    [blind] = score(made, read_readers([output / BLIND], made)).readers
    say(f"a machine that sees all but the nodes: AUC {blind.figures.auc}; 0.5 is guessing")
    say(f"{count} cases: send {output / PAGE} to readers, keep {output / KEY} from them")


@study.command()
def score(
    folder: opt.StudyFolder,
    answers: opt.Answers,
    output: opt.Figures = None,
    picture: opt.ScorePicture = None,
    seed: opt.BootstrapSeed = 0,
    overwrite: opt.Overwrite = False,
) -> None:
    """Score the readers of a study: AUC and accuracy, agreement, and which nodes they recognized.

    Files of the readers `machine` and `surroundings` take part, and are not pooled with people.
    """
    from LNGenLib.image.io import write_picture
    from LNGenLib.study.answers import KEY, read_readers, read_study
    from LNGenLib.study.picture import render_score
    from LNGenLib.study.scoring import score
    from LNGenLib.study.tables import score_lines, score_tables

    inputs = (folder / KEY, *answers)
    check_figures(output, inputs, overwrite)
    check_picture(picture, inputs, overwrite)
    found = read_study(folder)
    report = score(found, read_readers(answers, found), seed)
    for table in score_tables(report):
        console.print(table)
    for line in score_lines(report):
        say(line)
    if picture is not None:
        write_picture(render_score(report), picture)
        say(f"picture written to {picture}")
    write_figures(dataclasses.asdict(report), output)
