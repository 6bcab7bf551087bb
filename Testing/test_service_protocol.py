"""Tests of the service's parts without a server: what travels, tokens, uploads, jobs on disk."""

import dataclasses
import gzip
import hashlib
import json
import subprocess
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from LNGenLib.errors import InputError
from LNGenLib.image.io import to_array
from LNGenLib.service.protocol import boxes
from LNGenLib.service.protocol import messages as protocol
from LNGenLib.service.protocol.messages import (
    Capabilities,
    JobResult,
    JobState,
    JobStatus,
    ResultFile,
    Submission,
    UploadedImage,
)
from LNGenLib.service.protocol.requests import NoRequest, StructuresRequest, TrainRequest
from LNGenLib.service.protocol.tokens import Tokens, client_of
from LNGenLib.service.server import uploads
from LNGenLib.service.server.store import Store
from LNGenLib.structure.shape_range import ShapeRange
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.result import SynthesisResult

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
IMAGE = UploadedImage(
    "0" * 64, "int16", (5, 4, 3), (0.7, 0.7, 5.0), (-10.0, 20.0, -300.0), IDENTITY
)
TOKEN, OTHER = "a" * 24, "b" * 24


def through_json(values):
    return json.loads(json.dumps(dataclasses.asdict(values)))


@pytest.mark.parametrize(
    "value",
    [
        JobStatus(
            "1" * 32, "synthesize", JobState.running, 4, 1.5, 2.5, None, "texture", 1, 3, 0.4, 7.0
        ),
        JobResult({"boxes": [[0, 1, 2]]}, (ResultFile("boxes.npz", 3, "0" * 64),)),
        Capabilities(1, "LNGen", ("synthesize", "train"), 10, 3, None, ("unet", "b")),
        StructuresRequest(3, Sizes("clinical", 2.0, 9.0), 5, ShapeRange((0.5, 1.0))),
        TrainRequest("texture", "mine", {"vae_steps": 3}, 1),
        NoRequest(),
    ],
)
def test_what_travels_is_equal_after_json(value):
    assert type(value).from_json(through_json(value)) == value


def test_fields_of_a_newer_server_are_left_out_and_those_that_an_older_one_lacks_are_empty():
    values = through_json(Capabilities(1, "LNGen", (), 1, 1)) | {"fashion": "new"}
    del values["models"]
    assert Capabilities.from_json(values) == Capabilities(1, "LNGen", (), 1, 1)


