"""The pairs that the judge of texture is shown: real bodies of a scan, and their painted twins."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LNGenLib.evaluation.realism.matched_controls import Twin, depth_in_fat, place_twins
from LNGenLib.evaluation.realism.painters import Painted, paint_by, paint_constants, paint_copies
from LNGenLib.evaluation.realism.specimens import (
    Specimen,
    alike,
    find_painted,
    find_specimens,
    match,
)
from LNGenLib.evaluation.realism.two_sample_test import Pair
from LNGenLib.image.hu import MUSCLE
from LNGenLib.image.noise import measure_noise
from LNGenLib.randomness import node_rng
from LNGenLib.synthesis.painting import ScanTraits, measure_scan
from LNGenLib.texture.dataset import read_scan
from LNGenLib.texture.model import TextureModel

ROUNDS = 24  # of places tried for each body

Painter = Callable[[np.ndarray, ScanTraits, Sequence[Twin], int], Painted]  # the last: seed


@dataclass(frozen=True, eq=False)
class Twins:
    """Twins of a scan's real bodies as the finder sees them: (place of the body in the list of
    bodies, twin). `painted` counts those that the finder does not see, too."""

    found: list[tuple[int, Specimen]]
    painted: int

    def pairs(self, bodies: Sequence[Specimen]) -> list[Pair]:
        """Each body with its twin."""
        return [(bodies[place], twin) for place, twin in self.found]


def real_bodies(data: Path, name: str) -> tuple[list[Specimen], float]:
    """The bodies of the CT `name` of `data` off its lesion, and the noise of its muscle in HU."""
    scan = read_scan(data / name)[1]
    noise = measure_noise(scan.hu, scan.between(*MUSCLE)).level
    off = None if scan.lesions is None else scan.lesions > 0
    return find_specimens(name, scan, off), noise


def placed(data: Path, name: str, bodies: list[Specimen], seed: int) -> list[int]:
    """Places in the list of those `bodies` of the CT `name` that find room for a twin in the first
    round of `twins_of`, which is the same for all painters."""
    twins = _place(depth_in_fat(read_scan(data / name)[1]), name, bodies, seed, 0)
    places = {id(body): place for place, body in enumerate(bodies)}
    return sorted(places[id(twin.body)] for twin in twins)


def twins_of(data: Path, name: str, bodies: list[Specimen], paint: Painter, seed: int) -> Twins:
    """Twins of the `bodies` of the CT `name`, where they find room.

    Bodies whose twin the finder does not see as a body like the real one get another place, and so
    on.
    """
    scan = read_scan(data / name)[1]
    traits, depth = measure_scan(scan.hu, scan.spacing), depth_in_fat(scan)
    places = {id(body): place for place, body in enumerate(bodies)}
    found: list[tuple[int, Specimen]] = []
    waiting, painted = bodies, 0
    for turn in range(ROUNDS):
        twins = _place(depth, name, waiting, seed, turn)
        if not twins:
            break
        hu, labels = paint(scan.hu, traits, twins, seed * ROUNDS + turn)
        seen = find_painted(name, dataclasses.replace(scan, hu=hu), labels)
        new = {
            places[id(twin.body)]: seen[k]
            for k, twin in enumerate(twins, 1)
            if k in seen and alike(twin.body, seen[k])
        }
        found, painted = [*found, *new.items()], painted + len(twins)
        waiting = [body for body in waiting if places[id(body)] not in new]
    return Twins(found, painted)


def painters(model: TextureModel, baseline: TextureModel | None) -> dict[str, Painter]:
    """Ways to fill twins, by class."""
    by_model: dict[str, Painter] = {"LN-Gen": lambda *given: paint_by(*given[:3], model, given[3])}
    if baseline is not None:
        by_model["DiffTumor"] = lambda *given: paint_by(*given[:3], baseline, given[3])
    return by_model | {
        "copies": lambda hu, _, twins, __: paint_copies(hu, twins),
        "constant": lambda *given: paint_constants(given[0], by_model["LN-Gen"](*given)),
    }


def halves(real: Sequence[Specimen], rng: np.random.Generator) -> list[Pair]:
    """Real bodies paired with others of the same scan at random, but alike."""
    first = rng.random(len(real)) < 0.5
    return match(
        [s for s, one in zip(real, first) if one], [s for s, one in zip(real, first) if not one]
    )


def _place(
    depth: np.ndarray, name: str, bodies: Sequence[Specimen], seed: int, turn: int
) -> list[Twin]:
    return place_twins(depth, bodies, node_rng(seed, turn, f"twins {name}"))
