"""Tests of the server by real HTTP on loopback: jobs, events, and what it refuses."""

import dataclasses
import gzip
import hashlib
import io
import json
import random
import socket
import threading
import time
import zipfile

import numpy as np
import psutil
import pytest
import requests
import SimpleITK as sitk
from service_host import OTHER, TOKEN, running
from service_kinds import Steps

from LNGenLib.errors import Canceled, InputError
from LNGenLib.progress import Progress
from LNGenLib.service.client.background import Background
from LNGenLib.service.client.connection import ServiceError
from LNGenLib.service.protocol.messages import JobState, UploadedImage

MIB = 1 << 20
IDENTITY = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service"), max_upload=64 * MIB, max_jobs=6) as host:
        yield host


@pytest.fixture
def client(host):
    return host.client()


@pytest.fixture
def call(host):
    """A bare request: method, path, and requests' options; without a client's help."""

    def call(method, path, token=TOKEN, **options):
        headers = {"Authorization": f"Bearer {token}"} | options.pop("headers", {})
        return requests.request(method, host.url + path, headers=headers, timeout=20, **options)

    return call


def last_of(client, job):
    return [status for status in client.watch(job) if status][-1]


def image_of(values):
    return sitk.GetImageFromArray(np.asarray(values, np.int16))


def test_a_job_is_done_and_its_result_fetched(client):
    stages = []
    image = image_of(np.arange(60).reshape(3, 4, 5))
    job, result = client.run(
        "sleep", Steps(3, mark="x"), {"image": image}, Progress(lambda *step: stages.append(step))
    )
    assert result.content["mark"] == "x"
    assert result.content["sums"] == {"image": sum(range(60))}
    assert stages[0] == ("sleeping", 0, 3)
    assert client.file(job, result.files[0]) == b"x"
    status = client.status(job)
    assert (status.state, status.fraction, status.error) == (JobState.done, 1.0, None)
    client.remove(job)
    with pytest.raises(ServiceError, match="no such job"):
        client.status(job)


def test_the_models_that_a_job_may_name_are_listed_as_they_come(host, client):
    assert client.capabilities().models == ()
    for name, file in (("b", "segmentation.safetensors"), ("a", "nnunet.json"), ("c", "scan.nii")):
        folder = host.data / "datasets" / name
        folder.mkdir()
        (folder / file).touch()
    assert client.capabilities().models == ("a", "b")
    with pytest.raises(ServiceError, match="no model 'c'"):
        client.segment(image_of(np.full((3, 3, 3), -100)), "c")


def test_geometry_arrives_bit_for_bit(host, client):
    image = image_of(np.zeros((3, 4, 5)))
    image.SetSpacing((0.1 + 0.2, 1 / 3, 5.000000001))
    image.SetOrigin((-1e-7, 1 / 7, 123.456789012345))
    image.SetDirection((0.6, -0.8, 0, 0.8, 0.6, 0, 0, 0, -1))
    job = client.submit("sleep", Steps(), {"image": image}).id
    content = json.loads((host.data / "jobs" / job / "job.json").read_text())
    there = UploadedImage.from_json(content["submission"]["images"]["image"])
    assert there.spacing == image.GetSpacing()
    assert there.origin == image.GetOrigin()
    assert there.direction == image.GetDirection()
    last_of(client, job)


def test_voxels_travel_once(client, monkeypatch):
    image, sent = image_of(np.full((3, 3, 3), 77)), []
    assert client.max_upload == 64 * MIB
    send = client._send
    monkeypatch.setattr(client, "_send", lambda *a, **o: sent.append(a) or send(*a, **o))
    client.upload(image)
    client.upload(image)
    assert [method for method, _ in sent] == ["GET", "PUT", "GET"]


