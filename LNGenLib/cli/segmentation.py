"""`lngen segment` and `lngen filter`."""

from __future__ import annotations

from LNGenLib.cli import options as opt
from LNGenLib.cli.console import cases_of, count_left_out, print_left_out, say, shown_progress
from LNGenLib.files import check_output, keep_settings


def segment(
    ct: opt.Ct,
    model: opt.SegmentationModel,
    output: opt.LabelOutput,
    series: opt.Series = None,
    device: opt.Device = "auto",
    overwrite: opt.Overwrite = False,
) -> None:
    """Find lymph nodes in a CT: a label image in its geometry, 1 in lymph nodes."""
    from LNGenLib.image.io import as_ct, check_image_name, marked_own, read_ct, write_image
    from LNGenLib.segmentation.inference import load_segmentor

    check_image_name(output)
    check_output(output.parent, [output.name], (ct,), overwrite)
    image = as_ct(read_ct(ct, series), str(ct))
    segmentor = load_segmentor(model, device)
    with shown_progress() as progress:
        progress.stage("segmenting")
        found = segmentor.segment(image, progress)
    write_image(marked_own(found), output)
    say(f"lymph nodes written to {output}")


def filter_synthetic(
    synthetic: opt.SyntheticCases,
    real: opt.OriginalCases,
    model: opt.RealModel,
    output: opt.Output,
    classes: opt.Classes = None,
    device: opt.Device = "auto",
) -> None:
    """Take synthetic lymph nodes out that a model finds implausible: a quarter of each size bin."""
    from LNGenLib.segmentation.inference import load_segmentor
    from LNGenLib.segmentation.quality import filter_cases

    check_output(output, (), (synthetic, real, model))
    folders = {"synthetic": synthetic, "real": real, "model": model}
    keep_settings(output, {name: str(folder.resolve()) for name, folder in folders.items()})
    segmentor = load_segmentor(model, device)
    with shown_progress() as progress:
        found = cases_of(real, classes)
        filtered = filter_cases(synthetic, found, segmentor, output, progress)
    print_left_out(filtered.left_out)
    say(
        f"{filtered.dropped} of {filtered.nodes} SYNTHETIC lymph nodes taken out"
        f"{count_left_out(filtered.left_out)}; the others are in {output}"
    )
