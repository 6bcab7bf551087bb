"""Training of the structure model: VAE on solids, VAE on lymph nodes, then DDPM and adapter jointly
(eq. 5); and of the explicit DDPM."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from LNGenLib.latent.autoencoder import Autoencoder, vae_loss
from LNGenLib.latent.training import OnStep, Task, fit
from LNGenLib.models.store import save_weights
from LNGenLib.structure.descriptors import describe, mirror, turn
from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.networks import (
    LATENT_GRID,
    ExplicitConfig,
    ExplicitNetworks,
    StructureConfig,
    StructureNetworks,
)
from LNGenLib.structure.repair import repair
from LNGenLib.structure.restoration import adapter_loss
from LNGenLib.structure.solids import solids


class Shapes(Dataset):
    """TSDFs (1, 32, 32, 32) in [-1, 1], flipped at random along each axis.

    With `turned` the axes are permuted too, which gives all 48 symmetries of the cube.
    """

    def __init__(self, tsdf: np.ndarray, flipped: bool = True, turned: bool = False):
        self.tsdf = torch.from_numpy(tsdf.astype(np.float32) / TRUNCATION)
        self.flipped, self.turned = flipped, turned

    def __len__(self) -> int:
        return len(self.tsdf)

    def __getitem__(self, index: int):
        shape = self.tsdf[index]
        if self.turned:
            shape = shape.permute(*torch.randperm(3).tolist())
        if self.flipped:
            shape = shape.flip([axis for axis in range(3) if torch.rand(()) < 0.5])
        return shape[None]


class DescribedShapes(Dataset):
    """A TSDF (1, 32, 32, 32) in [-1, 1], its descriptors (11,), and its latent where it is encoded.

    With `turned` in all 48 symmetries of the cube, each with its own descriptors: the DDPM is told
    which of them it sees, so that it draws none that lies as no lymph node does.
    """

    def __init__(self, tsdf: np.ndarray, turned: bool = True):
        orders = list(itertools.permutations(range(3))) if turned else [(0, 1, 2)]
        flips = list(np.ndindex(2, 2, 2)) if turned else [(0, 0, 0)]
        self.symmetries = list(itertools.product(orders, flips))
        drawn = np.stack([describe(shape) for shape in tsdf])
        self.descriptors = torch.from_numpy(
            np.concatenate([mirror(turn(drawn, order), flip) for order, flip in self.symmetries])
        )
        self.tsdf = torch.from_numpy(tsdf / TRUNCATION)
        self.latents = None

    @torch.no_grad()
    def encode(self, autoencoder: Autoencoder, report: OnStep) -> None:
        """Keep the latents: encoding in each step would cost a tenth of the training."""
        latents = []
        for number, symmetry in enumerate(self.symmetries):
            report("latents", number, len(self.symmetries))
            latents += [autoencoder.encode(x) for x in self._images(symmetry)[:, None].split(64)]
        self.latents = torch.cat(latents)

    def _images(self, symmetry, shapes=slice(None)) -> torch.Tensor:
        order, flip = symmetry
        turned = self.tsdf[shapes].permute(0, *(1 + axis for axis in order))
        return turned.flip([1 + axis for axis in range(3) if flip[axis]])

    def __len__(self) -> int:
        return len(self.descriptors)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        symmetry, shape = divmod(index, len(self.tsdf))
        image = self._images(self.symmetries[symmetry], slice(shape, shape + 1))
        item = image, self.descriptors[index]
        return item if self.latents is None else (*item, self.latents[index])


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

    def __init__(self, networks: ExplicitNetworks):
        super().__init__(networks.config.diffusion_steps, networks.config.learning_rate)
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
    real, held_out = _sound_shapes(arrays, report)
    torch.manual_seed(seed)
    config = replace(config, shapes=len(real))
    networks = StructureNetworks(config)
    validation, batch = Shapes(held_out, flipped=False), config.vae_batch_size
    if config.solid_steps:
        pretraining = AutoencoderTask(networks, config.solid_steps)
        corpus = Shapes(_corpus(folder / "solids.npz", config.solids, seed), turned=True)
        fit(pretraining, corpus, validation, folder / "solids", batch, seed, on_step)
    adaptation = AutoencoderTask(networks, config.vae_steps)
    fit(adaptation, Shapes(real, turned=True), validation, folder / "vae", batch, seed, on_step)
    networks.autoencoder.eval()

    shapes, validation = DescribedShapes(real), DescribedShapes(held_out, turned=False)
    networks.autoencoder.measure_latents(shapes.tsdf[:, None])
    networks.prior.table.copy_(shapes.descriptors[: len(real)])  # those that are not mirrored
    for data in (shapes, validation):
        data.encode(networks.autoencoder, report)
    batch = config.diffusion_batch_size
    joint = StructureTask(networks, config.joint_steps)
    fit(joint, shapes, validation, folder / "joint", batch, seed, on_step)
    diffusion = StructureTask(networks, config.diffusion_steps, adapter=False)
    fit(diffusion, shapes, validation, folder / "ddpm", batch, seed, on_step)
    adapter = StructureTask(networks, config.adapter_steps, diffusion=False)
    fit(adapter, shapes, validation, folder / "adapter", config.adapter_batch_size, seed, on_step)
    save_weights(networks, config, folder / "structure.safetensors")


def train_explicit(
    arrays: Path, folder: Path, config: ExplicitConfig, seed: int = 0, on_step: OnStep | None = None
) -> None:
    """Train the explicit variant on the same arrays."""
    real, held_out = _sound_shapes(arrays, on_step or (lambda *_: None))
    torch.manual_seed(seed)
    config = replace(config, shapes=len(real))
    networks = ExplicitNetworks(config)
    shapes, validation = DescribedShapes(real), DescribedShapes(held_out, turned=False)
    networks.prior.table.copy_(shapes.descriptors[: len(real)])
    task, batch = ExplicitTask(networks), config.diffusion_batch_size
    fit(task, shapes, validation, folder / "ddpm", batch, seed, on_step)
    save_weights(networks, config, folder / "explicit.safetensors")


def _corpus(path: Path, count: int, seed: int) -> np.ndarray:
    """The procedural solids, kept in `path`: a resumed training would make them anew in minutes."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished.npz")
        np.savez_compressed(unfinished, tsdf=solids(count, seed))
        unfinished.replace(path)
    with np.load(path) as arrays:
        return arrays["tsdf"]


def _sound_shapes(arrays: Path, report: OnStep) -> tuple[np.ndarray, np.ndarray]:
    """TSDFs of the training and the validation part, repaired: drawn masks hold islands and holes
    by slips of the pen, which a generator must not learn."""
    with np.load(arrays) as data:
        tsdf, split = data["tsdf"].astype(np.float32), data["split"]
    used = np.flatnonzero(np.isin(split, ("train", "validation")))
    for number, index in enumerate(used):
        report("repair", number, len(used))
        tsdf[index] = repair(tsdf[index])[0]
    return tsdf[split == "train"], tsdf[split == "validation"]