def test_no_hash_or_id_reveals_what_is_anothers(host, client, call):
    image = client.upload(image_of(np.full((3, 3, 3), 78)))
    job, result = client.run("sleep", Steps(mark="mine"))
    for path in (f"jobs/{job}", f"jobs/{job}/result", f"jobs/{job}/files/mark.txt"):
        assert call("GET", f"/v2/{path}").status_code == 200
        assert call("GET", f"/v2/{path}", OTHER).status_code == 404
    assert call("GET", f"/v2/jobs/{job}/events", OTHER).status_code == 404
    assert call("POST", f"/v2/jobs/{job}/cancel", OTHER).status_code == 404
    assert call("DELETE", f"/v2/jobs/{job}", OTHER).status_code == 404
    assert call("GET", f"/v2/uploads/{image.sha256}").status_code == 204
    assert call("GET", f"/v2/uploads/{image.sha256}", OTHER).status_code == 404
    body = {
        "kind": "sleep",
        "request": {},
        "images": {"image": dataclasses.asdict(image)},
    }
    assert call("POST", "/v2/jobs", OTHER, json=body).status_code == 422
    assert job not in [status.id for status in host.client(OTHER).jobs()]


def test_events_are_numbered_and_resumed(client, call):
    job = client.submit("sleep", Steps(30, 0.05)).id
    events = [status.event for status in client.watch(job) if status]
    assert events == sorted(set(events)) and len(events) > 5

    job = client.submit("sleep", Steps(30, 0.05)).id
    seen = []
    for status in client.watch(job):
        if status:
            seen.append(status)
        if status and status.step > 3:
            break  # the connection is lost here
    resumed = [status for status in client.watch(job, seen[-1].event) if status]
    assert resumed[0].event == seen[-1].event + 1
    assert resumed[-1].state is JobState.done
    fractions = [status.fraction for status in seen + resumed if status.fraction is not None]
    assert fractions == sorted(fractions)
    assert any(status.seconds_left for status in seen + resumed)

    late = call("GET", f"/v2/jobs/{job}/events", headers={"Last-Event-ID": "9999"})
    assert late.headers["content-type"].startswith("text/event-stream")
    assert late.text.count("data:") == 1 and '"done"' in late.text


def test_what_a_panel_shows_of_a_job_is_what_the_server_says(client, monkeypatch):
    stated, shown, begin, watch = [], [], threading.Event(), client.watch

    def watched(job):
        for status in watch(job):
            yield status  # and shown once it is taken
            if status:
                stated.append((status.fraction, status.seconds_left))
                shown.append((work.progress.fraction, work.progress.seconds_left))

    def run(progress):
        assert begin.wait(10)
        client.run("sleep", Steps(20, 0.05), progress=progress)

    monkeypatch.setattr(client, "watch", watched)
    work = Background(run)
    begin.set()
    assert work.over(20)
    work.outcome()
    assert shown == stated and shown[-1] == (1.0, None)
    assert any(0 < fraction < 1 and seconds for fraction, seconds in shown if fraction)


def test_a_waiting_job_is_canceled_at_once_and_a_running_one_at_its_next_step(client):
    _, before = client.run("sleep", Steps(1))
    running, waiting = (client.submit("sleep", Steps(1000, 0.05)).id for _ in range(2))
    for status in client.watch(running):
        if status and status.step:
            break
    assert client.cancel(waiting).state is JobState.canceled
    assert client.cancel(running).state is JobState.canceling
    begin = time.monotonic()
    assert last_of(client, running).state is JobState.canceled
    assert time.monotonic() - begin < 1
    assert client.cancel(running).state is JobState.canceled
    _, after = client.run("sleep", Steps(1))
    assert after.content["process"] == before.content["process"], "the worker was lost"
    with pytest.raises(ServiceError, match="there is no result"):
        client.result(running)


def test_a_job_that_never_asks_is_killed(client):
    job = client.submit("stuck", Steps()).id
    while client.status(job).state is not JobState.running:
        time.sleep(0.05)
    client.cancel(job)
    assert last_of(client, job).state is JobState.canceled
    assert client.run("sleep", Steps())[1]


def test_progress_cancels(client):
    seen = []

    def canceled():
        return len(seen) > 2

    with pytest.raises(Canceled):
        client.run(
            "sleep", Steps(1000, 0.02), progress=Progress(lambda *t: seen.append(t), canceled)
        )
    job = client.jobs()[-1].id
    assert last_of(client, job).state is JobState.canceled


