"""How close generated lymph-node surfaces are to real ones, by bins of the long axis."""

from __future__ import annotations

from dataclasses import dataclass

from LNGenLib.evaluation.shape.precision_recall import Closeness
from LNGenLib.evaluation.shape.reference import LEAST, MOST, Reference
from LNGenLib.evaluation.shape.surfaces import BINS, Cleaning, Form, RealSurfaces, Surfaces
from LNGenLib.progress import SILENT, Progress


@dataclass(frozen=True)
class BinReport:
    """What is found in a bin; None or missing is what has fewer than 20 surfaces."""

    real: Form | None
    generated: Form | None
    closeness: dict[str, Closeness]
    memorization: dict[str, float]


@dataclass(frozen=True)
class StructureReport:
    """What cleaning did to the real masks, and what is found in each bin."""

    seed: int
    cleaning: Cleaning
    bins: dict[str, BinReport]


def compare(
    real: RealSurfaces, generated: Surfaces, seed: int = 0, progress: Progress = SILENT
) -> StructureReport:
    """Score generated surfaces by bins. Of the real ones only single lymph nodes count."""
    bins = {}
    for number, (name, bounds) in enumerate(BINS.items()):
        progress.advance("bins", number, len(BINS))
        of_bin = real.where(real.single).within(bounds), generated.within(bounds)
        bins[name] = _bin(*of_bin, seed)
    return StructureReport(seed, Cleaning.of(real), bins)


def _bin(real: RealSurfaces, generated: Surfaces, seed: int) -> BinReport:
    forms = [Form.of(s) if len(s.tsdf) >= LEAST else None for s in (real, generated)]
    if None in forms:
        return BinReport(forms[0], forms[1], {}, {})
    reference = Reference(real, seed)
    points = reference.points(generated.tsdf)
    found = {
        "generated": reference.closeness(points),
        "real halves": reference.halves(min(MOST, len(real.tsdf), len(generated.tsdf))),
        "generated, to test": reference.closeness_to_test(points),
        "training, to test": reference.training_to_test(),
    }
    novelty = {"generated": reference.memorization(points)}
    if novelty["generated"] is not None:
        novelty["mirrored training"] = reference.memorization(reference.mirrored())
    return BinReport(forms[0], forms[1], _there(found), _there(novelty))


def _there(found: dict) -> dict:
    return {name: value for name, value in found.items() if value is not None}
