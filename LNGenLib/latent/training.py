"""One Lightning training loop for every network of LNGen: steps, EMA, checkpoints, resume."""

from __future__ import annotations

import logging
import warnings
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger
from pytorch_lightning.plugins.io import TorchCheckpointIO
from safetensors.torch import load_file, save
from torch import nn
from torch.utils.data import DataLoader, Dataset

from LNGenLib.files import whole_file, write_bytes
from LNGenLib.latent.autoencoder import vae_loss
from LNGenLib.progress import SILENT, Progress

BATCHES_PER_EPOCH = 100
EMA_DECAY = 0.995


# Lightning's messages on devices, on loggers to install and on what is meant here: frozen networks,
# folders and metrics of a training that goes on, batches drawn in the training's process
logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
for message in ("LeafSpec", "in eval mode", "irectory .* exists", "many workers"):
    warnings.filterwarnings("ignore", f".*{message}")


class _EndlessBatches(torch.utils.data.Sampler):
    """Random indices with replacement; an epoch is BATCHES_PER_EPOCH batches."""

    def __init__(self, size: int, batch_size: int):
        self.size, self.batch_size = size, batch_size

    def __len__(self) -> int:
        return BATCHES_PER_EPOCH * self.batch_size

    def __iter__(self):
        return iter(torch.randint(self.size, (len(self),)).tolist())


class Task(pl.LightningModule):
    """A network with a `loss(batch)`; AdamW with warm-up and cosine decay."""

    def __init__(self, steps: int, learning_rate: float):
        super().__init__()
        self.steps, self.learning_rate = steps, learning_rate

    @abstractmethod
    def loss(self, batch) -> torch.Tensor:
        """The loss, a scalar, of a batch as the data set yields it."""

    def training_step(self, batch, _index):
        """The loss of a batch, logged as `train`."""
        loss = self.loss(batch)
        self.log("train", loss, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch, _index):
        """Log the loss of a held-out batch as `validation`."""
        self.log("validation", self.loss(batch), prog_bar=True)

    def configure_optimizers(self):
        """AdamW of what is trained, its rate over all steps."""
        optimizer = torch.optim.AdamW(
            [p for p in self.parameters() if p.requires_grad], self.learning_rate, weight_decay=1e-4
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, total_steps=self.steps + 1, pct_start=0.05
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class AutoencoderTask(Task):
    """The VAE of `networks`."""

    def __init__(self, networks: nn.Module, steps: int):
        super().__init__(steps, networks.config.learning_rate)
        self.autoencoder, self.kl_weight = networks.autoencoder, networks.config.kl_weight

    def patches(self, batch: Any) -> torch.Tensor:
        """What it learns (n, 1, s, s, s) of a batch."""
        return batch

    def loss(self, batch: Any) -> torch.Tensor:
        """The VAE's loss, a scalar."""
        return vae_loss(self.autoencoder, self.patches(batch), self.kl_weight)


@dataclass(frozen=True)
class Stage:
    """A stage of a training: its name, its task, what it learns from and what is held out."""

    name: str
    task: Task
    train: Dataset
    validation: Dataset


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that appear whole or not at all: Lightning's own way writes into the last one
    where the temporary folder is on another disk."""

    def save_checkpoint(self, checkpoint, path, storage_options=None) -> None:
        """Write a checkpoint; OutputError where that fails, and the older one stays."""
        with whole_file(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


class StepReport(pl.Callback):
    """Reports each step; what `progress` raises ends the training."""

    def __init__(self, stage: str, progress: Progress):
        self.stage, self.progress = stage, progress

    def on_train_batch_end(self, trainer, task, *_):
        """A step is done."""
        self.progress.advance(self.stage, trainer.global_step, task.steps)


def trainer_in(
    folder: Path, callbacks: list[pl.Callback], *loggers: Logger, **settings: Any
) -> pl.Trainer:
    """A trainer in mixed precision that works in a folder, writes its `metrics.csv` there and shows
    nothing by itself."""
    return pl.Trainer(
        default_root_dir=folder,
        precision="bf16-mixed",
        accelerator="auto",
        gradient_clip_val=1.0,
        callbacks=callbacks,
        plugins=[WholeCheckpoints()],
        logger=[CSVLogger(folder, name=None, version=""), *loggers],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **settings,
    )


def fit(
    stage: Stage, folder: Path, batch_size: int, seed: int, progress: Progress = SILENT
) -> None:
    """Train a stage to its averaged (EMA) weights, in the folder of its name.

    Resumes from its `last.ckpt` where a run was interrupted; the weights of a finished one
    are loaded from its `averaged.safetensors`. Losses of each 100 steps since the last start are in
    its `metrics.csv`.
    """
    task, own = stage.task, folder / stage.name
    averaged, last = own / "averaged.safetensors", own / "last.ckpt"
    if averaged.exists():
        task.load_state_dict(load_file(averaged))
        return
    pl.seed_everything(seed, workers=True, verbose=False)
    callbacks = [
        ModelCheckpoint(
            own,
            filename="last",
            every_n_train_steps=BATCHES_PER_EPOCH,
            enable_version_counter=False,
        ),
        # begun half-way: an average that starts at the random weights keeps a share of them
        EMAWeightAveraging(decay=EMA_DECAY, update_starting_at_step=task.steps // 2),
        StepReport(stage.name, progress),
    ]
    trainer = trainer_in(
        own,
        callbacks,
        max_steps=task.steps,
        devices=1,
        log_every_n_steps=BATCHES_PER_EPOCH,
        check_val_every_n_epoch=5,
    )
    batches = _EndlessBatches(len(stage.train), batch_size)
    train = DataLoader(stage.train, batch_size, sampler=batches)
    validation = DataLoader(stage.validation, batch_size)
    trainer.fit(task, train, validation, ckpt_path=last if last.exists() else None)
    write_bytes(save(task.state_dict()), averaged)
