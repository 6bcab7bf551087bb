"""DiffTumor's way of painting, to compare LN-Gen's with.

Chen et al. 2024 (https://arxiv.org/abs/2402.18470): patches of a fixed spacing, a latent grid four
times coarser, the mask shrunk to it by nearest neighbor, a loss over the whole patch, and a blend
with a blurred mask. No signed distance, no wanted mean, no scanner's noise or edge. Of its own it
has the rest: LN-Gen's data, trainer, sampler and budget; the autoencoder is a VAE instead of a
VQGAN, and patches are 64 mm instead of 96 mm across, enough for lymph nodes of 30 mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch.nn.functional import interpolate

from LNGenLib.errors import InputError
from LNGenLib.image.grid import Box
from LNGenLib.structure.lymph_node import LymphNode
from LNGenLib.texture.blending import (
    BlendedNode,
    Scanner,
    Tissue,
    label_of,
    voxel_offsets,
    within_reach,
)
from LNGenLib.texture.model import TextureModel
from LNGenLib.texture.networks import TextureConfig, TextureNetworks
from LNGenLib.texture.patch import Frame, patch_distance, sampled

FRAME = Frame(64, lambda long_axis: 1.0)
WIDEST_BLEND = 4.0  # samples: the blend's spread is uniform up to it


@dataclass(frozen=True)
class DiffTumorConfig(TextureConfig):
    """Sizes of DiffTumor's networks and of their training."""

    latent_channels: int = 8
    outside_weight: float = 1.0


class DiffTumorNetworks(TextureNetworks):
    """CT patches (n, 1, 64, 64, 64) at 1 mm, and their 16^3 latent grid."""

    CONFIG = DiffTumorConfig
    FRAME = FRAME
    FACTOR = 4
    SHAPE_CHANNELS = 1

    @staticmethod
    def hole(sdf: torch.Tensor) -> torch.Tensor:
        """The shape itself."""
        return sdf < 0

    def condition(self, ct: torch.Tensor, sdf: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """Condition (n, 9, 16, 16, 16): latent of the CT without the lesion, shrunk mask.

        `ct` and `sdf` are (n, 1, 64, 64, 64) in [-1, 1]; `mean` is not used.
        """
        context = self.autoencoder.encode(self.cut_hole(ct, sdf))
        mask = interpolate(self.hole(sdf).to(ct), context.shape[2:], mode="nearest")
        return torch.cat([context, mask], 1)


class DiffTumorTissue(Tissue):
    """Tissue that goes into a CT by its blurred mask."""

    def blend(
        self,
        old: np.ndarray,
        box: Box,
        node: LymphNode,
        share: np.ndarray,
        scanner: Scanner,
        rng: np.random.Generator,
    ) -> BlendedNode:
        """Paint `node` over the HU `old` (z, y, x; not modified) of a CT's `box`, weighted by its
        blurred mask.

        What the blur carries beyond LN-Gen's reach is cut off. The label is the mask's, not that of
        what a scanner shows.
        """
        label = label_of(node.occupancy(box))
        offset = voxel_offsets(node, box)
        mask = patch_distance(node.structure, node.rotation, node.long_axis, FRAME) < 0
        blend = ndimage.gaussian_filter(mask.astype(np.float32), rng.uniform(0, WIDEST_BLEND))
        weight = sampled(blend, self.step, offset) * within_reach(label, node.spacing)
        hu = old.astype(np.float32)
        new = np.rint((1 - weight) * hu + weight * self.at(offset)).astype(old.dtype)
        return BlendedNode(box, new, label, weight > 0, weight)


class DiffTumorModel(TextureModel):
    """A texture model of `lngen train difftumor`; its weights do not ship."""

    NETWORKS = DiffTumorNetworks
    TISSUE = DiffTumorTissue

    def __init__(self, path: Path | None = None, device: str = "cpu"):
        if path is None:
            raise InputError(
                "no weights of the DiffTumor-style baseline ship: train them with "
                "`lngen train difftumor` and give them as texture weights"
            )
        super().__init__(path, device)

    def _finished(self, hu: np.ndarray, sdf: np.ndarray, mean: float) -> np.ndarray:
        return hu
