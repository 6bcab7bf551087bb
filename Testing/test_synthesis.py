"""End to end with the shipped weights, on real CTs and on the phantom."""

from __future__ import annotations

import dataclasses
import json
import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from LNGenLib.errors import Canceled
from LNGenLib.image.geometry import array_spacing
from LNGenLib.image.grid import refined
from LNGenLib.image.io import as_ct, read_image, read_labels, to_array
from LNGenLib.placement.candidate_region import NoPlace, read_stations
from LNGenLib.placement.stations import STATION_NAMES
from LNGenLib.progress import Progress
from LNGenLib.scan import Scan
from LNGenLib.service.worker.kinds import KINDS
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis import engine
from LNGenLib.synthesis.engine import paint, plan, synthesize
from LNGenLib.synthesis.request import SynthesisRequest
from LNGenLib.synthesis.result import SynthesisResult

ONE = SynthesisRequest(1, Sizes("uniform", 8, 8), 2, structure_steps=4)
THREE = SynthesisRequest(3, Sizes("uniform", 6, 12), 5)


@pytest.fixture(scope="module")
def pelvis(shared):
    ct = read_image(shared / "ct/totalsegmentator_pelvis.nii.gz")
    return as_ct(ct), read_labels(shared / "ct/totalsegmentator_pelvis_seg.nii.gz", ct)


@pytest.fixture(scope="module")
def pelvis_result(pelvis, models):
    """The run of the issue: 6 nodes of 8-20 mm, seed 7; with the nodes as they were painted."""
    ct, anatomy = pelvis
    request = SynthesisRequest(6, Sizes("uniform", 8, 20), 7)
    result = synthesize(Scan(ct, anatomy), request, models)
    return result, result.lymph_nodes


@pytest.fixture(scope="module")
def abdomen_result(shared, models):
    """Mesenteric fat of a 5 mm CT, no labels: 4 nodes of 5-15 mm in a box."""
    ct = as_ct(read_image(shared / "ct/crlm1004.nii.gz"))
    request = SynthesisRequest(4, Sizes("uniform", 5, 15), 7, (-12, 48, 1, 61, -365, -325))
    return ct, synthesize(Scan(ct), request, models)


@pytest.fixture(scope="module")
def phantom_result(phantom, models):
    return phantom.ct, synthesize(Scan(phantom.ct, phantom.labels), THREE, models)


@pytest.fixture(params=["pelvis", "abdomen", "phantom"])
def any_result(request):
    """(CT before, result) of each of the three runs."""
    if request.param == "pelvis":
        return request.getfixturevalue("pelvis")[0], request.getfixturevalue("pelvis_result")[0]
    return request.getfixturevalue(f"{request.param}_result")


def test_pelvis_gives_six_nodes_off_every_label(pelvis, pelvis_result):
    result, painted = pelvis_result
    anatomy = to_array(pelvis[1])
    assert [r.label for r in result.records] == list(range(1, 7))
    assert set(np.unique(to_array(result.nodes))) == set(range(7))
    for node in painted:
        box = node.box(1.0)
        occupancy, taken = node.occupancy(box), anatomy[box] > 0
        assert not (taken & (occupancy >= 0.5)).any()
        assert (occupancy * taken).sum() <= 0.02 * occupancy.sum()


def test_pelvis_nodes_lie_at_their_stations(pelvis, pelvis_result):
    ct, anatomy = pelvis
    known = read_stations(ct, anatomy)
    grid = tuple(slice(0, n) for n in ct.GetSize()[::-1])
    stations = refined(known.stations.station, known.steps, grid)
    for node, record in zip(pelvis_result[1], pelvis_result[0].records):
        center = np.round(node.center).astype(int)
        near = stations[tuple(slice(k - 1, k + 2) for k in center)]
        assert (near == 1 + STATION_NAMES.index(record.station)).any()


def test_every_node_is_visible_without_labels(abdomen_result):
    """Mean absolute change inside is at least twice the local noise on some slice."""
    ct, result = abdomen_result
    before, after, nodes = to_array(ct), to_array(result.ct), to_array(result.nodes)
    assert len(result.records) == 4
    for record in result.records:
        inside = nodes == record.label
        per_slice = [
            np.abs(after[z].astype(int) - before[z])[inside[z]].mean()
            for z in np.flatnonzero(inside.any((1, 2)))
        ]
        assert max(per_slice) >= 2 * record.noise_hu


def test_nothing_outside_the_changed_region_differs(any_result):
    ct, result = any_result
    before, after, changed = to_array(ct), to_array(result.ct), to_array(result.changed) > 0
    assert np.array_equal(before[~changed], after[~changed])
    assert (before[changed] != after[changed]).mean() > 0.5
    labels = to_array(result.nodes) > 0
    near = ndimage.distance_transform_edt(~labels, sampling=array_spacing(ct)) <= 3
    near |= ndimage.binary_dilation(labels, np.ones((3, 3, 3)))
    assert not (changed & ~near).any()
    for image in (result.ct, result.nodes, result.changed):
        assert image.GetSize() == ct.GetSize()
        assert image.GetSpacing() == ct.GetSpacing()
        assert image.GetOrigin() == ct.GetOrigin()
        assert image.GetDirection() == ct.GetDirection()
    assert result.ct.GetPixelID() == ct.GetPixelID()


def test_sizes_are_what_was_asked_for(any_result):
    _, result = any_result
    for r in result.records:
        assert r.long_axis_mm == pytest.approx(r.wanted_long_axis_mm, rel=0.02)
        assert r.grid_volume_mm3 == pytest.approx(r.volume_mm3, rel=0.10)
        assert 0 < r.short_axis_mm <= r.long_axis_mm
        assert 0 < r.recist_short_axis_mm <= r.recist_axis_mm <= 1.02 * r.long_axis_mm
        ends = np.array(r.long_axis_ras_mm)
        assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(r.wanted_long_axis_mm, rel=0.01)


