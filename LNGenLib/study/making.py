"""`lngen study make`: crops in random order, the page that shows them, and the key to them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk

from LNGenLib import __version__
from LNGenLib.datasets.case import Case
from LNGenLib.errors import InputError
from LNGenLib.files import output_folder, write_json
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.hu import MUSCLE
from LNGenLib.image.io import to_array
from LNGenLib.image.noise import measure_noise
from LNGenLib.progress import Progress
from LNGenLib.segmentation.preparing import resampled
from LNGenLib.study.answers import KEY, MACHINE, REAL, SURROUNDINGS, SYNTHETIC
from LNGenLib.study.machine import read_by_machine, read_surroundings
from LNGenLib.study.page import Crop, as_gray, write_page
from LNGenLib.study.twins import PaintedScan, Twins, paint_twins
from LNGenLib.synthesis.models import Models
from LNGenLib.texture.dataset import LabeledScan

FIELD = 50.0  # mm, across a crop
FINEST = np.array((0.8, 0.6, 0.6))  # mm (z, y, x): finer scans would make the page too large
LEAST_CASES = 6  # of fewer the machine has none to learn from
PAGE, BLIND = "reader.html", "surroundings.json"
MACHINES = {MACHINE: "machine.json", SURROUNDINGS: BLIND}


class _Shown(NamedTuple):
    """A crop (uint8, z y x) with its spacing, and what the key says of it."""

    voxels: np.ndarray
    spacing: np.ndarray
    about: dict[str, Any]


def make_study(
    cases: Sequence[Case], output: Path, count: int, seed: int, models: Models, progress: Progress
) -> dict[str, str]:
    """Write a study of `count` cases, half of them painted, to the folder `output`: the page for
    readers, the key, which readers must not see, and the answers of two machines.

    Each scan gives as many as the others, as far as they have them. Returns why scans are
    left out that can't be used. Raises InputError for an odd or small count, where the scans have
    too few nodes, and where the folder holds a study.
    """
    if (output / KEY).exists():
        raise InputError(f"{output} holds a study, which readers may have: give a new folder")
    if count < LEAST_CASES or count % 2:
        raise InputError(
            f"{count} cases: give an even number, half are painted, of {LEAST_CASES} at least"
        )
    painted, left_out = _paint_all(cases, count // 2, seed, models, progress)
    found: list[Twins] = []
    shown: list[_Shown] = []
    noise: dict[str, float] = {}
    for case, one in painted:
        scan = LabeledScan(to_array(one.ct), array_spacing(one.ct), None)
        noise[case.id] = measure_noise(scan.hu, scan.between(*MUSCLE)).level
        for pair, twin in enumerate(one.twins, len(found)):
            shown.append(_show(one.ct, case, twin, pair))
            shown.append(_show(twin.painted_into(one.ct), case, twin, pair, twin.record))
        found += one.twins
    if 2 * len(found) < count:
        raise InputError(
            f"only {len(found)} real lymph nodes, or bodies like some, could be painted over: give "
            f"more scans, or ask for -n {2 * len(found)}"
        )
    progress.stage("machines read")
    seen = [one.voxels for one in shown], [one.spacing for one in shown]
    radii = np.repeat([twin.radius for twin in found], 2).tolist()
    beliefs = {
        MACHINE: read_by_machine(found, noise, seed, progress),
        SURROUNDINGS: read_surroundings(*seen, radii, seed),
    }
    with output_folder(output) as folder:
        _write(folder, shown, beliefs, seed)
    return left_out


def _paint_all(
    cases: Sequence[Case], wanted: int, seed: int, models: Models, progress: Progress
) -> tuple[list[tuple[Case, PaintedScan]], dict[str, str]]:
    """Cases with the pairs of each, `wanted` in all where there are as many, and why others are
    left out. What some lack, those give that may have more than their share."""
    painted, left_out = dict[int, PaintedScan](), dict[str, str]()
    order = np.random.default_rng(seed).permutation(len(cases)).tolist()
    shares = dict.fromkeys(order, 0)

    def missing() -> int:
        return wanted - sum(len(one.twins) for one in painted.values())

    for turn, number in enumerate(order):
        case, shares[number] = cases[number], -(-missing() // (len(order) - turn))
        progress.stage(case.id)
        try:
            painted[number] = paint_twins(case, shares[number], models, seed, progress)
        except InputError as error:
            left_out[case.id] = str(error)
    for number in painted:
        if missing() and len(painted[number].twins) == shares[number]:
            progress.stage(cases[number].id)
            more = shares[number] + missing()
            painted[number] = paint_twins(cases[number], more, models, seed, progress)
    return [(cases[number], one) for number, one in painted.items()], left_out


def _show(
    ct: sitk.Image, case: Case, twin: Twins, pair: int, record: dict[str, Any] | None = None
) -> _Shown:
    """The crop of `ct` with one of a twin in its middle, the painted one if there is a `record`,
    air beyond the scan; and its line of the key."""
    one, middle = twin.real if record is None else twin.painted, twin.middle
    own, shape = array_spacing(ct), np.array(ct.GetSize()[::-1])
    radius = np.ceil(FIELD / 2 / own).astype(int)
    low, high = middle - radius, middle + radius + 1
    z, y, x = (slice(a, b) for a, b in zip(low.clip(0).tolist(), high.tolist()))
    beyond = ((-low).clip(0)[::-1].tolist(), (high - shape).clip(0)[::-1].tolist())
    crop = sitk.ConstantPad(ct[x, y, z], *beyond, -1024)
    fine_z, fine_y, fine_x = np.maximum(own, FINEST).tolist()
    crop = resampled(crop, (fine_z, fine_y, fine_x), -1024)
    about = {
        "synthetic": record is not None,
        "scan": case.id,
        "patient": case.patient,
        "pair": pair,
        "long_axis_mm": round(one.long_axis, 2),
        "depth_mm": round(one.depth, 2),
        "fat": round(one.fat, 3),
        "appearance": record and record["appearance"],
        "record": record,
    }
    return _Shown(as_gray(to_array(crop)), array_spacing(crop), about)


def _order(count: int, seed: int) -> list[int]:
    """A random order of cases of which pairs are neighbors: first one of each pair, by a coin, then
    the others, so that a reader who has seen a place has seen many since."""
    rng = np.random.default_rng([seed, 1])
    first = np.arange(0, count, 2) + rng.integers(0, 2, count // 2)
    return [*rng.permutation(first).tolist(), *rng.permutation(first ^ 1).tolist()]


def _write(
    folder: Path, shown: Sequence[_Shown], beliefs: dict[str, np.ndarray], seed: int
) -> None:
    order = _order(len(shown), seed)
    names = [f"{k:0{len(str(len(shown)))}d}" for k in range(1, len(shown) + 1)]
    crops = [Crop(name, shown[k].voxels, shown[k].spacing) for name, k in zip(names, order)]
    content = b"".join(crop.voxels.tobytes() for crop in crops)
    study = hashlib.sha256(content).hexdigest()[:12]
    write_page(study, crops, folder / PAGE)
    about = {name: shown[k].about for name, k in zip(names, order)}
    software = f"LNGen {__version__}"
    key = {"study": study, "synthetic": True, "software": software, "seed": seed, "cases": about}
    write_json(key, folder / KEY)
    for reader, belief in beliefs.items():
        ratings = REAL + (SYNTHETIC - REAL) * belief[order]
        each = [{"case": name, "rating": round(r, 4)} for name, r in zip(names, ratings.tolist())]
        write_json({"study": study, "reader": reader, "answers": each}, folder / MACHINES[reader])