def test_the_protocol_needs_the_standard_library_only():
    code = (
        "import sys; before = set(sys.modules); sys.path.insert(0, 'LNGenLib/service')\n"
        "import protocol.messages\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before} - {'protocol'}\n"
        "assert new <= sys.stdlib_module_names, new - sys.stdlib_module_names"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_image_knows_its_bytes_and_is_fine():
    assert IMAGE.bytes == 5 * 4 * 3 * 2
    assert IMAGE.problem() is None


BAD_IMAGES = {
    "hash": {"sha256": "../../../etc/passwd"},
    "hash in capitals": {"sha256": "A" * 64},
    "hash and a new line": {"sha256": "0" * 64 + "\n"},
    "type": {"type": "object"},
    "no voxels": {"size": (0, 4, 3)},
    "fewer than none": {"size": (-5, -4, 3)},
    "60,000 wide": {"size": (60_000, 4, 3)},
    "spacing 0": {"spacing": (0.0, 1.0, 1.0)},
    "spacing NaN": {"spacing": (float("nan"), 1.0, 1.0)},
    "origin beyond": {"origin": (1e9, 0.0, 0.0)},
    "origin infinite": {"origin": (float("inf"), 0.0, 0.0)},
    "flat direction": {"direction": (1.0, 0.0, 0.0) * 3},
    "stretched direction": {"direction": (2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)},
}


@pytest.mark.parametrize("changes", BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_a_bad_image_has_a_problem(changes):
    assert dataclasses.replace(IMAGE, **changes).problem()


BAD_REQUESTS = [
    (StructuresRequest, {"count": 101}, "count 101"),
    (StructuresRequest, {"count": "5"}, 'count "5" is no int'),
    (StructuresRequest, {"seed": -1}, "seed -1"),
    (StructuresRequest, {"variant": "new"}, "no field variant"),
    (TrainRequest, {"part": "explicit", "dataset": "x"}, "part 'explicit'"),
    (StructuresRequest, {"sizes": {"low_mm": 50}}, "within 1.7 to 30"),
    (TrainRequest, {"part": "all", "dataset": "x"}, "part 'all'"),
    (TrainRequest, {"part": "texture", "dataset": 3}, "dataset 3 is no str"),
    (TrainRequest, {"part": "texture"}, "dataset"),
    (NoRequest, {"a": 1}, "no field a"),
    (NoRequest, [], "JSON object"),
]


@pytest.mark.parametrize("kind, values, word", BAD_REQUESTS)
def test_a_bad_request_is_refused(kind, values, word):
    with pytest.raises(InputError, match=word):
        kind.from_json(values)


def test_tokens_are_read_anew_and_compared_whole(tmp_path):
    file = tmp_path / "tokens"
    file.write_text(f"# of the lab\n{TOKEN}\n\n{OTHER}\n")
    tokens = Tokens(file=file)
    assert tokens.client(f"Bearer {TOKEN}") == client_of(TOKEN)
    assert tokens.client(f"bearer {OTHER}") == client_of(OTHER) != client_of(TOKEN)
    for wrong in ("", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", "é"):
        assert tokens.client(wrong) is None
    assert tokens.client(f"Bearer {TOKEN}{TOKEN}") is None
    file.write_text(OTHER)
    assert tokens.client(f"Bearer {TOKEN}") is None
    assert tokens.client(f"Bearer {OTHER}") == client_of(OTHER)
    file.unlink()
    assert tokens.client(f"Bearer {OTHER}") is None


def test_a_short_token_is_refused(tmp_path):
    (tmp_path / "tokens").write_text("secret")
    with pytest.raises(InputError, match="secrets.token_urlsafe"):
        Tokens(file=tmp_path / "tokens").read()


def sent(folder, content, announced=None, size=None, compressed=False, piece=1000):
    digest = hashlib.sha256(content if announced is None else announced).hexdigest()
    store = uploads.Uploads(folder)
    size = len(content) if size is None else size
    with store.receive("client", digest, size, compressed) as receiver:
        for start in range(0, len(content), piece):
            receiver.feed(content[start : start + piece])
        receiver.finish()
    return store.path("client", digest)


@pytest.mark.parametrize("compressed", [False, True])
def test_an_upload_is_kept_whole_for_its_client_alone(tmp_path, compressed):
    content = np.random.default_rng(0).bytes(5000) + bytes(3_000_000)
    body = gzip.compress(content) if compressed else content
    path = sent(tmp_path, body, content, len(content), compressed)
    assert path.read_bytes() == content
    assert uploads.Uploads(tmp_path).path("another", path.name) is None


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 40))
def test_any_gzip_body_is_unpacked_in_any_pieces(tmp_path_factory, content, piece):
    folder = tmp_path_factory.mktemp("uploads")
    path = sent(folder, gzip.compress(content), content, len(content), True, piece)
    assert path.read_bytes() == content


GOOD = b"voxels" * 100
BOMB = gzip.compress(bytes(100_000_000))
BAD_UPLOADS = {
    "another hash": (GOOD, b"other", len(GOOD), False, "SHA-256"),
    "short": (GOOD[:-1], GOOD, len(GOOD), False, "ends early"),
    "long": (GOOD + b"x", GOOD, len(GOOD), False, "more than"),
    "no gzip": (GOOD, GOOD, len(GOOD), True, "not gzip"),
    "gzip cut": (gzip.compress(GOOD)[:-4], GOOD, len(GOOD), True, "ends early"),
    "two gzip": (gzip.compress(GOOD) * 2, GOOD, len(GOOD), True, "follow"),
    "bomb": (BOMB, bytes(1000), 1000, True, "more than"),
}


@pytest.mark.parametrize(
    "body, announced, size, compressed, word", BAD_UPLOADS.values(), ids=BAD_UPLOADS
)
def test_a_bad_upload_leaves_nothing(tmp_path, body, announced, size, compressed, word):
    with pytest.raises(uploads.BadUpload, match=word):
        sent(tmp_path, body, announced, size, compressed, 1 << 20)
    assert list((tmp_path / "client").iterdir()) == []


def test_uploads_expire_and_the_oldest_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_A_CLIENT", 3)
    paths = [sent(tmp_path, bytes([k])) for k in range(3)]
    for age, path in zip((30, 10, 20), paths):
        uploads.os.utime(path, (time.time() - age,) * 2)
    paths.append(sent(tmp_path, b"new"))
    assert [path.exists() for path in paths] == [False, True, True, True]
    uploads.Uploads(tmp_path).expire(15)
    assert [path.exists() for path in paths] == [False, True, False, True]


def test_what_an_upload_cut_off_by_a_kill_left_is_removed(tmp_path):
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / ".half").touch()
    uploads.Uploads(tmp_path)
    assert list((tmp_path / "client").iterdir()) == []


def job_of(store, state, client="client"):
    job = store.add(client, Submission("sleep", {"steps": 3}, {"image": IMAGE}), {})
    (job.folder / "work" / "result.json").write_text('{"content": {"a": 1}, "files": []}')
    for step in {
        JobState.queued: [],
        JobState.running: [JobState.running],
        JobState.canceling: [JobState.running, JobState.canceling],
    }.get(state, [JobState.running]):
        store.publish(job, state=step)
    if state.final:
        store.finish(job, state, "a reason" if state is JobState.failed else None)
    return job


