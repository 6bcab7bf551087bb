"""Training of the structure model: VAE on solids, VAE on lymph nodes, DDPM and adapter jointly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.data import TensorDataset

from LNGenLib.latent.training import AutoencoderTask, Stage, Task, fit
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


class StructureTask(Task):
    """L_total = L_diffusion + lambda L_adapter (eq. 5), with the VAE frozen."""

    def __init__(self, networks: StructureNetworks):
        super().__init__(networks.config.joint_steps, networks.config.learning_rate)
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
    kind: type[StructureNetworks],
    config: StructureConfig,
    arrays: Path,
    weights: Path,
    seed: int = 0,
    progress: Progress = SILENT,
) -> None:
    """Train networks on prepared arrays (`corpus.prepare`); `weights` and checkpoints go to its
    folder.

    Interrupted, the same call resumes. Needs neither SimpleITK nor vtk.
    """
    real, folder = real_shapes(arrays, "train"), weights.parent
    corpus = training_shapes(
        folder / "corpus.npz", real, config.copies, config.ovoids, seed, progress
    )
    held_out = described(real_shapes(arrays, "validation"))
    known = [*range(len(real[0])), *range(len(corpus.tsdf) - config.ovoids, len(corpus.tsdf))]
    torch.manual_seed(seed)
    networks = kind(replace(config, known=len(known)))
    networks.prior.table.copy_(torch.from_numpy(corpus.descriptors[known]))
    fit(
        _stages(networks, corpus, held_out, folder, seed), folder, config.batch_size, seed, progress
    )
    save_weights(networks, networks.config, weights)


def _stages(
    networks: StructureNetworks, corpus: Shapes, held_out: Shapes, folder: Path, seed: int
) -> Iterator[Stage]:
    config, autoencoder = networks.config, networks.autoencoder
    validation = Volumes(held_out.tsdf)
    if config.solid_steps:
        solids = Volumes(solid_shapes(folder / "solids.npz", config.solids, seed))
        yield Stage("solids", AutoencoderTask(networks, config.solid_steps), solids, validation)
    shapes = Volumes(corpus.tsdf)
    yield Stage("vae", AutoencoderTask(networks, config.vae_steps), shapes, validation)
    autoencoder.eval().measure_latents(_volumes(corpus))
    encoded, encoded_validation = (_encoded(autoencoder, part) for part in (corpus, held_out))
    yield Stage("joint", StructureTask(networks), encoded, encoded_validation)


@torch.no_grad()
def _encoded(autoencoder: torch.nn.Module, shapes: Shapes) -> TensorDataset:
    """TSDFs, descriptors and latents: encoding in each step would cost a tenth of the training."""
    x = _volumes(shapes)
    latents = torch.cat([autoencoder.encode(part) for part in x.split(64)])
    return TensorDataset(x, torch.from_numpy(shapes.descriptors), latents)


def _volumes(shapes: Shapes) -> torch.Tensor:
    return torch.from_numpy(shapes.tsdf / TRUNCATION)[:, None]
