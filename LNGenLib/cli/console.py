"""What commands share: lines, bars of progress, cases that are read, figures that are written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from LNGenLib.errors import InputError
from LNGenLib.files import SOFTWARE, check_output, write_json

if TYPE_CHECKING:
    from LNGenLib.datasets.case import Case
    from LNGenLib.progress import Progress

WIDE = 400  # columns of a file or a pipe: Table I fits in
_shown = sys.stdout is not None and sys.stdout.isatty()  # a job's may be closed
_width = None if _shown or "COLUMNS" in os.environ else WIDE
console = Console(markup=False, emoji=False, width=_width)  # paths may hold brackets and colons


def say(line: str) -> None:
    """Print a line whole, whatever the width: a path in it can be copied."""
    console.print(line, soft_wrap=True)


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A `Progress` drawn as one bar a stage, with the time left; its last stage ends here."""
    from LNGenLib.progress import Progress

    columns = (
        TextColumn("{task.description:>10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Bars(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, steps: int) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bars.update(task, completed=bars.tasks[task].total)
                tasks[stage] = bars.add_task(stage, total=steps)
            bars.update(tasks[stage], completed=done, total=steps)

        progress = Progress(report)
        yield progress
        progress.finish()
        for task in tasks.values():
            bars.update(task, completed=bars.tasks[task].total)


def print_seconds(seconds: dict[str, float]) -> None:
    """What each stage took."""
    parts = ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items())
    say(f"seconds: {parts}; {sum(seconds.values()):.1f} in all")


def cases_of(path: Path, classes: Sequence[str] | None) -> list[Case]:
    """The cases of a data set, after `say_class`."""
    from LNGenLib.datasets.cases import read_cases

    found = read_cases(path, classes or ())
    say_class(found, path, classes)
    return found


def say_class(cases: Iterable[Case], path: Path, classes: Sequence[str] | None) -> None:
    """Print which class of the data set at `path` is taken for lymph nodes, where its name leaves
    that open."""
    odd = {case.meaning.name for case in cases if case.meaning.odd and case.label is not None}
    if odd and not classes:
        say(f"lymph nodes: the class {odd.pop()!r} of {path}")


def print_left_out(left_out: Mapping[str, str]) -> None:
    """A line for each case that could not be used, with the reason."""
    for id, reason in left_out.items():
        say(f"left out: {id}: {reason}")


def count_left_out(left_out: Mapping[str, str]) -> str:
    """What the last line of a command adds where cases were left out."""
    return f" ({len(left_out)} of the cases left out)" if left_out else ""


def check_figures(
    output: Path | None, inputs: Iterable[Path | None] = (), overwrite: bool | None = None
) -> None:
    """Raise InputError where the figures of an evaluation can't be written to `output`: it is one
    of the `inputs`, lies in a folder that is one, or is a file that LNGen did not write and that is
    not to be overwritten."""
    if output is not None:
        if output.is_dir():
            raise InputError(f"{output} is a folder: give a file for the figures")
        if output.suffix != ".json":
            raise InputError(f"{output} is no name of a JSON file: give one for the figures")
        check_output(output.parent, [output.name], inputs, overwrite)


def check_picture(
    picture: Path | None, inputs: Iterable[Path | None] = (), overwrite: bool | None = None
) -> None:
    """As `check_figures`, for a picture."""
    if picture is not None:
        if picture.suffix.lower() not in (".png", ".jpg", ".jpeg"):
            raise InputError(f"{picture} is no name of a picture: give one in .png or .jpg")
        check_output(picture.parent, [picture.name], inputs, overwrite)


def write_figures(figures: dict[str, Any], output: Path | None) -> None:
    """Write an evaluation's figures as JSON where they are wanted, and say so."""
    if output is not None:
        write_json({"software": SOFTWARE} | figures, output)
        say(f"figures written to {output}")
