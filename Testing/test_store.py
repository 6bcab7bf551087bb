"""Weights on disk."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from LNGenLib.models.store import load_weights, save_weights
from LNGenLib.structure.networks import StructureConfig


class Networks(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernels = nn.Conv3d(8, 16, 3)
        self.pointwise = nn.Conv3d(16, 8, 1)
        self.linear = nn.Linear(8, 8)


@pytest.fixture
def networks():
    torch.manual_seed(0)
    return Networks()


def test_weights_come_back_in_half_precision(networks, tmp_path):
    save_weights(networks, StructureConfig(), tmp_path / "weights.safetensors")
    torch.manual_seed(1)
    loaded = load_weights(Networks(), tmp_path / "weights.safetensors", "cpu").state_dict()
    for name, tensor in networks.state_dict().items():
        assert torch.equal(loaded[name], tensor.half().float())
