"""Tests of the service where something fails: connections, disks, files, workers."""

from __future__ import annotations

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
import SimpleITK as sitk
from service_host import TOKEN, Host
from service_kinds import Steps
from service_wire import Wire

from LNGenLib.errors import Canceled, InputError
from LNGenLib.service import boxes
from LNGenLib.service import client as connection
from LNGenLib.service.client import Client, ServiceError
from LNGenLib.service.protocol import State
from LNGenLib.synthesis.progress import Progress

MIB = 1 << 20
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    host = Host(tmp_path_factory.mktemp("service"), max_upload=64 * MIB, max_jobs=100)
    host.wait_for_worker()
    yield host
    host.stop()


@pytest.fixture
def client(host):
    return host.client()


@pytest.fixture
def wire(host):
    wire = Wire(host.url)
    yield wire
    wire.close()


def noise(mib: int, seed: int = 0) -> sitk.Image:
    """An image of so many MiB that no compression makes smaller."""
    voxels = np.frombuffer(np.random.default_rng(seed).bytes(mib * MIB), np.int16)
    return sitk.GetImageFromArray(voxels.reshape(-1, 512, 512))


def last_of(client: Client, job: str):
    return [status for status in client.watch(job) if status][-1]


def soon(true, seconds: float = 2.0) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def script(path: Path, *lines: str) -> str:
    path.write_text("\n".join(["#!/bin/sh", *lines]))
    path.chmod(0o700)
    return str(path)


# ------------------------------------------------------------------ the client and its connection


@pytest.mark.parametrize("near", [True, False], ids=["plain", "gzip"])
def test_a_cancel_ends_an_upload_at_once_and_leaves_nothing(host, wire, near):
    wire.rate = 2 * MIB
    client, canceled = Client(wire.url, TOKEN), threading.Event()
    client.near = near
    before = len(client.jobs())

    def work():
        progress = Progress(canceled=canceled.is_set)
        client.run("sleep", Steps(), {"image": noise(40, near)}, progress)

    with ThreadPoolExecutor() as pool:
        done = pool.submit(work)
        assert soon(lambda: list((host.data / "uploads").glob("*/.*")), 10), "no upload began"
        begin = time.monotonic()
        canceled.set()
        with pytest.raises(Canceled):
            done.result()
        assert time.monotonic() - begin < 1.5
    assert soon(lambda: not list((host.data / "uploads").glob("*/.*")))
    assert len(host.client().jobs()) == before


def test_an_upload_may_take_longer_than_a_connection(host, wire, monkeypatch):
    monkeypatch.setattr(connection, "CONNECT", 0.5)
    wire.rate = 4 * MIB
    begin = time.monotonic()
    assert Client(wire.url, TOKEN).upload(noise(8, 5)).bytes == 8 * MIB
    assert time.monotonic() - begin > 1


def test_a_submission_whose_answer_is_lost_is_one_job(host, wire):
    client, before = Client(wire.url, TOKEN), len(host.client().jobs())
    wire.faults.append((b"POST /v1/jobs ", None))
    job, result = client.run("sleep", Steps(mark="once"))
    assert not wire.faults and result.content["mark"] == "once"
    assert len(host.client().jobs()) == before + 1


def test_two_submissions_of_the_same_are_two_jobs(client):
    assert client.submit("sleep", Steps()).id != client.submit("sleep", Steps()).id


def test_a_result_whose_answer_is_lost_is_asked_for_again(wire):
    client = Client(wire.url, TOKEN)
    job, _ = client.run("sleep", Steps(mark="again"))
    wire.faults.append((b"GET /v1/jobs/%b/result" % job.encode(), None))
    assert client.result(job).content["mark"] == "again"
    assert not wire.faults


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 x", "504 x", "429 Too Many Requests"])
def test_a_proxy_that_can_t_reach_the_server_for_a_moment_costs_no_job(host, wire, status):
    client = Client(wire.url, TOKEN)
    job = client.submit("sleep", Steps(10, 0.02)).id
    wire.faults.append((b"GET /v1/jobs/%b/events" % job.encode(), status))
    assert last_of(client, job).state is State.done
    assert not wire.faults


def test_a_cancel_is_heard_while_the_connection_is_lost(host, wire):
    client, canceled = Client(wire.url, TOKEN), threading.Event()

    def work():
        client.run("sleep", Steps(1000, 0.05), progress=Progress(canceled=canceled.is_set))

    with ThreadPoolExecutor() as pool:
        done = pool.submit(work)
        assert soon(lambda: host.client().jobs()[-1].state is State.running, 10)
        wire.close()
        time.sleep(0.3)
        begin = time.monotonic()
        canceled.set()
        with pytest.raises(Canceled):
            done.result()
        assert time.monotonic() - begin < 5
    host.client().cancel(host.client().jobs()[-1].id)


@pytest.mark.parametrize("answer", ['{"hello": 1}', "[]", "3", '{"protocol": 1}'])
def test_what_is_no_answer_of_this_protocol_is_said(monkeypatch, answer):
    reply = requests.Response()
    reply.status_code, reply.raw = 200, io.BytesIO(answer.encode())
    client = Client("https://example.org", TOKEN)
    monkeypatch.setattr(client.session, "request", lambda *_, **__: reply)
    with pytest.raises(ServiceError, match="does not answer as an LNGen server"):
        client.capabilities()
    with pytest.raises(ServiceError, match="does not answer as an LNGen server"):
        client.status("0" * 32)


@pytest.mark.parametrize(
    "url", ["http://[::1", "lngen.example.org", "ftp://x", "http://", "http://a..b", "http://h:x"]
)
def test_an_address_that_is_none_is_said(url):
    with pytest.raises(InputError, match="address"):
        Client(url, TOKEN).capabilities()


@pytest.mark.parametrize("token", ["€" * 32, TOKEN + "\n", TOKEN + "é"])
def test_a_token_that_can_be_none_is_said(token):
    with pytest.raises(InputError, match="token"):
        Client("http://127.0.0.1:9", token).capabilities()


def test_an_image_of_the_most_bytes_is_taken_however_it_is_sent(host):
    client = host.client()
    client.near = False
    described = client.upload(noise(64, 7))
    assert described.bytes == 64 * MIB


def test_a_damaged_archive_is_said():
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.random.default_rng(0).integers(0, 9, (9, 9, 9), np.int16))
    content = stream.getvalue()
    for k in range(40, len(content), 7):
        damaged = bytearray(content)
        damaged[k] ^= 0x55
        try:
            boxes.read_arrays(bytes(damaged), MIB)
        except InputError:
            pass  # and nothing else
