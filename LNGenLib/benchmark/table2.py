"""Table II: how close shapes of the explicit, the implicit and the adapted variant come to real
ones, of two sizes, as the networks draw them at first."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from LNGenLib.benchmark.baselines import ShapeSpace, ellipsoids
from LNGenLib.benchmark.explicit import ExplicitConfig, ExplicitModel, as_mask, train
from LNGenLib.errors import InputError
from LNGenLib.evaluation.estimate import shown
from LNGenLib.evaluation.shape.descriptors import has_valid_surface
from LNGenLib.evaluation.shape.precision_recall import CLOSENESS
from LNGenLib.evaluation.shape.reference import LEAST, MOST, Closeness, Reference
from LNGenLib.evaluation.shape.surfaces import BINS, Form, RealSurfaces, Surfaces
from LNGenLib.evaluation.shape.tables import FORM_COLUMNS, closeness_cells, form_cells
from LNGenLib.files import keep_settings, read_json
from LNGenLib.models.store import config_of
from LNGenLib.progress import Progress
from LNGenLib.randomness import node_rng
from LNGenLib.structure.networks import StructureConfig
from LNGenLib.structure.preparing import prepare, table_of_masks
from LNGenLib.structure.tsdf import tsdf_from_distance

SIZES = {"14-20 mm": 17.0, "20-31 mm": 25.0}  # the long axis drawn of each bin
COUNT = 300

Draw = Callable[[Sequence[int], Sequence[float], int], np.ndarray]  # as `StructureModel.draw`


@dataclass(frozen=True)
class Row:
    """Scores of a set of shapes, each scaled and centered by its own long axis; `form.valid` is of
    the shapes as they were drawn."""

    form: Form
    closeness: Closeness | None = None
    memorization: float | None = None


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a bin, and the shapes of each as they were drawn."""

    scores: dict[str, Row]
    shapes: dict[str, np.ndarray]


def compare(
    real: RealSurfaces, variants: dict[str, Draw], seed: int, progress: Progress
) -> dict[str, Rows]:
    """The rows of each bin: real surfaces, the variants, and simple models of the bin's training
    surfaces. InputError for fewer than 20 training surfaces."""
    single, found = real.where(real.single), {}
    for bin_, size in SIZES.items():
        of_bin = single.within(BINS[bin_])
        training = of_bin.tsdf[of_bin.split == "train"]
        if len(training) < LEAST:
            raise InputError(
                f"{len(training)} training surfaces of {bin_} are too few: give at least {LEAST}"
            )
        space = ShapeSpace.fit(training)
        sets: dict[str, Draw] = variants | {
            "Gaussian in PCA space": lambda *_, space=space: space.gaussian(COUNT, seed),
            "half-SD noise": lambda *_, space=space: space.noisy(COUNT, seed),
            "elastic ellipsoids": lambda *_: ellipsoids(COUNT, seed),
        }
        shapes = {"real": node_rng(seed, 0, "shown").permutation(of_bin.tsdf)}
        for name, draw in sets.items():  # all of them, before any is scored
            shapes[name] = draw(range(COUNT), [size] * COUNT, seed)
            if (shapes[name].min((1, 2, 3)) >= 0).any():
                raise InputError(f"{name}: shapes without an inside are drawn: train it longer")
        reference = Reference(of_bin, seed)
        masks = np.stack([as_mask(one) for one in of_bin.tsdf])
        scores = {
            "real (halves)": Row(Form.of(of_bin), reference.halves(MOST)),
            "real, as masks": Row(Form.of(_surfaces(masks, size))),
        }
        for number, name in enumerate(sets):
            progress.advance(bin_, number, len(sets))
            surfaces = _surfaces(shapes[name], size)
            points = reference.points(surfaces.tsdf)
            novelty = reference.memorization(points)
            scores[name] = Row(Form.of(surfaces), reference.closeness(points), novelty)
        found[bin_] = Rows(scores, shapes)
    return found


def table(bin_: str, rows: Rows) -> Table:
    """The rows of a bin for the terminal."""
    title = (
        f"{bin_}, drawn at {SIZES[bin_]:g} mm, as the networks draw at first; closeness of n to n "
        "surfaces: mean and 2.5-97.5 % of the draws"
    )
    printed = Table("shapes", "n", *CLOSENESS, "memorization", *FORM_COLUMNS, title=title)
    for name, row in rows.scores.items():
        close = closeness_cells(row.closeness)
        printed.add_row(name, *close, shown(row.memorization), *form_cells(row.form))
    return printed


def figures(found: dict[str, Rows]) -> dict[str, dict[str, Any]]:
    """The scores by bin and row, for JSON."""
    return {
        bin_: {name: dataclasses.asdict(row) for name, row in rows.scores.items()}
        for bin_, rows in found.items()
    }


def _surfaces(drawn: np.ndarray, size: float) -> Surfaces:
    """Shapes scaled and centered by their own long axes, and whether they were valid before."""
    scaled = np.stack([tsdf_from_distance(tsdf, (1.0, 1.0, 1.0))[0] for tsdf in drawn])
    valid = np.array([has_valid_surface(tsdf) for tsdf in drawn])
    return Surfaces(scaled, np.full(len(drawn), size), valid)


def trained_explicit(
    data: Path, folder: Path, config: ExplicitConfig, seed: int, progress: Progress
) -> ExplicitModel:
    """The explicit variant, trained in `folder` on the shapes of the structure training in `data`,
    or where that holds masks, of a structure training as it is by default."""
    structure = StructureConfig()
    if (data / "settings.json").exists():
        structure = config_of(StructureConfig, read_json(data / "settings.json"))
    settings = {"data": str(data), "structure": dataclasses.asdict(structure)}
    keep_settings(folder, settings | {"explicit": dataclasses.asdict(config), "seed": seed})
    arrays, corpus = prepared(data, folder, progress), data / "corpus.npz"
    if not corpus.exists():
        corpus = folder / "corpus.npz"
    return train(arrays, corpus, folder / "explicit", structure, config, seed, progress)


def prepared(data: Path, folder: Path, progress: Progress) -> Path:
    """Prepared arrays: those in `data`, or those made in `folder` of its masks."""
    if (data / "structure.npz").exists():
        return data / "structure.npz"
    if not table_of_masks(data).exists():
        raise InputError(
            f"{data} holds neither structure.npz nor nodes.csv: give the folder of a `lngen train "
            "structure`, or data as it takes (docs/training.md)"
        )
    arrays = folder / "structure.npz"
    if not arrays.exists():
        prepare(data, arrays, progress)
    return arrays
