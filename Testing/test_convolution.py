"""Convolutions by oneDNN."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from LNGenLib.latent.convolution import OneDnnConv3d, quick_alone, quickest_precision

CONVOLUTIONS = {
    "padded": nn.Conv3d(3, 4, 3, padding=1),
    "stepped": nn.Conv3d(3, 4, 3, stride=2, padding=(1, 0, 1)),
    "dilated": nn.Conv3d(3, 4, 3, dilation=2, padding=2, bias=False),
    "grouped": nn.Conv3d(3, 3, 3, groups=3),
    "pointwise": nn.Conv3d(3, 4, 1),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_result_stays_what_it_is(name):
    plain = nn.Sequential(CONVOLUTIONS[name], nn.SiLU())
    quick = quick_alone(copy.deepcopy(plain), "cpu")
    assert type(quick[0]) is OneDnnConv3d
    generator = torch.Generator().manual_seed(0)
    for count in (1, 2):
        x = torch.randn(count, 3, 8, 8, 8, generator=generator)
        with torch.inference_mode():
            assert torch.allclose(quick(x), plain(x), atol=1e-5)
            assert torch.allclose(quick(x)[:1], quick(x[:1]), atol=1e-5)


def test_other_devices_keep_their_own():
    assert type(quick_alone(nn.Sequential(nn.Conv3d(1, 1, 3)), "cuda")[0]) is nn.Conv3d


def test_the_models_have_them(models):
    for model in (models.structure, models.texture):
        kinds = {type(part) for part in model.networks.modules() if isinstance(part, nn.Conv3d)}
        assert kinds == {OneDnnConv3d}


@pytest.mark.parametrize(
    "ability, precision",
    [("amx_bf16", torch.bfloat16), ("avx512_bf16", torch.bfloat16), ("avx2", torch.float32)],
)
def test_bfloat16_is_for_cpus_that_are_quick_with_it(monkeypatch, ability, precision):
    abilities = {"amx_bf16": False, "avx512_bf16": False, ability: True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities, raising=False)
    assert quickest_precision("cpu") is precision
    assert quickest_precision("cuda") is torch.float32


def test_pytorch_that_knows_no_abilities_keeps_single_precision(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert quickest_precision("cpu") is torch.float32
