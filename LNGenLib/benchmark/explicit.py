"""The explicit variant of Table II: a DDPM on masks of the same shapes, with as much compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import nn
from torch.utils.data import TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from LNGenLib.latent.diffusion import LatentDiffusion, seeded_noise
from LNGenLib.latent.training import Stage, Task, fit
from LNGenLib.progress import Progress
from LNGenLib.randomness import node_seed
from LNGenLib.structure.corpus import Shapes, read_corpus
from LNGenLib.structure.descriptor_prior import DescriptorPrior
from LNGenLib.structure.descriptors import DESCRIPTORS
from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION
from LNGenLib.structure.networks import (
    FACTOR,
    LATENT_GRID,
    STEPS,
    StructureConfig,
    StructureNetworks,
)
from LNGenLib.structure.shape_range import ANY_SHAPE
from LNGenLib.structure.tsdf import signed_distance

BATCH = 32  # shapes drawn at once


@dataclass(frozen=True)
class ExplicitConfig:
    """Sizes of the explicit DDPM; how long it is trained follows from the structure model's."""

    unet_channels: tuple[int, ...] = (32, 64)
    batch_size: int = 32
    learning_rate: float = 8e-4


class ExplicitNetworks(nn.Module):
    """A DDPM on masks (n, 1, 32, 32, 32), 1 outside and -1 inside; space to depth gives its U-Net
    the 8^3 grid of the latent DDPM's."""

    def __init__(self, config: ExplicitConfig, known: int):
        super().__init__()
        self.prior = DescriptorPrior(known)
        attention = [False] + [True] * (len(config.unet_channels) - 1)
        self.diffusion = LatentDiffusion(
            FACTOR**3, DESCRIPTORS, config.unet_channels, attention, prediction="sample"
        )


class ExplicitTask(Task):
    """The DDPM on masks."""

    def __init__(self, networks: ExplicitNetworks, steps: int, learning_rate: float):
        super().__init__(steps, learning_rate)
        self.networks = networks

    def loss(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """The DDPM's loss, a scalar, of masks (n, 1, 32, 32, 32) and their descriptors (n, 12)."""
        masks, descriptors = batch
        condition = self.networks.prior.condition(descriptors, LATENT_GRID)
        return self.networks.diffusion.loss(pixelunshuffle(masks.float(), 3, FACTOR), condition)


class ExplicitModel:
    """Draws masks as `StructureModel.draw` draws structures; `tflops` is what training took."""

    def __init__(self, networks: ExplicitNetworks, tflops: float):
        self.networks, self.tflops = networks.eval(), tflops

    @torch.inference_mode()
    def draw(self, numbers: Sequence[int], long_axes: Sequence[float], seed: int) -> np.ndarray:
        """TSDFs (n, 32, 32, 32) float32 of the masks drawn, nothing repaired."""
        prior = self.networks.prior
        drawn: list[np.ndarray] = []
        for start in range(0, len(numbers), BATCH):
            part = slice(start, start + BATCH)
            each = zip(numbers[part], long_axes[part])
            wanted = [prior.draw(long_axis, ANY_SHAPE, seed, k) for k, long_axis in each]
            condition = prior.condition(torch.from_numpy(np.stack(wanted)), LATENT_GRID)
            seeds = [node_seed(seed, k, "explicit") for k in numbers[part]]
            noise = seeded_noise(seeds, (FACTOR**3, *[LATENT_GRID] * 3))
            volumes = self.networks.diffusion.sample(noise, condition, STEPS)
            drawn.extend(as_mask(one) for one in pixelshuffle(volumes, 3, FACTOR)[:, 0].numpy())
        return np.stack(drawn)


def as_mask(tsdf: np.ndarray) -> np.ndarray:
    """The TSDF (32, 32, 32) float32 of the mask of a shape, negative inside, in its frame."""
    distance = signed_distance(tsdf < 0, (1, 1, 1)) * SAMPLE
    return distance.clip(-TRUNCATION, TRUNCATION).astype(np.float32)


def train(
    arrays: Path,
    corpus: Path,
    folder: Path,
    structure: StructureConfig,
    config: ExplicitConfig,
    seed: int,
    progress: Progress,
) -> ExplicitModel:
    """Train on what `structure.training` makes of prepared arrays (kept in `corpus`), with as much
    compute; what is kept in `folder` is not done again."""
    shapes, held_out, known = read_corpus(arrays, corpus, structure, seed, progress)
    torch.manual_seed(seed)
    networks = ExplicitNetworks(config, len(known))
    networks.prior.table.copy_(known)
    steps = equal_steps(structure, config)
    task = ExplicitTask(networks, steps, config.learning_rate)
    stage = Stage(folder.name, task, _masks(shapes), _masks(held_out))
    fit(stage, folder.parent, config.batch_size, seed, progress)
    return ExplicitModel(networks, steps * step_tflops(config))


def equal_steps(structure: StructureConfig, config: ExplicitConfig) -> int:
    """How many steps take as many floating-point operations as the structure model's training."""
    return round(training_tflops(structure) / step_tflops(config))


def step_tflops(config: ExplicitConfig) -> float:
    """TFLOP of a step of the explicit training: a backward pass counts two forward ones."""
    diffusion = ExplicitNetworks(config, 1).diffusion
    return config.batch_size * 3 * _ddpm_tflops(diffusion, FACTOR**3)


def training_tflops(config: StructureConfig) -> float:
    """TFLOP of all steps of the structure model's training, counted in the same way."""
    networks = StructureNetworks(config)
    z = torch.zeros(1, config.latent_channels, *[LATENT_GRID] * 3)
    shape = torch.zeros(1, 1, GRID, GRID, GRID)
    encoder = _tflops(lambda: networks.autoencoder.encode(shape))
    decoder = _tflops(lambda: networks.autoencoder.decode(z))
    adapter = _tflops(lambda: networks.adapter(shape))
    ddpm = _ddpm_tflops(networks.diffusion, config.latent_channels)
    vae = (config.solid_steps + config.vae_steps) * config.batch_size * 3 * (encoder + decoder)
    restored = max(1, config.batch_size // config.adapter_share) * (decoder + 3 * adapter)
    return vae + config.joint_steps * (config.batch_size * 3 * ddpm + restored)


def _ddpm_tflops(diffusion: LatentDiffusion, channels: int) -> float:
    z, condition = (torch.zeros(1, n, *[LATENT_GRID] * 3) for n in (channels, DESCRIPTORS))
    return _tflops(lambda: diffusion.velocity(z, torch.zeros(1, dtype=torch.int), condition))


@torch.no_grad()
def _tflops(call: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e12


def _masks(shapes: Shapes) -> TensorDataset:
    """Masks (n, 1, 32, 32, 32) int8 and descriptors (n, 12)."""
    masks = np.where(shapes.tsdf < 0, -1, 1).astype(np.int8)[:, None]
    return TensorDataset(torch.from_numpy(masks), torch.from_numpy(shapes.descriptors))
