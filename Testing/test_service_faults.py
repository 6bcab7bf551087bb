"""Tests of the service where something fails: connections, disks, files, workers."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import resource
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
import SimpleITK as sitk
from service_host import TOKEN, running
from service_kinds import FOLDER, KINDS, NAME, Steps
from service_wire import Wire

from LNGenLib.errors import Canceled, InputError
from LNGenLib.progress import Progress
from LNGenLib.service.client import connection
from LNGenLib.service.client.client import Client
from LNGenLib.service.client.connection import ServiceError
from LNGenLib.service.client.local import LocalService
from LNGenLib.service.protocol import boxes
from LNGenLib.service.protocol.messages import JobState, Submission
from LNGenLib.service.protocol.tokens import Tokens
from LNGenLib.service.server import runner, store
from LNGenLib.service.server.store import Store
from LNGenLib.service.server.uploads import Uploads

MIB = 1 << 20
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service"), max_upload=64 * MIB, max_jobs=100) as host:
        yield host


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
    wire.faults.append((b"POST /v2/jobs ", None))
    job, result = client.run("sleep", Steps(mark="once"))
    assert not wire.faults and result.content["mark"] == "once"
    assert len(host.client().jobs()) == before + 1


def test_two_submissions_of_the_same_are_two_jobs(client):
    assert client.submit("sleep", Steps()).id != client.submit("sleep", Steps()).id


def test_a_result_whose_answer_is_lost_is_asked_for_again(wire):
    client = Client(wire.url, TOKEN)
    job, _ = client.run("sleep", Steps(mark="again"))
    wire.faults.append((b"GET /v2/jobs/%b/result" % job.encode(), None))
    assert client.result(job).content["mark"] == "again"
    assert not wire.faults


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 x", "504 x", "429 Too Many Requests"])
def test_a_proxy_that_can_t_reach_the_server_for_a_moment_costs_no_job(host, wire, status):
    client = Client(wire.url, TOKEN)
    job = client.submit("sleep", Steps(10, 0.02)).id
    wire.faults.append((b"GET /v2/jobs/%b/events" % job.encode(), status))
    assert last_of(client, job).state is JobState.done
    assert not wire.faults


def test_a_cancel_is_heard_while_the_connection_is_lost(host, wire):
    client, canceled = Client(wire.url, TOKEN), threading.Event()

    def work():
        client.run("sleep", Steps(1000, 0.05), progress=Progress(canceled=canceled.is_set))

    with ThreadPoolExecutor() as pool:
        done = pool.submit(work)
        assert soon(lambda: host.client().jobs()[-1].state is JobState.running, 10)
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


@pytest.mark.parametrize("line", [b"data: {", b"data: [1]", b'data: {"state": "new"}'])
def test_events_that_can_t_be_read_are_said(monkeypatch, line):
    reply = requests.Response()
    reply.status_code, reply.raw = 200, io.BytesIO(line + b"\n\n")
    client = Client("https://example.org", TOKEN)
    monkeypatch.setattr(client.session, "request", lambda *_, **__: reply)
    with pytest.raises(ServiceError, match="does not answer as an LNGen server"):
        list(client.watch("0" * 32))


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
    assert soon(lambda: host.log.read_text().count("PUT /v2/uploads/{sha256} 507") == 2)
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
    assert status.state is JobState.failed and "the server's disk is full" in status.error
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
    jobs.publish(job, state=JobState.running)
    jobs.finish(job, JobState.done)
    return job


# ------------------------------------------------------------------ the server and its jobs


def with_status(**changes):
    def change(text):
        content = json.loads(text)
        return json.dumps(content | {"status": content["status"] | changes})

    return change


CORRUPT = {
    "empty": lambda text: "",
    "cut": lambda text: text[:-20],
    "no object": lambda text: "[]",
    "no images": lambda text: text.replace('"images": {}', '"images": []'),
    "no number": with_status(created=None),
    "no end": with_status(ended=None),
    "another's id": with_status(id="0" * 32),
}


@pytest.mark.parametrize("corrupt", CORRUPT.values(), ids=CORRUPT)
def test_a_job_that_can_t_be_read_is_left_alone_at_restart(tmp_path, corrupt):
    jobs = Store(tmp_path)
    bad, good = (done_job(jobs) for _ in range(2))
    path = bad.folder / "job.json"
    assert corrupt(path.read_text()) != path.read_text()
    path.write_text(corrupt(path.read_text()))
    again = Store(tmp_path)
    assert [job.id for job in again.of("client")] == [good.id]
    again.expire(1000)
    assert path.exists() and (bad.folder / "result").exists()
    again.expire(-1)
    assert not again.jobs


def test_a_stray_file_does_not_keep_a_server_from_its_start(tmp_path):
    """macOS leaves .DS_Store in every folder that is looked at."""
    job = done_job(Store(tmp_path))
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "notes.txt").write_text("x")
    assert Store(tmp_path).find("client", job.id)


def test_a_job_that_is_over_holds_no_request(host, client):
    """Of a plan that may be a megabyte, for 500 jobs a token."""
    jobs = [client.submit("sleep", Steps(1, 0, "x" * 500_000)).id for _ in range(50)]
    last_of(client, jobs[-1])
    held = sum((host.data / "jobs" / job / "job.json").stat().st_size for job in jobs)
    assert held < MIB
    assert all(client.result(job).content["mark"] for job in jobs[::10])
    for job in jobs:
        client.remove(job)


def test_a_request_is_dropped_from_memory_too(tmp_path):
    job = done_job(Store(tmp_path), {"mark": "x"})
    assert job.submission.request == {}
    assert Store(tmp_path).find("client", job.id).submission == job.submission


def test_a_list_of_jobs_is_made_on_the_thread_that_changes_it(tmp_path, monkeypatch):
    from LNGenLib.service.server.app import create_app
    from LNGenLib.service.server.service import Settings

    threads, app = [], create_app(Settings(tmp_path, Tokens((TOKEN,))))
    monkeypatch.setattr(Store, "of", lambda *_: threads.append(threading.current_thread()) or [])
    scope = {"type": "http", "method": "GET", "path": "/v2/jobs", "query_string": b""}
    scope["headers"] = [(b"authorization", HEADERS["Authorization"].encode())]

    async def nothing(*_):
        return {"type": "http.request", "body": b""}

    asyncio.run(app(scope, nothing, nothing))
    assert threads == [threading.current_thread()]


def test_a_file_that_is_removed_while_it_is_asked_for_is_sent_whole_or_not_found(host, client):
    def get(job):
        return requests.get(f"{host.url}/v2/jobs/{job}/files/mark.txt", headers=HEADERS, timeout=9)

    jobs = [client.submit("sleep", Steps(1, 0, "m")).id for _ in range(60)]
    last_of(client, jobs[-1])
    with ThreadPoolExecutor(4) as pool:
        for job in jobs:
            asked = [pool.submit(get, job) for _ in range(4)]
            client.remove(job)
            for reply in asked:
                status, text = reply.result().status_code, reply.result().text
                assert (status, text) == (200, "m") or status == 404


def test_jobs_whose_worker_does_not_start_fail_with_a_reason_until_it_does(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "RETRY", 0.2)
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    here = sys.executable

    async def ends_of(python: str, jobs: Store, work: runner.Runner) -> list[str | None]:
        """The errors of two jobs, with a worker in this Python."""
        monkeypatch.setattr(runner.sys, "executable", python)
        submitted = [jobs.add("client", Submission("sleep"), {}) for _ in range(2)]
        for job in submitted:
            work.submit(job)
        for job in submitted:
            async for _ in job.watch(0, 60):
                pass
        return [job.status.error for job in submitted]

    async def check() -> None:
        jobs = Store(tmp_path / "jobs")
        (tmp_path / "datasets").mkdir()
        work = runner.Runner(jobs, KINDS, NAME, tmp_path / "datasets")
        running = asyncio.create_task(work.run())
        broken = {
            str(tmp_path / "missing"): "No such file",
            script(tmp_path / "mute", "exit 3"): "exit code 3",
            script(tmp_path / "killed", "kill -9 $$"): "signal 9",
            script(tmp_path / "torch", "echo 'ImportError: no torch' >&2", "exit 1"): "no torch",
        }
        for python, why in broken.items():
            for error in await ends_of(python, jobs, work):
                assert "worker process does not start: " in error and why in error
        assert await ends_of(here, jobs, work) == [None, None]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(asyncio.wait_for(check(), 60))


def test_a_token_file_that_can_t_be_used_any_more_is_in_the_log(tmp_path, caplog):
    file = tmp_path / "tokens"
    file.write_text(TOKEN)
    tokens = Tokens(file=file)
    assert tokens.client(f"Bearer {TOKEN}")
    file.write_text(f"{TOKEN}\nshort")
    assert tokens.client(f"Bearer {TOKEN}") is None
    assert "holds a token of less than" in caplog.text
    assert TOKEN not in caplog.text


def test_a_folder_has_one_server_on_windows_too(tmp_path, monkeypatch):
    """msvcrt is played by fcntl here."""
    import fcntl
    from types import SimpleNamespace

    from LNGenLib.service.server.serve import locked

    def locking(descriptor, mode, size):
        assert (mode, size) == ("no wait", 1)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK="no wait"))
    with locked(tmp_path), pytest.raises(InputError, match="another server uses"):
        with locked(tmp_path):
            pass
    with locked(tmp_path):
        pass


# ------------------------------------------------------------------ the local worker


def test_a_python_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="did not start"):
        LocalService(python=str(tmp_path / "python"))


def test_a_message_in_another_encoding_is_said_and_the_child_ended(tmp_path):
    python = script(
        tmp_path / "python", f"echo $$ > {tmp_path}/pid", r"printf 'caf\351\n' >&2", "exit 1"
    )
    with pytest.raises(InputError, match="did not start: caf"):
        LocalService(tmp_path / "data", python=python)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_child_that_does_not_start_is_said_on_windows_too(tmp_path, monkeypatch):
    """A pipe that nobody reads any more is EINVAL there."""
    start = subprocess.Popen

    class Stdin:
        def write(self, _):
            raise OSError(errno.EINVAL, "invalid argument")

        close = flush = lambda self: self.write("")

    def started(*command, **options):
        process = start(*command, **options)
        process.stdin.close()
        process.stdin = Stdin()
        return process

    monkeypatch.setattr(subprocess, "Popen", started)
    python = script(tmp_path / "python", "echo 'No module named fastapi' >&2", "exit 1")
    with pytest.raises(InputError, match="did not start"):
        LocalService(python=python)


def test_a_model_copied_in_part_is_not_offered(tmp_path, monkeypatch):
    model = tmp_path / "model"
    model.mkdir()
    (model / "segmentation.safetensors").write_text("whole")
    copy = shutil.copytree

    def refuse(*_, **__):
        raise OSError("a required privilege is not held by the client")

    def half(source, target, **options):
        Path(target).mkdir(parents=True)
        (Path(target) / "segmentation.safetensors").write_text("ha")
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    with LocalService() as local:
        monkeypatch.setattr(shutil, "copytree", half)
        with pytest.raises(InputError, match="no space left"):
            local.offer(model)
        assert local.client.capabilities().models == ()
        monkeypatch.setattr(shutil, "copytree", copy)
        there = local.data / "datasets" / local.offer(model)
        assert (there / "segmentation.safetensors").read_text() == "whole"
        assert local.client.capabilities().models == (there.name,)
