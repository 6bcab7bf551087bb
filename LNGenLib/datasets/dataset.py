"""`lngen dataset`: synthetic cases by the number, resumable, the same whoever makes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from LNGenLib.datasets.case import Case, Loaded, scan_of
from LNGenLib.datasets.manifest import DatasetSettings, begun, shared_by_all, write_manifest
from LNGenLib.datasets.running import RunTasks, run_here
from LNGenLib.datasets.writing import clear_unfinished
from LNGenLib.errors import InputError, OutputError
from LNGenLib.image.io import like
from LNGenLib.placement.candidate_region import NoPlace, deep
from LNGenLib.progress import SILENT, Progress
from LNGenLib.randomness import case_seed
from LNGenLib.scan import Scan
from LNGenLib.synthesis.engine import synthesize
from LNGenLib.synthesis.models import Models
from LNGenLib.synthesis.painting import enhancement_like
from LNGenLib.synthesis.planning import HardlySeen
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.synthesis.result import SynthesisResult
from LNGenLib.validation import whole

MOST_ENHANCED = 150.0  # HU over muscle that a request takes; real ones of calcium have more
GONE = "it is no longer among the cases"


@dataclass(frozen=True)
class CaseMaker:
    """Makes one synthetic case of a data set, in any process that sees the files.

    `order` names the sources with which the data set was begun, of which `cases` are left.
    """

    settings: DatasetSettings
    cases: tuple[Case, ...]
    order: tuple[str, ...]
    output: Path
    anatomy: Path | None
    models: Models

    def __call__(self, number: int) -> None:
        """Write synthetic case `number`, of the first source in turn that can be used; the record
        names those before it that can't. InputError where none can, or none has room."""
        left_out: dict[str, str] = {}
        full: list[str] = []
        for turn, (name, case) in enumerate(self._sources(number)):
            try:
                if case is None:
                    raise InputError(GONE)
                result, source = self._paint(case, number, turn)
            except NoPlace:
                full.append(name)
            except InputError as error:
                left_out[name] = str(error)
            else:
                self._write(number, case, result, source, left_out)
                return
        if full:
            raise InputError(
                f"no lymph node fits into {', '.join(full)}, or none that can be seen: ask for "
                "other sizes (--long-axis) or a lower --least-conspicuity, or give other cases"
            )
        name, why = next(iter(left_out.items()))
        raise InputError(f"no case can be used; {name}: {why}")

    def source(self, number: int) -> str:
        """The id of the source whose turn it is."""
        return self._sources(number)[0][0]

    def _sources(self, number: int) -> list[tuple[str, Case | None]]:
        """Sources in the order of their turns: one of their own in each round, over all with which
        the data set was begun, so that one that can't be used moves no other's turn."""
        round, place = divmod(number, len(self.order))
        rng = np.random.default_rng(case_seed(self.settings.seed, "order", round))
        names = np.roll(rng.permutation(len(self.order)), -place).tolist()
        left = {case.id: case for case in self.cases}
        return [(self.order[k], left.get(self.order[k])) for k in names]

    def _paint(self, case: Case, number: int, turn: int) -> tuple[SynthesisResult, Loaded]:
        seed = case_seed(self.settings.seed, str(number), turn)
        low, high = self.settings.count
        request = SynthesisRequest(
            int(np.random.default_rng(seed).integers(low, high + 1)),
            self.settings.sizes,
            seed,
            texture_steps=self.settings.texture_steps,
            allow_fewer=True,
            least_conspicuity=self.settings.least_conspicuity,
        )
        models, (source, scan) = _loaded(self.models), _read(case, self.anatomy)
        if source.nodes is not None:
            real = source.nodes
            brightness = scan.once("enhancement", None, lambda: _enhancement(scan.hu, real))
            request = dataclasses.replace(request, enhancement=brightness)
        try:
            return synthesize(scan, request, models), source
        except HardlySeen:  # it would be as faint anywhere else
            raise
        except NoPlace:
            anywhere = scan.once("anywhere", None, lambda: _anywhere(scan))
            return synthesize(anywhere, request, models), source

    def _write(
        self,
        number: int,
        case: Case,
        result: SynthesisResult,
        source: Loaded,
        left_out: dict[str, str],
    ) -> None:
        about = {
            "id": name_of(number),
            "patient": case.patient,
            "source": case.id,
            "real_lymph_nodes": "labeled" if source.nodes is not None else "not labeled",
            "labels": source.values,
            "left_out": left_out,
            **result.to_json(),
        }
        label = source.mask_with(result.nodes)
        images = {"ct": result.ct, "label": label, "nodes": result.nodes}
        try:
            self.settings.writer(self.output).write(name_of(number), images, about)
        except (OSError, OutputError) as error:
            raise OutputError(
                f"{self.output} can't be written to (is the disk full?): make room, and run the "
                "same again to go on"
            ) from error