FAILURES = {
    "crash": r"worker process is gone: exit code 7",
    "slow": "took more than 0",
    "fault": "a fault of LNGen",
    "out of memory": "memory does not suffice, even for one",
}


@pytest.mark.parametrize("kind, words", FAILURES.items())
def test_a_failure_costs_its_job_alone(host, client, kind, words):
    job = client.submit(kind, Steps()).id
    after = client.submit("sleep", Steps()).id
    with pytest.raises(ServiceError, match=words):
        status = last_of(client, job)
        assert status.state is JobState.failed
        raise ServiceError(status.error)
    assert last_of(client, after).state is JobState.done
    assert {path.name for path in (host.data / "jobs" / job).iterdir()} == {"job.json"}
    assert "secret" not in status.error


def test_batches_shrink_until_they_fit_and_recover(client):
    for _ in range(2):
        _, result = client.run("batches", Steps())
        assert result.content["batches"] == [2, 2]


def test_a_full_queue_is_429(client):
    jobs, refused = [], None
    try:
        for _ in range(7):
            jobs.append(client.submit("sleep", Steps(1000, 0.05)).id)
    except ServiceError as error:
        refused = error
    assert refused.status == 429 and "is busy" in str(refused)
    assert len(jobs) == 6
    for job in jobs:
        client.cancel(job)
    for job in jobs:
        last_of(client, job)


def test_a_lost_connection_loses_no_job(host, client):
    """An upload cut off, a submission nobody reads the answer of, a stream nobody reads."""
    content, faults = bytes(1000), host.log.read_text().count("Traceback")
    head = (
        f"PUT /v2/uploads/{hashlib.sha256(content).hexdigest()}?size=1000 HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: 1000\r\n\r\n"
    )
    where = host.url.removeprefix("http://").split(":")
    with socket.create_connection((where[0], int(where[1]))) as sock:
        sock.sendall(head.encode() + content[:500])
    job = client.submit("sleep", Steps(20, 0.05)).id
    for _ in client.watch(job):
        break
    assert last_of(client, job).state is JobState.done
    assert not list((host.data / "uploads").glob("*/.*"))
    assert host.log.read_text().count("Traceback") == faults


# ------------------------------------------------------------------ what is refused


@pytest.fixture
def refused(host, call):
    """Checks that a request is refused: its status, within a second and 200 MB, no secrets."""

    def refused(status, method, path, **options):
        processes = host.processes()
        before = sum(process.memory_info().rss for process in processes)
        begin = time.monotonic()
        reply = call(method, path, **options)
        assert time.monotonic() - begin < 1
        assert sum(process.memory_info().rss for process in processes) - before < 200 * MIB
        assert reply.status_code == status, reply.text
        assert set(reply.json()) == {"message"}
        for word in ("Traceback", "site-packages", str(host.data)):
            assert word not in reply.text
        return reply

    return refused


PATHS = ["/v2", "/v2/jobs", "/v2/openapi.json", "/nowhere", "/docs", "/v2/uploads/" + "0" * 64]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", ["w" * 32, "", TOKEN[:-1], TOKEN + "t", "ü"])
def test_a_wrong_or_missing_token_is_401(refused, path, token):
    header = {"Authorization": f"Bearer {token}".encode()}
    assert refused(401, "GET", path, headers=header).headers["www-authenticate"] == "Bearer"


def test_without_a_header_it_is_401(host):
    for method in ("GET", "PUT", "POST", "DELETE", "OPTIONS"):
        assert requests.request(method, host.url + "/v2/jobs", timeout=5).status_code == 401


def test_a_revoked_token_is_401_and_its_stream_ends(host, call, refused):
    job = host.client(OTHER).submit("sleep", Steps(100, 0.05)).id
    stream = call("GET", f"/v2/jobs/{job}/events", OTHER, stream=True)
    kept = host.tokens.read_text()
    try:
        host.tokens.write_text(TOKEN)
        refused(401, "GET", "/v2/jobs", token=OTHER)
        assert '"done"' not in stream.text
    finally:
        host.tokens.write_text(kept)
    host.client(OTHER).cancel(job)


