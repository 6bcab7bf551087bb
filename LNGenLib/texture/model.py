"""Sampling of tissue: CT patch and shape -> conditional latent diffusion -> decoder -> HU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from LNGenLib.image.geometry import extract_patch
from LNGenLib.image.hu import denormalize, normalize
from LNGenLib.latent.batches import in_batches, most_together
from LNGenLib.latent.convolution import in_precision, quick_alone, quickest_precision
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
        self.precision = quickest_precision(device)
        networks = quick_alone(load_weights(networks, self.path, device), device)
        self.networks = networks.to(memory_format=torch.channels_last_3d)

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

        @torch.inference_mode()
        def paint_some(part: slice, own: Progress) -> list[Tissue]:
            return self._sample(hu, nodes[part], means[part], seeds[part], steps, own)

        most = most_together(self.batch, self.device, self.precision)
        return in_batches(paint_some, len(nodes), most, self.device, progress)

    def _sample(
        self,
        hu: np.ndarray,
        nodes: Sequence[LymphNode],
        means: Sequence[float],
        seeds: Sequence[int],
        steps: int,
        progress: Progress,
    ) -> list[Tissue]:
        """Tissue of one batch."""
        networks, frame, ct, sdf = self.networks, self.networks.FRAME, [], []
        for node in nodes:
            step = frame.step(node.long_axis)
            ct.append(normalize(extract_patch(hu, node.spacing, node.center, step, frame.size)))
            samples = patch_distance(node.structure, node.rotation, node.long_axis, frame)
            sdf.append(np.clip(samples / SDF_TRUNCATION, -1, 1))
        given = (np.stack(ct)[:, None], np.stack(sdf)[:, None], normalize(np.array(means)))
        noise = seeded_noise(seeds, networks.latent_shape).to(self.device)
        with in_precision(self.precision):
            condition = networks.condition(*(torch.from_numpy(x).to(self.device) for x in given))
            z = networks.diffusion.sample(noise, condition, steps, progress)
            decoded = networks.autoencoder.decode(z)
        patches = decoded.float().cpu().numpy()[:, 0]
        return [
            self.TISSUE(self._finished(denormalize(patch), shape, mean), frame.step(node.long_axis))
            for node, patch, shape, mean in zip(nodes, patches, sdf, means, strict=True)
        ]

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
