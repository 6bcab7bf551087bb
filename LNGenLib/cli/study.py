"""`lngen study`: score."""

from __future__ import annotations

import dataclasses

import typer

from LNGenLib.cli import options as opt
from LNGenLib.cli.console import check_figures, check_picture, console, say, write_figures

study = typer.Typer(
    help="A reader study: can people tell painted lymph nodes from real ones?",
    no_args_is_help=True,
)


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

    A file of the reader `machine` takes part, and is not pooled with people.
    """
    from LNGenLib.evaluation.study.answers import KEY, read_readers, read_study
    from LNGenLib.evaluation.study.picture import render_score
    from LNGenLib.evaluation.study.scoring import score
    from LNGenLib.evaluation.study.tables import score_lines, score_tables
    from LNGenLib.image.io import write_picture

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
