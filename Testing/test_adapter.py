"""The anatomical adapter: nothing at first, and it learns to restore noisy latents' shapes."""

from __future__ import annotations

import pytest
import torch

from LNGenLib.latent.autoencoder import Autoencoder
from LNGenLib.structure.adapter import Adapter, adapter_loss
from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.networks import FACTOR
from LNGenLib.structure.solids import solids


@pytest.fixture(scope="module")
def autoencoder() -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(FACTOR, 8, 4).eval()


@pytest.fixture(scope="module")
def shapes() -> torch.Tensor:
    """Four solids (4, 1, 32, 32, 32) in [-1, 1]."""
    return torch.from_numpy(solids(4, 0).astype("f4") / TRUNCATION)[:, None]


def test_it_starts_as_the_identity(shapes):
    assert torch.equal(Adapter(8)(shapes), shapes)


def test_the_loss_is_the_distance_from_the_mask_to_its_restoration(autoencoder, shapes):
    """Without noise, and of an adapter that does nothing, that of mask and reconstruction."""
    with torch.no_grad():
        z = autoencoder.encode(shapes)
        known = (shapes - autoencoder.decode(z)).abs().mean()
        assert torch.isclose(adapter_loss(Adapter(8), autoencoder, shapes, z, 0.0), known)


def test_it_learns_to_restore_noisy_latents(autoencoder, shapes):
    torch.manual_seed(0)
    adapter = Adapter(8)
    optimizer = torch.optim.Adam(adapter.parameters(), 3e-3)
    z = autoencoder.encode(shapes).detach()
    losses = []
    for _ in range(15):
        loss = adapter_loss(adapter, autoencoder, shapes, z, 0.3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_the_autoencoder_is_not_trained(autoencoder, shapes):
    z = autoencoder.encode(shapes).detach()
    adapter_loss(Adapter(8), autoencoder, shapes, z, 0.3).backward()
    assert all(weight.grad is None for weight in autoencoder.parameters())
