"""Pieces of a CT that were painted, apart from the CT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def overlapping(box: Box, pieces: Sequence[Piece]) -> Iterator[tuple[int, Box, Box]]:
    """Which of the pieces have a part in a `box` (z, y, x; voxels of the CT), and where that is in
    the box and in the piece."""
    for k, piece in enumerate(pieces):
        both = common(box, piece.box)
        if both is not None:
            yield k, shifted(both, -corner(box)), shifted(both, -corner(piece.box))


def with_pieces(hu: np.ndarray, box: Box, pieces: Sequence[Piece]) -> np.ndarray:
    """The HU of a CT's `box` (z, y, x; not modified) with what painted nodes changed of it, one
    after the other."""
    hu = hu.copy()
    for k, here, there in overlapping(box, pieces):
        pieces[k].put_into(hu[here], there)
    return hu
