"""What commands share: bars of progress, configurations that are read, figures that are written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from LNGenLib.errors import InputError
from LNGenLib.files import SOFTWARE, check_output, write_json

if TYPE_CHECKING:
    from LNGenLib.progress import Progress

WIDE = 400  # columns of a file or a pipe: Table I fits in


def _console() -> Console:
    shown = sys.stdout is not None and sys.stdout.isatty()  # a job's may be closed
    known = shown or "COLUMNS" in os.environ
    width = None if known else WIDE
    return Console(markup=False, emoji=False, width=width)  # paths may hold brackets and colons


console = _console()


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A `Progress` drawn as one bar a stage, with the time left."""
    from LNGenLib.progress import Progress

    columns = (
        TextColumn("{task.description:>10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Bars(*columns, console=console) as bars:
        tasks: dict[str, int] = {}

        def report(stage: str, done: int, steps: int) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bars.update(task, completed=bars.tasks[task].total)
                tasks[stage] = bars.add_task(stage, total=steps)
            bars.update(tasks[stage], completed=done, total=steps)

        yield Progress(report)
        for task in tasks.values():
            bars.update(task, completed=bars.tasks[task].total)


def print_seconds(seconds: dict[str, float]) -> None:
    """What each stage took."""
    parts = ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items())
    console.print(f"seconds: {parts}; {sum(seconds.values()):.1f} in all", soft_wrap=True)


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


def write_figures(figures: dict[str, Any], output: Path) -> None:
    """Write an evaluation's figures as JSON, and say so."""
    write_json({"software": SOFTWARE} | figures, output)
    console.print(f"figures written to {output}", soft_wrap=True)
