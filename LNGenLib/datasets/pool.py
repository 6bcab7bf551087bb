"""A pool: lymph nodes drawn ahead of time, painted or not, and where they may lie in which CT."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.structure.shape import Structure
from LNGenLib.synthesis.enhancement import Enhancement
from LNGenLib.synthesis.painting import ScanTraits
from LNGenLib.synthesis.records import Phase
from LNGenLib.texture.patch import SIZED_TO_NODE, Tissue

FILES = "pool.json", "structures.npy", "tissues.npy", "spots.npz"
DESCRIPTION, STRUCTURES, TISSUES, SPOTS = FILES


@dataclass(frozen=True)
class Pool:
    """The folder that `lngen pool` wrote; arrays stay on disk until they are used."""

    folder: Path

    def __reduce__(self):
        return Pool, (self.folder,)  # to a worker goes the folder's name, not what was loaded

    def __len__(self) -> int:
        return len(self.description["long_axes_mm"])

    @cached_property
    def description(self) -> dict[str, Any]:
        """pool.json: seed, sizes, weights, cases; InputError where there is no pool."""
        try:
            return json.loads((self.folder / DESCRIPTION).read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"{self.folder} is no pool: make one with lngen pool") from error

    @property
    def painted(self) -> bool:
        """Whether the lymph nodes come with tissue."""
        return self.description["painted"]

    def structure(self, number: int) -> Structure:
        """The shape of lymph node `number`."""
        return Structure(self._structures[number].astype(np.float32))

    def long_axis(self, number: int) -> float:
        """The long axis of lymph node `number` in mm."""
        return self.description["long_axes_mm"][number]

    def tissue(self, number: int, rotation: np.ndarray, mean: float) -> Tissue:
        """The tissue painted ahead of time, turned with its structure and brought to a mean HU.

        `rotation` is that of `LymphNode`, (3, 3).
        """
        long_axis = self.long_axis(number)
        own = Tissue(self._tissues[number].astype(np.float32), SIZED_TO_NODE.step(long_axis))
        offset = np.moveaxis(SIZED_TO_NODE.points(long_axis) @ rotation, -1, 0)
        return Tissue(own.at(offset) + mean, own.step)

    def spots(self, case: str) -> np.ndarray:
        """Points (n, 3; RAS mm) at which lymph nodes may lie in a case; none of an unknown one."""
        if case not in self.description["cases"]:
            return np.empty((0, 3))
        with np.load(self.folder / SPOTS) as content:
            return content[case].astype(float)

    def traits(self, case: str, spacing: np.ndarray) -> ScanTraits | None:
        """What was measured of a case, if its CT has this spacing (z, y, x; mm)."""
        told = self.description["cases"].get(case)
        if told is None or not np.allclose(told["spacing_mm"], spacing, rtol=1e-3):
            return None
        return ScanTraits(told["edge_spread_mm"], Phase(**told["phase"]))

    def enhancement(self, case: str) -> Enhancement | None:
        """HU over muscle of a case's labeled lymph nodes, where some tell it."""
        return self.description["cases"].get(case, {}).get("enhancement_hu")

    @cached_property
    def _structures(self) -> np.ndarray:
        return np.load(self.folder / STRUCTURES, mmap_mode="r")

    @cached_property
    def _tissues(self) -> np.ndarray:
        return np.load(self.folder / TISSUES, mmap_mode="r")
