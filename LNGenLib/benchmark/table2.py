"""Table II: precision and recall of the explicit, the implicit and the adapted variant."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from LNGenLib.benchmark.explicit import ExplicitConfig, ExplicitModel, train
from LNGenLib.errors import InputError
from LNGenLib.output import keep_settings
from LNGenLib.structure.corpus import prepare
from LNGenLib.structure.networks import StructureConfig

Report = Callable[[str, int, int], None]  # stage, steps done, steps


def trained_explicit(
    data: Path, folder: Path, config: ExplicitConfig, seed: int, report: Report
) -> ExplicitModel:
    """The explicit variant, trained in `folder` on the shapes of the structure training in `data`,
    or where that holds masks, of a structure training as it is by default."""
    structure = StructureConfig()
    if (data / "settings.json").exists():
        kept = json.loads((data / "settings.json").read_text())["config"]
        structure = StructureConfig(
            **{name: tuple(v) if isinstance(v, list) else v for name, v in kept.items()}
        )
    settings = {"data": str(data), "structure": dataclasses.asdict(structure)}
    keep_settings(folder, settings | {"explicit": dataclasses.asdict(config), "seed": seed})
    arrays = prepared(data, folder, report)
    corpus = next(
        f / "corpus.npz" for f in (data, folder) if (f / "corpus.npz").exists() or f == folder
    )
    return train(arrays, corpus, folder / "explicit", structure, config, seed, report)


def prepared(data: Path, folder: Path, report: Report) -> Path:
    """The arrays of `corpus.prepare`: those in `data`, or those made in `folder` of its masks."""
    if (data / "structure.npz").exists():
        return data / "structure.npz"
    nodes = data if (data / "nodes.csv").exists() else data / "nodes"
    if not (nodes / "nodes.csv").exists():
        raise InputError(
            f"{data} holds neither structure.npz nor nodes.csv: give the folder of a `lngen train "
            "structure`, or data as it takes (docs/training.md)"
        )
    arrays = folder / "structure.npz"
    if not arrays.exists():
        unfinished = folder / "structure.unfinished.npz"
        prepare(nodes, unfinished, report)
        unfinished.replace(arrays)
    return arrays
