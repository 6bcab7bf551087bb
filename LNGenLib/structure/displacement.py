"""Displacement of a TSDF's surface along its normals, no farther than its topology bears."""

from __future__ import annotations

import torch
from torch.nn.functional import avg_pool3d, grid_sample, pad

from LNGenLib.structure.frame import GRID, SAMPLE, TRUNCATION

SLOPE = SAMPLE / TRUNCATION  # of a TSDF in [-1, 1] across a sample
FARTHEST = 0.85 * SLOPE  # masks lie within 0.8 samples of what the VAE makes of them
ROOM = 0.8  # share of the way to the medial axis, less MARGIN, that a surface may go
MARGIN = 0.35 * SLOPE  # a body thinner than that falls to pieces between samples
FULL, NONE = 0.4, 0.95  # distances up to which samples move with the surface, and above which not
RAY = (0.4, 0.8, 1.2)  # samples from the surface at which the way to the medial axis is measured


def displace(tsdf: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
    """TSDFs (n, 1, 32, 32, 32) in [-1, 1] with their surfaces moved inward by `amount`.

    `amount` (n, 1, 32, 32, 32), in units of the TSDF, is smoothed by (1, 2, 1) / 4 along each axis:
    samples that move each for itself leave pits and ridges a sample wide. Each sample near the
    surface takes the amount at its foot there, so that the TSDF goes on to rise along the normals
    and gets no islands, holes or tunnels of its own. It is squeezed softly (tanh) below `FARTHEST`
    and the room there is on its side of the surface. Differentiable in `amount`.
    """
    amount = avg_pool3d(avg_pool3d(pad(amount, (1,) * 6, mode="replicate"), 2, 1), 2, 1)
    return torch.stack([_displaced(one, by) for one, by in zip(tsdf, amount)])


def _displaced(tsdf: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
    """One TSDF (1, 32, 32, 32)."""
    near = tsdf[0].abs() < NONE
    with torch.no_grad():
        feet, inward, outward = _feet(tsdf, near.nonzero().to(tsdf))
        moved = ((NONE - tsdf[0][near].abs()) / (NONE - FULL)).clamp(0, 1)
    wanted = _at(amount, feet)[:, 0]
    room = ROOM * (torch.where(wanted > 0, inward, outward) - MARGIN)
    room = room.clamp(1e-3, FARTHEST)
    change = torch.zeros_like(tsdf[0])
    change[near] = moved * room * torch.tanh(wanted / room)
    return (tsdf + change).clamp(-1, 1)


def _feet(tsdf: torch.Tensor, points: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The surface points (m, 3) nearest to `points` (ijk), by two Newton steps; and the depths (m,)
    found inward and outward of them."""
    # central differences, one-sided at the border
    gradient = torch.stack(torch.gradient(tsdf[0]))
    known = torch.cat([tsdf, gradient])
    for _ in range(2):
        value, slope = _at(known, points).split([1, 3], 1)
        step = value * slope / (slope.square().sum(1, keepdim=True) + 0.01)
        points = points - step * (3 / step.norm(dim=1, keepdim=True).clamp(min=3))
    normals = torch.nn.functional.normalize(_at(gradient, points), dim=1)
    depths = [
        torch.stack([side * _at(tsdf, points + side * way * normals)[:, 0] for way in RAY]).amax(0)
        for side in (-1, 1)
    ]
    return points, *depths


def _at(values: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Values (c, 32, 32, 32) at points (m, 3) between samples, trilinear: (m, c)."""
    where = (points.flip(1) * 2 / (GRID - 1) - 1)[None, None, None]
    return grid_sample(values[None], where, padding_mode="border", align_corners=True)[0, :, 0, 0].T
