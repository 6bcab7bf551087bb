"""LNGen's own processes share the CPUs; its import changes nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from LNGenLib.service.server.runner import Runner
from LNGenLib.service.server.store import Store
from LNGenLib.threads import share_cpus, usable_cpus

SETTINGS = ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS")


@pytest.fixture
def unset(monkeypatch):
    for name in SETTINGS:
        monkeypatch.setenv(name, "")  # so that what the test sets goes with it
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("quota", "cpus"), [("150000 100000", 2), ("50000 100000", 1), ("400000 100000", 3)]
)
def test_a_container_s_quota_and_the_affinity_limit_the_threads(
    tmp_path, monkeypatch, unset, quota, cpus
):
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 4, 5}, raising=False)
    assert usable_cpus(tmp_path / "cpu.max") == cpus
    (tmp_path / "cpu.max").write_text("max 100000")
    assert usable_cpus(tmp_path / "cpu.max") == usable_cpus(tmp_path / "none") == 3


def test_fewer_cpus_than_there_are_give_fewer_threads(monkeypatch, unset):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    share_cpus()
    assert os.environ["OMP_NUM_THREADS"] == "1" and int(os.environ["GOMP_SPINCOUNT"]) > 0
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"


def test_what_the_user_set_stays(monkeypatch, unset):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    share_cpus()
    assert os.environ["OMP_NUM_THREADS"] == "7" and "GOMP_SPINCOUNT" not in os.environ
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"


SEEN = """
import os, sys
{code}
print(os.environ.get("GOMP_SPINCOUNT"), *(name in sys.modules for name in ("torch", "numpy")))
"""
PROCESSES = {
    "command": """
from LNGenLib.cli.main import main
sys.argv = ["lngen", "version"]
try:
    main()
except SystemExit:
    pass
""",
    "library": "import LNGenLib.threads; LNGenLib.Sizes",
}


@pytest.mark.parametrize(("process", "set_there"), [("command", True), ("library", False)])
def test_a_process_of_its_own_is_set_before_torch_is_loaded(process, set_there):
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    done = subprocess.run(
        [sys.executable, "-c", SEEN.format(code=PROCESSES[process])],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    spin, torch, numpy = done.stdout.split()[-3:]
    assert (spin != "None") is set_there and torch == "False"
    assert numpy == "False" or not set_there


def test_the_service_s_worker_starts_so(monkeypatch, tmp_path, unset):
    class Started(Exception):
        pass

    async def start(*_, env, **__) -> None:
        seen.update(env)
        raise Started

    seen: dict[str, str] = {}
    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    with pytest.raises(Started):
        asyncio.run(Runner(Store(tmp_path), {}, "", tmp_path)._start())
    assert seen["OPENBLAS_NUM_THREADS"] == "1" and "PATH" in seen
    assert "OPENBLAS_NUM_THREADS" not in os.environ
