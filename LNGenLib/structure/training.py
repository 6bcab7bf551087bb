"""Training of the structure model: VAE on solids, VAE on lymph nodes, DDPM and adapter jointly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.data import TensorDataset

from LNGenLib.latent.autoencoder import vae_loss
from LNGenLib.latent.training import Task, fit
from LNGenLib.models.store import save_weights
from LNGenLib.progress import SILENT, Progress
from LNGenLib.structure.adapter import adapter_loss
from LNGenLib.structure.corpus import (
    Shapes,
    Volumes,
    described,
    real_shapes,
    solid_shapes,
    training_shapes,
)
from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.networks import LATENT_GRID, StructureConfig, StructureNetworks


class AutoencoderTask(Task):
    """The VAE of the TSDFs."""

    def __init__(self, networks: StructureNetworks, steps: int):
        super().__init__(steps, networks.config.learning_rate)
        self.config, self.autoencoder = networks.config, networks.autoencoder

    def loss(self, batch: torch.Tensor) -> torch.Tensor:
        """The VAE's loss, a scalar, of TSDFs (n, 1, 32, 32, 32)."""
        return vae_loss(self.autoencoder, batch, self.config.kl_weight)


class StructureTask(Task):
    """L_total = L_diffusion + lambda L_adapter (eq. 5), with the VAE frozen."""

    def __init__(self, networks: StructureNetworks, steps: int):
        super().__init__(steps, networks.config.learning_rate)
        self.networks = networks
        networks.autoencoder.requires_grad_(False)

    def loss(self, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """The loss, a scalar, of TSDFs (n, 1, 32, 32, 32), their descriptors and latents."""
        x, descriptors, z = batch
        networks, config = self.networks, self.networks.config
        part = max(1, len(z) // config.adapter_share)
        condition = networks.prior.condition(descriptors, LATENT_GRID)
        adapter = adapter_loss(
            networks.adapter, networks.autoencoder, x[:part], z[:part], config.adapter_noise
        )
        return networks.diffusion.loss(z, condition) + config.adapter_weight * adapter


def train(
    arrays: Path,
    folder: Path,
    config: StructureConfig,
    seed: int = 0,
    progress: Progress = SILENT,
) -> None:
    """Train on prepared arrays (`corpus.prepare`); weights and config go to `folder`.

    Interrupted, the same call resumes. Needs neither SimpleITK nor vtk.
    """
    real = real_shapes(arrays, "train")
    corpus = training_shapes(
        folder / "corpus.npz", real, config.copies, config.ovoids, seed, progress
    )
    held_out = described(real_shapes(arrays, "validation"))
    known = [*range(len(real[0])), *range(len(corpus.tsdf) - config.ovoids, len(corpus.tsdf))]
    config = replace(config, known=len(known))
    torch.manual_seed(seed)
    networks = StructureNetworks(config)
    networks.prior.table.copy_(torch.from_numpy(corpus.descriptors[known]))
    validation, batch = Volumes(held_out.tsdf), config.batch_size
    if config.solid_steps:
        pretraining = AutoencoderTask(networks, config.solid_steps)
        shapes = Volumes(solid_shapes(folder / "solids.npz", config.solids, seed))
        fit(pretraining, shapes, validation, folder / "solids", batch, seed, progress)
    adaptation = AutoencoderTask(networks, config.vae_steps)
    fit(adaptation, Volumes(corpus.tsdf), validation, folder / "vae", batch, seed, progress)
    autoencoder = networks.autoencoder.eval()
    autoencoder.measure_latents(_volumes(corpus))
    joint = StructureTask(networks, config.joint_steps)
    data = (_encoded(autoencoder, shapes) for shapes in (corpus, held_out))
    fit(joint, *data, folder / "joint", batch, seed, progress)
    save_weights(networks, config, folder / "structure.safetensors")


@torch.no_grad()
def _encoded(autoencoder: torch.nn.Module, shapes: Shapes) -> TensorDataset:
    """TSDFs, descriptors and latents: encoding in each step would cost a tenth of the training."""
    x = _volumes(shapes)
    latents = torch.cat([autoencoder.encode(part) for part in x.split(64)])
    return TensorDataset(x, torch.from_numpy(shapes.descriptors), latents)


def _volumes(shapes: Shapes) -> torch.Tensor:
    return torch.from_numpy(shapes.tsdf / TRUNCATION)[:, None]
