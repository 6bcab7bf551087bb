"""`lngen train segmentation`, `lngen segment` and `lngen evaluate segmentation`."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from rich.table import Table

from LNGenLib.cli.console import check_figures, console, shown_progress, write_figures
from LNGenLib.cli.datasets import Classes, cases_of, count_left_out, tell_left_out
from LNGenLib.cli.options import Device, DeviceOption, Overwrite, SeriesOption
from LNGenLib.errors import InputError
from LNGenLib.files import check_output, keep_settings, read_json
from LNGenLib.plain import whole

if TYPE_CHECKING:
    from LNGenLib.datasets.case import Case

OWN_FILES = ("settings.json", "training.json", "segmentation.json", "nnunet.json")
HELD_OUT = 0.2  # of the patients, where the data set names none for validation


class Network(str, Enum):
    """Which network."""

    unet = "unet"
    dynunet = "dynunet"
    swinunetr = "swinunetr"
    nnunet = "nnunet"


def train_segmentation(
    real: Annotated[Path, typer.Option(help="Data set of labeled CTs (docs/datasets.md).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the model.")],
    network: Annotated[Network, typer.Option(help="Which network.")] = Network.unet,
    synthetic: Annotated[
        Optional[Path], typer.Option(help="Data set that `lngen dataset` wrote, to train on, too.")
    ] = None,
    online: Annotated[
        Optional[Path],
        typer.Option(help="Pool of `lngen pool`, from which nodes are painted into patches."),
    ] = None,
    config: Annotated[
        Optional[Path], typer.Option(help="JSON with what to change (docs/segmentation.md).")
    ] = None,
    classes: Classes = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same draws.")] = 0,
) -> None:
    """Train a network that finds lymph nodes; the same command resumes an interrupted run."""
    from LNGenLib.datasets.cases import read_cases
    from LNGenLib.segmentation.config import SegmentationConfig

    changes = {} if config is None else read_json(config)
    wanted = SegmentationConfig.from_json(changes | {"network": network.value})
    check_output(output, OWN_FILES, (config,), overwrite=True)  # its own of before, that is
    training, validation = split(cases_of(real, classes), seed)
    if synthetic is not None:
        held_out = {case.patient for case in validation}
        training += [case for case in read_cases(synthetic) if case.patient not in held_out]
    folders = {"real": real, "synthetic": synthetic, "online": online}
    sources = {name: path and str(path.resolve()) for name, path in folders.items()}
    named = {"classes": classes} if classes else {}
    keep_settings(output, {"config": dataclasses.asdict(wanted), "seed": seed} | sources | named)
    transform = None
    if network is Network.nnunet:
        from LNGenLib.segmentation.nnunet import train

        if online is not None:
            raise InputError("nnU-Net trains on files: give --synthetic in place of --online")
    else:
        from LNGenLib.segmentation.training import train

        if online is not None:
            from LNGenLib.segmentation import SynthesizeLymphNodesd

            transform = {"online": SynthesizeLymphNodesd(("image", "label"), online, seed=seed)}
    with shown_progress() as progress:
        trained = train(
            *(training, validation, output, wanted, seed),
            progress=progress,
            **(transform or {}),
        )
    tell_left_out(trained["left_out"])
    console.print(
        f"model: {output}; Dice {trained['validation_dice']:.3f} on validation"
        f"{count_left_out(trained['left_out'])}",
        soft_wrap=True,
    )


def split(cases: Sequence[Case], seed: int) -> tuple[list[Case], list[Case]]:
    """Training and validation cases: as the data set says, else a fifth of the patients is held
    out. Raises InputError where either is empty."""
    usable = [case for case in cases if not (case.part or "").startswith("test")]
    validation = [case for case in usable if case.part == "validation"]
    if not validation:
        patients = sorted({case.patient for case in usable})
        random.Random(whole(seed, "seed")).shuffle(patients)
        chosen = set(patients[: max(1, round(HELD_OUT * len(patients)))])
        validation = [case for case in usable if case.patient in chosen]
    held_out = {case.patient for case in validation}
    training = [case for case in usable if case.patient not in held_out]
    if not training or not validation:
        raise InputError("training takes scans of two patients at least: one is for validation")
    return training, validation


def segment(
    ct: Annotated[Path, typer.Argument(help="CT: NIfTI, NRRD, MHA or a DICOM folder.")],
    model: Annotated[Path, typer.Option(help="Folder of `lngen train segmentation`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Label image to write.")],
    series: SeriesOption = None,
    device: DeviceOption = Device.auto,
    overwrite: Overwrite = False,
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
    console.print(f"lymph nodes written to {output}", soft_wrap=True)


def filter_synthetic(
    synthetic: Annotated[Path, typer.Argument(help="Data set that `lngen dataset` wrote.")],
    real: Annotated[Path, typer.Option(help="Data set of which it was made.")],
    model: Annotated[Path, typer.Option(help="Segmentation model, trained on real CTs alone.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")],
    classes: Classes = None,
    device: DeviceOption = Device.auto,
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
    tell_left_out(filtered.left_out)
    console.print(
        f"{filtered.dropped} of {filtered.nodes} SYNTHETIC lymph nodes taken out"
        f"{count_left_out(filtered.left_out)}; the others are in {output}",
        soft_wrap=True,
    )


def evaluate_segmentation(
    real: Annotated[Path, typer.Option(help="Data set of labeled CTs (docs/datasets.md).")],
    found: Annotated[Path, typer.Option(help="Folder with a label image ID.nii.gz a case.")],
    baseline: Annotated[
        Optional[Path], typer.Option(help="The same of another model, to compare with.")
    ] = None,
    output: Annotated[
        Optional[Path], typer.Option("-o", "--output", help="JSON file for the figures.")
    ] = None,
    classes: Classes = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Score label images against the truth, by voxel and by lymph node (docs/segmentation.md)."""
    from LNGenLib.evaluation.segmentation.metrics import estimate, paired
    from LNGenLib.segmentation.scoring import score_cases

    check_figures(output, (real, found, baseline), overwrite)
    cases = cases_of(real, classes)
    scored = score_cases(cases, [folder for folder in (found, baseline) if folder is not None])
    scores, *others = scored.scans
    figures = {"figures": estimate(scores, seed)}
    if others:
        figures["difference"] = paired(scores, others[0], seed)
    table = Table("figure", *("value (95 % interval)", "difference")[: len(figures)])
    for name in figures["figures"]:
        table.add_row(name, *(str(column[name]) for column in figures.values()))
    console.print(table)
    tell_left_out(scored.left_out)
    console.print(
        f"{len(scores)} of {len(cases)} cases scored{count_left_out(scored.left_out)}",
        soft_wrap=True,
    )
    if output is not None:
        columns: dict[str, Any] = {
            kind: {name: dataclasses.asdict(value) for name, value in column.items()}
            for kind, column in figures.items()
        }
        columns["scans"] = [dataclasses.asdict(score) for score in scores]
        write_figures(columns | {"left_out": scored.left_out}, output)
