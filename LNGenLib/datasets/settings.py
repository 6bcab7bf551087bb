"""What makes a synthetic data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from LNGenLib.datasets.writing import LAYOUTS, Writer
from LNGenLib.errors import InputError
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.request import MOST_NODES
from LNGenLib.validation import as_python, whole


@dataclass(frozen=True)
class DatasetSettings:
    """What makes a synthetic data set; each case depends on it and its number alone.

    A case gets `count` (fewest, most) lymph nodes, fewer where they find no room, as bright as its
    real ones where they are labeled.
    """

    seed: int = 0
    count: tuple[int, int] = (1, 10)
    sizes: Sizes = Sizes()
    texture_steps: int = 6
    layout: str = "nnunet"

    def __post_init__(self):
        whole(self.seed, "seed")
        low, high = (whole(value, "count") for value in self.count)
        as_python(self)
        if not 1 <= low <= high <= MOST_NODES:
            raise InputError(f"count {low} to {high}: give MIN <= MAX within 1 to {MOST_NODES}")
        if self.layout not in LAYOUTS:
            raise InputError(f"layout {self.layout}: give {' or '.join(LAYOUTS)}")

    def writer(self, folder: Path) -> Writer:
        """What writes cases of the layout into a folder."""
        return LAYOUTS[self.layout](folder)
