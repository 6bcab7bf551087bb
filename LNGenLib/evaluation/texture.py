"""Can painted lymph nodes be told from real bodies of the same scan?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import ks_2samp

from LNGenLib.errors import InputError
from LNGenLib.evaluation.fidelity import Fidelity, measure_fidelity
from LNGenLib.evaluation.judge import Difference, Judged, Pair, Verdict, judge
from LNGenLib.evaluation.painters import Painted, paint_by, paint_constants, paint_copies
from LNGenLib.evaluation.specimens import Specimen, alike, find_painted, find_specimens, match
from LNGenLib.evaluation.twins import Twin, place_twins
from LNGenLib.image.hu import MUSCLE
from LNGenLib.image.io import as_ct, to_array
from LNGenLib.image.noise import measure_noise
from LNGenLib.randomness import node_rng
from LNGenLib.synthesis.engine import Models
from LNGenLib.texture.dataset import Scan, read_scan, scan_rows
from LNGenLib.texture.model import TextureModel

ROUNDS = 24  # of places tried for each body
HALVINGS = 4

Report = Callable[[str, int, int], None]  # stage, steps done, steps
Painter = Callable[[np.ndarray, Sequence[Twin], int], Painted]  # HU, twins, seed


@dataclass(frozen=True)
class TextureReport:
    """Verdicts by class: `LN-Gen`, `DiffTumor` where there is such a model, `copies` of real
    bodies, and the judge's own tests, `constant` (valid at 0.95 or more) and `real` (0.45 to 0.55):
    the mean over random halves of the real bodies. `difference` is DiffTumor's AUC less LN-Gen's.
    `hu` is how far the HU in the cores of real bodies and of what they were told from are apart, by
    class and for the `real` halves: Kolmogorov-Smirnov distance over the judged scans.

    `bodies` are the real bodies of each scan; `found` is the share of painted twins that the finder
    sees as bodies like the real one, by class. `fidelity` is of each scan of the test part that has
    room enough.
    """

    seed: int
    verdicts: dict[str, Verdict]
    difference: Difference | None
    hu: dict[str, float]
    real: float
    bodies: dict[str, int]
    found: dict[str, float]
    fidelity: dict[str, Fidelity]


def evaluate_texture(
    data: Path, models: Models, seed: int, report: Report, baseline: TextureModel | None = None
) -> TextureReport:
    """Paint the scans of `data/splits.csv` and judge those of the test part.

    `baseline` is a model of DiffTumor's kind to compare with. The classifiers are trained on the
    other scans of each fold, whatever their part. Raises InputError where the test scans have no
    bodies to compare with.
    """
    rows = scan_rows(data)
    real: list[Specimen] = []
    painters = _painters(models.texture, baseline)
    pairs: dict[str, list[Pair]] = {kind: [] for kind in painters}
    placed = dict.fromkeys(pairs, 0)
    noise = {}
    for number, row in enumerate(rows):
        report("painting", number, len(rows))
        name = row["file"]
        image, scan = read_scan(data / name)
        scan = dataclasses.replace(scan, hu=to_array(as_ct(image)))
        noise[name] = measure_noise(scan.hu, scan.between(*MUSCLE)).level
        here = find_specimens(name, scan, off=scan.lesion)
        real += here
        for kind, paint in painters.items():
            of_kind, count = _twin_pairs(name, scan, here, paint, seed)
            pairs[kind] += of_kind
            placed[kind] += count
    judged = {row["file"] for row in rows if row["split"] == "test"}
    if not any(specimen.scan in judged for specimen in real):
        raise InputError(f"{data}: no scan of the part test shows bodies in fat to compare with")
    judgments: dict[str, Judged] = {}
    for kind, of_kind in pairs.items():
        told = lambda done, of, kind=kind: report(f"judging {kind}", done, of)  # noqa: E731
        judgments[kind] = judge(of_kind, noise, judged, seed, told)
    fidelity = {}
    for name in sorted(judged):
        told = lambda done, of, name=name: report(f"painting {name}", done, of)  # noqa: E731
        with suppress(InputError):  # a crop round a mass has no room
            ct = as_ct(read_scan(data / name)[0])
            fidelity[name] = measure_fidelity(ct, models, seed, told)
    halves = [_halves(real, np.random.default_rng([seed, k])) for k in range(HALVINGS)]
    told_apart = [
        judge(
            *(half, noise, judged, seed),
            lambda done, of, k=k: report("judging real", k * of + done, HALVINGS * of),
        )
        for k, half in enumerate(halves)
    ]
    hu = {kind: _hu_distance(of_kind, judged) for kind, of_kind in pairs.items()}
    hu["real"] = float(np.mean([_hu_distance(half, judged) for half in halves]))
    return TextureReport(
        seed,
        {kind: told.verdict(seed) for kind, told in judgments.items()},
        judgments["LN-Gen"].difference(judgments["DiffTumor"], seed) if baseline else None,
        hu,
        float(np.mean([half.verdict(seed).auc for half in told_apart])),
        {name: sum(specimen.scan == name for specimen in real) for name in noise},
        {kind: len(pairs[kind]) / max(placed[kind], 1) for kind in pairs},
        fidelity,
    )


def _painters(model: TextureModel, baseline: TextureModel | None) -> dict[str, Painter]:
    painters: dict[str, Painter] = {
        "LN-Gen": lambda hu, twins, seed: paint_by(hu, twins, model, seed)
    }
    if baseline is not None:
        painters["DiffTumor"] = lambda hu, twins, seed: paint_by(hu, twins, baseline, seed)
    return painters | {
        "copies": lambda hu, twins, seed: paint_copies(hu, twins),
        "constant": lambda hu, twins, seed: paint_constants(hu, paint_by(hu, twins, model, seed)),
    }


def _twin_pairs(
    name: str, scan: Scan, bodies: list[Specimen], paint: Painter, seed: int
) -> tuple[list[Pair], int]:
    """Pairs of a real body and its twin as the finder sees it, and the number of twins painted.

    Bodies whose twin the finder does not see as a body like the real one get another place, and so
    on.
    """
    pairs: list[Pair] = []
    waiting, placed = bodies, 0
    for turn in range(ROUNDS):
        twins = place_twins(scan, waiting, node_rng(seed, turn, f"twins {name}"))
        if not twins:
            break
        hu, labels = paint(scan.hu, twins, seed * ROUNDS + turn)
        found = find_painted(name, dataclasses.replace(scan, hu=hu), labels)
        new = [(twin.body, found[k]) for k, twin in enumerate(twins, 1) if k in found]
        new = [pair for pair in new if alike(*pair)]
        seen = {body for body, _ in new}
        pairs, placed = pairs + new, placed + len(twins)
        waiting = [body for body in waiting if body not in seen]
    return pairs, placed


def _hu_distance(pairs: list[Pair], judged: set[str]) -> float:
    pairs = [pair for pair in pairs if pair[0].scan in judged]
    cores = [np.concatenate([s.hu[s.core] for s in kind]) for kind in zip(*pairs)]
    return float(ks_2samp(*cores).statistic)


def _halves(real: list[Specimen], rng: np.random.Generator) -> list[Pair]:
    """Real bodies paired with others of the same scan at random, but alike."""
    first = rng.random(len(real)) < 0.5
    return match(
        [s for s, one in zip(real, first) if one], [s for s, one in zip(real, first) if not one]
    )
