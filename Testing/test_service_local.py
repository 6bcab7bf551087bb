"""Tests of the local worker: life and death, the same result as in process; of the client alone."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
from service_host import seconds_until_gone
from service_kinds import FOLDER, NAME, Steps

from LNGenLib.errors import InputError
from LNGenLib.image.io import to_array
from LNGenLib.progress import Progress
from LNGenLib.randomness import node_rng
from LNGenLib.scan import Scan
from LNGenLib.service.client.client import Client
from LNGenLib.service.client.encoding import Packed
from LNGenLib.service.client.job_client import JobClient
from LNGenLib.service.client.local import LocalService
from LNGenLib.service.protocol.requests import StructuresRequest
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.synthesis.result import SynthesisResult
from LNGenLib.synthesis.session import Session


@pytest.fixture(scope="module")
def local():
    with LocalService() as service:
        yield service


def test_a_synthesis_is_the_same_as_in_process(local, phantom, models):
    from LNGenLib.synthesis.engine import synthesize

    request = SynthesisRequest(
        2, Sizes("uniform", 8.0, 12.0), 3, texture_steps=2, structure_steps=4
    )
    stages = []
    progress = Progress(lambda stage, *_: stages.append(stage))
    result = local.client.synthesize(Scan(phantom.ct, phantom.labels), request, progress=progress)
    expected = synthesize(Scan(phantom.ct, phantom.labels), request, models)
    for name in SynthesisResult.IMAGES:
        image, other = getattr(result, name), getattr(expected, name)
        assert np.array_equal(to_array(image), to_array(other))
        assert image.GetPixelID() == other.GetPixelID()
        assert image.GetSpacing() == other.GetSpacing()
        assert image.GetOrigin() == other.GetOrigin()
        assert image.GetDirection() == other.GetDirection()
        keys = other.GetMetaDataKeys()
        assert [image.GetMetaData(key) for key in keys] == [other.GetMetaData(key) for key in keys]
    assert result.records == expected.records
    expected = json.loads(json.dumps(expected.provenance)) | {"device": models.texture.device}
    assert result.provenance == expected
    assert set(stages) <= {
        "anatomy",
        "models",
        "structures",
        "placement",
        "texture",
        "painting",
    }
    assert "texture" in stages
    assert local.client.jobs() == [], "a result that was fetched is kept"


def test_a_live_session_is_the_same_as_in_process(local, phantom, models, monkeypatch):
    """And of each edit only the pieces of what it changed come back."""
    from LNGenLib.synthesis.painter import Painter

    scan, replies, sent = Scan(phantom.ct, phantom.labels), [], []
    request = SynthesisRequest(3, Sizes("uniform", 4.0, 6.0), 2)
    places = [node.center_ras_mm for node in local.client.plan(scan, request).nodes]
    client, upload = local.client, JobClient.upload
    take = client._take
    monkeypatch.setattr(client, "_take", lambda *job: replies.append(job[1].content) or take(*job))
    monkeypatch.setattr(JobClient, "upload", lambda *to: sent.append(type(to[1])) or upload(*to))
    sessions = [
        Session(scan, None, request, painter)
        for painter in (local.client.painter(scan), Painter(scan, models))
    ]
    edits = [("add", place, 5.0) for place in places]
    edits += [("resize", 1, 4.5), ("vary", 2), ("remove", 3), ("undo",)]
    for name, *given in edits:
        there, here = (getattr(session, name)(*given) for session in sessions)
        assert there == here
        there, here = (session.result() for session in sessions)
        for image in SynthesisResult.IMAGES:
            assert np.array_equal(to_array(getattr(there, image)), to_array(getattr(here, image)))
        assert there.records == here.records
        painted = [session.painted for session in sessions]
        for one, other in zip(*(each.surfaces for each in painted), strict=True):
            assert np.array_equal(one.vertices, other.vertices)
    assert [sorted(reply["starts"]) for reply in replies] == [["1"], ["2"], ["3"], ["1"], ["2"], []]
    assert set(sent) == {Packed}, "a CT that is large takes long to be hashed"


def test_a_live_session_says_why_an_edit_is_refused(local, phantom):
    session = Session(scan := Scan(phantom.ct, phantom.labels), painter=local.client.painter(scan))
    with pytest.raises(InputError, match="no room for a lymph node of 6.0 mm within 5 mm of there"):
        session.add((0.0, -78.0, 0.0), 6.0)
    assert not session.plan.nodes


def test_a_plan_is_made_edited_and_painted(local, scan, models):
    from LNGenLib.synthesis import engine

    request = SynthesisRequest(
        2, Sizes("uniform", 8.0, 12.0), 3, texture_steps=2, structure_steps=4
    )
    plan = local.client.plan(scan, request)
    assert plan == engine.plan(scan, request, models)
    edited = dataclasses.replace(plan, nodes=plan.nodes[1:])
    painted = local.client.paint(scan, edited)
    expected = engine.paint(scan, edited, models=models)
    assert np.array_equal(to_array(painted.ct), to_array(expected.ct))
    assert painted.records == expected.records


def test_surfaces_of_a_plan_are_those_of_its_structures(local, phantom, models):
    from LNGenLib.synthesis.realizing import draw_structures

    request = SynthesisRequest(2, Sizes("uniform", 8.0, 12.0), 3, structure_steps=4)
    plan = local.client.plan(Scan(phantom.ct, phantom.labels), request)
    surfaces = local.client.surfaces(plan)
    structures = draw_structures(plan, models.structure, Progress()).structures
    assert len(surfaces) == 2
    for surface, structure, node in zip(surfaces, structures, plan.nodes):
        around = surface.placed(node) - node.center_ras_mm
        expected = structure.vertices(node.long_axis_mm) @ np.transpose(node.turn)
        assert np.allclose(around, expected, atol=1e-4)
        assert np.array_equal(surface.faces, structure.faces())


def test_placement_is_the_same_as_in_process(local, phantom):
    from LNGenLib.placement.maps import placement_maps

    prior, stations, summary = local.client.placement(Scan(phantom.ct, phantom.labels))
    expected = placement_maps(Scan(phantom.ct, phantom.labels))
    assert np.array_equal(to_array(prior), to_array(expected.prior))
    assert np.array_equal(to_array(stations), to_array(expected.stations))
    assert summary == json.loads(json.dumps(expected.summary))


def test_what_is_wrong_with_the_ct_is_said(local, phantom):
    with pytest.raises(InputError, match="no place for lymph nodes|region"):
        local.client.synthesize(Scan(phantom.ct), SynthesisRequest(region_box=(900, 999) * 3))
    assert local.client.jobs()[-1].error


def test_structures_are_the_same_as_in_process(local, models):
    request = StructuresRequest(2, Sizes("uniform", 5.0, 9.0), 3)
    shapes = local.client.structures(request)
    sizes = [request.sizes.draw(node_rng(3, k, "size")) for k in range(2)]
    expected = models.structure.sample(range(2), sizes, 3).structures
    assert len(shapes) == 2
    for k, ((image, row), size) in enumerate(zip(shapes, sizes)):
        assert np.array_equal(to_array(image), expected[k].full_distance(size))
        assert row["long_axis_mm"] == round(size, 3)
        assert image.GetSpacing() == pytest.approx((expected[k].sample_mm(size),) * 3)


@pytest.fixture
def folder_of_model(tmp_path):
    folder = tmp_path / "runs/unet"
    (folder / "cases").mkdir(parents=True)
    for name in ("segmentation.safetensors", "last.ckpt", "cases/scan.npy"):
        (folder / name).write_text("first")
    return folder


@pytest.mark.parametrize("links", [True, False], ids=["links", "no right to link"])
def test_a_model_s_folder_is_offered_as_it_is_now(local, folder_of_model, monkeypatch, links):
    def refuse(*_, **__):
        raise OSError("a required privilege is not held by the client")

    if not links:
        monkeypatch.setattr(Path, "symlink_to", refuse)
    name = local.offer(folder_of_model)
    assert name == local.offer(folder_of_model) and name in local.client.capabilities().models
    there = local.data / "datasets" / name
    assert there.is_symlink() == links == (there / "last.ckpt").exists()
    weights = folder_of_model / "segmentation.safetensors"
    weights.write_text("second")
    os.utime(weights, ns=(1, weights.stat().st_mtime_ns + 1000))
    there = local.data / "datasets" / local.offer(folder_of_model)
    assert (there / weights.name).read_text() == "second"


def test_a_folder_without_a_model_is_not_offered(local, tmp_path):
    with pytest.raises(InputError, match="holds no segmentation model"):
        local.offer(tmp_path)


PARENT = """
import json, sys, time
from service_host import seconds_until_gone
from service_kinds import NAME, Steps
from LNGenLib.service.client.local import LocalService
service = LocalService(kinds=NAME)
job = service.client.submit("stuck", Steps()).id
while service.client.status(job).state.value != "running":
    time.sleep(0.05)
