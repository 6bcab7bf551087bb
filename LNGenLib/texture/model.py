"""Sampling of tissue: CT patch and shape -> conditional latent diffusion -> decoder -> HU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from LNGenLib.image.geometry import extract_patch
from LNGenLib.image.hu import denormalize, normalize
from LNGenLib.latent.convolution import quick_alone
from LNGenLib.latent.diffusion import seeded_noise
from LNGenLib.models.store import SHIPPED, config_of, load_weights, read_description
from LNGenLib.progress import SILENT, Progress
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.texture.blending import Tissue
from LNGenLib.texture.networks import TextureNetworks
from LNGenLib.texture.patch import SDF_TRUNCATION, patch_distance

BATCH = 8
GRAIN = 1.0  # samples; finer grain is the training scans' noise, blending adds this scan's own
STEPS = 6  # by Testing/benchmarks/texture_steps.py


class TextureModel:
    """The trained texture model; `path` is a .safetensors of `lngen train texture`."""

    NETWORKS = TextureNetworks
    TISSUE = Tissue

    def __init__(self, path: Path | None = None, device: str = "cpu"):
        self.path = path or SHIPPED / "texture.safetensors"
        self.description = read_description(self.path)
        self.device, self.batch = device, BATCH
        networks = self.NETWORKS(config_of(self.NETWORKS.CONFIG, self.description))
        self.networks = quick_alone(load_weights(networks, self.path, device), device)

    @torch.inference_mode()
    def sample(
        self,
        hu: np.ndarray,
        nodes: Sequence[LymphNode],
        means: Sequence[float],
        seeds: Sequence[int],
        steps: int = STEPS,
        progress: Progress = SILENT,
    ) -> list[Tissue]:
        """Tissue for each node in the CT `hu` (z, y, x), of the wanted mean HU inside.

        The noise of each node comes from its own seed.
        """
        networks, frame, tissues = self.networks, self.networks.FRAME, []
        batches = range(0, len(nodes), self.batch)
        for batch, start in enumerate(batches):
            part = slice(start, start + self.batch)
            ct, sdf = [], []
            for node in nodes[part]:
                step = frame.step(node.long_axis)
                ct.append(normalize(extract_patch(hu, node.spacing, node.center, step, frame.size)))
                samples = patch_distance(node.structure, node.rotation, node.long_axis, frame)
                sdf.append(np.clip(samples / SDF_TRUNCATION, -1, 1))
            condition = networks.condition(
                torch.from_numpy(np.stack(ct))[:, None].to(self.device),
                torch.from_numpy(np.stack(sdf))[:, None].to(self.device),
                torch.from_numpy(normalize(np.array(means[part]))).to(self.device),
            )
            noise = seeded_noise(seeds[part], networks.latent_shape).to(self.device)
            own = progress.part(batch, len(batches))
            z = networks.diffusion.sample(noise, condition, steps, own)
            patches = networks.autoencoder.decode(z).float().cpu().numpy()[:, 0]
            drawn = zip(nodes[part], patches, sdf, means[part], strict=True)
            for node, patch, shape, mean in drawn:
                tissue = self._finished(denormalize(patch), shape, mean)
                tissues.append(self.TISSUE(tissue, frame.step(node.long_axis)))
        return tissues

    def _finished(self, hu: np.ndarray, sdf: np.ndarray, mean: float) -> np.ndarray:
        """Tissue (32, 32, 32) of what the networks decode: without grain, of the wanted mean."""
        inside = sdf <= max(sdf.min(), 0)
        tissue = ndimage.gaussian_filter(_extended(hu, inside), GRAIN)
        # the network meets the wanted mean only roughly; the rest is made up here
        return tissue + mean - tissue[inside].mean()


def _extended(hu: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The tissue inside, carried on outside from the nearest sample: a voxel thicker than a node
    has its center there."""
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return hu[tuple(nearest)]
