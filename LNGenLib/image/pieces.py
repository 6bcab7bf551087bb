"""Pieces of a CT that were painted, apart from the CT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from LNGenLib.image.grid import Box, common, corner, shifted


@dataclass(frozen=True, eq=False)
class Piece:
    """What a painted node changed: `box` of the CT; in it (z, y, x) new HU, its label (bool) and
    the changed voxels (bool)."""

    box: Box
    hu: np.ndarray
    label: np.ndarray
    changed: np.ndarray

    def put_into(self, hu: np.ndarray, part: Box = (slice(None),) * 3) -> None:
        """Set what it changed in `hu` (z, y, x) of its box, or of this `part` of it."""
        changed = self.changed[part]
        hu[changed] = self.hu[part][changed]


def with_pieces(hu: np.ndarray, box: Box, pieces: Sequence[Piece]) -> np.ndarray:
    """The HU of a CT's `box` (z, y, x; not modified) with what painted nodes changed of it, one
    after the other."""
    hu = hu.copy()
    for piece in pieces:
        both = common(box, piece.box)
        if both is not None:
            piece.put_into(hu[shifted(both, -corner(box))], shifted(both, -corner(piece.box)))
    return hu
