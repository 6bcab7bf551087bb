"""nnU-Net through the nnunetv2 package itself: it plans, preprocesses, trains and predicts.

Its folders lie in the model's own (`nnunet/raw`, `preprocessed`, `results`), so that its commands
work on them, too (https://github.com/MIC-DKFZ/nnUNet). Nothing of it is changed but the number of
epochs and of their steps, that a checkpoint follows each epoch, and that a CPU with instructions
for it convolves in bfloat16. A patch, channels or a batch size that are given are a configuration
of their own in its plans (its documentation/explanation_plans_files.md).
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from LNGenLib.datasets.case import Case
from LNGenLib.datasets.layouts import RECORDS
from LNGenLib.datasets.writing import NnUNet
from LNGenLib.errors import InputError
from LNGenLib.files import read_json, whole_file, write_json
from LNGenLib.image.io import marked_synthetic
from LNGenLib.latent.convolution import in_precision, quickest_precision
from LNGenLib.latent.faults import explained_faults
from LNGenLib.progress import SILENT, Progress
from LNGenLib.segmentation.config import NNUNET, PLANNED, SegmentationConfig
from LNGenLib.segmentation.preparing import usable
from LNGenLib.synthesis.models import choose_device
from LNGenLib.threads import usable_cpus
from LNGenLib.validation import whole

DATASET, PLANS, FOLD = "Dataset001_LymphNodes", "nnUNetPlans", 0
CONFIGURATION, CHANGED = "3d_fullres", "3d_fullres_lngen"  # as planned; with what is given
GIVEN = ("patch", "channels", "batch_size")
FEWEST_VOXELS, CONVOLUTIONS = 4, 2  # along a side of the coarsest stage; of each stage
FEWEST_STAGES = 3  # for deep supervision
FOLDERS = {f"nnUNet_{name}": name for name in ("raw", "preprocessed", "results")}


def use_folders(model: Path, configuration: str = CONFIGURATION) -> Path:
    """Tell nnunetv2, which takes them from the environment, the folders of a model; returns the
    one of its training in a configuration. Raises InputError where nnunetv2 is missing."""
    for variable, name in FOLDERS.items():
        os.environ[variable] = str(model.absolute() / "nnunet" / name)
    os.environ.setdefault("nnUNet_n_proc_DA", "0")
    os.environ.setdefault("nnUNet_def_n_proc", str(usable_cpus()))  # threads that predict
    try:
        import nnunetv2  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            'nnunetv2 is missing: pip install nnunetv2 (or "lngen[nnunet]")'
        ) from error
    name = f"nnUNetTrainer__{PLANS}__{configuration}"
    return model / "nnunet" / "results" / DATASET / name / f"fold_{FOLD}"


def train(
    training: Sequence[Case],
    validation: Sequence[Case],
    folder: Path,
    config: SegmentationConfig,
    seed: int = 0,
    progress: Progress = SILENT,
    device: str = "auto",
) -> dict[str, Any]:
    """Plan, preprocess and train on cases; the same call resumes from the last whole epoch.

    nnU-Net's checkpoint with the best Dice on patches of the validation cases counts. Seeds are set
    but nnU-Net's training is not deterministic. Returns what `training.json` says.
    """
    started, seed = time.monotonic(), whole(seed, "seed")
    device = choose_device(device)
    changes = {name: value for name in GIVEN if (value := getattr(config, name)) is not PLANNED}
    configuration = CHANGED if changes else CONFIGURATION
    results = use_folders(folder, configuration)
    with explained_faults(results, "checkpoint_latest.pth"):
        left_out = _write_raw(training, validation, folder, progress)
        _plan(folder, progress)
        if changes:
            _add_configuration(folder, **changes)
        trainer = _trainer(config, seed, device, configuration)
        trainer.initialize()
        quicken(trainer.network, device)
        for name in ("checkpoint_final.pth", "checkpoint_latest.pth"):
            if (results / name).exists():
                trainer.load_checkpoint(str(results / name))
                break
        if trainer.current_epoch < config.epochs:
            _report_steps(trainer, progress, config)
            trainer.run_training()
    description = {
        "config": dataclasses.asdict(config),
        "configuration": configuration,
        "seed": seed,
        "validation_dice": float(trainer._best_ema or 0),
        "steps": config.steps,
        "left_out": left_out,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(description, folder / "training.json")
    write_json(description, folder / NNUNET)
    return description


def _write_raw(
    training: Sequence[Case], validation: Sequence[Case], folder: Path, progress: Progress
) -> dict[str, str]:
    """nnU-Net's raw data set and its one split; why cases are left out."""
    raw = NnUNet(folder / "nnunet" / "raw" / DATASET)

    def write(part: str, case: Case) -> str:
        id = f"{part}_{'synthetic_' if case.synthetic else ''}{case.id}"
        if not (raw.folder / RECORDS / f"{id}.json").exists():
            loaded = case.load_labeled()
            mask = marked_synthetic(loaded.mask) if case.synthetic else loaded.mask
            about = {"synthetic": case.synthetic, "patient": case.patient, "labels": loaded.values}
            raw.write(id, {"ct": loaded.ct, "label": mask}, about)
        return id

    split, left_out = {}, dict[str, str]()
    for part, cases in (("train", training), ("val", validation)):
        split[part], others = usable(cases, partial(write, part), progress)
        left_out |= others
    raw.finish()
    preprocessed = folder / "nnunet" / "preprocessed" / DATASET
    preprocessed.mkdir(parents=True, exist_ok=True)
    write_json([split], preprocessed / "splits_final.json")
    return left_out