def put(content, size=None, **options):
    digest = hashlib.sha256(content).hexdigest()
    size = len(content) if size is None else size
    return {"method": "PUT", "path": f"/v2/uploads/{digest}?size={size}", "data": content} | options


def test_an_upload_that_is_too_large_is_413(refused):
    refused(413, **put(b"x", 65 * MIB))
    refused(413, **put(bytes(65 * MIB), 10))


def test_an_endless_upload_is_ended(host, call):
    """By 413, unless the connection is cut before the client looks."""
    pieces = (bytes(MIB) for _ in range(10_000))
    begin = time.monotonic()
    try:
        reply = call("PUT", "/v2/uploads/" + "0" * 64 + f"?size={64 * MIB}", data=pieces)
        assert reply.status_code == 413
    except requests.ConnectionError:
        pass
    assert time.monotonic() - begin < 3
    assert "PUT /v2/uploads/{sha256} 413" in host.log.read_text()


def test_an_image_the_server_does_not_take_stays_here(client, monkeypatch):
    monkeypatch.setattr(client, "max_upload", 10)
    with pytest.raises(InputError, match="54 bytes, the server takes 10"):
        client.upload(image_of(np.zeros((3, 3, 3))))


def test_json_that_is_too_large_is_413(refused):
    refused(413, "POST", "/v2/jobs", data=b"[" * (2 * MIB))
    refused(413, "POST", "/v2/jobs", data=(b"[" * 65536 for _ in range(100)))


def zip_of(size):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(size))
    return stream.getvalue()


def test_bombs_are_refused(refused):
    bomb = gzip.compress(bytes(500 * MIB))
    gzipped = {"headers": {"Content-Encoding": "gzip"}}
    refused(422, **put(bomb, 1000, **gzipped))
    refused(413, **put(bomb, 500 * MIB, **gzipped))
    refused(422, **put(gzip.compress(bomb), 64 * MIB, **gzipped))
    zipped = zip_of(500 * MIB)
    refused(422, **put(zipped, 60 * MIB))
    refused(422, **put(zipped, 60 * MIB, **gzipped))
    for encoding in ("br", "deflate", "zip", "gzip, gzip"):
        refused(415, **put(zipped, headers={"Content-Encoding": encoding}))


def described(content, size, **changes):
    image = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "type": "int16",
        "size": size,
        "spacing": [1, 1, 1],
        "origin": [0, 0, 0],
        "direction": IDENTITY,
    }
    return {"kind": "synthesize", "request": {}, "images": {"ct": image | changes}}


def test_a_header_of_60_000_voxels_on_a_small_body_is_refused(call, refused):
    content = bytes(1000)
    assert call(**put(content)).status_code == 204
    for size in ([60_000, 60_000, 60_000], [60_000, 1, 1], [8192, 8192, 8192], [10, 10, 10]):
        refused(422, "POST", "/v2/jobs", json=described(content, size))


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "%2e%2e",
        "..%2f..%2fjob.json",
        "%00",
        "job.json",
        "/etc/passwd",
        "mark.txt%0a",
        "x" * 5000,
    ],
)
def test_tricks_in_names_find_nothing(client, call, name):
    job, _ = client.run("sleep", Steps())
    for path in (f"/v2/jobs/{job}/files/{name}", f"/v2/jobs/{name}", f"/v2/jobs/{name}/result"):
        assert call("GET", path).status_code in (404, 405)
        assert "root:" not in call("GET", path).text
    for method in ("GET", "PUT"):
        path = f"/v2/uploads/{name}?size=1"
        assert call(method, path, data=b"x").status_code in (404, 405, 422)


@pytest.mark.parametrize("name", ["../ct", "ct/../../x", "/ct", "", "ct\n"])
def test_tricks_in_names_of_images_are_422(host, refused, name):
    body = described(b"", [2, 2, 2])
    body["images"] = {name: body["images"]["ct"]}
    refused(422, "POST", "/v2/jobs", json=body)
    refused(422, "POST", "/v2/jobs", json=body | {"kind": "../sleep"})


