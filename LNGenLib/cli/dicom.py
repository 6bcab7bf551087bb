"""`lngen dicom`."""

from __future__ import annotations

import typer

from LNGenLib.cli import options as opt
from LNGenLib.errors import InputError
from LNGenLib.files import check_output

dicom = typer.Typer(help="Results as DICOM, marked synthetic.", no_args_is_help=True)


@dicom.command()
def export(
    result: opt.Result, like: opt.Like, output: opt.DicomOutput, series: opt.LikeSeries = None
) -> None:
    """Write a result as a new CT series and a DICOM SEG, of a patient that does not exist."""
    check_output(output, (), (result, like))
    if like.resolve() in output.resolve().parents:  # whoever imports that folder gets both
        raise InputError(f"{output} lies in {like}, an input: give another folder")
    from LNGenLib.synthesis.result import SynthesisResult

    if not (result / "nodes.json").is_file():
        raise InputError(f"{result} is no result: give a folder that `lngen synthesize` wrote")
    try:
        from LNGenLib.dicom.export import export_dicom
    except ModuleNotFoundError as error:
        raise InputError(f'{error.name} is missing: pip install "lngen[dicom]"') from error

    export_dicom(SynthesisResult.read(result), like, output, series)
    typer.echo(f"SYNTHETIC DICOM series and segmentation written to {output}")