def name_of(number: int) -> str:
    """The id of a synthetic case."""
    return f"synthetic_{number:05d}"


def _anywhere(scan: Scan) -> Scan:
    """The scan with a region that is all of the body but what lies beneath the skin."""
    region = like(deep(scan.hu).astype(np.uint8), scan.ct)
    return dataclasses.replace(scan, region=region)


def _enhancement(ct: sitk.Image, real: sitk.Image) -> tuple[float, float] | None:
    """As bright as the real lymph nodes are, within what can be asked for."""
    found = enhancement_like(ct, real)
    return found and tuple(np.clip(found, -MOST_ENHANCED, MOST_ENHANCED).tolist())


class Made(NamedTuple):
    """How many cases a run made, and why sources were left out whose turn it was."""

    cases: int
    left_out: dict[str, str]


def make_dataset(
    cases: Sequence[Case],
    output: Path,
    count: int,
    settings: DatasetSettings,
    models: Models,
    anatomy: Path | None = None,
    run: RunTasks = run_here,
    progress: Progress = SILENT,
) -> Made:
    """Make what is missing of `count` synthetic cases in the folder `output`.

    Cases for validation and test, and synthetic ones, get no lymph nodes. One that can't be used is
    left out: its turn goes to the next. `anatomy` is a folder of TotalSegmentator's labels named by
    the cases' ids. `progress` counts those that are there. Raises InputError where
    `output` holds another data set, and where no case can be used; what is there by then stays, and
    the same call goes on with it, also with fewer `cases`.
    """
    sources = tuple(c for c in cases if c.part in (None, "train") and not c.synthetic)
    if not sources:
        raise InputError(
            "all cases are synthetic or for validation and test: give some to train on"
        )
    if anatomy is not None and not anatomy.is_dir():
        raise InputError(f"{anatomy} is no folder: give one of labels named by the cases' ids")
    output, count = output.absolute(), whole(count, "number of cases")
    shared = begun(output, shared_by_all(settings, sources, anatomy, models))
    output.mkdir(parents=True, exist_ok=True)
    clear_unfinished(output)
    writer = settings.writer(output)
    there = write_manifest(writer, shared)
    missing = [number for number in range(count) if name_of(number) not in there]
    anatomy = anatomy and anatomy.absolute()
    order, models = tuple(shared["sources"]), dataclasses.replace(models)
    maker = CaseMaker(settings, sources, order, output, anatomy, models)
    missing.sort(key=maker.source)  # those of one source in a row, which keeps what it shows

    def done(made: int) -> None:
        progress.advance("cases", count - len(missing) + made, count)

    done(0)
    try:
        run(maker, missing, done)
    finally:
        now = write_manifest(writer, shared)
    new = (why for id, why in now.items() if id not in there)
    return Made(len(missing), {name: why for one in new for name, why in one.items()})


@lru_cache(maxsize=1)
def _read(case: Case, anatomy: Path | None) -> tuple[Loaded, Scan]:
    """A case, and its scan with what was found in it: the next one is often of the same."""
    source = case.load(as_stored=True)
    return source, scan_of(case, source, anatomy)


@cache
def _loaded(models: Models) -> Models:
    """The models that this process has loaded already, if it has."""
    return models