def test_tricks_in_the_name_of_a_data_set_find_nothing(client):
    @dataclasses.dataclass
    class Train:
        dataset: str
        part: str = "texture"

    for name in ("..", "../jobs", "/etc", "."):
        job = client.submit("train", Train(name)).id
        assert "no data set" in last_of(client, job).error


def test_numbers_beyond_any_float_are_422(call):
    body = {"kind": "synthesize", "request": {"region_box": [10**400] * 6}, "images": {}}
    assert call("POST", "/v2/jobs", json=body).status_code == 422
    body["request"] = {"tolerance_mm": 10**400}
    assert call("POST", "/v2/jobs", json=body).status_code == 422


BROKEN = [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"kind": 3}', b"[" * 100_000, b"1" * 10_000]


@pytest.mark.parametrize("body", BROKEN)
def test_a_broken_body_is_400_or_422(call, body):
    reply = call("POST", "/v2/jobs", data=body, headers={"Content-Type": "application/json"})
    assert reply.status_code in (400, 422)
    assert set(reply.json()) == {"message"}


def test_numbers_that_are_none_are_422(call):
    for value in ("NaN", "Infinity", "1e999", "-1", '"5"', "9" * 400):
        body = f'{{"kind": "sleep", "request": {{"seconds": {value}}}}}'
        reply = call("POST", "/v2/jobs", data=body, headers={"Content-Type": "application/json"})
        assert reply.status_code in (400, 422), value


def test_pages_of_other_sites_get_nothing(call):
    origin = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    for method in ("GET", "OPTIONS"):
        reply = call(method, "/v2/jobs", headers=origin)
        assert not [name for name in reply.headers if name.lower().startswith("access-control")]
    assert reply.status_code == 405


def malformed(rng):
    """An upload and a submission with something wrong in one of them."""
    content = rng.randbytes(rng.randrange(1, 3000))
    body = described(content, [rng.randrange(1, 20) for _ in range(3)])
    image = body["images"]["ct"]
    strange = [None, -1, 0, 1e300, "x", [], {}, True, 2**70, "\0", [1, 2], [1e-9] * 3, [2**40] * 3]
    for _ in range(rng.randrange(1, 4)):
        image[rng.choice(list(image))] = rng.choice(strange)
    if rng.random() < 0.2:
        del image[rng.choice(list(image))]
    sent = content[: rng.randrange(len(content) + 1)] if rng.random() < 0.3 else content
    headers = {"Content-Encoding": rng.choice(["gzip", "identity", "identity"])}
    size = rng.choice([len(content), len(content) + 1, 0, -5, "x", 2**80])
    return put(content, size, headers=headers) | {"data": sent}, body


def test_200_malformed_images_are_refused(host, call):
    rng = random.Random(0)
    before = [process.memory_info().rss for process in host.processes()]
    for _ in range(200):
        upload, body = malformed(rng)
        assert call(**upload).status_code in (204, 413, 422)
        assert call("POST", "/v2/jobs", json=body).status_code == 422
    after = [process.memory_info().rss for process in host.processes()]
    assert sum(after) - sum(before) < 20 * MIB


def test_the_log_names_no_patient_and_no_image(host, client, call):
    image = client.upload(image_of(np.full((3, 3, 3), 79)))
    call("GET", "/v2/jobs/MEIER^ANNA?name=MEIER^ANNA")
    log = host.log.read_text()
    assert "GET /v2/jobs/{id} 404" in log
    for secret in ("MEIER", image.sha256, TOKEN, "127.0.0.1:"):
        assert secret not in log


def test_many_watchers_see_the_same_end(host):
    client = host.client()
    job = client.submit("sleep", Steps(20, 0.05)).id
    ends = []
    threads = [
        threading.Thread(target=lambda: ends.append(last_of(host.client(), job))) for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(ends) == 10 and len(set(ends)) == 1
    assert psutil.pid_exists(host.process.pid)
