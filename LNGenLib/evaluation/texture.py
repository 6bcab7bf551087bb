"""Can painted lymph nodes be told from real bodies of the same scan?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.evaluation.judge import Pair, Verdict, judge
from LNGenLib.evaluation.painters import as_constants, paint_copies, paint_lngen
from LNGenLib.evaluation.specimens import Specimen, find_specimens, match
from LNGenLib.image.hu import FAT, MUSCLE
from LNGenLib.image.io import as_ct
from LNGenLib.image.noise import measure_noise
from LNGenLib.structure.sizes import LARGEST, Sizes
from LNGenLib.synthesis.engine import Models
from LNGenLib.texture.dataset import Scan, find_bodies, read_scan, scan_rows

AT_ONCE = 40  # nodes painted in a scan
MOST_ROUNDS = 12
SURPLUS = 1.5  # painted nodes found for each real body, to choose matched ones from
HALVINGS = 4

Report = Callable[[str, int, int], None]  # stage, steps done, steps


@dataclass(frozen=True)
class TextureReport:
    """Verdicts by class: `LN-Gen`, `copies` of real bodies, and the judge's own tests, `constant`
    (valid at 0.95 or more) and `real` (0.45 to 0.55): the mean over random halves of the real
    bodies.

    `bodies` are the real bodies of each scan; `found` is the share of painted nodes that the finder
    sees as bodies, by class.
    """

    seed: int
    verdicts: dict[str, Verdict]
    real: float
    bodies: dict[str, int]
    found: dict[str, float]


def evaluate_texture(data: Path, models: Models, seed: int, report: Report) -> TextureReport:
    """Paint the scans of `data/splits.csv` and judge those of the test part.

    The classifiers are trained on the other scans of each fold, whatever their part. Raises
    InputError where the test scans have no bodies to compare with.
    """
    rows = scan_rows(data)
    real: list[Specimen] = []
    painted: dict[str, list[Specimen]] = {"LN-Gen": [], "copies": [], "constant": []}
    labels = dict.fromkeys(painted, 0)
    noise = {}
    for number, row in enumerate(rows):
        report("painting", number, len(rows))
        image, scan = read_scan(data / row["file"])
        image, name = as_ct(image), row["file"]
        noise[name] = _noise(scan)
        here = find_specimens(name, scan, off=scan.lesion)
        if not here:
            continue
        real += here
        for kind, found, count in _paint(name, image, scan, len(here), models, seed):
            painted[kind] += found
            labels[kind] += count
    judged = {row["file"] for row in rows if row["split"] == "test"}
    if not any(specimen.scan in judged for specimen in real):
        raise InputError(f"{data}: no scan of the part test shows bodies in fat to compare with")
    verdicts = {}
    for kind, found in painted.items():
        told = lambda done, of, kind=kind: report(f"judging {kind}", done, of)  # noqa: E731
        verdicts[kind] = judge(match(real, found), noise, judged, seed, told)
    halves = [
        judge(
            _halves(real, np.random.default_rng([seed, k])),
            noise,
            judged,
            seed,
            lambda done, of, k=k: report("judging real", k * of + done, HALVINGS * of),
        )
        for k in range(HALVINGS)
    ]
    return TextureReport(
        seed,
        verdicts,
        float(np.mean([verdict.auc for verdict in halves])),
        {name: sum(specimen.scan == name for specimen in real) for name in noise},
        {kind: len(painted[kind]) / max(labels[kind], 1) for kind in painted},
    )


def _paint(
    name: str, image: sitk.Image, scan: Scan, wanted: int, models: Models, seed: int
) -> Iterator[tuple[str, list[Specimen], int]]:
    """Class, specimens and number of nodes painted, round by round until there are enough."""
    bodies = [body for body in find_bodies(scan) if body.long_axis <= LARGEST]
    if not bodies:
        return
    long_axes = [body.long_axis for body in bodies]
    sizes = Sizes("uniform", min(long_axes), max(long_axes))
    fat = scan.between(*FAT)
    count = min(AT_ONCE, wanted)
    seen = {"LN-Gen": 0, "copies": 0}
    for turn in range(MOST_ROUNDS):
        turn_seed = seed * MOST_ROUNDS + turn
        made = {}
        if seen["LN-Gen"] < SURPLUS * wanted:
            made["LN-Gen"] = paint_lngen(image, fat, sizes, count, turn_seed, models)
            made["constant"] = as_constants(image, made["LN-Gen"])
        if seen["copies"] < SURPLUS * wanted:
            made["copies"] = paint_copies(image, fat, bodies, count, turn_seed)
        if not made:
            return
        for kind, painted in made.items():
            if painted is None:
                continue
            hu, labels = painted
            found = find_specimens(name, Scan(hu, scan.spacing, None), labels)
            if kind in seen:
                seen[kind] += len(found)
            yield kind, found, len(np.unique(labels)) - 1


def _noise(scan: Scan) -> float:
    return measure_noise(scan.hu, scan.between(*MUSCLE)).level


def _halves(real: list[Specimen], rng: np.random.Generator) -> list[Pair]:
    """Real bodies paired with others of the same scan at random, but alike."""
    first = rng.random(len(real)) < 0.5
    return match(
        [s for s, one in zip(real, first) if one], [s for s, one in zip(real, first) if not one]
    )
