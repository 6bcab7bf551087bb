"""Training of the texture model: CT-patch autoencoder, then conditional diffusion (eq. 6)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from monai.data import Dataset
from monai.transforms import Compose, RandAxisFlipd, RandRotate90d
from torch.nn import functional

from LNGenLib.image.hu import WINDOW
from LNGenLib.latent.training import AutoencoderTask, Stage, Task, fit
from LNGenLib.progress import Progress
from LNGenLib.texture.networks import TextureConfig, TextureNetworks

KEYS = ("ct", "sdf")
HU_SHIFT = 20.0  # HU, standard deviation of the intensity augmentation


def _augmented(batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """CT and SDF in [-1, 1] of stored bytes; one random HU offset a patch."""
    ct, sdf = (batch[key].float() / 127.5 - 1 for key in KEYS)
    offset = (
        torch.randn(len(ct), 1, 1, 1, 1, device=ct.device) * 2 * HU_SHIFT / (WINDOW[1] - WINDOW[0])
    )
    return (ct + offset).clamp(-1, 1), sdf


class PatchesTask(AutoencoderTask):
    """The VAE of CT patches, half of them with the hole, as in the condition."""

    def __init__(self, networks: TextureNetworks):
        super().__init__(networks, networks.config.vae_steps)
        self.cut_hole = networks.cut_hole

    def patches(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """CT patches (n, 1, s, s, s) of a batch."""
        ct, sdf = _augmented(batch)
        half = len(ct) // 2
        ct[:half] = self.cut_hole(ct[:half], sdf[:half])
        return ct


class TextureTask(Task):
    """The diffusion loss of eq. 6, most of its weight in the hole."""

    def __init__(self, networks: TextureNetworks):
        super().__init__(networks.config.diffusion_steps, networks.config.learning_rate)
        self.networks = networks
        networks.autoencoder.requires_grad_(False)

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The diffusion loss, a scalar, of patches (n, 1, s, s, s)."""
        ct, sdf = _augmented(batch)
        inside = (sdf < 0).float()
        mean = (ct * inside).sum((1, 2, 3, 4)) / inside.sum((1, 2, 3, 4)).clamp(min=1)
        with torch.no_grad():
            z = self.networks.autoencoder.encode(ct)
            condition = self.networks.condition(ct, sdf, mean)
        latent_hole = functional.max_pool3d(self.networks.hole(sdf).float(), self.networks.FACTOR)
        weight = latent_hole + self.networks.config.outside_weight * (1 - latent_hole)
        return self.networks.diffusion.loss(z, condition, weight / weight.mean())


def train(
    kind: type[TextureNetworks], config: TextureConfig, arrays: Path, seed: int, progress: Progress
) -> TextureNetworks:
    """Train new networks on prepared arrays (`dataset.prepare`), the diffusion on the autoencoder
    that it finds trained; it is resumed where it was interrupted.

    Needs torch, monai and Lightning only.
    """
    torch.manual_seed(seed)
    networks = kind(config)
    learn = partial(
        fit, folder=arrays.parent, batch_size=config.batch_size, seed=seed, progress=progress
    )
    with np.load(arrays) as data:
        ct, sdf = (torch.from_numpy(data[name])[:, None] for name in ("hu", "sdf"))
        split = data["split"]

    def items(part: str) -> list[dict[str, torch.Tensor]]:
        return [{"ct": ct[i], "sdf": sdf[i]} for i in np.flatnonzero(split == part)]

    turns = Compose([*[RandAxisFlipd(KEYS, 0.75)] * 2, RandRotate90d(KEYS, 0.75, 3, (1, 2))])
    turns.set_random_state(seed)
    patches, validation = Dataset(items("train"), turns), Dataset(items("validation"))
    learn(Stage("vae", PatchesTask(networks), patches, validation))
    sample = torch.from_numpy(np.flatnonzero(split == "train"))[:: max(1, len(ct) // 1000)]
    networks.autoencoder.eval().measure_latents(ct[sample].float() / 127.5 - 1)
    learn(Stage("ddpm", TextureTask(networks), patches, validation))
    return networks
