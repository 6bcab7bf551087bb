"""Tests of what was chosen as backend, and of work on a thread of its own."""

from __future__ import annotations

import threading
import time

import pytest

from LNGenLib.errors import Canceled, InputError
from LNGenLib.service.client.backend import Backend, Choice
from LNGenLib.service.client.background import Background
from LNGenLib.service.worker.kinds import KINDS


def test_the_local_worker_is_kept_restarted_when_dead_and_ended_for_a_server():
    backend = Backend()
    assert backend.died is None
    client = backend.client(Choice())
    assert backend.client(Choice()) is client
    process = backend._local.process
    process.kill()
    process.wait()
    assert "The local worker is gone: it was ended (signal 9), perhaps" in backend.died
    again = backend.client(Choice())
    assert again is not client and again.capabilities().protocol
    server = backend.client(Choice(url="http://127.0.0.1:9", token="t" * 24))
    assert server.url == "http://127.0.0.1:9" and backend.died is None
    with pytest.raises(InputError):
        again.capabilities()


def test_a_server_without_a_token_is_not_asked():
    with pytest.raises(InputError, match="token"):
        Backend().client(Choice(url="https://server"))


def over(job: Background) -> Background:
    assert job.over(10)
    return job


def test_work_gives_its_value_or_its_error():
    assert over(Background(lambda progress: 7)).outcome() == 7

    def fail(progress):
        raise InputError("no CT")

    with pytest.raises(InputError, match="no CT"):
        over(Background(fail)).outcome()


def test_work_says_where_it_stands():
    go = threading.Event()

    def work(progress):
        progress.stage("structures", 10)
        progress.step(5, 10)
        assert go.wait(10)

    job = Background(work)
    end = time.monotonic() + 10
    while job.step < 5 and time.monotonic() < end:
        time.sleep(0.01)
    assert (job.stage, job.step, job.steps) == ("structures", 5, 10)
    assert (job.progress.fraction, job.progress.seconds_left) == (None, None), "nobody knows them"
    assert not job.over()
    go.set()
    over(job).outcome()


def test_the_fraction_of_a_job_is_that_of_its_stages():
    assert KINDS["plan"].fraction("structures", 5, 10) == pytest.approx(0.1 + 0.2)
    assert KINDS["plan"].fraction("placement", 1, 1) == pytest.approx(1)
    assert KINDS["train"].fraction("joint", 60, 3000) is None  # of the whole job, nobody knows


def test_canceled_work_ends_at_its_next_step_and_gives_nothing():
    go = threading.Event()

    def work(progress):
        assert go.wait(10)
        progress.stage("structures")
        return "too late"

    job = Background(work)
    job.cancel()
    go.set()
    with pytest.raises(Canceled):
        over(job).outcome()
