"""The `lngen` command. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from LNGenLib import __version__
from LNGenLib.cli import (
    anatomy,
    benchmark,
    datasets,
    dicom,
    evaluation,
    placement,
    segmentation,
    service,
    structures,
    study,
    synthesis,
    training,
)
from LNGenLib.cli.console import console
from LNGenLib.cli.ranges import with_both_bounds
from LNGenLib.errors import InputError
from LNGenLib.threads import share_cpus

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version() -> None:
    """Print the version."""
    console.print(__version__)


def _print_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit()


@app.callback()
def lngen(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Synthetic lymph nodes in CT (LN-Gen). Not a medical device."""


COMMANDS: dict[str, Callable[..., None]] = {
    "synthesize": synthesis.synthesize,
    "placement": placement.placement,
    "anatomy": anatomy.anatomy,
    "demo": synthesis.demo,
    "structures": structures.structures,
    "segment": segmentation.segment,
    "filter": segmentation.filter_synthetic,
    "pool": datasets.pool,
    "dataset": datasets.dataset,
    "serve": service.serve,
    "doctor": service.doctor,
    "version": version,
}
GROUPS = {
    "train": training.train,
    "evaluate": evaluation.evaluate,
    "dicom": dicom.dicom,
    "benchmark": benchmark.benchmark,
    "study": study.study,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def main() -> None:
    """Entry point: an InputError or OSError becomes one line on stderr and exit code 2."""
    share_cpus()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that temporary files are removed
    if isinstance(sys.stdout, io.TextIOWrapper):  # may not hold all letters of a path
        sys.stdout.reconfigure(errors="backslashreplace")
    command = typer.main.get_command(app)
    try:
        command(with_both_bounds(sys.argv[1:], command))
    except InputError as error:
        message = str(error)
    except OSError as error:  # of a disk or a right that nobody looked for
        message = f"{error.filename or 'a file'} can't be used: {error.strerror or error}"
    else:
        return
    print(f"lngen: {message}", file=sys.stderr)
    raise SystemExit(2)
