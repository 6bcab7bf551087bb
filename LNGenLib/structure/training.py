"""Training of the structure model: the VAE first, then DDPM and adapter jointly (eq. 5)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from monai.data import Dataset
from monai.transforms import Compose, RandAxisFlip, RandRotate90

from LNGenLib.latent.autoencoder import vae_loss
from LNGenLib.latent.training import Task, fit
from LNGenLib.models.store import save_weights
from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.networks import StructureConfig, StructureNetworks

PLANES = ((0, 1), (0, 2), (1, 2))


class AutoencoderTask(Task):
    """Stage 1: the VAE of the TSDFs."""

    def __init__(self, networks: StructureNetworks):
        super().__init__(networks.config.vae_steps, networks.config.learning_rate)
        self.config, self.autoencoder = networks.config, networks.autoencoder

    def loss(self, batch: torch.Tensor) -> torch.Tensor:
        return vae_loss(self.autoencoder, batch, self.config.kl_weight)


class StructureTask(Task):
    """Stage 2: L_diffusion + lambda L_adapter (eq. 5) with the VAE frozen."""

    def __init__(self, networks: StructureNetworks):
        super().__init__(networks.config.diffusion_steps, networks.config.learning_rate)
        self.networks = networks
        networks.autoencoder.requires_grad_(False)

    def loss(self, batch: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            z = self.networks.autoencoder.encode(batch)
        part = len(z) // 4 or 1  # the adapter converges sooner and costs more a shape than the DDPM
        adapter = self.networks.adapter_loss(batch[:part], z[:part])
        diffusion = self.networks.diffusion.loss(z)
        self.log_dict({"diffusion": diffusion, "adapter": adapter}, on_epoch=True, on_step=False)
        return diffusion + self.networks.config.adapter_weight * adapter


def train(arrays: Path, folder: Path, config: StructureConfig, seed: int = 0) -> None:
    """Train on prepared arrays (`dataset.prepare`); weights and config go to `folder`.

    Interrupted, the same call resumes. Needs torch, monai and Lightning only.
    """
    with np.load(arrays) as data:
        tsdf = torch.from_numpy(data["tsdf"].astype(np.float32) / TRUNCATION)[:, None]
        split = data["split"]
    real, held_out = tsdf[split == "train"], tsdf[split == "validation"]
    flips = [RandAxisFlip(prob=0.75)] * 3
    turned = Dataset(real, Compose([*flips, *(RandRotate90(0.5, 3, a) for a in PLANES)]))
    flipped = Dataset(real, Compose(flips))
    validation = Dataset(held_out)

    torch.manual_seed(seed)
    networks = StructureNetworks(config)
    fit(AutoencoderTask(networks), turned, validation, folder / "vae", config.vae_batch_size, seed)
    networks.autoencoder.eval()
    networks.autoencoder.measure_latents(real)
    fit(
        StructureTask(networks),
        flipped,
        validation,
        folder / "ddpm",
        config.diffusion_batch_size,
        seed,
    )
    save_weights(networks, config, folder / "structure.safetensors")
