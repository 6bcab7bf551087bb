"""Training of the structure model: VAE on solids, VAE on lymph nodes, DDPM and adapter jointly
(eq. 5), DDPM on deformed lymph nodes, adapter; and of the explicit DDPM. Their bias is measured at
last."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import Subset

from LNGenLib.latent.autoencoder import vae_loss
from LNGenLib.latent.training import OnStep, Task, fit
from LNGenLib.models.store import save_weights
from LNGenLib.structure.calibration import measure_bias
from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.model import StructureModel
from LNGenLib.structure.networks import (
    LATENT_GRID,
    ExplicitConfig,
    ExplicitNetworks,
    StructureConfig,
    StructureNetworks,
)
from LNGenLib.structure.restoration import adapter_loss
from LNGenLib.structure.training_shapes import (
    Shapes,
    deformed_shapes,
    described_shapes,
    solid_shapes,
    sound_shapes,
)
from LNGenLib.structure.variant import Variant


class AutoencoderTask(Task):
    """The VAE of the TSDFs."""

    def __init__(self, networks: StructureNetworks, steps: int):
        super().__init__(steps, networks.config.learning_rate)
        self.config, self.autoencoder = networks.config, networks.autoencoder

    def loss(self, batch: torch.Tensor) -> torch.Tensor:
        """The VAE's loss, a scalar, of TSDFs (n, 1, 32, 32, 32)."""
        return vae_loss(self.autoencoder, batch, self.config.kl_weight)


class StructureTask(Task):
    """L_diffusion + lambda L_adapter (eq. 5) with the VAE frozen, or one of them with the other's
    network frozen too."""

    def __init__(
        self, networks: StructureNetworks, steps: int, diffusion: bool = True, adapter: bool = True
    ):
        super().__init__(steps, networks.config.learning_rate)
        self.networks, self.diffusion, self.adapter = networks, diffusion, adapter
        networks.autoencoder.requires_grad_(False)
        networks.diffusion.requires_grad_(diffusion)
        networks.adapter.requires_grad_(adapter)

    def loss(self, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """The loss, a scalar, of TSDFs (n, 1, 32, 32, 32), their descriptors and latents."""
        x, descriptors, z = batch
        networks = self.networks
        condition = networks.prior.condition(descriptors, LATENT_GRID)
        if not self.diffusion:
            return networks.config.adapter_weight * adapter_loss(networks, x, z, condition)
        loss = networks.diffusion.loss(z, condition)
        if self.adapter:
            part = max(1, len(z) // 8)  # it costs several times as much a shape as the DDPM
            adapted = adapter_loss(networks, x[:part], z[:part])
            loss = loss + networks.config.adapter_weight * adapted
        return loss


class ExplicitTask(Task):
    """The DDPM on the mask volume."""

    def __init__(self, networks: ExplicitNetworks, steps: int):
        super().__init__(steps, networks.config.learning_rate)
        self.networks = networks

    def loss(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """The DDPM's loss, a scalar, of mask volumes (n, 1, z, y, x) and their descriptors."""
        x, descriptors = batch
        condition = self.networks.prior.condition(descriptors, LATENT_GRID)
        return self.networks.diffusion.loss(self.networks.encode(x), condition)


def train(
    arrays: Path,
    folder: Path,
    config: StructureConfig,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> None:
    """Train on prepared arrays (`dataset.prepare`); weights and config go to `folder`.

    Interrupted, the same call resumes. Needs neither SimpleITK nor vtk.
    """
    report = on_step or (lambda *_: None)
    real, held_out = sound_shapes(arrays, report)
    torch.manual_seed(seed)
    config = replace(config, shapes=len(real))
    networks = StructureNetworks(config)
    validation, batch = Shapes(held_out, flipped=False), config.vae_batch_size
    if config.solid_steps:
        pretraining = AutoencoderTask(networks, config.solid_steps)
        corpus = Shapes(solid_shapes(folder / "solids.npz", config.solids, seed), turned=True)
        fit(pretraining, corpus, validation, folder / "solids", batch, seed, on_step)
    adaptation = AutoencoderTask(networks, config.vae_steps)
    fit(adaptation, Shapes(real, turned=True), validation, folder / "vae", batch, seed, on_step)
    networks.autoencoder.eval()

    networks.autoencoder.measure_latents(torch.from_numpy(real / TRUNCATION)[:, None])
    shapes = described_shapes(real, report)
    validation = described_shapes(held_out, report, turned=False)
    networks.prior.table.copy_(shapes.descriptors[: len(real)])  # those that are not mirrored
    for data in (shapes, validation):
        data.encode(networks.autoencoder, report)
    batch = config.diffusion_batch_size
    joint = StructureTask(networks, config.joint_steps)
    fit(joint, shapes, validation, folder / "joint", batch, seed, on_step)
    diffusion = StructureTask(networks, config.diffusion_steps, adapter=False)
    fit(diffusion, shapes, validation, folder / "ddpm", batch, seed, on_step)
    if config.deformed_steps:
        copies = folder / "deformed.npz"
        deformed = deformed_shapes(copies, real, config.deformations, seed, report)
        deformed.encode(networks.autoencoder, report)
        broadened = StructureTask(networks, config.deformed_steps, adapter=False)
        fit(broadened, deformed, validation, folder / "deformed", batch, seed, on_step)
    as_drawn = Subset(shapes, range(len(real)))  # the DDPM may have forgotten the others by now
    batch = config.adapter_batch_size
    adapter = StructureTask(networks, config.adapter_steps, diffusion=False)
    fit(adapter, as_drawn, validation, folder / "adapter", batch, seed, on_step)
    config = _calibrated(networks, Variant.implicit_adapter, folder, seed, report)
    save_weights(networks, config, folder / "structure.safetensors")


def train_explicit(
    arrays: Path, folder: Path, config: ExplicitConfig, seed: int = 0, on_step: OnStep | None = None
) -> None:
    """Train the explicit variant on the same arrays."""
    report = on_step or (lambda *_: None)
    real, held_out = sound_shapes(arrays, report)
    torch.manual_seed(seed)
    config = replace(config, shapes=len(real))
    networks = ExplicitNetworks(config)
    shapes = described_shapes(real, report)
    validation = described_shapes(held_out, report, turned=False)
    networks.prior.table.copy_(shapes.descriptors[: len(real)])  # those that are not mirrored
    batch = config.diffusion_batch_size
    task = ExplicitTask(networks, config.diffusion_steps)
    fit(task, shapes, validation, folder / "ddpm", batch, seed, on_step)
    if config.deformed_steps:
        copies = folder / "deformed.npz"
        deformed = deformed_shapes(copies, real, config.deformations, seed, report)
        broadened = ExplicitTask(networks, config.deformed_steps)
        fit(broadened, deformed, validation, folder / "deformed", batch, seed, on_step)
    config = _calibrated(networks, Variant.explicit, folder, seed, report)
    save_weights(networks, config, folder / "explicit.safetensors", in_8_bits=True)


def _calibrated(
    networks: StructureNetworks | ExplicitNetworks,
    variant: Variant,
    folder: Path,
    seed: int,
    report: OnStep,
) -> StructureConfig | ExplicitConfig:
    """The configuration of trained `networks` with the bias of what they draw."""
    weights, config = folder / "unbiased.safetensors", networks.config
    save_weights(networks, config, weights)
    model, on_step = StructureModel(weights, variant=variant), partial(report, "bias")
    return replace(config, bias=measure_bias(model, config.bias_shapes, seed, on_step))
