"""Can painted lymph nodes be told from real bodies of the same scan?"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ks_2samp

from LNGenLib.errors import InputError
from LNGenLib.evaluation.realism.auc import Difference, Judgment, Verdict
from LNGenLib.evaluation.realism.cache import Kept
from LNGenLib.evaluation.realism.fidelity import Fidelity, measure_fidelity
from LNGenLib.evaluation.realism.pairs import halves, painters, placed, real_bodies, twins_of
from LNGenLib.evaluation.realism.specimens import Specimen
from LNGenLib.evaluation.realism.two_sample_test import Judged, Pair, judge
from LNGenLib.files import keep_settings
from LNGenLib.progress import Progress
from LNGenLib.synthesis.engine import Models
from LNGenLib.texture.dataset import read_scan, scan_rows
from LNGenLib.texture.model import TextureModel

HALVINGS = 4


@dataclass(frozen=True)
class TextureReport:
    """Verdicts by class: `LN-Gen`, `DiffTumor` where there is such a model, `copies` of real
    bodies, and the judge's own tests, `constant` (valid where those seen are told at 0.95 or more)
    and `real` (0.45 to 0.55): the mean over random halves of the real bodies. `difference` is
    DiffTumor's AUC less LN-Gen's. `hu` is how far the HU in the cores of real bodies and of what
    they were told from are apart, by class and for the `real` halves: Kolmogorov-Smirnov distance
    over the judged scans, None without pairs there.

    `bodies` are the real bodies of each scan; `found` is the share of painted twins that the finder
    sees as bodies like the real one, by class. `fidelity` is of each scan of the test part that has
    room enough.
    """

    seed: int
    verdicts: dict[str, Verdict]
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
    """Paint the scans of `data/splits.csv` and judge those of the test part.

    `baseline` is a model of DiffTumor's kind to compare with. The classifiers are trained on the
    other scans of each fold, whatever their part. What is done is kept in the folder `work`, where
    one is given: the same call goes on from there. Raises InputError where the test scans have no
    bodies to compare with, and where `work` is of other data.
    """
    rows, kept = scan_rows(data), Kept(work)
    if work is not None:
        keep_settings(work, {"data": str(data.resolve())})
    names = [row["file"] for row in rows]
    judged = {row["file"] for row in rows if row["split"] == "test"}
    real: dict[str, list[Specimen]] = {}
    noise: dict[str, float] = {}
    for number, name in enumerate(names):
        progress.advance("looking for bodies", number, len(names))
        real[name], noise[name] = kept(["bodies", name], lambda name=name: real_bodies(data, name))
    room: list[Specimen] = []
    for number, name in enumerate(sorted(judged)):
        progress.advance("looking for room", number, len(judged))
        places = kept(
            ["placed", seed, name], lambda name=name: placed(data, name, real[name], seed)
        )
        room += [real[name][place] for place in places]
    if not room:
        raise InputError(f"{data}: no scan of the part test shows bodies in fat to compare with")

    def judged_as(key: list[Any], pairs: list[Pair]) -> Judged:
        progress.stage(f"judging {key[0]}")
        return kept(["judged", seed, *key], lambda: judge(pairs, noise, judged, seed, progress))

    of_model = {"LN-Gen": models.texture, "DiffTumor": baseline, "constant": models.texture}
    pairs: dict[str, list[Pair]] = {}
    found: dict[str, float] = {}
    told: dict[str, Judgment] = {}
    for kind, paint in painters(models.texture, baseline).items():
        key = [kind, of_model[kind].description["sha256"] if kind in of_model else ""]
        pairs[kind], painted = [], 0
        for number, name in enumerate(names):
            progress.advance(f"painting {kind}", number, len(names))
            twins = kept(
                ["twins", seed, *key, name],
                lambda name=name, paint=paint: twins_of(data, name, real[name], paint, seed),
            )
            pairs[kind] += twins.pairs(real[name])
            painted += twins.painted
        found[kind] = len(pairs[kind]) / max(painted, 1)
        told[kind] = Judgment(judged_as(key, pairs[kind]), room)
    everything = [body for name in names for body in real[name]]
    split = [halves(everything, np.random.default_rng([seed, k])) for k in range(HALVINGS)]
    apart = [judged_as(["real", k], half) for k, half in enumerate(split)]
    hu = {kind: _hu_distance(of_kind, judged) for kind, of_kind in pairs.items()}
    hu["real"] = float(np.mean([_hu_distance(half, judged) for half in split]))
    return TextureReport(
        seed,
        {kind: judgment.verdict(seed) for kind, judgment in told.items()},
        told["LN-Gen"].difference(told["DiffTumor"], seed) if baseline else None,
        hu,
        float(np.mean([Judgment(half, half.bodies).verdict(seed).auc for half in apart])),
        {name: len(real[name]) for name in names},
        found,
        _fidelity(data, sorted(judged), models, seed, progress, kept),
    )


def _fidelity(
    data: Path, names: list[str], models: Models, seed: int, progress: Progress, kept: Kept
) -> dict[str, Fidelity]:
    weights = [models.structure.description["sha256"], models.texture.description["sha256"]]
    figures = {}
    for name in names:

        def measure(name: str = name) -> Fidelity:
            ct = read_scan(data / name)[0]
            progress.stage(f"painting {name}")
            return measure_fidelity(ct, models, seed, progress)

        with suppress(InputError):  # a crop round a mass has no room
            figures[name] = kept(["fidelity", seed, *weights, name], measure)
    return figures


def _hu_distance(pairs: list[Pair], judged: set[str]) -> float | None:
    pairs = [pair for pair in pairs if pair[0].scan in judged]
    if not pairs:
        return None
    cores = [np.concatenate([s.hu[s.core] for s in kind]) for kind in zip(*pairs)]
    return float(ks_2samp(*cores).statistic)
