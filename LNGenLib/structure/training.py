"""Training of the structure model: VAE on solids, VAE on lymph nodes, DDPM and adapter jointly."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import TensorDataset

from LNGenLib.latent.training import AutoencoderTask, Stage, Task, fit
from LNGenLib.progress import Progress
from LNGenLib.structure.adapter import adapter_loss
from LNGenLib.structure.corpus import Shapes, Volumes, read_corpus, solid_shapes
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
    seed: int,
    progress: Progress,
) -> StructureNetworks:
    """Train new networks on prepared arrays (`preparing.prepare`), each stage on what the one
    before has trained; it is resumed where it was interrupted.

    What else they learn from is kept beside the arrays. Needs neither SimpleITK nor vtk.
    """
    kept = arrays.with_name("corpus.npz")
    corpus, held_out, known = read_corpus(arrays, kept, config, seed, progress)
    torch.manual_seed(seed)
    networks = kind(replace(config, known=len(known)))
    networks.prior.table.copy_(known)
    learn = partial(
        fit, folder=arrays.parent, batch_size=config.batch_size, seed=seed, progress=progress
    )
    validation, autoencoder = Volumes(held_out.tsdf), networks.autoencoder
    if config.solid_steps:
        solids = solid_shapes(arrays.with_name("solids.npz"), config.solids, seed)
        pretraining = AutoencoderTask(networks, config.solid_steps)
        learn(Stage("solids", pretraining, Volumes(solids), validation))
    adaptation = AutoencoderTask(networks, config.vae_steps)
    learn(Stage("vae", adaptation, Volumes(corpus.tsdf), validation))
    autoencoder.eval().measure_latents(_volumes(corpus))
    encoded, encoded_validation = (_encoded(autoencoder, part) for part in (corpus, held_out))
    learn(Stage("joint", StructureTask(networks), encoded, encoded_validation))
    return networks


@torch.no_grad()
def _encoded(autoencoder: torch.nn.Module, shapes: Shapes) -> TensorDataset:
    """TSDFs, descriptors and latents: encoding in each step would cost a tenth of the training."""
    x = _volumes(shapes)
    latents = torch.cat([autoencoder.encode(part) for part in x.split(64)])
    return TensorDataset(x, torch.from_numpy(shapes.descriptors), latents)


def _volumes(shapes: Shapes) -> torch.Tensor:
    return torch.from_numpy(shapes.tsdf / TRUNCATION)[:, None]