print(json.dumps({"token": service.client.session.auth.token}), flush=True)
time.sleep(600)
"""


def test_the_child_and_its_worker_end_with_a_parent_that_is_killed(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=FOLDER.parent
    )
    token = json.loads(parent.stdout.readline())["token"]
    family = psutil.Process(parent.pid).children(recursive=True)
    assert len(family) == 2
    for process in family:
        assert token not in " ".join(process.cmdline())
        assert token not in str(process.environ())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert seconds_until_gone(family) < 2
    parent.stdout.close()


def test_closing_ends_the_child_and_leaves_nothing():
    service = LocalService()
    data, family = service.data, psutil.Process(service.process.pid).children(recursive=True)
    service.close()
    assert service.process.returncode is not None
    assert seconds_until_gone(family) < 2
    assert not data.exists()


def test_results_outlive_the_child_where_a_folder_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    with LocalService(tmp_path, kinds=NAME) as service:
        assert (tmp_path.stat().st_mode & 0o777) in (0o700, 0o755)
        with pytest.raises(InputError, match="another server uses"):
            LocalService(tmp_path, kinds=NAME)
        job, _ = service.client.run("sleep", Steps(mark="kept"))
    assert (tmp_path / "jobs" / job / "result" / "mark.txt").read_text() == "kept"


def test_a_python_without_the_library_says_so(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'No module named fastapi' >&2\nexit 1\n")
    python.chmod(0o700)
    with pytest.raises(InputError, match="did not start: No module named fastapi"):
        LocalService(python=str(python))


def test_the_client_needs_only_what_slicer_ships():
    code = (
        "import sys\n"
        "for name in ('torch', 'fastapi', 'uvicorn', 'starlette', 'pydantic', 'scipy', 'skimage',\n"
        "    'monai', 'einops', 'safetensors', 'typer', 'rich', 'vtk', 'httptools',\n"
        "    'isal'):\n"
        "    sys.modules[name] = None\n"
        "import LNGenLib.service.client.client, LNGenLib.service.client.local"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_server_needs_no_torch():
    code = (
        "import sys\n"
        "for name in ('torch', 'monai', 'scipy', 'skimage'): sys.modules[name] = None\n"
        "import LNGenLib.service.server.serve"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_pickle_is_read_or_written_anywhere():
    for path in (FOLDER.parent / "LNGenLib" / "service").rglob("*.py"):
        text = path.read_text()
        assert "pickle" not in text.replace("allow_pickle=False", "")
        assert "multiprocessing" not in text


def test_a_token_is_not_replaced_by_a_netrc(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine example.org login me password mine")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client = Client("https://example.org", "t" * 32)
    request = client.session.prepare_request(requests.Request("GET", "https://example.org"))
    assert request.headers["Authorization"] == "Bearer " + "t" * 32


def test_records_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        StructuresRequest().count = 3
