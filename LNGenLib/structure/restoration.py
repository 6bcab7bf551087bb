"""The adapter's objective: eq. 3 and 4 of LN-Gen as a proper scoring rule, and soundness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn.functional import avg_pool3d

from LNGenLib.structure.form import form
from LNGenLib.structure.frame import TRUNCATION
from LNGenLib.structure.networks import SOLVER, STEPS, StructureNetworks
from LNGenLib.structure.repair import repair

BLOCKS = (2, 4, 8)  # widths, in samples, of the blocks whose joint distribution is scored
DETAIL_WEIGHT = 2.0  # of what a mean over 3^3 samples takes away
LATE_STEPS = 10  # of the sampler: before them a latent is not that of the same shape any more


def adapter_loss(
    networks: StructureNetworks,
    x: torch.Tensor,
    z: torch.Tensor,
    condition: torch.Tensor | None = None,
) -> torch.Tensor:
    """How well A(D(z + G)) restores the TSDFs x (n, 1, 32, 32, 32) of latents z.

    Eq. 4 in the form of the energy score (Gneiting & Raftery 2007,
    https://doi.org/10.1198/016214506000001437) of two restorations a, b by different noise:
    (|a - x| + |b - x| - |a - b|) / 2. It is smallest where restorations are distributed as the
    masks that have this reconstruction; |a - x| alone would give their mean, which is too smooth.
    Scored are the TSDFs, their detail, and the form of their surfaces; `unsoundness` keeps the
    surfaces whole. G is Gaussian (eq. 3) at a level uniform per shape; with the DDPM's `condition`
    it is what the sampler itself makes of z in its last steps.
    """
    config, adapter = networks.config, networks.adapter
    with torch.no_grad():
        if condition is None:
            level = config.adapter_noise * torch.rand(len(z), 1, 1, 1, 1, device=z.device)
            noisy = z + level * torch.randn_like(z)
        else:
            start = int(torch.randint(STEPS - LATE_STEPS, STEPS, ()))
            noisy = networks.diffusion.redraw(z, condition, STEPS, start, SOLVER)
        noisy = networks.autoencoder.decode(noisy)
    noise = torch.randn(2 * len(x), *adapter.noise_shape, device=x.device)
    a, b = adapter(torch.cat([noisy, noisy]), noise).float().chunk(2)
    forms = [form(tsdf[:, 0]) for tsdf in (a, b, x)]
    return (
        _energy_score(_distance, a, b, x)
        + DETAIL_WEIGHT * _energy_score(_distance, *map(_detail, (a, b, x)))
        + config.form_weight * 2 * _energy_score(torch.nn.functional.l1_loss, *forms)
        + config.soundness_weight * unsoundness(a)
    )


def _energy_score(
    distance: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    a: torch.Tensor,
    b: torch.Tensor,
    x: torch.Tensor,
) -> torch.Tensor:
    return (distance(a, x) + distance(b, x) - distance(a, b)) / 2


def _distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean RMS over the blocks of a difference, summed over the widths of blocks."""
    shift = torch.randint(BLOCKS[-1], (3,)).tolist()
    squared = torch.roll(a - b, shift, (2, 3, 4)) ** 2
    return sum((avg_pool3d(squared, width) + 1e-8).sqrt().mean() for width in BLOCKS)


def _detail(tsdf: torch.Tensor) -> torch.Tensor:
    return tsdf - avg_pool3d(tsdf, 3, 1, 1)


def unsoundness(tsdf: torch.Tensor) -> torch.Tensor:
    """Mean distance by which samples of TSDFs (n, 1, z, y, x) lie on the side `repair` would turn.

    Its gradient pushes islands out, and holes and tunnels shut.
    """
    tsdf = tsdf[:, 0]
    values = tsdf.detach().cpu().numpy() * TRUNCATION
    repaired = np.stack([repair(value)[0] for value in values]) / TRUNCATION
    repaired = torch.from_numpy(repaired).to(tsdf)
    wrong = (repaired < 0) != (tsdf < 0)
    return ((tsdf - repaired).abs() * wrong).mean()
