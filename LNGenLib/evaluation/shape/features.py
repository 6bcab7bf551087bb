"""What surfaces are compared by: the first principal components of their TSDFs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from LNGenLib.structure.corpus import turned_at_random

COMPONENTS = 64
SYMMETRIES = 48  # of the cube: axes exchanged and flipped in every way


@dataclass(frozen=True, eq=False)
class Features:
    """PCA of TSDFs, not whitened, so that distances are those of TSDFs but for small detail."""

    mean: np.ndarray  # (32, 32, 32)
    components: np.ndarray  # (k, 32, 32, 32), orthonormal, at most 64

    @classmethod
    def fit(cls, tsdf: np.ndarray, rng: np.random.Generator) -> Features:
        """The components of TSDFs (n, 32, 32, 32), each turned by one of 48 symmetries at random;
        few are turned several times, so that there are twice as many as components."""
        times = -(-2 * COMPONENTS // len(tsdf))
        shapes = np.concatenate([turned(tsdf, rng) for _ in range(times)])
        mean = shapes.mean(0)
        centered = (shapes - mean).reshape(len(shapes), -1)
        gram = (centered @ centered.T).astype(float)  # n x n: ten times faster than the SVD
        values, vectors = np.linalg.eigh(gram)
        kept = np.flatnonzero(values > 1e-6 * values[-1])[-COMPONENTS:]  # others are rounding
        components = (vectors[:, kept] / np.sqrt(values[kept])).T.astype(np.float32) @ centered
        return cls(mean, components.reshape(-1, *tsdf.shape[1:]))

    def of(self, tsdf: np.ndarray) -> np.ndarray:
        """Features (48, n, k) of TSDFs (n, 32, 32, 32) in all 48 orientations, the first as they
        are."""
        # Moving the components instead of the shapes gives the same 48 copies, in another order.
        flat = tsdf.reshape(len(tsdf), -1)
        offset = self.components.reshape(len(self.components), -1) @ self.mean.ravel()
        return np.stack(
            [
                flat @ moved.reshape(len(moved), -1).T - offset
                for order in itertools.permutations((1, 2, 3))
                for z, y, x in itertools.product((1, -1), repeat=3)
                for moved in (self.components.transpose(0, *order)[:, ::z, ::y, ::x],)
            ]
        )


def turned(tsdf: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """TSDFs (n, 32, 32, 32), each by one of 48 symmetries at random."""
    return np.stack([turned_at_random(one, rng) for one in tsdf])
