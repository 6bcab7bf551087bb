"""What a kind of job is, and what its function is given."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from LNGenLib.progress import Progress

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LNGenLib.placement.scan import Scan
    from LNGenLib.synthesis.engine import Models

HOUR = 3600.0


@dataclass(frozen=True)
class Work:
    """What a job's function is given. Files it leaves in `folder` belong to the result; `scratch`
    is emptied afterwards; `datasets` holds a folder for each data set of the server."""

    request: Any
    images: dict[str, sitk.Image]
    progress: Progress
    models: Models
    folder: Path
    scratch: Path
    datasets: Path

    @property
    def scan(self) -> Scan:
        """The images, checked; InputError for unusable ones."""
        from LNGenLib.placement.scan import Scan

        return Scan(**self.images)


@dataclass(frozen=True)
class Kind:
    """A kind of job.

    `request` makes its request of JSON and raises InputError; `run` does it and returns the JSON
    document of the result. `images` must come with it, `optional` ones may. `stages` are rough
    shares of its time, in order, for the fraction done. A job is ended after `seconds`.
    """

    request: Callable[[dict[str, Any]], Any]
    run: Callable[[Work], dict[str, Any]]
    images: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    seconds: float = HOUR

    def fraction(self, stage: str, step: int, steps: int) -> float:
        """Share of the job that is done; of the stage alone where shares are not known."""
        done = min(step / max(steps, 1), 1.0)
        names = list(self.stages)
        if stage not in names:
            return done
        parts = list(self.stages.values())
        k = names.index(stage)
        return (sum(parts[:k]) + parts[k] * done) / sum(parts)


def load_kinds(name: str) -> Mapping[str, Kind]:
    """The kinds that `module:NAME` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
