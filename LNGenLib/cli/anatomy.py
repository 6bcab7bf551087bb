"""`lngen anatomy`, and what `--anatomy auto` of other commands does."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import LNGenLib
from LNGenLib.cli import options as opt
from LNGenLib.cli.console import say, shown_progress
from LNGenLib.errors import InputError
from LNGenLib.files import check_output

AUTO = Path("auto")
ANATOMY = "anatomy.nii.gz"  # beside the results


def anatomy(
    ct: opt.Ct,
    output: opt.LabelOutput,
    fast: opt.Fast = False,
    series: opt.Series = None,
    device: opt.Device = "auto",
    overwrite: opt.Overwrite = False,
) -> None:
    """Segment the organs of a CT with TotalSegmentator: a label map for --anatomy."""
    from LNGenLib.image.io import check_image_name
    from LNGenLib.scan.segmenting import check_installed

    check_image_name(output)
    if output.name.lower().endswith(".seg.nrrd"):
        raise InputError(f"{output} is a name of Slicer's segmentations: give a label map's")
    check_output(output.parent, [output.name], (ct,), overwrite)
    check_installed()
    with_anatomy(LNGenLib.Scan.read(ct, series=series), output, device, fast)


def check_auto(anatomy: Path | None) -> tuple[Path | None, tuple[str, ...]]:
    """The path that --anatomy gives, and no name; or, where it is auto, none, and the name of the
    file that is to be made. InputError where TotalSegmentator is missing then."""
    if anatomy != AUTO:
        return anatomy, ()
    from LNGenLib.scan.segmenting import check_installed

    check_installed()
    return None, (ANATOMY,)


def with_anatomy(
    scan: LNGenLib.Scan, output: Path, device: opt.DeviceName = "auto", fast: bool = False
) -> LNGenLib.Scan:
    """The scan with the organs that TotalSegmentator finds in it, which are written to `output` as
    soon as they are there: it takes minutes to make them anew."""
    from LNGenLib.image.io import marked_own, write_image
    from LNGenLib.scan.segmenting import segment_anatomy
    from LNGenLib.synthesis.models import choose_device

    with shown_progress() as progress:
        labels = segment_anatomy(scan.hu, choose_device(device), fast, progress)
    write_image(marked_own(labels), output)
    say(f"anatomy written to {output}")
    names = {**scan.names, "anatomy": str(output)}
    return dataclasses.replace(scan, anatomy=labels, names=names)
