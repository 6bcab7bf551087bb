"""Table I: does a network trained on real and synthetic scans do better than on real ones alone?

Every cell is one run: a network, an arm, a seed. A run is a job of its own that resumes, and its
result is kept under the hash of all that it depends on but the code, so that the table grows run by
run; another version of LNGen takes another folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from rich.table import Table

from LNGenLib.benchmark.arms import NODES, Arm
from LNGenLib.benchmark.augmentation import copier, synthesizer
from LNGenLib.benchmark.standin import MARK
from LNGenLib.datasets.case import Case
from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.writing import Plain, clear_unfinished
from LNGenLib.errors import InputError
from LNGenLib.evaluation.segmentation.lesions import BINS, ScanScore
from LNGenLib.evaluation.segmentation.metrics import estimate, paired
from LNGenLib.files import json_field, read_json, write_json
from LNGenLib.image.io import to_array
from LNGenLib.models.store import SHIPPED, sha256
from LNGenLib.progress import Progress
from LNGenLib.randomness import node_seed
from LNGenLib.segmentation.config import SegmentationConfig
from LNGenLib.segmentation.inference import load_segmentor
from LNGenLib.segmentation.quality import filter_cases
from LNGenLib.segmentation.scoring import score_found
from LNGenLib.segmentation.training import train
from LNGenLib.synthesis.models import Models

TRAINED = ("steps", "validation_dice", "seconds")  # of training.json
NOT_RUN = "not run"
FIGURES = ("dice", "sensitivity", "lesion sensitivity", "precision", "false positives a scan")


@dataclass(frozen=True)
class Run:
    """A cell of the table."""

    config: SegmentationConfig
    arm: Arm
    seed: int


@dataclass(frozen=True)
class RunResult:
    """What a run left: scores of each test part, and its costs in seconds."""

    steps: int
    validation_dice: float
    training_seconds: float
    synthesis_seconds: float
    scores: dict[str, list[ScanScore]]

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RunResult:
        """The result of `dataclasses.asdict`'s JSON."""
        scores = {
            part: [ScanScore(**row) for row in rows] for part, rows in values["scores"].items()
        }
        return cls(**values | {"scores": scores})


