"""Tests of the service where something fails: connections, disks, files, workers."""

from __future__ import annotations

import errno
import io
import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
import SimpleITK as sitk
from service_host import TOKEN, Host
from service_kinds import Steps
from service_wire import Wire

from LNGenLib.errors import Canceled, InputError
from LNGenLib.service import boxes, store
from LNGenLib.service import client as connection
from LNGenLib.service.client import Client, ServiceError
from LNGenLib.service.protocol import State, Submission
from LNGenLib.service.store import Store
from LNGenLib.service.uploads import Uploads
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


# ------------------------------------------------------------------ disks


def test_a_full_disk_ends_an_upload_by_507_and_leaves_nothing(host, client):
    """A limit on the size of files is what stands for the full disk."""
    process = psutil.Process(host.process.pid)
    limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4 * MIB, limits[1]))
    try:
        with pytest.raises(ServiceError, match="can't write to its disk") as caught:
            client.upload(noise(16, 3))
        assert caught.value.status == 507
        assert not list((host.data / "uploads").glob("*/.*"))
        with pytest.raises(ServiceError, match="can't write to its disk"):
            # a file whose end is still buffered when the disk is full
            client.upload(sitk.GetImageFromArray(np.zeros((2, 1024, 1025), np.int16)))
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
    assert not list((host.data / "uploads").glob("*/.*"))
    assert soon(lambda: host.log.read_text().count("PUT /v1/uploads/{sha256} 507") == 2)
    assert client.upload(noise(16, 3)).bytes == 16 * MIB


def test_an_upload_that_a_power_cut_left_cut_can_be_sent_again(host, client):
    image = noise(1, 9)
    path = next((host.data / "uploads").glob(f"*/{client.upload(image).sha256}"))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ServiceError, match="not as many bytes"):
        client.submit("sleep", Steps(), {"image": image})
    assert client.run("sleep", Steps(), {"image": image})[1].content["sums"]


def test_a_full_disk_under_a_result_is_said(host, client):
    worker = host.processes()[1]
    limits = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        status = last_of(client, client.submit("sleep", Steps(mark="x" * 1000)).id)
    finally:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, limits)
    assert status.state is State.failed and "the server's disk is full" in status.error
    assert client.run("sleep", Steps(mark="x" * 1000))[1]


def test_what_can_t_be_removed_is_kept_and_hinders_nothing_else(tmp_path, monkeypatch):
    """As on Windows, where an open file hinders its folder's removal."""
    jobs = Store(tmp_path)
    stuck, other = (done_job(jobs) for _ in range(2))
    replace = store.os.replace

    def refuse(source, target):
        if Path(source) == stuck.folder:
            raise PermissionError(errno.EACCES, "in use")
        replace(source, target)

    monkeypatch.setattr(store.os, "replace", refuse)
    with pytest.raises(PermissionError):
        jobs.remove(stuck)
    assert jobs.find("client", stuck.id) is stuck
    jobs.expire(-1)
    assert list(jobs.jobs) == [stuck.id]
    monkeypatch.undo()
    jobs.expire(-1)
    assert not jobs.jobs and not list(tmp_path.iterdir())


def test_an_upload_that_can_t_be_removed_hinders_no_other(tmp_path):
    uploads = Uploads(tmp_path)
    (tmp_path / "client" / ("0" * 64)).mkdir(parents=True)  # no file can be unlinked here
    (tmp_path / "client" / ("1" * 64)).touch()
    uploads.expire(-1)
    assert [path.name[0] for path in (tmp_path / "client").iterdir()] == ["0"]


def done_job(jobs: Store, request: dict | None = None):
    job = jobs.add("client", Submission("sleep", request or {}), {})
    (job.folder / "work" / "result.json").write_text('{"content": {}, "files": []}')
    jobs.publish(job, state=State.running)
    jobs.finish(job, State.done)
    return job