@pytest.mark.parametrize("state", JobState)
def test_every_state_outlives_a_restart_or_is_interrupted(tmp_path, state):
    job = job_of(Store(tmp_path), state)
    again = Store(tmp_path).find("client", job.id)
    assert again.submission == dataclasses.replace(job.submission, request={})
    if state.final:
        assert again.status == job.status
    else:
        assert again.state is JobState.failed
        assert (
            again.status.error == f"interrupted: the server ended while the job was {state.value}"
        )
    assert (again.result() is not None) == (state is JobState.done)
    kept = {"job.json"} | ({"result"} if state is JobState.done else set())
    assert {path.name for path in again.folder.iterdir()} == kept
    assert Store(tmp_path).find("client", job.id).status == again.status


def test_no_client_finds_anothers_job(tmp_path):
    store = Store(tmp_path)
    job = job_of(store, JobState.done)
    assert store.find("another", job.id) is None
    assert store.of("another") == []


def test_a_job_has_one_final_state(tmp_path):
    store = Store(tmp_path)
    job = job_of(store, JobState.done)
    with pytest.raises(AssertionError):
        store.finish(job, JobState.canceled)


def test_jobs_expire_with_their_files(tmp_path):
    store = Store(tmp_path)
    old, new, waiting = (job_of(store, s) for s in (JobState.done, JobState.done, JobState.queued))
    old.status = dataclasses.replace(old.status, ended=time.time() - 100)
    store.expire(50)
    assert {path.name for path in tmp_path.iterdir()} == {new.id, waiting.id}
    assert store.find("client", old.id) is None


def painted(shape, voxels):
    rng = np.random.default_rng(0)
    hu = rng.integers(-900, 900, shape).astype(np.int16)
    new, nodes, changed = hu.copy(), np.zeros(shape, np.uint16), np.zeros(shape, np.uint8)
    for k, where in enumerate(voxels):
        new[where], nodes[where], changed[where] = 40 + k, k + 1, 1
    ct, *images = (sitk.GetImageFromArray(array) for array in (hu, new, nodes, changed))
    for image in (ct, *images):
        image.SetSpacing((0.7, 0.8, 5.0))
    return ct, SynthesisResult(*images, ())


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(*(st.tuples(st.integers(0, n - 1), st.integers(1, 4)) for n in (30, 40, 19))),
        min_size=1,
        max_size=5,
    )
)
def test_boxes_bring_every_changed_voxel_back(tmp_path_factory, nodes):
    path = tmp_path_factory.mktemp("boxes") / "boxes.npz"
    where = [tuple(slice(a, a + n) for a, n in node) for node in nodes]
    ct, result = painted((30, 40, 19), where)
    starts = boxes.write_boxes(result, path)
    back = boxes.apply_boxes(ct, path.read_bytes(), starts)
    for name, image in back.items():
        assert np.array_equal(to_array(image), to_array(getattr(result, name)))
        assert image.GetPixelID() == getattr(result, name).GetPixelID()
        assert image.GetSpacing() == ct.GetSpacing()


def test_far_changes_have_boxes_of_their_own(tmp_path):
    corners = [(slice(0, 2),) * 3, (slice(50, 53),) * 3]
    _, result = painted((60, 60, 60), corners)
    assert boxes.changed_boxes(to_array(result.changed)) == corners


def archive(**arrays):
    import io

    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


BOX = {"nodes_0": np.zeros((2, 2, 2), np.uint16), "changed_0": np.zeros((2, 2, 2), np.uint8)}
BAD_REPLIES = {
    "no archive": (b"boxes", [[0, 0, 0]]),
    "an array is missing": (archive(**BOX), [[0, 0, 0]]),
    "another type": (archive(**BOX, ct_0=np.zeros((2, 2, 2))), [[0, 0, 0]]),
    "another dimension": (archive(**BOX, ct_0=np.zeros((2, 2), np.int16)), [[0, 0, 0]]),
    "outside": (archive(**BOX, ct_0=np.zeros((2, 2, 2), np.int16)), [[0, 0, 5]]),
    "before": (archive(**BOX, ct_0=np.zeros((2, 2, 2), np.int16)), [[0, 0, -1]]),
    "a pickle": (archive(**BOX, ct_0=np.array([{}], object)), [[0, 0, 0]]),
    "a bomb": (archive(**BOX, ct_0=np.zeros(20_000_000, np.int16)), [[0, 0, 0]]),
}


@pytest.mark.parametrize("content, starts", BAD_REPLIES.values(), ids=BAD_REPLIES)
def test_a_reply_that_does_not_fit_is_refused(content, starts):
    ct = sitk.GetImageFromArray(np.zeros((6, 6, 6), np.int16))
    with pytest.raises(InputError, match="the server's reply"):
        boxes.apply_boxes(ct, content, starts)


def test_hashes_and_ids_are_all_that_becomes_a_path():
    """The pattern that guards file names takes 64 hex digits and nothing else."""
    for name in ("", "..", "0" * 63, "0" * 65, "0" * 64 + "\n", "g" * 64, "\u0660" * 64):
        assert not protocol.SHA256.fullmatch(name)
