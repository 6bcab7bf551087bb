"""What shapes are compared by: the first principal components of their TSDFs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from LNGenLib.errors import InputError

COMPONENTS = 64


@dataclass(frozen=True, eq=False)
class Features:
    """PCA of TSDFs, not whitened, so that distances are those of TSDFs but for small detail."""

    mean: np.ndarray  # (32, 32, 32)
    components: np.ndarray  # (64, 32, 32, 32), orthonormal

    @classmethod
    def fit(cls, tsdf: np.ndarray) -> Features:
        """The components of TSDFs (n, 32, 32, 32); InputError for fewer than 65 different ones."""
        mean = tsdf.mean(0)
        centered = (tsdf - mean).reshape(len(tsdf), -1)
        gram = (centered @ centered.T).astype(float)  # n x n: ten times faster than the SVD
        values, vectors = np.linalg.eigh(gram)
        values, vectors = values[-COMPONENTS:], vectors[:, -COMPONENTS:]
        if len(tsdf) <= COMPONENTS or values[0] <= 1e-6 * values[-1]:
            raise InputError(
                f"{len(tsdf)} real shapes are too few or too alike: "
                f"give at least {COMPONENTS + 1} different ones"
            )
        components = (vectors / np.sqrt(values)).T.astype(np.float32) @ centered
        return cls(mean, components.reshape(-1, *tsdf.shape[1:]))

    def of(self, tsdf: np.ndarray) -> np.ndarray:
        """Features (n, 64) of TSDFs (n, 32, 32, 32)."""
        return self._projected(tsdf, self.components)

    def of_symmetric(self, tsdf: np.ndarray) -> np.ndarray:
        """Features (48, n, 64) of the TSDFs flipped and with their axes exchanged in every way."""
        # Moving the components instead of the shapes gives the same 48 copies, in another order.
        return np.stack(
            [
                self._projected(tsdf, self.components.transpose(0, *order)[:, ::z, ::y, ::x])
                for order in itertools.permutations((1, 2, 3))
                for z, y, x in itertools.product((1, -1), repeat=3)
            ]
        )

    def _projected(self, tsdf: np.ndarray, components: np.ndarray) -> np.ndarray:
        across = components.reshape(len(components), -1).T
        offset = self.mean.ravel() @ self.components.reshape(len(components), -1).T
        return (tsdf.reshape(len(tsdf), -1) @ across - offset).astype(float)
