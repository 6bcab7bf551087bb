"""Form of a level set as a differentiable function of the TSDF."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from skimage import measure
from torch.nn.functional import normalize, pad

DIRECTIONS = [u for u in itertools.product((-1.0, 0.0, 1.0), repeat=3) if any(u)]


def form(tsdf: torch.Tensor) -> torch.Tensor:
    """Sphericity and fullness (n, 2) of the zero level sets of TSDFs (n, s, s, s); both are 1 for a
    ball and where there is no level set.

    Fullness is the volume over that of the ball of equal mean width, taken in 26 directions: of
    convex bodies at most 1 (Urysohn), and lower the more of its hull a body leaves empty. Each
    vertex of marching cubes lies on a grid edge, at the zero of the linear function between the two
    samples; so area, volume and widths of the mesh have exact gradients in these samples.
    """
    tsdf = pad(tsdf, (1,) * 6, value=1.0)  # a surface cut by the border would be open
    vertices, faces, owner = _mesh(tsdf.detach().cpu().numpy())
    if not len(faces):
        return tsdf.new_ones(len(tsdf), 2)
    below, above = (torch.from_numpy(vertices[:, k]).to(tsdf.device) for k in range(2))
    values = [tsdf[tuple(ends.T)] for ends in (below, above)]
    step = values[0] - values[1]
    part = values[0] / torch.where(step == 0, 1, step)
    points = torch.lerp(*(ends[:, 1:].to(tsdf) for ends in (below, above)), part[:, None])
    a, b, c = (points[corner] for corner in torch.from_numpy(faces).to(tsdf.device).T)
    normals = torch.linalg.cross(b - a, c - a)
    areas = ((normals**2).sum(1) + 1e-10).sqrt() / 2
    cones = (a * torch.linalg.cross(b, c)).sum(1) / 6
    owner = torch.from_numpy(owner).to(tsdf.device)
    area, volume = (tsdf.new_zeros(len(tsdf)).index_add(0, owner, x) for x in (areas, cones))
    there = area > 0
    area, volume = torch.where(there, area, 1), torch.where(there, volume.abs(), 1)
    radius = torch.where(there, _mean_support(points, below[:, 0], len(tsdf)), 1)
    sphericity = math.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / area
    fullness = volume / (4 / 3 * math.pi * radius**3)
    return torch.where(there[:, None], torch.stack([sphericity, fullness], 1), 1.0)


def _mean_support(points: torch.Tensor, owner: torch.Tensor, count: int) -> torch.Tensor:
    """Half the mean width (n,), in samples, of the `count` sets that vertices (v, 3) belong to."""
    along = points @ normalize(points.new_tensor(DIRECTIONS), dim=1).T
    support = along.new_zeros(count, len(DIRECTIONS)).scatter_reduce(
        0, owner[:, None].expand_as(along), along, "amax", include_self=False
    )
    return support.mean(1)


def _mesh(tsdf: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (v, 2, 4) as the two ends (shape, z, y, x) of their grid edges, faces (f, 3) and the
    shape (f,) that each belongs to."""
    vertices, faces, owner, count = [np.empty((0, 2, 4), int)], [np.empty((0, 3), int)], [], 0
    for number, one in enumerate(tsdf):
        if one.min() >= 0:
            continue
        # "lorensen" puts no vertices into the middle of cells, as the default does
        points, triangles, *_ = measure.marching_cubes(one, 0.0, method="lorensen")
        ends = np.stack([np.floor(points), np.ceil(points)], 1).astype(int)
        vertices.append(np.insert(ends, 0, number, axis=2))
        faces.append(triangles.astype(int) + count)
        owner.append(np.full(len(triangles), number))
        count += len(points)
    return np.concatenate(vertices), np.concatenate(faces), np.concatenate([*owner, []]).astype(int)
