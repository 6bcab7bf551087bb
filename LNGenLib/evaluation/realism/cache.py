"""What a long evaluation has done, kept in a folder, so that it goes on where it was."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from LNGenLib.files import write_bytes

Made = TypeVar("Made")


@dataclass(frozen=True)
class Cache:
    """Results by their keys, pickled in a folder of one's own; without a folder nothing is kept.

    A key holds all that a result depends on but the code and the data: another version of LNGen
    takes another folder, and so do other data.
    """

    folder: Path | None

    def __call__(self, key: list[Any], make: Callable[[], Made]) -> Made:
        """The result of `make`, or the one that was kept under `key` (JSON) by this version."""
        if self.folder is None:
            return make()
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]
        path = self.folder / f"{name}.pkl"
        with suppress(FileNotFoundError, ImportError, AttributeError):  # classes that have moved
            return pickle.loads(path.read_bytes())
        made = make()
        write_bytes(pickle.dumps(made), path)
        return made
