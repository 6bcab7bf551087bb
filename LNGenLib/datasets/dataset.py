"""`lngen dataset`: synthetic cases by the number, resumable, the same whoever makes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LNGenLib.datasets.case import Case, anatomy_of
from LNGenLib.datasets.manifest import check_same, read_json, shared_by_all, write_manifest
from LNGenLib.datasets.running import Runner, run_here
from LNGenLib.datasets.writing import LAYOUTS, Writer, clear_unfinished
from LNGenLib.errors import InputError, OutputError
from LNGenLib.image.io import like, marked_synthetic, to_array
from LNGenLib.placement.anatomy import NoPlace, deep
from LNGenLib.randomness import case_seed
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.engine import Models, synthesize
from LNGenLib.synthesis.painting import enhancement_like
from LNGenLib.synthesis.records import MOST_NODES, SynthesisRequest, SynthesisResult

TRIES = 5  # cases, before a synthetic one is given up


@dataclass(frozen=True)
class DatasetSettings:
    """What makes a synthetic data set; each case depends on it and its number alone.

    A case gets `count` (fewest, most) lymph nodes, fewer where they find no room, as bright as its
    real ones where they are labeled.
    """

    seed: int = 0
    count: tuple[int, int] = (1, 10)
    sizes: Sizes = Sizes()
    texture_steps: int = 6
    layout: str = "nnunet"

    def __post_init__(self):
        low, high = self.count
        if not 1 <= low <= high <= MOST_NODES:
            raise InputError(f"count {low} to {high}: give MIN <= MAX within 1 to {MOST_NODES}")
        if self.layout not in LAYOUTS:
            raise InputError(f"layout {self.layout}: give {' or '.join(LAYOUTS)}")

    def writer(self, folder: Path) -> Writer:
        """What writes cases of the layout into a folder."""
        return LAYOUTS[self.layout](folder)


@dataclass(frozen=True)
class CaseMaker:
    """Makes one synthetic case of a data set, in any process that sees the files."""

    settings: DatasetSettings
    cases: tuple[Case, ...]
    output: Path
    anatomy: Path | None
    models: Models

    def __call__(self, number: int) -> None:
        """Write synthetic case `number`; InputError names the case that can't be used, or tells
        that none of some has room."""
        for turn in range(TRIES):
            case = self._source(number, turn)
            try:
                result, real = self._paint(case, number, turn)
            except NoPlace:
                continue
            except InputError as error:
                raise InputError(f"case {case.id}: {error}") from error
            self._write(number, case, result, real)
            return
        raise InputError(
            f"no lymph node fits into {case.id}, nor into the cases tried before it: ask for "
            "smaller ones (--long-axis), or give cases with more fat"
        )

    def _source(self, number: int, turn: int) -> Case:
        """Cases take turns in an order of their own in each round."""
        round, place = divmod(number, len(self.cases))
        rng = np.random.default_rng(case_seed(self.settings.seed, "order", round))
        return self.cases[rng.permutation(len(self.cases))[(place + turn) % len(self.cases)]]

    def _paint(
        self, case: Case, number: int, turn: int
    ) -> tuple[SynthesisResult, sitk.Image | None]:
        seed = case_seed(self.settings.seed, str(number), turn)
        low, high = self.settings.count
        request = SynthesisRequest(
            int(np.random.default_rng(seed).integers(low, high + 1)),
            self.settings.sizes,
            seed,
            texture_steps=self.settings.texture_steps,
            allow_fewer=True,
        )
        ct, real = case.load()
        if real is not None:
            request = dataclasses.replace(request, enhancement=enhancement_like(ct, real))
        anatomy = None if self.anatomy is None else anatomy_of(case, self.anatomy, ct)
        models = _loaded(self.models)
        paint = partial(synthesize, ct, request, anatomy, models=models, avoid=real)
        try:
            return paint(), real
        except NoPlace:
            return paint(region_mask=like(deep(ct).astype(np.uint8), ct)), real

    def _write(
        self, number: int, case: Case, result: SynthesisResult, real: sitk.Image | None
    ) -> None:
        label = to_array(result.nodes) > 0
        if real is not None:
            label |= to_array(real) > 0
        about = {
            "id": name_of(number),
            "patient": case.patient,
            "source": case.id,
            "real_lymph_nodes": "labeled" if real is not None else "not labeled",
            **result.to_json(),
        }
        labels = marked_synthetic(like(label.astype(np.uint8), result.ct))
        writer = self.settings.writer(self.output)
        try:
            writer.write(name_of(number), result.ct, labels, about, result.nodes)
        except (OSError, OutputError) as error:
            raise OutputError(
                f"{self.output} can't be written to (is the disk full?): make room, and run the "
                "same again to go on"
            ) from error


def name_of(number: int) -> str:
    """The id of a synthetic case."""
    return f"synthetic_{number:05d}"


def make_dataset(
    cases: Sequence[Case],
    output: Path,
    count: int,
    settings: DatasetSettings,
    models: Models,
    anatomy: Path | None = None,
    run: Runner = run_here,
    on_case: Callable[[int, int], None] | None = None,
) -> int:
    """Make what is missing of `count` synthetic cases in the folder `output`; how many were made.

    Cases for validation and test, and synthetic ones, get no lymph nodes. `anatomy` is a folder of
    TotalSegmentator's labels named by the cases' ids. `on_case` is told how many are there, and of
    how many. Raises InputError where `output` holds another data set, and for unusable cases; what
    is there by then stays, and the same call goes on with it.
    """
    sources = tuple(c for c in cases if c.part in (None, "train") and not c.synthetic)
    if not sources:
        raise InputError(
            "all cases are synthetic or for validation and test: give some to train on"
        )
    output, told = output.absolute(), shared_by_all(settings, sources, anatomy, models)
    check_same(output, told)
    output.mkdir(parents=True, exist_ok=True)
    clear_unfinished(output)
    writer = settings.writer(output)
    write_manifest(writer, told)
    there = {read_json(record)["id"] for record in writer.records()}
    missing = [number for number in range(count) if name_of(number) not in there]
    anatomy = anatomy and anatomy.absolute()
    maker = CaseMaker(settings, sources, output, anatomy, dataclasses.replace(models))

    def done(made: int) -> None:
        if on_case:
            on_case(count - len(missing) + made, count)

    done(0)
    try:
        run(maker, missing, done)
    finally:
        write_manifest(writer, told)
    return len(missing)


@cache
def _loaded(models: Models) -> Models:
    """The models that this process has loaded already, if it has."""
    return models
