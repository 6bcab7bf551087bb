"""The process that does the jobs: `python -m LNGenLib.service.worker KINDS DATASETS`.

It talks with the server by JSON lines, stdin in and stdout out, keeps the models between jobs, and
ends when stdin does, that is when the server is gone, however it went.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from LNGenLib.errors import Canceled, InputError, OutputError, is_out_of_memory
from LNGenLib.files import FULL, write_json
from LNGenLib.loading import load_monai
from LNGenLib.progress import Progress
from LNGenLib.service.protocol.messages import JobResult, ResultFile, UploadedImage
from LNGenLib.service.worker.kinds import JobKind, load_kinds
from LNGenLib.service.worker.tasks import Images, Work

LONGEST_ERROR = 1000  # characters
REPORT_SECONDS = 0.1  # between two reports of steps
BATCHES = (None, 8, 2, 1)  # lymph nodes at a time, as memory runs out; None is as usual


class Channel:
    """The way to the server, and what came from it: jobs, and the ids of those to cancel.

    What libraries print goes to stderr.
    """

    def __init__(self):
        self.out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self.jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.canceled: set[str] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if "cancel" in message:
                self.canceled.add(message["cancel"])
            else:
                self.jobs.put(message)
        os._exit(0)

    def send(self, **message: Any) -> None:
        """One line to the server."""
        self.out.write(json.dumps(message) + "\n")
        self.out.flush()


def main() -> None:
    """Do jobs until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's is for the server
    channel = Channel()
    kinds, datasets = load_kinds(sys.argv[1]), Path(sys.argv[2])
    load_monai()

    from LNGenLib.service.worker.doctor import device_name
    from LNGenLib.synthesis.models import Models

    models, last = Models(), Last()
    gc.freeze()  # what is loaded for good need not be looked through after every job
    channel.send(device=device_name())
    while True:
        job = channel.jobs.get()
        channel.send(**do(job, kinds[job["kind"]], models, datasets, channel, last))
        channel.canceled.discard(job["id"])
        free_memory()


class Last:
    """The images of the job before, with what it found in them: most jobs have the same again."""

    def __init__(self):
        self._described: dict[str, UploadedImage] = {}
        self._images = Images()

    def read(self, described: dict[str, UploadedImage], folder: Path) -> Images:
        """A job's images, which lie in a folder by their names."""
        if described != self._described:
            self._described, self._images = {}, Images()  # first, to have the memory of one CT
            read = {name: read_image(image, folder / name) for name, image in described.items()}
            self._described, self._images = described, Images(read)
        return self._images


def do(
    job: dict[str, Any],
    kind: JobKind,
    models: Any,
    datasets: Path,
    channel: Channel,
    last: Last,
) -> dict[str, Any]:
    """Do one job; returns how it ended."""
    reported = 0.0

    def report(stage: str, step: int, steps: int) -> None:
        nonlocal reported
        now = time.monotonic()
        if step == 0 or now - reported >= REPORT_SECONDS:
            reported = now
            channel.send(stage=stage, step=step, steps=steps)

    inputs, folder, scratch = (Path(job["folder"]) / name for name in ("inputs", "work", "scratch"))
    progress = Progress(report, lambda: job["id"] in channel.canceled)

    def run() -> dict[str, Any]:
        given = job["images"].items()
        described = {name: UploadedImage.from_json(values) for name, values in given}
        images = last.read(described, inputs) if described else Images()
        request = kind.request(job["request"])
        return kind.run(Work(request, images, progress, models, folder, scratch, datasets))

    try:
        content = in_memory(run, models)
        files = tuple(_described(path) for path in sorted(folder.iterdir()))
        write_json(asdict(JobResult(content, files)), folder / "result.json")
    except Canceled:
        return {"end": "canceled"}
    except Exception as error:
        full = isinstance(error, OutputError) or getattr(error, "errno", None) in FULL
        if full:  # the log may be on this disk, too
            return {"end": "failed", "error": "the server's disk is full: try again later"}
        if isinstance(error, InputError):
            return {"end": "failed", "error": str(error)[:LONGEST_ERROR]}
        traceback.print_exc()
        return {"end": "failed", "error": "a fault of LNGen: its server's log has more"}
    return {"end": "done"}


def in_memory(run: Callable[[], Any], models: Any) -> Any:
    """The outcome of `run`, by smaller and smaller batches where the memory does not suffice."""
    for most in BATCHES:
        try:
            models.limit_batches(most)
            return run()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        free_memory()  # here, since the error's frames hold tensors
    raise InputError(
        "the device's memory does not suffice, even for one lymph node at a time: "
        "free some of it, or crop the CT"
    )


def free_memory() -> None:
    """Give back what the last job held."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def read_image(image: UploadedImage, path: Path) -> sitk.Image:
    """The uploaded image as SimpleITK's."""
    voxels = np.fromfile(path, np.dtype(image.type).newbyteorder("<")).reshape(image.size[::-1])
    read = sitk.GetImageFromArray(voxels)
    read.SetSpacing(image.spacing)
    read.SetOrigin(image.origin)
    read.SetDirection(image.direction)
    return read


def _described(path: Path) -> ResultFile:
    with path.open("r+b") as file:
        digest = hashlib.sha256()
        while piece := file.read(1 << 20):
            digest.update(piece)
        os.fsync(file.fileno())
    return ResultFile(path.name, path.stat().st_size, digest.hexdigest())


if __name__ == "__main__":
    main()
