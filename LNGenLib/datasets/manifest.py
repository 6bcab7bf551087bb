"""manifest.json of a synthetic data set: what all cases share, and a line a case."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from LNGenLib import __version__
from LNGenLib.datasets.case import Case
from LNGenLib.datasets.writing import Writer
from LNGenLib.errors import InputError
from LNGenLib.output import write_json
from LNGenLib.synthesis.engine import Models

if TYPE_CHECKING:
    from LNGenLib.datasets.dataset import DatasetSettings

MANIFEST = "manifest.json"


def write_manifest(writer: Writer, told: dict[str, Any]) -> None:
    """Write manifest.json of the cases that are there, and what the layout wants beside it."""
    rows = []
    for about in map(read_json, writer.records()):
        row = {name: about[name] for name in ("id", "patient", "source", "real_lymph_nodes")}
        long_axes = [record["long_axis_mm"] for record in about["records"]]
        rows.append(row | {"seed": about["provenance"]["plan"]["seed"], "long_axes_mm": long_axes})
    write_json({"synthetic": True, **told, "cases": rows}, writer.folder / MANIFEST)
    writer.finish()


def shared_by_all(
    settings: DatasetSettings, sources: Sequence[Case], anatomy: Path | None, models: Models
) -> dict[str, Any]:
    """What all cases of a data set share, as JSON gives it back."""
    told = {
        "software": f"LNGen {__version__}",
        "settings": dataclasses.asdict(settings),
        "sources": [case.id for case in sources],
        "anatomy": "given" if anatomy else "from HU",
        "weights": {
            "structure": models.structure.description["sha256"],
            "texture": models.texture.description["sha256"],
        },
    }
    return json.loads(json.dumps(told))


def check_same(output: Path, told: dict[str, Any]) -> None:
    """InputError where the folder holds another data set, or other files."""
    manifest = output / MANIFEST
    if not manifest.exists():
        if output.is_dir() and any(output.glob("[!.]*")):
            raise InputError(f"{output} holds other files: give an empty folder, or a new one")
        return
    before = read_json(manifest)
    for name, value in told.items():
        if before.get(name) != value:
            raise InputError(
                f"{output} holds a data set of other {name}: go on with those, or give a new folder"
            )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object that was written whole."""
    return json.loads(path.read_text())
