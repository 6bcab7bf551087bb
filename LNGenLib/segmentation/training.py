"""Training of a segmentation network by Lightning: Dice and cross entropy on patches.

The checkpoint that counts is the one with the best mean Dice over the validation scans.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from monai.losses import DiceCELoss
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from LNGenLib.datasets.case import Case
from LNGenLib.datasets.label_values import IGNORED, NODE
from LNGenLib.files import write_json
from LNGenLib.latent.faults import explained_faults
from LNGenLib.latent.training import StepReport, Task, trainer_in
from LNGenLib.models.store import save_weights
from LNGenLib.progress import SILENT, Progress
from LNGenLib.segmentation.config import WEIGHTS, SegmentationConfig
from LNGenLib.segmentation.inference import slide
from LNGenLib.segmentation.networks import build
from LNGenLib.segmentation.patches import InOrder, Patches, Transform, Whole
from LNGenLib.segmentation.preparing import prepare
from LNGenLib.validation import whole

LAST = "last"  # the checkpoint from which a training resumes


class SegmentationTask(Task):
    """Dice + cross entropy of patches; on validation scans the mean Dice of lymph nodes."""

    def __init__(self, config: SegmentationConfig):
        super().__init__(config.steps, config.learning_rate)
        self.config, self.network = config, build(config)
        # Dice of the whole batch: of a patch without lymph nodes alone, it hardly has a gradient
        self.criterion = DiceCELoss(
            to_onehot_y=True, softmax=True, include_background=False, batch=True
        )

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Scalar loss of patches `image` and `label` (n, 1, z, y, x), without what is ignored."""
        found, label = self.network(batch["image"]).float(), batch["label"]
        counts = label != IGNORED
        if counts.all():
            return self.criterion(found, label)
        found = found.movedim(1, 0)[:, counts[:, 0]]  # Dice and cross entropy know no neighbors
        if not counts.any():
            return found.sum()
        return self.criterion(found[None], label[counts][None, None])

    def validation_step(self, batch, _index):
        """Log the Dice of a whole scan."""
        label = batch["label"][:, 0]
        found = slide(self.network, batch["image"], self.config)[:, 1] >= 0.5
        found, truth = found & (label != IGNORED), label == NODE
        dice = 2 * (found & truth).sum() / (found.sum() + truth.sum()).clamp(min=1)
        self.log("dice", dice, on_epoch=True, prog_bar=True, batch_size=1)


def train(
    training: Sequence[Case],
    validation: Sequence[Case],
    folder: Path,
    config: SegmentationConfig,
    seed: int = 0,
    online: Transform | None = None,
    progress: Progress = SILENT,
    cache: Path | None = None,
) -> dict[str, Any]:
    """Train on cases; `folder` gets `segmentation.safetensors` and its description (`.json`).

    Interrupted, the same call resumes from the last epoch. Cases that can't be used are left out
    and named in the description, which is returned. Arrays of the cases lie in `cache`, or in
    `folder`. Raises InputError, with the last checkpoint in place, where memory or disk run out.
    """
    started, seed = time.monotonic(), whole(seed, "seed")
    cache = cache or folder / "cases"
    with explained_faults(folder):
        prepared, left_out = prepare(training, config.spacing_mm, cache, progress)
        held_out, also_left_out = prepare(validation, config.spacing_mm, cache, progress)
        pl.seed_everything(seed, workers=True, verbose=False)
        task = SegmentationTask(config)
        checkpoint = partial(ModelCheckpoint, folder, enable_version_counter=False)
        best = checkpoint(filename="best", monitor="dice", mode="max")
        last = checkpoint(filename=LAST, every_n_epochs=1, save_on_train_epoch_end=True)
        trainer = trainer_in(
            folder,
            [best, StepReport("training", progress), last],
            TensorBoardLogger(folder, name=None, version="tensorboard"),
            max_epochs=config.epochs,
            log_every_n_steps=min(10, config.steps_an_epoch),
            use_distributed_sampler=False,
        )
        patches, resumed = Patches(prepared, config, seed, online), folder / f"{LAST}.ckpt"
        trainer.fit(
            task,
            DataLoader(patches, config.batch_size, sampler=InOrder(config)),
            DataLoader(Whole(held_out)),
            ckpt_path=resumed if resumed.exists() else None,
        )
        state = torch.load(best.best_model_path, weights_only=False, map_location="cpu")
        task.load_state_dict(state["state_dict"])
        save_weights(task.network, config, folder / WEIGHTS)
    description = {
        "config": dataclasses.asdict(config),
        "seed": seed,
        "validation_dice": float(best.best_model_score),
        "best_step": state["global_step"],
        "steps": trainer.global_step,
        "training": [case.id for case in prepared],
        "validation": [case.id for case in held_out],
        "left_out": left_out | also_left_out,
        "online": online is not None,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(description, folder / "training.json")
    return description
