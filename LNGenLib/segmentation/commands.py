"""`lngen train segmentation`, `lngen segment` and `lngen evaluate segmentation`."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer
from rich.table import Table

from LNGenLib.errors import InputError
from LNGenLib.output import check_output, keep_settings
from LNGenLib.terminal import (
    Overwrite,
    check_figures,
    console,
    read_json_object,
    shown_progress,
    write_figures,
)

if TYPE_CHECKING:
    from LNGenLib.datasets.case import Case
    from LNGenLib.evaluation.distribution import Estimate
    from LNGenLib.evaluation.lesions import ScanScore

OWN_FILES = ("settings.json", "training.json", "segmentation.json", "nnunet.json")
HELD_OUT = 0.2  # of the patients, where the data set names none for validation


class Network(str, Enum):
    """Which network."""

    unet = "unet"
    dynunet = "dynunet"
    swinunetr = "swinunetr"
    nnunet = "nnunet"


Device = Annotated[str, typer.Option(help="Where the network runs: auto, cpu or cuda.")]


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
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same draws.")] = 0,
) -> None:
    """Train a network that finds lymph nodes; the same command resumes an interrupted run."""
    from LNGenLib.datasets.cases import read_cases
    from LNGenLib.segmentation.config import SegmentationConfig

    changes = {} if config is None else read_json_object(config)
    wanted = SegmentationConfig.from_json(changes | {"network": network.value})
    check_output(output, OWN_FILES, (config,), overwrite=True)  # its own of before, that is
    training, validation = split(read_cases(real), seed)
    if synthetic is not None:
        held_out = {case.patient for case in validation}
        training += [case for case in read_cases(synthetic) if case.patient not in held_out]
    folders = {"real": real, "synthetic": synthetic, "online": online}
    sources = {name: path and str(path.resolve()) for name, path in folders.items()}
    keep_settings(output, {"config": dataclasses.asdict(wanted), "seed": seed} | sources)
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
        told = train(
            *(training, validation, output, wanted, seed),
            on_step=progress.report,
            **(transform or {}),
        )
    for id, why in told["left_out"].items():
        console.print(f"left out: {id}: {why}", soft_wrap=True)
    console.print(
        f"model: {output}; Dice {told['validation_dice']:.3f} on validation", soft_wrap=True
    )


def split(cases: Sequence[Case], seed: int) -> tuple[list[Case], list[Case]]:
    """Training and validation cases: as the data set says, else a fifth of the patients is held
    out. Raises InputError where either is empty."""
    usable = [case for case in cases if not (case.part or "").startswith("test")]
    validation = [case for case in usable if case.part == "validation"]
    if not validation:
        patients = sorted({case.patient for case in usable})
        random.Random(seed).shuffle(patients)
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
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Find lymph nodes in a CT: a label image in its geometry, 1 in lymph nodes."""
    from LNGenLib.image.io import as_ct, marked_own, read_image, write_image
    from LNGenLib.segmentation.inference import load_segmentor

    if not output.name.endswith((".nii.gz", ".nii", ".nrrd", ".mha")):
        raise InputError(f"{output} is no image file: give .nii.gz, .nrrd or .mha")
    check_output(output.parent, [output.name], (ct,), overwrite)
    image = as_ct(read_image(ct), str(ct))
    segmentor = load_segmentor(model, device)
    with shown_progress() as progress:
        progress.stage("segmenting")
        found = segmentor.segment(image, progress.step)
    write_image(marked_own(found), output)
    console.print(f"lymph nodes written to {output}", soft_wrap=True)


def filter_synthetic(
    synthetic: Annotated[Path, typer.Argument(help="Data set that `lngen dataset` wrote.")],
    real: Annotated[Path, typer.Option(help="Data set of which it was made.")],
    model: Annotated[Path, typer.Option(help="Segmentation model, trained on real CTs alone.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")],
    device: Device = "auto",
) -> None:
    """Take synthetic lymph nodes out that a model finds implausible: a quarter of each size bin."""
    from LNGenLib.datasets.cases import read_cases
    from LNGenLib.segmentation.inference import load_segmentor
    from LNGenLib.segmentation.quality import filter_cases

    check_output(output, (), (synthetic, real, model))
    segmentor = load_segmentor(model, device)
    with shown_progress() as progress:
        told = filter_cases(synthetic, read_cases(real), segmentor, output, progress.report)
    console.print(
        f"{told['dropped']} of {told['nodes']} SYNTHETIC lymph nodes taken out; the others are in "
        f"{output}",
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
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Score label images against the truth, by voxel and by lymph node (docs/segmentation.md)."""
    from LNGenLib.evaluation.segmentation import estimate, paired

    check_figures(output, (real,), overwrite)
    scores = _scores(real, found)
    figures = {"figures": estimate(scores, seed)}
    if baseline is not None:
        figures["difference"] = paired(scores, _scores(real, baseline), seed)
    table = Table("figure", *("value (95 % interval)", "difference")[: len(figures)])
    for name in figures["figures"]:
        table.add_row(name, *(interval(column[name]) for column in figures.values()))
    console.print(table)
    if output is not None:
        columns = {
            kind: {name: dataclasses.asdict(value) for name, value in column.items()}
            for kind, column in figures.items()
        }
        scans = [dataclasses.asdict(score) for score in scores]
        write_figures(columns | {"scans": scans}, output)


def interval(estimate: Estimate) -> str:
    """A figure and its interval, or a dash where there is nothing to count."""
    if estimate.value != estimate.value:
        return "-"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _scores(real: Path, folder: Path) -> list[ScanScore]:
    from LNGenLib.datasets.cases import read_cases
    from LNGenLib.evaluation.lesions import score
    from LNGenLib.image.geometry import array_spacing
    from LNGenLib.image.io import read_labels, to_array

    scores = []
    for case in read_cases(real):
        file = folder / f"{case.id}.nii.gz"
        if not file.exists():
            continue
        ct, truth = case.load()
        if truth is None:
            raise InputError(f"{case.image} has no labels: evaluation needs them")
        found = to_array(read_labels(file, ct))
        scores.append(score(case.id, case.patient, to_array(truth), found, array_spacing(ct)))
    if not scores:
        raise InputError(f"{folder} has no label image ID.nii.gz of a case of {real}")
    return scores
