"""Numbered tasks, one after the other in this process, or many at a time in others or on Ray.

Each task writes its own result, and depends on its number alone: so it doesn't matter who does it.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context

from LNGenLib.errors import InputError
from LNGenLib.loading import load_monai
from LNGenLib.threads import usable_cpus

DoTask = Callable[[int], None]
RunTasks = Callable[[DoTask, Sequence[int], Callable[[int], None]], None]

RETRIES = 3  # of a task whose worker was lost
_OWN: list[DoTask] = []  # a worker process's task
QUEUED = 4  # tasks submitted for each that can run: enough to keep workers busy


def run_here(task: DoTask, numbers: Sequence[int], done: Callable[[int], None]) -> None:
    """Do `task` for all `numbers` in turn; `done` is called with how many are done."""
    for count, number in enumerate(numbers, 1):
        task(number)
        done(count)


def in_processes(workers: int) -> RunTasks:
    """A runner on so many processes of this machine.

    Where one of them is lost, what is left is done again, at most three times in a row without
    anything done; the first error of a task ends the run. A program that calls this itself must be
    safe to be imported by its children (`if __name__ == "__main__":`).
    """
    return partial(_run_in_processes, workers)


def _run_in_processes(
    workers: int, task: DoTask, numbers: Sequence[int], done: Callable[[int], None]
) -> None:
    left, fruitless = list(numbers), 0
    threads = max(usable_cpus() // workers, 1)
    while left:
        before = len(left)
        given = pickle.dumps(task), threads
        with ProcessPoolExecutor(workers, get_context("spawn"), _begin, given) as pool:
            waiting = {pool.submit(_do_own, number): number for number in left}
            try:
                for finished in as_completed(waiting):
                    finished.result()
                    left.remove(waiting[finished])
                    done(len(numbers) - len(left))
            except BrokenProcessPool:
                fruitless = 0 if len(left) < before else fruitless + 1
                if fruitless > RETRIES:
                    raise InputError(
                        f"a worker process was lost {fruitless} times (is the memory full?): give "
                        "fewer workers, and run the same again to go on"
                    ) from None
            finally:
                pool.shutdown(cancel_futures=True)


def _begin(pickled: bytes, threads: int) -> None:
    """In a worker process, which ends what it does when the user interrupts the run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    load_monai()
    _OWN.append(pickle.loads(pickled))  # which imports what the task is made of

    import torch

    torch.set_num_threads(threads)


def _do_own(number: int) -> None:
    _OWN[0](number)


def on_ray(address: str, gpus: float = 0.0) -> RunTasks:
    """A runner on the Ray cluster at `address`; `local` is one of this machine.

    A task takes a core and `gpus` of a GPU (0.25: four share one). One whose worker is lost is done
    again, three times at most; the first error of a task ends the run. Raises InputError where
    Ray is missing or no cluster answers.
    """
    if find_spec("ray") is None:
        raise InputError('ray is missing: pip install "lngen[cluster]"')
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine unasked
    settings = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        settings["include_dashboard"] = False
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
