"""Can painted lymph nodes be discriminated from real bodies of the same scan?"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.stats import ks_2samp

from LNGenLib.errors import InputError
from LNGenLib.evaluation.realism.auc import AucEstimate, ClassScores, Difference
from LNGenLib.evaluation.realism.cache import Cache
from LNGenLib.evaluation.realism.fidelity import Fidelity, measure_fidelity
from LNGenLib.evaluation.realism.painters import ControlPainter, painters
from LNGenLib.evaluation.realism.pairs import halves, paint_controls, placed, real_bodies
from LNGenLib.evaluation.realism.specimens import Specimen
from LNGenLib.evaluation.realism.two_sample_test import Pair, PairScores, score_pairs
from LNGenLib.files import keep_settings, read_table
from LNGenLib.progress import Progress
from LNGenLib.synthesis.models import Models
from LNGenLib.texture.dataset import read_scan
from LNGenLib.texture.model import TextureModel

HALVINGS = 4


@dataclass(frozen=True)
class TextureReport:
    """AUC by class: `LN-Gen`, `DiffTumor` where there is such a model, `copies` of real bodies, and
    the tests of the test itself, `constant` (valid where those seen have 0.95 or more) and `real`
    (0.45 to 0.55): the mean over random halves of the real bodies. `difference` is DiffTumor's AUC
    less LN-Gen's. `hu` is how far the HU in the cores of real bodies and of the others of their
    pairs are apart, by class and for the `real` halves: Kolmogorov-Smirnov distance over the test
    scans, None without pairs there.

    `bodies` are the real bodies of each scan; `found` is the share of painted controls that the
    finder sees as bodies like the real one, by class. `fidelity` is of each scan of the test part
    that has room enough.
    """

    seed: int
    auc: dict[str, AucEstimate]
    difference: Difference | None
    hu: dict[str, float | None]
    real: float
    bodies: dict[str, int]
    found: dict[str, float]
    fidelity: dict[str, Fidelity]


def evaluate_texture(
    data: Path,
    models: Models,
    seed: int,
    progress: Progress,
    baseline: TextureModel | None = None,
    work: Path | None = None,
) -> TextureReport:
    """Paint the scans of `data/splits.csv` and test those of the test part.

    `baseline` is a model of DiffTumor's kind to compare with. The classifiers are trained on the
    other scans of each fold, whatever their part. What is done is kept in the folder `work`, where
    one is given: the same call goes on from there. Raises InputError where the test scans have no
    bodies to compare with, and where `work` is of other data.
    """
    rows, cache = read_table(data / "splits.csv", ("file", "split")), Cache(work)
    if work is not None:
        keep_settings(work, {"data": str(data.resolve())})
    tested = {row["file"] for row in rows if row["split"] == "test"}
    real: dict[str, list[Specimen]] = {}
    noise: dict[str, float] = {}
    for number, name in enumerate(row["file"] for row in rows):
        progress.advance("looking for bodies", number, len(rows))
        real[name], noise[name] = cache(["bodies", name], partial(real_bodies, data, name))
    room: list[Specimen] = []
    for number, name in enumerate(sorted(tested)):
        progress.advance("looking for room", number, len(tested))
        places = cache(["placed", seed, name], partial(placed, data, name, real[name], seed))
        room += [real[name][place] for place in places]
    if not room:
        raise InputError(f"{data}: no scan of the part test shows bodies in fat to compare with")

    def scores(key: list, pairs: list[Pair]) -> PairScores:
        progress.stage(f"two-sample test of {key[0]}")
        make = partial(score_pairs, pairs, noise, tested, seed, progress)
        return cache(["scores", seed, *key], make)

    weights = {"LN-Gen": models.texture, "constant": models.texture, "DiffTumor": baseline}
    classes: dict[str, ClassScores] = {}
    found: dict[str, float] = {}
    hu: dict[str, float | None] = {}
    for kind, paint in painters(models.texture, baseline).items():
        key = [kind, model.description["sha256"] if (model := weights.get(kind)) else ""]
        pairs, found[kind] = _painted_pairs(data, real, paint, key, seed, progress, cache)
        classes[kind] = ClassScores(scores(key, pairs), room)
        hu[kind] = _hu_distance(pairs, tested)
    everything = [body for bodies in real.values() for body in bodies]
    split = [halves(everything, np.random.default_rng([seed, k])) for k in range(HALVINGS)]
    apart = [scores(["real", k], half) for k, half in enumerate(split)]
    hu["real"] = float(np.mean([_hu_distance(half, tested) for half in split]))
    return TextureReport(
        seed,
        {kind: one.auc(seed) for kind, one in classes.items()},
        classes["LN-Gen"].difference(classes["DiffTumor"], seed) if baseline else None,
        hu,
        float(np.mean([ClassScores(half, half.bodies).auc(seed).auc for half in apart])),
        {name: len(bodies) for name, bodies in real.items()},
        found,
        _fidelity(data, sorted(tested), models, seed, progress, cache),
    )


def _painted_pairs(
    data: Path,
    real: dict[str, list[Specimen]],
    paint: ControlPainter,
    key: list[str],
    seed: int,
    progress: Progress,
    cache: Cache,
) -> tuple[list[Pair], float]:
    """Real bodies with their controls, and the share of painted ones that these are."""
    pairs: list[Pair] = []
    painted = 0
    for number, (name, bodies) in enumerate(real.items()):
        progress.advance(f"painting {key[0]}", number, len(real))
        make = partial(paint_controls, data, name, bodies, paint, seed)
        controls, count = cache(["controls", seed, *key, name], make)
        pairs += [(bodies[place], control) for place, control in controls]
        painted += count
    return pairs, len(pairs) / max(painted, 1)


def _fidelity(
    data: Path, names: list[str], models: Models, seed: int, progress: Progress, cache: Cache
) -> dict[str, Fidelity]:
    weights = [models.structure.description["sha256"], models.texture.description["sha256"]]

    def measure(name: str) -> Fidelity:
        ct = read_scan(data / name)[0]
        progress.stage(f"painting {name}")
        return measure_fidelity(ct, models, seed, progress)

    figures = {}
    for name in names:
        with suppress(InputError):  # a crop round a mass has no room
            figures[name] = cache(["fidelity", seed, *weights, name], partial(measure, name))
    return figures


def _hu_distance(pairs: list[Pair], tested: set[str]) -> float | None:
    pairs = [pair for pair in pairs if pair[0].scan in tested]
    if not pairs:
        return None
    cores = [np.concatenate([s.hu[s.core] for s in kind]) for kind in zip(*pairs)]
    return float(ks_2samp(*cores).statistic)
