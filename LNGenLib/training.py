"""`lngen train`: prepare the arrays once, then train; resumable at every point."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from LNGenLib.errors import InputError
from LNGenLib.files import keep_settings
from LNGenLib.plain import check_types
from LNGenLib.progress import SILENT, Progress
from LNGenLib.segmentation.faults import explained_faults

if TYPE_CHECKING:
    from LNGenLib.texture.networks import TextureNetworks

OF_CTS = ("texture", "difftumor")  # parts trained on patches of CTs


def run(
    part: str,
    data: Path,
    output: Path,
    changes: dict[str, Any],
    seed: int,
    progress: Progress = SILENT,
) -> Path:
    """Train `part` on `data`: structure, texture or difftumor; returns the weights' path.

    `data` holds `nodes.csv` or `nodes/nodes.csv` with masks (structure), and `splits.csv`
    with CTs (texture and difftumor, which draw shapes of the structure data too). The arrays
    prepared from it are kept in `output` (structure.npz, texture.npz, difftumor.npz); where those
    are there already, `data` is not read, so that a machine without SimpleITK can train.
    `progress` has a stage for each part of the work.
    """
    config = _config(part, changes)
    arrays = output / (f"{part}.npz" if part in OF_CTS else "structure.npz")
    nodes = None if arrays.exists() else _check_tables(part, data)
    keep_settings(output, {"part": part, "config": dataclasses.asdict(config), "seed": seed})
    weights = output / f"{part}.safetensors"
    with explained_faults(output, "*/last.ckpt"):
        if nodes is not None:
            _prepare(part, data, nodes, output, arrays, progress)
        if part in OF_CTS:
            from LNGenLib.texture.training import train as train_texture

            train_texture(arrays, weights, _networks(part), config, seed, progress)
        else:
            from LNGenLib.structure.training import train

            train(arrays, output, config, seed, progress)
    return weights


def _config(part: str, changes: dict[str, Any]) -> Any:
    if part == "structure":
        from LNGenLib.structure.networks import StructureConfig as Config
    elif part == "difftumor":
        from LNGenLib.texture.difftumor import DiffTumorConfig as Config
    else:
        from LNGenLib.texture.networks import TextureConfig as Config
    unknown = set(changes) - {field.name for field in dataclasses.fields(Config)}
    if unknown:
        raise InputError(
            f"the {part} configuration has no {', '.join(sorted(unknown))}: "
            f"it has {', '.join(field.name for field in dataclasses.fields(Config))}"
        )
    changes = {k: tuple(v) if isinstance(v, list) else v for k, v in changes.items()}
    check_types(Config, changes)
    return Config(**changes)


def _networks(part: str) -> type[TextureNetworks]:
    if part == "difftumor":
        from LNGenLib.texture.difftumor import DiffTumorNetworks

        return DiffTumorNetworks
    from LNGenLib.texture.networks import TextureNetworks

    return TextureNetworks


def _check_tables(part: str, data: Path) -> Path:
    """The folder of `nodes.csv`; InputError where a table or one of its columns is missing."""
    nodes = data if (data / "nodes.csv").exists() else data / "nodes"
    tables = [nodes / "nodes.csv"] + ([data / "splits.csv"] if part in OF_CTS else [])
    for table in tables:
        if not table.exists():
            raise InputError(
                f"{data} holds no {table.name} (columns file, split): see docs/training.md"
            )
        with table.open(newline="") as file:
            rows = csv.DictReader(file)
            if not {"file", "split"} <= set(rows.fieldnames or ()):
                raise InputError(f"{table} lacks the columns file and split: see docs/training.md")
            parts = {row["split"] for row in rows}
        for split in ("train", "validation"):
            if split not in parts:
                raise InputError(f"{table} has no row with the split {split}: see docs/training.md")
    return nodes


def _prepare(
    part: str, data: Path, nodes: Path, output: Path, arrays: Path, progress: Progress
) -> None:
    from LNGenLib.structure import corpus

    if part not in OF_CTS:
        corpus.prepare(nodes, arrays, progress)
        return
    from LNGenLib.texture import dataset as texture

    shapes = output / "structure.npz"
    if not shapes.exists():
        corpus.prepare(nodes, shapes, progress)
    with np.load(shapes) as content:
        train = content["tsdf"][content["split"] == "train"]
        texture.prepare(data, train, arrays, _networks(part).FRAME, progress=progress)
