"""`lngen train`: prepare the arrays once, then train; resumable at every point."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from LNGenLib.errors import InputError
from LNGenLib.files import keep_settings, read_table
from LNGenLib.latent.faults import explained_faults
from LNGenLib.progress import SILENT, Progress
from LNGenLib.validation import from_json


@dataclass(frozen=True)
class TrainableModel:
    """A model that can be trained: what it is, what it consists of, and what it learns from.

    `networks` is a class, with its configuration's class as `CONFIG`; `training` is the module that
    trains them. Both are names ("module:class"), since to import them takes seconds.
    """

    description: str
    networks: str
    training: str
    tables: tuple[str, ...] = ("nodes.csv",)  # of its data
    ships: bool = True  # whether LNGen comes with weights of it

    def load_networks(self) -> Any:
        """The class of its networks."""
        module, name = self.networks.split(":")
        return getattr(import_module(module), name)


COLUMNS = ("file", "split")
OF_CTS = ("nodes.csv", "splits.csv")
MODELS = {
    "structure": TrainableModel(
        "What shape lymph nodes have.",
        networks="LNGenLib.structure.networks:StructureNetworks",
        training="LNGenLib.structure.training",
    ),
    "texture": TrainableModel(
        "What lymph nodes look like in CT.",
        networks="LNGenLib.texture.networks:TextureNetworks",
        training="LNGenLib.texture.training",
        tables=OF_CTS,
    ),
    "difftumor": TrainableModel(
        "A baseline in DiffTumor's way, for comparison.",
        networks="LNGenLib.texture.difftumor:DiffTumorNetworks",
        training="LNGenLib.texture.training",
        tables=OF_CTS,
        ships=False,
    ),
}
PARTS = {name: model.description for name, model in MODELS.items()}


def run(
    part: str,
    data: Path,
    output: Path,
    changes: dict[str, Any],
    seed: int,
    progress: Progress = SILENT,
) -> Path:
    """Train `part`, one of `MODELS`, on `data`; returns the weights' path.

    `data` holds `nodes.csv` or `nodes/nodes.csv` with masks, and for texture and difftumor
    `splits.csv` with CTs, over whose tissue they draw shapes of the masks. The arrays
    prepared from it are kept in `output` (structure.npz, texture.npz, difftumor.npz); where those
    are there already, `data` is not read, so that a machine without SimpleITK can train.
    `progress` has a stage for each part of the work.
    """
    model = MODELS[part]
    kind = model.load_networks()
    config = from_json(kind.CONFIG, changes, name=part)
    arrays, weights = output / f"{part}.npz", output / f"{part}.safetensors"
    if not arrays.exists():
        _check_tables(model.tables, data)
    keep_settings(output, {"part": part, "config": dataclasses.asdict(config), "seed": seed})
    with explained_faults(output, "*/last.ckpt"):
        if not arrays.exists():
            _prepare(kind, data, arrays, seed, progress)
        from LNGenLib.models.store import save_weights

        train = import_module(model.training).train
        networks = train(kind, config, arrays, seed, progress)
        save_weights(networks, networks.config, weights)
    return weights


def _check_tables(tables: tuple[str, ...], data: Path) -> None:
    """InputError where a table, one of its columns or a part of the split is missing."""
    from LNGenLib.structure.preparing import table_of_masks

    for name in tables:
        table = table_of_masks(data) if name == "nodes.csv" else data / name
        if not table.exists():
            raise InputError(f"{data} holds no {name} (columns file, split): see docs/training.md")
        rows = read_table(table, COLUMNS)
        for split in ("train", "validation"):
            if all(row["split"] != split for row in rows):
                raise InputError(f"{table} has no row with the split {split}: see docs/training.md")


def _prepare(kind: Any, data: Path, arrays: Path, seed: int, progress: Progress) -> None:
    """Write the arrays of surfaces, and for a model of CTs those of patches."""
    from LNGenLib.structure import preparing

    surfaces = arrays.with_name("structure.npz")
    if not surfaces.exists():
        preparing.prepare(data, surfaces, progress)
    if arrays != surfaces:
        from LNGenLib.texture import dataset

        dataset.prepare(data, surfaces, arrays, kind.FRAME, seed, progress)
