"""The networks, by MONAI: one channel of CT in, background and lymph node out."""

from __future__ import annotations

from monai.networks.nets import DynUNet, SwinUNETR, UNet
from monai.networks.nets.swin_unetr import WindowAttention
from torch import nn

from LNGenLib.segmentation.config import SegmentationConfig

CLASSES = 2


def build(config: SegmentationConfig) -> nn.Module:
    """The network of a configuration, with random weights."""
    ends = {"spatial_dims": 3, "in_channels": 1, "out_channels": CLASSES}
    channels, halving = config.channels, (2,) * (len(config.channels) - 1)
    if config.network == "unet":
        units = config.residual_units
        return UNet(**ends, channels=channels, strides=halving, num_res_units=units)
    if config.network == "dynunet":
        kernels = {"kernel_size": (3,) * len(channels), "upsample_kernel_size": halving}
        return DynUNet(**ends, **kernels, strides=(1, *halving), filters=channels)
    network = SwinUNETR(**ends, feature_size=config.feature_size)
    for part in network.modules():
        if isinstance(part, WindowAttention):  # MONAI 1.6.1 knows it: predicts in half the time
            part.use_flash_attention = True
    return network
