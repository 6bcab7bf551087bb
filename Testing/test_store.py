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
    networks = Networks()
    with torch.no_grad():
        networks.kernels.weight[0, :2] *= torch.tensor([1e-3, 0.0])[:, None, None, None]
    return networks


def saved(networks, path, **options) -> dict[str, torch.Tensor]:
    """The weights as they come back from `path`."""
    save_weights(networks, StructureConfig(), path, **options)
    torch.manual_seed(1)
    return load_weights(Networks(), path, "cpu").state_dict()


def test_weights_come_back_in_half_precision(networks, tmp_path):
    loaded = saved(networks, tmp_path / "weights.safetensors")
    for name, tensor in networks.state_dict().items():
        assert torch.equal(loaded[name], tensor.half().float())


def test_kernels_come_back_within_half_a_step_of_8_bits(networks, tmp_path):
    loaded = saved(networks, tmp_path / "weights.safetensors", in_8_bits=True)
    for name, tensor in networks.state_dict().items():
        if name == "kernels.weight":
            step = tensor.abs().amax((2, 3, 4), keepdim=True) / 127
            assert ((loaded[name] - tensor).abs() <= 0.51 * step).all()
            assert not torch.equal(loaded[name], tensor.half().float())
        else:
            assert torch.equal(loaded[name], tensor.half().float())


def test_8_bits_take_little_more_than_half_the_room(tmp_path):
    networks, sizes = nn.Conv3d(64, 64, 3), []
    for in_8_bits in (False, True):
        save_weights(networks, StructureConfig(), tmp_path / "w.safetensors", in_8_bits)
        sizes.append((tmp_path / "w.safetensors").stat().st_size)
    assert sizes[1] < 0.6 * sizes[0]