@dataclass(frozen=True)
class Benchmark:
    """A data set with parts train, validation, and test (or several whose names begin so), as
    `read_cases` takes it or a folder with such a `cases.csv`; and the folder of the runs.

    Own weights of LN-Gen, trained on the train part, are given in `models`, those of DiffTumor's
    way in `difftumor`; without the latter its arm can't run.
    """

    data: Path
    folder: Path
    models: Models
    difftumor: Models | None = None

    @cached_property
    def cases(self) -> dict[str, list[Case]]:
        """Labeled cases by part. InputError where one is missing."""
        parts: dict[str, list[Case]] = {}
        table = self.data / "cases.csv"
        for case in read_cases(table if table.exists() else self.data):
            if case.label is not None or case.image.suffix == ".npz":
                parts.setdefault(case.part or "", []).append(case)
        tests = [part for part in parts if part.startswith("test")]
        if not tests or not {"train", "validation"} <= set(parts):
            raise InputError(
                f"{self.data} has the parts {', '.join(parts) or 'none'}: give a data set with "
                "train, validation and test, as a CSV's column part tells (docs/segmentation.md)"
            )
        return {part: parts[part] for part in ("train", "validation", *sorted(tests))}

    def runnable(self, arm: Arm) -> bool:
        """Whether the arm has all it needs."""
        return arm != Arm.difftumor or self.difftumor is not None

    @cached_property
    def _models(self) -> dict[Arm, Models]:
        """The models of the arms that paint by some."""
        own = dict.fromkeys((Arm.lngen, Arm.clinical, Arm.filtered), self.models)
        return own if self.difftumor is None else own | {Arm.difftumor: self.difftumor}

    def result(self, run: Run) -> RunResult | None:
        """What the run left, or None where it has not run."""
        if not self.runnable(run.arm):
            return None
        path = self._run_folder(run) / "result.json"
        return RunResult.from_json(json.loads(path.read_text())) if path.exists() else None

    def do(self, run: Run, progress: Progress) -> RunResult:
        """Do a run, or what is left of it."""
        folder, parts = self._run_folder(run), self.cases
        training, painted = list(parts["train"]), 0.0
        if run.arm != Arm.real:
            more, painted = self._synthetic(run, progress)
            training += more
        folder.mkdir(parents=True, exist_ok=True)
        write_json(self._key(run), folder / "run.json")
        trained = self._train(run, training, folder / "model", progress)
        segmentor = load_segmentor(folder / "model", self.models.device)
        scores: dict[str, list[ScanScore]] = {}
        for part in list(parts)[2:]:
            scores[part] = []
            for number, case in enumerate(parts[part]):
                progress.advance(part, number, len(parts[part]))
                loaded = case.load_labeled()
                found = to_array(segmentor.segment(loaded.ct))
                scores[part].append(score_found(case, loaded, found))
        steps, dice, seconds = (trained[name] for name in TRAINED)
        result = RunResult(steps, dice, seconds, painted, scores)
        write_json(dataclasses.asdict(result), folder / "result.json")
        return result

    def _train(
        self, run: Run, training: list[Case], folder: Path, progress: Progress
    ) -> dict[str, Any]:
        done = folder / "training.json"
        if done.exists():  # written last, here or on another machine
            trained = read_json(done)
            again = "remove its folder, and it is trained again"
            for name in TRAINED:
                json_field(trained, name, file=done, make=again)
            return trained
        validation = self.cases["validation"]
        trainer: Callable[..., dict[str, Any]]
        if run.config.network == "nnunet":
            from LNGenLib.segmentation.nnunet import train as train_nnunet

            trainer = partial(train_nnunet, device=self.models.device)
        else:
            trainer = partial(train, cache=self.folder / "cases")
        return trainer(training, validation, folder, run.config, run.seed, progress=progress)

    def _run_folder(self, run: Run) -> Path:
        return self.folder / "runs" / _hash(self._key(run))

    def _key(self, run: Run) -> dict[str, Any]:
        """All that a run's result depends on."""
        key = {"data": self._data_hash, "arm": run.arm.value, "seed": run.seed}
        return key | {"config": dataclasses.asdict(run.config), "synthetic": self._recipe(run)}

    @cached_property
    def _data_hash(self) -> str:
        files = [f for cases in self.cases.values() for c in cases for f in (c.image, c.label) if f]
        return _hash([[str(file), file.stat().st_size] for file in files])

    def _recipe(self, run: Run) -> dict[str, Any]:
        """All that the synthetic scans of a run depend on besides the data."""
        if run.arm == Arm.real:
            return {}
        recipe: dict[str, Any] = {"arm": run.arm.value, "seed": run.seed, "nodes": NODES}
        if models := self._models.get(run.arm):
            recipe["sizes"], texture = run.arm.sizes, _hash_of_weights(models, "texture")
            if run.arm == Arm.difftumor:
                recipe["weights"] = texture
            else:
                recipe["enhancement"] = "as the real ones"
                recipe["weights"] = [_hash_of_weights(models, "structure"), texture]
        if run.arm == Arm.filtered:
            recipe["filtered by"] = dataclasses.asdict(run.config)
        return recipe

    def _synthetic(self, run: Run, progress: Progress) -> tuple[list[Case], float]:
        """A synthetic scan for each training scan, and the seconds they took."""
        recipe = self._recipe(run)
        folder = self.folder / "synthetic" / _hash([self._data_hash, recipe])
        if not (folder / "recipe.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            clear_unfinished(folder)
            make = self._filter if run.arm == Arm.filtered else self._paint
            make(run, Plain(folder), progress)
            write_json(recipe, folder / "recipe.json")
        seconds = sum(_seconds(folder / case.id) for case in read_cases(folder))
        return read_cases(folder), seconds

    def _paint(self, run: Run, writer: Plain, progress: Progress) -> None:
        training = self.cases["train"]
        if run.arm == Arm.copies:
            augment = copier(training)
        else:
            augment = synthesizer(self._models[run.arm], run.arm.sizes)
        for number, case in enumerate(training):
            progress.advance("painting", number, len(training))
            if (writer.folder / case.id).exists():
                continue
            started = time.monotonic()
            loaded = case.load_labeled()
            seed = node_seed(run.seed, number, run.arm.value)
            ct, nodes = augment(loaded.ct, loaded.nodes, seed)
            about: dict[str, Any] = {"synthetic": True, "patient": case.patient, "source": case.id}
            about["seconds"] = round(time.monotonic() - started, 2)
            about["labels"] = loaded.values
            images = {"ct": ct, "label": loaded.mask_with(nodes), "nodes": nodes}
            writer.write(case.id, images, about)

    def _filter(self, run: Run, writer: Plain, progress: Progress) -> None:
        """The scans of LN-Gen without what the segmentor of `real only` finds implausible."""
        real, unfiltered = (dataclasses.replace(run, arm=arm) for arm in (Arm.real, Arm.lngen))
        if self.result(real) is None:
            self.do(real, progress)
        segmentor = load_segmentor(self._run_folder(real) / "model", self.models.device)
        painted, _ = self._synthetic(unfiltered, progress)
        folder = painted[0].image.parents[1]
        filter_cases(folder, self.cases["train"], segmentor, writer.folder, progress)


def _seconds(folder: Path) -> float:
    record = folder / "nodes.json"
    return json_field(read_json(record), "seconds", file=record, make="remove the synthetic scans")


def _hash_of_weights(models: Models, name: str) -> str:
    return sha256(getattr(models, f"{name}_weights") or SHIPPED / f"{name}.safetensors")


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def runs(configs: Sequence[SegmentationConfig], arms: Sequence[Arm], seeds: int) -> list[Run]:
    """The cells in the order in which they are done: a seed of all arms before the next seed."""
    return [Run(config, arm, k) for config in configs for k in range(seeds) for arm in arms]


def title(bench: Benchmark, cells: Sequence[Run], baseline: Arm) -> str:
    """What the table is of."""
    steps = sorted({run.config.steps for run in cells})
    counts = {part: len(cases) for part, cases in bench.cases.items()}
    data = MARK if (bench.data / "standin.json").exists() else f"data: {bench.data}"
    return (
        f"{data}\nscans: {counts}; real : synthetic 1 : 1 by scan; {steps} optimizer steps in "
        "every arm; checkpoints chosen on the validation scans; intervals: 95 %, bootstrap over "
        f"patients and seeds; differences: to {baseline.value}, paired"
    )


def table(bench: Benchmark, cells: Sequence[Run], parts: Sequence[str], baseline: Arm) -> Table:
    """A row for each network and arm: figures over the scans of some test parts, and differences to
    the arm `baseline`."""
    columns = ["network", "arm", "seeds", *FIGURES[:2], "Dice difference", "sensitivity difference"]
    columns += [*FIGURES[2:], *(f"found {size}" for size in BINS), "minutes: training", "synthesis"]
    shown = Table(*columns, title=" and ".join(parts))
    for network, arm in dict.fromkeys((run.config.network, run.arm) for run in cells):
        results = _results(bench, cells, network, arm)
        row = [network, arm.value, f"{len(results)}/{max(run.seed for run in cells) + 1}"]
        if not results:
            shown.add_row(*row, *[NOT_RUN] * (len(columns) - len(row)))
            continue
        found = estimate(_by_seed(results, parts))
        row += [str(found[name]) for name in FIGURES[:2]]
        # the seeds that both arms have, so that the difference is that of the arms alone
        reference = _results(bench, cells, network, baseline)
        same = results.keys() & reference.keys()
        if arm == baseline or not same:
            row += ["-" if arm == baseline else NOT_RUN] * 2
        else:
            ours, theirs = ({k: own[k] for k in same} for own in (results, reference))
            apart = paired(_by_seed(ours, parts), _by_seed(theirs, parts))
            row += [str(apart[name]) for name in FIGURES[:2]]
        row += [str(found[name]) for name in FIGURES[2:]]
        row += [str(found[f"lesion sensitivity {size}"]) for size in BINS]
        for cost in ("training_seconds", "synthesis_seconds"):
            total = sum(getattr(result, cost) for result in results.values())
            row.append(f"{total / 60 / len(results):.1f}")
        shown.add_row(*row)
    return shown


def _results(
    bench: Benchmark, cells: Sequence[Run], network: str, arm: Arm
) -> dict[int, RunResult]:
    """The results of a network and an arm, by seed."""
    own = [run for run in cells if (run.config.network, run.arm) == (network, arm)]
    results = {run.seed: bench.result(run) for run in own}
    return {seed: result for seed, result in results.items() if result is not None}


def _by_seed(results: dict[int, RunResult], parts: Sequence[str]) -> dict[int, list[ScanScore]]:
    return {
        seed: [score for part in parts for score in result.scores[part]]
        for seed, result in results.items()
    }
