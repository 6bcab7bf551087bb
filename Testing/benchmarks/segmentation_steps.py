"""How long are a training step and a prediction of each segmentation network, in what memory?

Each network is trained for a few steps by its own loop - patches, augmentation, loss, gradients,
optimizer - in a process of its own, on procedural scans of 160 x 160 x 80 voxels, and segments one.

    python Testing/benchmarks/segmentation_steps.py [--network unet] [--config CONFIG.json]

CONFIG.json takes the place of SETTINGS, for the networks that it names, for example
{"unet": {"patch": [48, 48, 48]}}. nnU-Net is measured where nnunetv2 is installed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from segmentation_data import SPACING, write_cases  # noqa: E402

from LNGenLib.datasets.cases import read_cases  # noqa: E402
from LNGenLib.datasets.splitting import split  # noqa: E402
from LNGenLib.files import read_json  # noqa: E402
from LNGenLib.progress import Progress  # noqa: E402
from LNGenLib.segmentation.config import SegmentationConfig  # noqa: E402
from LNGenLib.threads import share_cpus  # noqa: E402
from LNGenLib.validation import from_json  # noqa: E402

SHAPE, NODES = (80, 160, 160), 11
SCANS = 4  # the last two are for validation and test
WARM_UP, PREDICTIONS = 2, 3
SHOWN = ("patch", "batch_size")
CHANNELS = [16, 32, 64, 128]
SETTINGS: dict[str, dict[str, Any]] = {
    "unet": {"channels": CHANNELS, "residual_units": 0},
    "dynunet": {"channels": CHANNELS},
    "swinunetr": {"feature_size": 24},
    "nnunet": {"channels": [16, 32, 64, 128, 160], "patch": [64, 64, 64], "batch_size": 2},
}


def balls(rng: np.random.Generator) -> np.ndarray:
    """Labels (z, y, x) of as many small nodes as a pelvis has."""
    labels = np.zeros(SHAPE, np.uint16)
    for label in range(1, NODES + 1):
        center = [rng.integers(10, n - 10) for n in SHAPE]
        offset = [(np.arange(n) - c) * s for n, c, s in zip(SHAPE, center, SPACING)]
        distance = np.sqrt(sum(part**2 for part in np.ix_(*offset)))
        labels[distance < rng.uniform(1.5, 5)] = label
    return labels


def measure(table: Path, folder: Path, config: SegmentationConfig) -> tuple[float, float, float]:
    """Median seconds of a step, peak memory of steps in GB, median seconds of predicting a scan."""
    from LNGenLib.segmentation import nnunet, training
    from LNGenLib.segmentation.inference import load_segmentor

    ends, peak = [], 0.0

    def report(stage: str, *_: int) -> None:
        nonlocal peak
        if stage == "training":
            ends.append(time.perf_counter())
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    train = nnunet.train if config.network == "nnunet" else training.train
    cases = read_cases(table)
    with contextlib.redirect_stdout(io.StringIO()):  # nnU-Net tells much
        train(*split(cases, 0), folder, config, progress=Progress(report))
        segmentor, ct = load_segmentor(folder), cases[-1].load()[0]
        spent = []
        for _ in range(PREDICTIONS):
            begin = time.perf_counter()
            segmentor.segment(ct)
            spent.append(time.perf_counter() - begin)
    return statistics.median(np.diff(ends)[WARM_UP - 1 :]), peak, statistics.median(spent)


def main(
    network: Annotated[
        Optional[list[str]], typer.Option(help="one of them; may be repeated")
    ] = None,
    config: Annotated[
        Optional[Path], typer.Option(help="JSON: a network's name: fields of its configuration")
    ] = None,
    steps: int = 10,
) -> None:
    """Print the table."""
    settings = SETTINGS | ({} if config is None else read_json(config))
    table = Table("network", "patch", "batch", "s a step", "peak, GB", "s a scan", "settings")
    with tempfile.TemporaryDirectory() as temporary:
        scans = write_cases(Path(temporary), SCANS, balls)
        for name in network or settings:
            if name == "nnunet" and importlib.util.find_spec("nnunetv2") is None:
                table.add_row(name, *[""] * 5, "nnunetv2 is not installed")
                continue
            run = {"network": name, "epochs": 1, "steps_an_epoch": WARM_UP + steps}
            made = from_json(SegmentationConfig, settings[name] | run)
            alone = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
            with alone as process:
                found = process.submit(measure, scans, Path(temporary, name), made).result()
            told = json.dumps({k: v for k, v in settings[name].items() if k not in SHOWN})
            figures = [f"{figure:.2f}" for figure in found]
            table.add_row(name, str(made.patch), str(made.batch_size), *figures, told)
    Console(width=120).print(table)


if __name__ == "__main__":
    share_cpus()
    typer.run(main)
