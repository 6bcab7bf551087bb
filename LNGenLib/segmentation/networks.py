"""The networks, by MONAI: one channel of CT in, background and lymph node out."""

from __future__ import annotations

from monai.networks.nets import DynUNet, SwinUNETR, UNet
from torch import nn

from LNGenLib.segmentation.config import SegmentationConfig

CLASSES = 2


def build(config: SegmentationConfig) -> nn.Module:
    """The network of a configuration, with random weights."""
    levels = len(config.channels)
    if config.network == "unet":
        return UNet(
            spatial_dims=3,
            in_channels=1,
            out_channels=CLASSES,
            channels=config.channels,
            strides=(2,) * (levels - 1),
            num_res_units=config.residual_units,
        )
    if config.network == "dynunet":
        return DynUNet(
            spatial_dims=3,
            in_channels=1,
            out_channels=CLASSES,
            kernel_size=(3,) * levels,
            strides=(1,) + (2,) * (levels - 1),
            upsample_kernel_size=(2,) * (levels - 1),
            filters=config.channels,
        )
    return SwinUNETR(in_channels=1, out_channels=CLASSES, feature_size=config.feature_size)
