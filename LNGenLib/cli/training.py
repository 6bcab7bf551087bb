"""`lngen train`: structure, texture, difftumor and segmentation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import typer

from LNGenLib.cli import options as opt
from LNGenLib.cli.console import cases_of, count_left_out, print_left_out, say, shown_progress
from LNGenLib.errors import InputError
from LNGenLib.files import check_output, keep_settings, read_json
from LNGenLib.training import PARTS, run
from LNGenLib.validation import from_json

train = typer.Typer(
    help="Train a model on own data; the same command resumes an interrupted run.",
    no_args_is_help=True,
)


def _training_of(part: str) -> Callable[..., None]:
    def train_part(
        data: opt.TrainingTable,
        output: opt.Output,
        config: opt.ModelConfig = None,
        seed: opt.Seed = 0,
    ) -> None:
        changes = {} if config is None else read_json(config)
        own = ("settings.json", f"{part}.json")
        check_output(output, own, (config,), overwrite=True)  # its own of before, that is
        with shown_progress() as progress:
            weights = run(part, data, output, changes, seed, progress)
        say(f"weights: {weights}")

    return train_part


for part, what in PARTS.items():
    train.command(part, help=what)(_training_of(part))


@train.command()
def segmentation(
    real: opt.LabeledCases,
    output: opt.ModelOutput,
    network: opt.Network = opt.NetworkName.unet,
    synthetic: opt.Synthetic = None,
    online: opt.Online = None,
    config: opt.SegmentationConfigFile = None,
    classes: opt.Classes = None,
    seed: opt.DrawSeed = 0,
) -> None:
    """Train a network that finds lymph nodes; the same command resumes an interrupted run."""
    from LNGenLib.datasets.cases import read_cases
    from LNGenLib.datasets.splitting import split
    from LNGenLib.segmentation.config import SegmentationConfig

    changes = {} if config is None else read_json(config)
    wanted = from_json(SegmentationConfig, changes | {"network": network.value})
    own = ("settings.json", "training.json", "segmentation.json", "nnunet.json")
    check_output(output, own, (config,), overwrite=True)  # its own of before, that is
    training, validation = split(cases_of(real, classes), seed)
    if synthetic is not None:
        held_out = {case.patient for case in validation}
        training += [case for case in read_cases(synthetic) if case.patient not in held_out]
    folders = {"real": real, "synthetic": synthetic, "online": online}
    sources = {name: path and str(path.resolve()) for name, path in folders.items()}
    named = {"classes": classes} if classes else {}
    keep_settings(output, {"config": dataclasses.asdict(wanted), "seed": seed} | sources | named)
    train_network = _network_training(network, online, seed)
    with shown_progress() as progress:
        trained = train_network(training, validation, output, wanted, seed, progress=progress)
    print_left_out(trained["left_out"])
    say(
        f"model: {output}; Dice {trained['validation_dice']:.3f} on validation"
        f"{count_left_out(trained['left_out'])}"
    )


def _network_training(
    network: opt.NetworkName, pool: Path | None, seed: int
) -> Callable[..., dict[str, Any]]:
    """What trains the network; with a pool, on patches that its lymph nodes are painted into."""
    if network is opt.NetworkName.nnunet:
        from LNGenLib.segmentation import nnunet

        if pool is not None:
            raise InputError("nnU-Net trains on files: give --synthetic in place of --online")
        return nnunet.train
    from LNGenLib.segmentation import training

    if pool is None:
        return training.train
    from LNGenLib.segmentation import SynthesizeLymphNodesd

    online = SynthesizeLymphNodesd(("image", "label"), pool, seed=seed)
    return partial(training.train, online=online)
