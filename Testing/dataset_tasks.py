"""A task that processes can be given in place of a data set's, apart so that they begin soon."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from LNGenLib.errors import InputError


@dataclass(frozen=True)
class Task:
    """Writes a file a number; number 1 ends its process `losses` times before."""

    folder: Path
    losses: int

    def __call__(self, number: int) -> None:
        lost = len(list(self.folder.glob("lost*")))
        if number == 1 and lost < self.losses:
            (self.folder / f"lost{lost}").touch()
            os._exit(1)
        if number == 2:
            raise InputError("number 2 can't be made")
        time.sleep(0.1)  # so that an error is heard before all are done
        (self.folder / str(number)).touch()
