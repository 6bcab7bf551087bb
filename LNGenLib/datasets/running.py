"""Numbered tasks, one after the other in this process, or many at a time on Ray.

Each task writes its own result, and depends on its number alone: so it doesn't matter who does it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec

from LNGenLib.errors import InputError

DoTask = Callable[[int], None]
RunTasks = Callable[[DoTask, Sequence[int], Callable[[int], None]], None]

RETRIES = 3  # of a task whose worker was lost
QUEUED = 4  # tasks submitted for each that can run: enough to keep workers busy


def run_here(task: DoTask, numbers: Sequence[int], done: Callable[[int], None]) -> None:
    """Do `task` for all `numbers` in turn; `done` is called with how many are done."""
    for count, number in enumerate(numbers, 1):
        task(number)
        done(count)


def on_ray(address: str, workers: int | None = None, gpus: float = 0.0) -> RunTasks:
    """A runner on Ray: the cluster at `address`, or `local` for `workers` processes of this machine
    (one a core by default).

    A task takes a core and `gpus` of a GPU (0.25: four share one). One whose worker is lost is done
    again, three times at most; the first error of a task ends the run. Raises InputError where
    Ray is missing or no cluster answers.
    """
    if find_spec("ray") is None:
        raise InputError('ray is missing: pip install "lngen[cluster]"')
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine unasked
    settings = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        settings |= {"address": "local", "num_cpus": workers, "include_dashboard": False}
    elif workers is not None:
        raise InputError("the number of workers is the cluster's own: leave out --workers")
    else:
        settings |= {"address": address}
    return partial(_run_on_ray, settings, gpus)


def _run_on_ray(
    settings: dict, gpus: float, task: DoTask, numbers: Sequence[int], done: Callable[[int], None]
) -> None:
    import ray

    try:
        ray.init(**settings)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"no Ray answers at {settings['address']}: {error}") from error
    try:
        shared = ray.put(task)
        remote = ray.remote(_do).options(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)
        room = QUEUED * max(int(ray.cluster_resources().get("CPU", 1)), 1)
        waiting, left, count = [], iter(numbers), 0
        while True:
            for number in left:
                waiting.append(remote.remote(shared, number))
                if len(waiting) >= room:
                    break
            if not waiting:
                return
            ready, waiting = ray.wait(waiting)
            count += len(ready)
            _raised(ray, ready)
            done(count)
    finally:
        ray.shutdown()


def _do(task: DoTask, number: int) -> None:
    task(number)


def _raised(ray, ready: list) -> None:
    """Raise what a task raised, as if it had been done here."""
    try:
        ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise InputError(f"Ray lost a task {RETRIES + 1} times: {error}; run it again") from error
