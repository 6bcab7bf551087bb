"""How torch's threads share the CPUs with what else runs. Importing the library sets nothing."""

from __future__ import annotations

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

# Turns that a thread of libgomp waits awake, where networks are trained, and threads of OpenBLAS,
# whose matrices are small here; by Testing/benchmarks/contention.py
SPIN, BLAS = "1000", "1"
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container


def share_cpus(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let threads that wait sleep soon, and have no more of them than there are CPUs to use.

    In the environment of a process of LNGen's own, before it loads NumPy or torch. By default
    waiting threads spin, which takes the CPU from what others do, and then from the thread that
    they wait for. What the environment says already stays: OMP_NUM_THREADS, GOMP_SPINCOUNT,
    OMP_WAIT_POLICY, OPENBLAS_NUM_THREADS.
    """
    environment.setdefault("OPENBLAS_NUM_THREADS", BLAS)
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPIN)
    if usable_cpus() < (os.cpu_count() or 1):
        environment.setdefault("OMP_NUM_THREADS", str(usable_cpus()))


def usable_cpus(quota: Path = QUOTA) -> int:
    """How many CPUs this process may use: by its affinity, and by its container's quota."""
    known = hasattr(os, "sched_getaffinity")  # Linux has it
    cpus = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    try:
        limit, period = quota.read_text().split()
        return min(cpus, max(1, math.ceil(int(limit) / int(period))))
    except (OSError, ValueError):  # there is no container, or none that limits ("max")
        return cpus
