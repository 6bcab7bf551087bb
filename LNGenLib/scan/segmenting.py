"""TotalSegmentator, where it is installed: a CT's organs as `--anatomy` reads them.

It runs in a process of its own, so that what it prints, the threads, memory and environment that it
takes, and its end, whatever the cause, are kept from the caller's. Read in version 2.18.0:
https://github.com/wasserth/TotalSegmentator/blob/master/totalsegmentator/python_api.py
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten
from typing import TextIO

import SimpleITK as sitk

from LNGenLib.errors import InputError
from LNGenLib.image.io import write_image
from LNGenLib.progress import SILENT, Progress
from LNGenLib.scan.checks import check_anatomy
from LNGenLib.scan.labels import read_anatomy

CT, LABELS, LOG, FAULT, HOME = "ct.nii", "labels.nii.gz", "log.txt", "fault.txt", "home"
FOUND = "what TotalSegmentator found"
WAY_OUT = "see whether it runs without LNGen, and give its labels to --anatomy"
KILLED = -9  # what the system does where memory is exhausted
LONGEST = 200  # characters of a fault
PAUSE = 0.2  # seconds between two looks at the process
# What it prints of its progress
DOWNLOAD = "Downloading model"
PART = re.compile(r"Predicting(?: part (\d+) of (\d+))?")
PERCENT = re.compile(r"\b(\d{1,3})%\|")
MEMORY = "out of memory", "MemoryError", "RAM was full", "DefaultCPUAllocator"
NETWORK = "requests.", "urllib3."


def check_installed() -> None:
    """Raise InputError where TotalSegmentator is missing."""
    if find_spec("totalsegmentator") is None:
        raise InputError(
            'TotalSegmentator is missing: pip install "lngen[anatomy]", or give its labels of '
            "another machine to --anatomy"
        )


def segment_anatomy(
    ct: sitk.Image, device: str, fast: bool = False, progress: Progress = SILENT
) -> sitk.Image:
    """TotalSegmentator's numbers (uint8) on the grid of `ct` (HU), as `read_anatomy` gives them of
    its own files: structures that LNGen has no use for are 255.

    All classes of its task `total` are segmented: `roi_subset` would leave out the small bowel and
    others that nodes have to keep off, needs a further model, and cuts the CT by what that roughly
    finds, to save one model of five. `device` is cpu or cuda; `fast` takes the model of 3 mm.
    Raises InputError where it is missing or fails, and where the labels do not fit the CT.
    """
    check_installed()
    with tempfile.TemporaryDirectory(prefix="lngen-") as name:
        folder = Path(name)
        write_image(ct, folder / CT)
        _run(folder, device, fast, progress)
        try:
            labels = read_anatomy(folder / LABELS, ct)
        except InputError as error:
            cause = str(error).replace(str(folder / LABELS), FOUND).rpartition(": ")[0]
            raise InputError(f"{cause}: {WAY_OUT}") from error
    check_anatomy(ct, labels, FOUND)
    return sitk.Cast(labels, sitk.sitkUInt8)


def _run(folder: Path, device: str, fast: bool, progress: Progress) -> None:
    """Make the labels of the CT in a folder; InputError where that fails."""
    progress.stage("loading")
    command = [sys.executable, "-m", __name__, str(folder), device, str(int(fast))]
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,
        )
    try:
        with (folder / LOG).open(encoding="utf-8", errors="replace") as log:
            _follow(process, log, progress)
    finally:
        _end(process)
    if process.returncode or not (folder / LABELS).exists():
        fault = folder / FAULT
        raise InputError(
            _explained(process.returncode, fault.read_text() if fault.exists() else "")
        )


def _environment() -> dict[str, str]:
    """This process's, with LNGenLib where the child finds it, and nothing else of the folder that
    it runs in."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    settings = {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **settings}


def _follow(process: subprocess.Popen, log: TextIO, progress: Progress) -> None:
    """Wait for the process; its bars, one a download and one a model, become the progress."""
    stage, part, parts, rest = "loading", 1, 1, ""
    while process.poll() is None:
        *lines, rest = (rest + log.read()).split("\n")
        for line in lines:
            if found := PART.search(line):
                part, parts = (int(number or 1) for number in found.groups())
                stage = "segmenting"
                progress.advance(stage, 100 * (part - 1) // parts, 100)
            elif DOWNLOAD in line:
                stage = "weights"
                progress.advance(stage, 0, 100)
            elif stage != "loading" and (found := PERCENT.search(line)):
                percent = int(found[1])
                if stage == "segmenting":
                    percent = (100 * (part - 1) + percent) // parts
                progress.advance(stage, min(percent, 100), 100)
        progress.check()
        time.sleep(PAUSE)


def _end(process: subprocess.Popen) -> None:
    """End the process and those that it has started."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _explained(code: int, fault: str) -> str:
    """Why there are no labels, in a line, and the way out."""
    cause = shorten(fault, LONGEST) if fault else f"it ended with code {code}"
    if code == KILLED or any(words in fault for words in MEMORY):
        return (
            "the memory does not suffice for TotalSegmentator: end other programs, or take "
            "lngen anatomy --fast"
        )
    if fault.startswith(NETWORK):
        return (
            f"the weights of TotalSegmentator can't be downloaded ({cause}): connect this "
            "machine, or copy ~/.totalsegmentator of one that has them"
        )
    return f"TotalSegmentator failed ({cause}): {WAY_OUT}"


def _work(folder: Path, device: str, fast: bool) -> None:
    """What the process does. TotalSegmentator's home is a temporary one, whose settings turn its
    usage statistics off; its weights stay where they are."""
    from totalsegmentator.config import get_weights_dir

    weights = get_weights_dir()
    home = folder / HOME
    home.mkdir()
    settings = {"totalseg_id": "", "send_usage_stats": False, "prediction_counter": 0}
    (home / "config.json").write_text(json.dumps(settings))
    os.environ["TOTALSEG_WEIGHTS_PATH"] = str(weights)
    os.environ["TOTALSEG_HOME_DIR"] = str(home)

    from totalsegmentator.python_api import totalsegmentator

    totalsegmentator(
        folder / CT,
        folder / LABELS,
        ml=True,
        fast=fast,
        task="total",
        device="gpu" if device == "cuda" else "cpu",
    )


if __name__ == "__main__":
    try:
        _work(Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "1")
    except BaseException as error:  # it ends by sys.exit, too
        kind = f"{type(error).__module__}.{type(error).__name__}".removeprefix("builtins.")
        (Path(sys.argv[1]) / FAULT).write_text(f"{kind}: {error}")
        raise
