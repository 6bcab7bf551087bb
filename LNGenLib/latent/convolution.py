"""Convolutions on the CPU: of one small sample as fast as of several, and by AMX."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


class OneDnnConv3d(nn.Conv3d):
    """A convolution by oneDNN, in single precision on the CPU.

    PyTorch leaves a batch of one small sample to code of its own that takes two to four times as
    long (`use_mkldnn` in aten/src/ATen/native/Convolution.cpp).
    """

    def _conv_forward(
        self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        if torch.is_autocast_enabled("cpu"):  # bfloat16 goes to oneDNN anyway
            return super()._conv_forward(input, weight, bias)
        return torch.mkldnn_convolution(
            input, weight, bias, self.padding, self.stride, self.dilation, self.groups
        )


def quick_alone(networks: nn.Module, device: str) -> nn.Module:
    """`networks`, to be used on `device`, so that one sample takes no longer than one of many.

    Nothing changes off the CPU, or where PyTorch comes without oneDNN.
    """
    if device == "cpu" and torch.backends.mkldnn.is_available():
        for part in networks.modules():
            if type(part) is nn.Conv3d:
                part.__class__ = OneDnnConv3d
    return networks


def quickest_precision(device: str) -> torch.dtype:
    """In which networks convolve fastest on `device`: on a CPU with instructions for it (AMX,
    AVX-512) bfloat16; on other CPUs, which take longer in it than in single precision, and on GPUs
    single."""
    capabilities: Callable[[], dict[str, bool]] = getattr(torch.cpu, "get_capabilities", dict)
    known = capabilities()
    if device == "cpu" and (known.get("amx_bf16") or known.get("avx512_bf16")):
        return torch.bfloat16
    return torch.float32


def in_precision(precision: torch.dtype) -> torch.autocast:
    """A context in which networks on the CPU convolve in bfloat16, where that is the precision."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16)
