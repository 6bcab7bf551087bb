"""The pairs of the two-sample test: real bodies of a scan, and their painted controls."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from LNGenLib.evaluation.realism.matched_controls import (
    MatchedControl,
    depth_in_fat,
    place_controls,
)
from LNGenLib.evaluation.realism.painters import ControlPainter
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
from LNGenLib.synthesis.painting import measure_scan
from LNGenLib.texture.dataset import read_scan

ROUNDS = 24  # of places tried for each body


def real_bodies(data: Path, name: str) -> tuple[list[Specimen], float]:
    """The bodies of the CT `name` of `data` off its lesion, and the noise of its muscle in HU."""
    scan = read_scan(data / name)[1]
    noise = measure_noise(scan.hu, scan.between(*MUSCLE)).level
    off = None if scan.lesions is None else scan.lesions > 0
    return find_specimens(name, scan, off), noise


def placed(data: Path, name: str, bodies: list[Specimen], seed: int) -> list[int]:
    """Places in the list of those `bodies` of the CT `name` that find room for a control in the
    first round of `paint_controls`, which is the same for all painters."""
    controls = _place(depth_in_fat(read_scan(data / name)[1]), name, bodies, seed, 0)
    places = {id(body): place for place, body in enumerate(bodies)}
    return sorted(places[id(control.body)] for control in controls)


def paint_controls(
    data: Path, name: str, bodies: list[Specimen], paint: ControlPainter, seed: int
) -> tuple[list[tuple[int, Specimen]], int]:
    """Controls of the `bodies` of the CT `name` as the finder sees them, where they find room, each
    with the place of its body in the list; and how many were painted, seen or not.

    Bodies whose control the finder does not see as a body like the real one get another place, and
    so on.
    """
    scan = read_scan(data / name)[1]
    traits, depth = measure_scan(scan.hu, scan.spacing), depth_in_fat(scan)
    places = {id(body): place for place, body in enumerate(bodies)}
    found: list[tuple[int, Specimen]] = []
    waiting, painted = bodies, 0
    for turn in range(ROUNDS):
        controls = _place(depth, name, waiting, seed, turn)
        if not controls:
            break
        hu, labels = paint(scan.hu, traits, controls, seed * ROUNDS + turn)
        seen = find_painted(name, dataclasses.replace(scan, hu=hu), labels)
        new = {
            places[id(control.body)]: seen[k]
            for k, control in enumerate(controls, 1)
            if k in seen and alike(control.body, seen[k])
        }
        found, painted = [*found, *new.items()], painted + len(controls)
        waiting = [body for body in waiting if places[id(body)] not in new]
    return found, painted


def halves(real: Sequence[Specimen], rng: np.random.Generator) -> list[Pair]:
    """Real bodies paired with others of the same scan at random, but alike."""
    first = rng.random(len(real)) < 0.5
    return match(
        [s for s, one in zip(real, first) if one], [s for s, one in zip(real, first) if not one]
    )


def _place(
    depth: np.ndarray, name: str, bodies: Sequence[Specimen], seed: int, turn: int
) -> list[MatchedControl]:
    # the purpose is part of the draw: by another word the controls would lie elsewhere
    return place_controls(depth, bodies, node_rng(seed, turn, f"twins {name}"))