def test_nodes_look_like_soft_tissue(any_result):
    """Soft tissue in HU, neither flat nor far noisier than the scan."""
    _, result = any_result
    after, nodes = to_array(result.ct), to_array(result.nodes)
    for r in result.records:
        slices = r.short_axis_mm / result.ct.GetSpacing()[2]
        if r.long_axis_mm < 8 or slices < 1.5:  # partial volume rules
            continue
        core = ndimage.binary_erosion(nodes == r.label, np.ones((1, 3, 3)))
        if core.sum() < 5:
            continue
        assert 0 < after[core].mean() < 130
        assert 0.3 * r.noise_hu < after[core].std() < 3 * r.noise_hu + 10


def test_same_seed_same_result_other_seed_another(phantom, models, phantom_result):
    _, first = phantom_result
    again = synthesize(Scan(phantom.ct, phantom.labels), THREE, models)
    assert np.array_equal(to_array(first.ct), to_array(again.ct))
    assert np.array_equal(to_array(first.nodes), to_array(again.nodes))
    assert again.records == first.records
    seed = dataclasses.replace(THREE, seed=6)
    other = synthesize(Scan(phantom.ct, phantom.labels), seed, models)
    for a, b in zip(first.records, other.records, strict=True):
        assert a.center_ras_mm != b.center_ras_mm
        assert a.short_axis_mm / a.long_axis_mm != b.short_axis_mm / b.long_axis_mm
        assert a.mean_hu != b.mean_hu


def test_result_survives_disk(phantom_result, tmp_path):
    _, result = phantom_result
    result.write(tmp_path)
    back = SynthesisResult.read(tmp_path)
    assert back.records == result.records
    assert back.provenance == json.loads(json.dumps(result.provenance))
    assert np.array_equal(to_array(back.nodes), to_array(result.nodes))
    content = json.loads((tmp_path / "nodes.json").read_text())
    assert content["synthetic"] is True
    assert read_image(tmp_path / "ct.nii.gz").GetMetaData("descrip").startswith("SYNTHETIC")
    assert set(content["provenance"]["input_voxels_sha256"]) == {"ct", "anatomy"}
    assert len(content["provenance"]["weights"]["structure"]) == 64
    assert SynthesisRequest.from_json(content["provenance"]["request"]) == THREE


def test_inputs_are_not_modified(phantom, models):
    before, labels = to_array(phantom.ct).copy(), to_array(phantom.labels).copy()
    synthesize(Scan(phantom.ct, phantom.labels), ONE, models)
    assert np.array_equal(to_array(phantom.ct), before)
    assert np.array_equal(to_array(phantom.labels), labels)


def test_progress_is_told_and_cancel_stops_between_steps(phantom, models):
    seen: list[tuple[str, int, int]] = []
    progress = Progress(
        lambda *step: seen.append(step), lambda: bool(seen) and seen[-1][:2] == ("texture", 2)
    )
    with pytest.raises(Canceled):
        synthesize(Scan(phantom.ct, phantom.labels), ONE, models, progress)
    assert seen[-1] == ("texture", 2, 6)
    assert {"anatomy", "structures", "placement"} <= set(progress.seconds)


def test_images_are_looked_at_by_one_thread_at_a_time(phantom, models, monkeypatch):
    """A view made while a filter runs elsewhere moves the voxels away from under earlier views."""
    looking, others = [], set()
    view, find = sitk.GetArrayViewFromImage, engine.region_of

    def seen(image):
        if looking != [threading.current_thread()] * len(looking):
            others.add(threading.current_thread())
        return view(image)

    def found(*asked):
        looking.append(threading.current_thread())
        time.sleep(0.2)  # as long as the structures take
        region = find(*asked)
        looking.clear()
        return region

    monkeypatch.setattr(sitk, "GetArrayViewFromImage", seen)
    monkeypatch.setattr(engine, "region_of", found)
    scan = Scan(phantom.ct, phantom.labels)
    synthesize(scan, ONE, models)
    drawn = plan(scan, ONE, models)
    monkeypatch.setattr(engine, "region_of", find)
    looking.append(threading.current_thread())
    paint(scan, drawn, models=models)
    assert not others


def test_structures_are_drawn_no_further_where_no_region_is_found(phantom, models, monkeypatch):
    def nowhere(*_):
        raise NoPlace("nowhere")

    monkeypatch.setattr(engine, "region_of", nowhere)
    steps = []
    progress = Progress(lambda stage, step, _: steps.append((stage, step)))
    request = dataclasses.replace(ONE, structure_steps=1000)
    with pytest.raises(NoPlace, match="nowhere"):
        synthesize(Scan(phantom.ct, phantom.labels), request, models, progress)
    assert steps[-1][0] == "structures" and steps[-1][1] < 100


def test_a_job_s_fraction_never_falls(phantom, models):
    """What the service tells of a job follows the stages as they come."""
    scan, fractions = Scan(phantom.ct, phantom.labels), {"synthesize": [], "plan": [], "paint": []}

    def told(kind):
        return Progress(lambda *step: fractions[kind].append(KINDS[kind].fraction(*step)))

    synthesize(scan, ONE, models, told("synthesize"))
    drawn = plan(scan, ONE, models, told("plan"))
    paint(scan, drawn, models=models, progress=told("paint"))
    for seen in fractions.values():
        assert seen == sorted(seen) and seen[-1] > 0.7