def _plan(folder: Path, progress: Progress) -> None:
    """Fingerprint, plans and preprocessed scans, in a process of their own: nnU-Net's pools do not
    end where SIGTERM is handled, as the lngen command does."""
    done = folder / "nnunet" / "preprocessed" / DATASET / "preprocessed.json"
    if done.exists():
        return
    progress.advance("planning", 0, 1)
    entry = "nnunetv2.experiment_planning.plan_and_preprocess_entrypoints"
    code = f"from {entry} import plan_and_preprocess_entry as plan; plan()"
    options = ["-d", str(int(DATASET[7:10])), "-c", CONFIGURATION, "-np", "1", "-npfp", "1"]
    environment = os.environ | {"nnUNet_n_proc_DA": "1"}  # planning takes no 0
    command = [sys.executable, "-c", code, *options]
    planned = subprocess.run(command, capture_output=True, text=True, env=environment)
    if planned.returncode:
        last = (planned.stderr.strip() or "no message").splitlines()[-1]
        raise InputError(f"nnU-Net could not plan or preprocess the cases: {last}")
    write_json({"plans": PLANS}, done)


def _add_configuration(
    folder: Path,
    patch: Sequence[int] | None = None,
    channels: Sequence[int] | None = None,
    batch_size: int | None = None,
) -> None:
    """Write the configuration CHANGED into the plans: the planned one but for what is given. The
    topology is the one that nnU-Net's planner takes for the patch, rounded up to what it divides.
    """
    from nnunetv2.experiment_planning.experiment_planners import network_topology as topology

    file = folder / "nnunet" / "preprocessed" / DATASET / f"{PLANS}.json"
    plans = read_json(file)
    planned = plans["configurations"][CONFIGURATION]
    size = [patch[k] for k in plans["transpose_forward"]] if patch else planned["patch_size"]
    _, strides, kernels, size, _ = topology.get_pool_and_conv_props(
        planned["spacing"], size, FEWEST_VOXELS, max(size)
    )
    stages = len(strides)
    if stages < FEWEST_STAGES:
        raise InputError(f"patch {patch} is too small for nnU-Net: give a larger one")
    planned_kwargs = planned["architecture"]["arch_kwargs"]
    channels = channels or planned_kwargs["features_per_stage"]
    kwargs = planned_kwargs | {
        "n_stages": stages,
        "features_per_stage": [channels[min(k, len(channels) - 1)] for k in range(stages)],
        "kernel_sizes": kernels,
        "strides": strides,
        "n_conv_per_stage": [CONVOLUTIONS] * stages,
        "n_conv_per_stage_decoder": [CONVOLUTIONS] * (stages - 1),
    }
    plans["configurations"][CHANGED] = {
        "inherits_from": CONFIGURATION,
        "patch_size": [int(n) for n in size],
        "batch_size": batch_size or planned["batch_size"],
        "architecture": planned["architecture"] | {"arch_kwargs": kwargs},
    }
    write_json(plans, file)


def quicken(network: torch.nn.Module, device: str) -> None:
    """Let a network of nnU-Net's, which knows mixed precision on GPUs alone, convolve in bfloat16
    on a CPU with instructions for it; what it returns is in single precision, as before."""
    if quickest_precision(device) is not torch.bfloat16:
        return
    forward = network.forward

    def in_bfloat16(image: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        with in_precision(torch.bfloat16):
            found = forward(image)
        if isinstance(found, torch.Tensor):
            return found.float()
        return [scale.float() for scale in found]  # deep supervision

    network.forward = in_bfloat16


def _trainer(
    config: SegmentationConfig, seed: int, device: str, configuration: str = CONFIGURATION
) -> Any:
    from nnunetv2.run.run_training import get_trainer_from_args

    torch.manual_seed(seed)
    np.random.seed(seed)
    trainer = get_trainer_from_args(
        DATASET, configuration, FOLD, "nnUNetTrainer", PLANS, device=torch.device(device)
    )
    trainer.num_epochs, trainer.num_iterations_per_epoch = config.epochs, config.steps_an_epoch
    trainer.num_val_iterations_per_epoch = max(config.steps_an_epoch // 5, 1)
    trainer.save_every = 1
    save = trainer.save_checkpoint

    def save_whole(path: str) -> None:  # a kill in the midst of it must not cost the last one
        with whole_file(Path(path)) as temporary:
            save(str(temporary))

    trainer.save_checkpoint = save_whole
    return trainer


def _report_steps(trainer: Any, progress: Progress, config: SegmentationConfig) -> None:
    step = trainer.train_step
    done = trainer.current_epoch * config.steps_an_epoch

    def train_step(batch: dict) -> dict:
        nonlocal done
        found = step(batch)
        done += 1
        progress.advance("training", done, config.steps)
        return found

    trainer.train_step = train_step
