"""The runs of Table I: each trains a network on the scans of an arm, and is scored once on a part.

A run is a job of its own that resumes. What it leaves is kept under the hash of all that it depends
on but machine and code, which are written beside it: runs of several are not compared.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from LNGenLib.benchmark.arms import SCANS, Arm
from LNGenLib.benchmark.augmentation import Copier
from LNGenLib.benchmark.origin import origin
from LNGenLib.benchmark.parts import parts_of
from LNGenLib.datasets.case import Case
from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.dataset import make_dataset
from LNGenLib.datasets.manifest import DatasetSettings
from LNGenLib.datasets.writing import Plain, clear_unfinished
from LNGenLib.errors import InputError
from LNGenLib.evaluation.segmentation.lesions import ScanScore
from LNGenLib.files import json_field, read_json, write_json
from LNGenLib.image.io import read_image, read_labels, to_array
from LNGenLib.models.store import SHIPPED, sha256
from LNGenLib.progress import Progress
from LNGenLib.randomness import node_rng
from LNGenLib.segmentation.config import SegmentationConfig
from LNGenLib.segmentation.inference import Segmentor, load_segmentor
from LNGenLib.segmentation.quality import filter_cases
from LNGenLib.segmentation.scoring import score_found
from LNGenLib.segmentation.training import train
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.models import Models

TRAINED = ("steps", "validation_dice", "seconds")  # of training.json
AGAIN = "remove its folder, and it is trained again"


@dataclass(frozen=True)
class Run:
    """A cell of the table."""

    config: SegmentationConfig
    arm: Arm
    seed: int


@dataclass(frozen=True)
class RunResult:
    """What a run left: the optimizer's steps, the best Dice of its validations, the seconds of its
    training, its synthetic scans and their lymph nodes, and scores of parts."""

    steps: int
    validation_dice: float
    training_seconds: float
    synthetic_scans: int
    synthetic_nodes: int
    scores: dict[str, list[ScanScore]]


@dataclass(frozen=True)
class Benchmark:
    """A data set (`parts_of`), and the folder of the runs.

    Own weights of LN-Gen are given in `models`, those of DiffTumor's way in `difftumor`; without
    the latter its arm can't run. `classes` are those of `read_cases`. Label maps of what is no
    lymph node, `organs/ID.nii.gz` in the data's folder, tell what false findings lie on.
    """

    data: Path
    folder: Path
    models: Models
    difftumor: Models | None = None
    classes: tuple[str, ...] = ()

    @cached_property
    def cases(self) -> dict[str, list[Case]]:
        """Labeled cases by part: train, validation, then those for tests."""
        return parts_of(self.data, self.classes)

    @property
    def tests(self) -> list[str]:
        """The parts for tests."""
        return list(self.cases)[2:]

    def runnable(self, arm: Arm) -> bool:
        """Whether the arm has all it needs."""
        return arm != Arm.difftumor or self.difftumor is not None

    def result(self, run: Run, parts: Sequence[str]) -> RunResult | None:
        """What the run left, or None where it was not trained, or not scored on all the parts."""
        folder = self._folder(run)
        files = {part: folder / "scores" / f"{part}.json" for part in parts}
        if not self.runnable(run.arm) or not all(file.exists() for file in files.values()):
            return None
        about = read_json(folder / "result.json")
        rows = {part: json.loads(file.read_text()) for part, file in files.items()}
        scores = {part: [ScanScore(**row) for row in own] for part, own in rows.items()}
        return RunResult(**about, scores=scores)

    def do(self, run: Run, parts: Sequence[str], progress: Progress) -> None:
        """Do a run, or what is left of it, and score it on the parts. InputError where runs of the
        network in this folder were made by another machine or other code."""
        self._claim(run)
        folder, training = self._folder(run), list(self.cases["train"])
        synthetic: list[Case] = []
        if run.arm != Arm.real:
            synthetic = self._synthetic(run, progress)
        trained = self._train(run, training + synthetic, folder / "model", progress)
        steps, dice, seconds = (trained[name] for name in TRAINED)
        nodes = sum(_count_nodes(case) for case in synthetic)
        result = RunResult(steps, dice, seconds, len(synthetic), nodes, {})
        about = {k: v for k, v in dataclasses.asdict(result).items() if k != "scores"}
        write_json(about, folder / "result.json")
        segmentor = load_segmentor(folder / "model", self.models.device)
        for part in parts:
            file = folder / "scores" / f"{part}.json"
            if not file.exists():
                scores = self._score(segmentor, part, progress)
                file.parent.mkdir(exist_ok=True)
                write_json([dataclasses.asdict(score) for score in scores], file)

    def origin_of(self, network: str) -> dict[str, str] | None:
        """The machine and code that made the runs of a network, None where there are none.
        InputError where there are several."""
        found = [read_json(file) for file in sorted(self.folder.glob("runs/*/run.json"))]
        own = {str(one["origin"]): one["origin"] for one in found if one["network"] == network}
        if len(own) > 1:
            raise InputError(
                f"{self.folder} holds runs of {network} by several machines or codes, which can't "
                f"be compared ({'; '.join(own)}): take those of all but one away"
            )
        return next(iter(own.values()), None)

    def _claim(self, run: Run) -> None:
        """Write what the run depends on, and who makes it."""
        ours, theirs = origin(self.models.device), self.origin_of(run.config.network)
        if theirs not in (None, ours):
            changed = [f"{k} {theirs[k]}, now {v}" for k, v in ours.items() if v != theirs[k]]
            raise InputError(
                f"{self.folder} holds runs of {run.config.network} by another machine or code "
                f"({', '.join(changed)}): go on with that, or give a new folder"
            )
        folder = self._folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        about = {"network": run.config.network, "origin": ours, **self._key(run)}
        write_json(about, folder / "run.json")
        ids = {part: [case.id for case in cases] for part, cases in self.cases.items()}
        write_json(ids, self.folder / "parts.json")

    def _score(self, segmentor: Segmentor, part: str, progress: Progress) -> list[ScanScore]:
        scores, cases = [], self.cases[part]
        for number, case in enumerate(cases):
            progress.advance(part, number, len(cases))
            loaded = case.load_labeled()
            found = to_array(segmentor.segment(loaded.ct))
            organs, file = None, self.data / "organs" / f"{case.id}.nii.gz"
            if file.exists():
                organs = to_array(read_labels(file, loaded.ct))
            scores.append(score_found(case, loaded, found, organs))
        return scores

    def _train(
        self, run: Run, training: list[Case], folder: Path, progress: Progress
    ) -> dict[str, Any]:
        done = folder / "training.json"
        if done.exists():  # written last
            trained = read_json(done)
            for name in TRAINED:
                json_field(trained, name, file=done, make=AGAIN)
            return trained
        validation = self.cases["validation"]
        trainer: Callable[..., dict[str, Any]]
        if run.config.network == "nnunet":
            from LNGenLib.segmentation.nnunet import train as train_nnunet

            trainer = partial(train_nnunet, device=self.models.device)
        else:
            trainer = partial(train, cache=self.folder / "cases")
        return trainer(training, validation, folder, run.config, run.seed, progress=progress)

    def _folder(self, run: Run) -> Path:
        return self.folder / "runs" / _hash(self._key(run))

    def _key(self, run: Run) -> dict[str, Any]:
        """All that a run's result depends on, but machine and code."""
        key = {"data": self._data_hash, "arm": run.arm.value, "seed": run.seed}
        return key | {"config": dataclasses.asdict(run.config), "synthetic": self._recipe(run)}

    @cached_property
    def _data_hash(self) -> str:
        files = [
            [part, str(file), file.stat().st_size]
            for part, cases in self.cases.items()
            for case in cases
            for file in (case.image, case.label)
            if file is not None
        ]
        return _hash([files, self.classes])

    def _models(self, arm: Arm) -> Models | None:
        """The models that an arm paints by, if it does by some."""
        if arm in (Arm.real, Arm.copies):
            return None
        return self.difftumor if arm == Arm.difftumor else self.models

    def _recipe(self, run: Run) -> dict[str, Any]:
        """All that the synthetic scans of a run depend on besides the data."""
        if run.arm == Arm.real:
            return {}
        recipe: dict[str, Any] = {"arm": run.arm.value, "seed": run.seed, "scans": SCANS}
        if models := self._models(run.arm):
            settings = dataclasses.asdict(self._settings(run))
            weights = [_hash_of_weights(models, name) for name in ("structure", "texture")]
            recipe |= {"settings": settings, "weights": weights}
        if run.arm == Arm.filtered:
            recipe["filtered by"] = dataclasses.asdict(run.config)
        return recipe

    def _settings(self, run: Run) -> DatasetSettings:
        """What `lngen dataset` does by default, but for the sizes of the arm."""
        return DatasetSettings(run.seed, sizes=Sizes(run.arm.sizes), layout="plain")

    def _synthetic(self, run: Run, progress: Progress) -> list[Case]:
        """The synthetic scans of a run, made where they are not there."""
        recipe = self._recipe(run)
        folder = self.folder / "synthetic" / _hash([self._data_hash, recipe])
        done = folder.with_suffix(".json")
        if not done.exists():
            folder.mkdir(parents=True, exist_ok=True)
            self._make(run, folder, progress)
            write_json(recipe, done)
        return read_cases(folder)

    def _make(self, run: Run, folder: Path, progress: Progress) -> None:
        training = self.cases["train"]
        count = SCANS * len(training)
        if run.arm == Arm.filtered:
            self._filter(run, Plain(folder), progress)
        elif models := self._models(run.arm):
            make_dataset(training, folder, count, self._settings(run), models, progress=progress)
        else:
            self._copy(run, count, Plain(folder), progress)

    def _copy(self, run: Run, count: int, writer: Plain, progress: Progress) -> None:
        """Copies of real lymph nodes, as many a scan as LN-Gen paints."""
        training, (low, high) = self.cases["train"], self._settings(run).count
        clear_unfinished(writer.folder)
        copier = Copier(training)
        for number in range(count):
            progress.advance("cases", number, count)
            case, id = training[number % len(training)], f"copies_{number:05d}"
            if (writer.folder / id).exists():
                continue
            loaded, rng = case.load_labeled(), node_rng(run.seed, number, run.arm.value)
            wanted = int(rng.integers(low, high + 1))
            ct, nodes = copier.paint(loaded.ct, loaded.mask, wanted, rng)
            about = {"synthetic": True, "patient": case.patient, "source": case.id}
            images = {"ct": ct, "label": loaded.mask_with(nodes), "nodes": nodes}
            writer.write(id, images, about | {"labels": loaded.values})

    def _filter(self, run: Run, writer: Plain, progress: Progress) -> None:
        """The scans of LN-Gen without what the segmentor of `real only` finds implausible."""
        real, unfiltered = (dataclasses.replace(run, arm=arm) for arm in (Arm.real, Arm.lngen))
        self.do(real, (), progress)
        segmentor = load_segmentor(self._folder(real) / "model", self.models.device)
        folder = self._synthetic(unfiltered, progress)[0].image.parents[1]
        filter_cases(folder, self.cases["train"], segmentor, writer.folder, progress)


def _count_nodes(case: Case) -> int:
    """The synthetic lymph nodes of a case."""
    values = np.unique(to_array(read_image(case.image.parent / "nodes.nii.gz")))
    return int((values > 0).sum())


def _hash_of_weights(models: Models, name: str) -> str:
    return sha256(getattr(models, f"{name}_weights") or SHIPPED / f"{name}.safetensors")


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def runs(configs: Sequence[SegmentationConfig], arms: Sequence[Arm], seeds: int) -> list[Run]:
    """The cells in the order in which they are done: a seed of all arms before the next seed."""
    return [Run(config, arm, k) for config in configs for k in range(seeds) for arm in arms]
