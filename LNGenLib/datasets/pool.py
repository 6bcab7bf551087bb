"""A pool: lymph nodes drawn ahead of time, painted or not, and where they may lie in which CT."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from LNGenLib import __version__
from LNGenLib.datasets.identity import case_of
from LNGenLib.errors import InputError
from LNGenLib.files import json_field, read_json
from LNGenLib.models.store import SHIPPED
from LNGenLib.structure.shape import Structure
from LNGenLib.synthesis.appearance import Appearance
from LNGenLib.synthesis.enhancement import Enhancement
from LNGenLib.synthesis.painting import ScanTraits
from LNGenLib.synthesis.plan import Phase
from LNGenLib.texture.blending import Tissue
from LNGenLib.texture.patch import SIZED_TO_NODE
from LNGenLib.validation import from_json

FILES = "pool.json", "structures.npy", "tissues.npy", "spots.npz"
DESCRIPTION, STRUCTURES, TISSUES, SPOTS = FILES
ANEW = "make the pool anew with lngen pool"


@dataclass(frozen=True)
class Pool:
    """The folder that `lngen pool` wrote; arrays stay on disk until they are used.

    A case is asked for by its id, or by any name that `case_of` understands.
    """

    folder: Path

    def __reduce__(self):
        return Pool, (self.folder,)  # to a worker goes the folder's name, not what was loaded

    def __len__(self) -> int:
        return len(self.description["long_axes_mm"])

    @cached_property
    def description(self) -> dict[str, Any]:
        """pool.json: seed, sizes, weights, cases; InputError where there is no pool, or one that
        another version of LNGen drew."""
        file = self.folder / DESCRIPTION
        if not file.is_file():
            raise InputError(f"{self.folder} is no pool: make one with lngen pool")
        content = read_json(file)
        read = partial(json_field, content, file=file, make=ANEW)
        for name in ("long_axes_mm", "looks", "least_conspicuity", "painted", "cases"):
            read(name)
        for case in content["cases"]:
            for name in ("spacing_mm", "edge_spread_mm", "phase", "enhancement_hu"):
                read("cases", case, name)
        own = content.get("own_weights", [])
        for name, drawn in read("weights").items():
            shipped = read_json(SHIPPED / f"{name}.json")["sha256"]
            if name not in own and drawn != shipped:
                raise InputError(
                    f"{file}: its lymph nodes are drawn with other {name} weights than LNGen "
                    f"{__version__} ships: {ANEW}"
                )
        return content

    @property
    def painted(self) -> bool:
        """Whether the lymph nodes come with tissue."""
        return self.description["painted"]

    @property
    def least_conspicuity(self) -> float:
        """That of its lymph nodes, wherever they are painted."""
        return self.description["least_conspicuity"]

    def structure(self, number: int) -> Structure:
        """The shape of lymph node `number`."""
        return Structure(self._structures[number].astype(np.float32))

    def long_axis(self, number: int) -> float:
        """The long axis of lymph node `number` in mm."""
        return self.description["long_axes_mm"][number]

    def look(self, number: int) -> Appearance:
        """How lymph node `number` looks."""
        return from_json(Appearance, self.description["looks"][number])

    def tissue(self, number: int, rotation: np.ndarray, mean: float) -> Tissue:
        """The tissue painted ahead of time, turned with its structure and brought to a mean HU.

        `rotation` is that of `LymphNode`, (3, 3).
        """
        long_axis = self.long_axis(number)
        own = Tissue(self._tissues[number].astype(np.float32), SIZED_TO_NODE.step(long_axis))
        offset = np.moveaxis(SIZED_TO_NODE.points(long_axis) @ rotation, -1, 0)
        return Tissue(own.at(offset) + mean, own.step)

    def knows(self, case: str) -> bool:
        """Whether the pool was made with a case."""
        return case_of(case) in self._ids

    def spots(self, case: str) -> np.ndarray:
        """Points (n, 3; RAS mm) at which lymph nodes may lie in a case; none of an unknown one."""
        if not self.knows(case):
            return np.empty((0, 3))
        try:
            with np.load(self.folder / SPOTS) as content:
                return content[self._ids[case_of(case)]].astype(float)
        except Exception as error:  # numpy, zipfile and zlib have many kinds for damaged files
            raise InputError(f"{self.folder / SPOTS} can't be read ({error}): {ANEW}") from error

    def traits(self, case: str, spacing: np.ndarray) -> ScanTraits | None:
        """What was measured of a case, if its CT has this spacing (z, y, x; mm)."""
        known = self._known(case)
        if known is None or not np.allclose(known["spacing_mm"], spacing, rtol=1e-3):
            return None
        return ScanTraits(known["edge_spread_mm"], from_json(Phase, known["phase"]))

    def enhancement(self, case: str) -> Enhancement | None:
        """HU over muscle of a case's labeled lymph nodes, where some tell it."""
        return (self._known(case) or {}).get("enhancement_hu")

    def _known(self, case: str) -> dict[str, Any] | None:
        return self.description["cases"][self._ids[case_of(case)]] if self.knows(case) else None

    @cached_property
    def _ids(self) -> dict[str, str]:
        return {case_of(id): id for id in self.description["cases"]}

    @cached_property
    def _structures(self) -> np.ndarray:
        return self._array(STRUCTURES)

    @cached_property
    def _tissues(self) -> np.ndarray:
        return self._array(TISSUES)

    def _array(self, name: str) -> np.ndarray:
        try:
            array = np.load(self.folder / name, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{self.folder / name} can't be read ({error}): {ANEW}") from error
        if array.ndim != 4 or len(array) != len(self):
            raise InputError(f"{self.folder / name} holds {array.shape}, not {len(self)}: {ANEW}")
        return array
