"""What comes in by the one door: HU or not, and what stays of it."""

from __future__ import annotations

import dataclasses
import gc
import json
import weakref

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.dataset import make_dataset
from LNGenLib.datasets.manifest import DatasetSettings
from LNGenLib.errors import InputError
from LNGenLib.image.geometry import ras_to_index
from LNGenLib.image.hu import window_of
from LNGenLib.image.io import like, read_image, to_array, write_image
from LNGenLib.scan import Scan
from LNGenLib.structure.sizes import Sizes
from LNGenLib.synthesis import engine, measuring
from LNGenLib.synthesis.request import SynthesisRequest

TWO = SynthesisRequest(2, Sizes("uniform", 6.0, 9.0), 3, texture_steps=2, structure_steps=4)
WINDOWS = {"abdomen": (-135, 215), "LN-Gen": (-175, 250), "soft tissue": (-160, 240)}
WINDOWS |= {"only below": (-160, 3000), "only above": (-1024, 400), "lung": (-1350, 150)}


def cut(ct: sitk.Image, low: float, high: float) -> sitk.Image:
    return like(to_array(ct).clip(low, high), ct)


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_a_ct_that_was_cut_to_a_window_is_refused(phantom, window):
    with pytest.raises(InputError, match="cut to a window .* give the CT before that"):
        Scan(cut(phantom.ct, *window))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda ct: ct[:, :, 5], r"the CT has the size \d+ x \d+: give one 3D volume"),
        (lambda ct: ct[:, :, 5:6], "x 1: give one 3D volume"),
        (lambda ct: sitk.Compose(ct, ct), "several values a voxel"),
        (lambda ct: sitk.Cast(ct, sitk.sitkComplexFloat32), "several values a voxel"),
        (to_array, "the CT is a ndarray: give a SimpleITK.Image; Scan.read takes files"),
        (lambda ct: "ct.nii.gz", "the CT is a str"),
    ],
)
def test_what_is_no_volume_is_refused(phantom, change, words):
    with pytest.raises(InputError, match=words):
        Scan(change(phantom.ct))


def test_a_sheared_image_is_refused(phantom):
    sheared = sitk.Image(phantom.ct)
    sheared.SetDirection((1.0, 0.3, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    with pytest.raises(InputError, match="the CT"):
        Scan(sheared)


def test_padding_round_a_window_does_not_hide_it(phantom):
    padded = np.pad(to_array(cut(phantom.ct, -160, 3000)), 9, constant_values=-1024)
    assert window_of(padded)[0] == -160
    assert window_of(np.pad(to_array(phantom.ct), 9, constant_values=-3024)) is None


@pytest.mark.parametrize("name", ["crlm1004", "radiogenomics_r01_lower", "totalsegmentator_pelvis"])
def test_real_cts_are_whole(shared, name):
    assert window_of(to_array(read_image(shared / f"ct/{name}.nii.gz"))) is None


@pytest.mark.parametrize("file", ["000001_02_01_008-023", "000009_03_01_036-048"])
def test_slabs_of_a_window_are_not_painted_into(shared, file):
    with pytest.raises(InputError, match=f"deeplesion_{file}.* -160 to 240 HU"):
        Scan.read(shared / f"ct/deeplesion_{file}.nii.gz")


@pytest.mark.parametrize(
    "hu",
    [
        np.random.default_rng(0).normal(-90, 12, (9, 30, 30)),  # fat alone
        np.random.default_rng(0).normal(50, 15, (9, 30, 30)).clip(None, 3071),
        np.full((9, 30, 30), -100.0),  # no noise
        np.where(np.indices((9, 30, 30))[2] < 20, -1024, 40),
    ],
)
def test_crops_and_scans_without_noise_are_no_windows(hu):
    assert window_of(np.round(hu).astype(np.int16)) is None


def test_a_window_is_refused_by_the_command_with_the_file_named(phantom, tmp_path, run_lngen):
    write_image(cut(phantom.ct, -135, 215), tmp_path / "abd.nii.gz")
    code, _, error = run_lngen(
        ["synthesize", f"{tmp_path}/abd.nii.gz", "-o", f"{tmp_path}/out", "--count", "1"]
    )
    assert code == 2 and "abd.nii.gz was cut to a window of -135 to 215 HU" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("line", ["dataset --cases {c} -n 1", "pool --cases {c} -n 1"])
def test_data_sets_and_pools_do_not_paint_into_a_window(phantom, tmp_path, run_lngen, line):
    """Nodes were painted into the air round the patient."""
    write_image(cut(phantom.ct, -135, 215), tmp_path / "in/abd.nii.gz")
    command = f"{line} -o {{o}}".format(c=tmp_path / "in", o=tmp_path / "out").split()
    code, _, error = run_lngen(command)
    assert code == 2 and "abd" in error and "was cut to a window of -135 to 215 HU" in error
    assert not list((tmp_path / "out").glob("**/*.nii.gz"))


def test_a_server_does_not_paint_into_a_window(phantom, tmp_path):
    """Whatever client sent it."""
    from LNGenLib.service.worker.tasks import Images, Work

    images = {"ct": cut(phantom.ct, -135, 215)}
    work = Work(None, Images(images), None, None, tmp_path, tmp_path, tmp_path)
    with pytest.raises(InputError, match="the CT was cut to a window"):
        _ = work.scan


def test_a_data_set_keeps_fractions_of_its_cases(crops, models, tmp_path):
    ct = sitk.Cast(read_image(crops / "crop_0.nii.gz"), sitk.sitkFloat32) + 0.375
    write_image(ct, tmp_path / "in/a.nii.gz")
    settings = DatasetSettings(seed=4, count=(1, 1), sizes=Sizes("uniform", 6.0, 6.0))
    make_dataset(read_cases(tmp_path / "in"), tmp_path / "out", 1, settings, models)
    made = read_image(tmp_path / "out/imagesTr/synthetic_00000_0000.nii.gz")
    before, after = to_array(ct), to_array(made)
    assert after.dtype == np.float32 and 0 < (after != before).mean() < 0.2
    assert np.array_equal(after % 1 == 0, after != before), "painted voxels are whole HU"


@pytest.mark.parametrize("kind", [sitk.sitkFloat32, sitk.sitkFloat64, sitk.sitkInt32])
def test_a_ct_keeps_its_type_and_its_voxels_where_nothing_is_painted(phantom, scan, models, kind):
    ct = sitk.Cast(phantom.ct, kind)
    if kind != sitk.sitkInt32:
        ct += 0.375
    result = engine.synthesize(dataclasses.replace(scan, ct=ct), TWO, models)
    assert result.ct.GetPixelID() == kind
    before, after, changed = (to_array(image) for image in (ct, result.ct, result.changed))
    assert np.array_equal(after[changed == 0], before[changed == 0])
    assert (after[changed == 1] != before[changed == 1]).any()
    whole = engine.synthesize(scan, TWO, models)
    assert np.array_equal(to_array(whole.nodes), to_array(result.nodes))


def test_fractions_of_a_file_are_kept_by_the_command(phantom, tmp_path, run_lngen):
    ct = sitk.Cast(phantom.ct, sitk.sitkFloat32) + 0.375
    write_image(ct, tmp_path / "ct.nii.gz")
    write_image(phantom.labels, tmp_path / "labels.nii.gz")
    given = ["synthesize", f"{tmp_path}/ct.nii.gz", "--anatomy", f"{tmp_path}/labels.nii.gz"]
    code, *_ = run_lngen([*given, "--count", "1", "--steps", "2", "-o", f"{tmp_path}/out"])
    assert code == 0
    after, changed = (read_image(tmp_path / f"out/{name}.nii.gz") for name in ("ct", "changed"))
    kept = to_array(changed) == 0
    assert np.array_equal(to_array(after)[kept], to_array(ct)[kept])


def test_others_lie_on_the_grid_of_the_ct(phantom):
    for name in ("anatomy", "region", "avoid"):
        with pytest.raises(InputError, match="has another geometry than the CT"):
            Scan(phantom.ct, **{name: phantom.labels[1:]})


def test_one_rule_for_the_place(scan, models):
    with_region = dataclasses.replace(scan, region=scan.anatomy == 0)
    request = dataclasses.replace(TWO, stations=("mesorectal",))
    with pytest.raises(InputError, match="give one of region mask, region box"):
        engine.plan(with_region, request, models)


@pytest.fixture(scope="module")
def plan(scan, models):
    return engine.plan(scan, dataclasses.replace(TWO, stations=("mesorectal",)), models)


def moved(plan, center) -> engine.Plan:
    first, *others = plan.nodes
    return dataclasses.replace(
        plan, nodes=(dataclasses.replace(first, center_ras_mm=tuple(center)), *others)
    )


def test_an_edited_plan_is_checked_like_a_new_one(scan, models, plan):
    """On bone, with labels and without; in air; on what is to be avoided."""
    labels = to_array(scan.anatomy)
    from LNGenLib.image.geometry import index_to_ras

    sacrum = index_to_ras(scan.ct, np.argwhere(labels == 25).mean(0).round())
    with pytest.raises(InputError, match="LN 1 lies on what is kept off"):
        engine.paint(scan, moved(plan, sacrum), models=models)
    with pytest.raises(InputError, match="LN 1 does not lie in fat"):
        engine.paint(Scan(scan.ct), moved(plan, sacrum), models=models)
    index = ras_to_index(scan.ct, np.array(plan.nodes[1].center_ras_mm)).round().astype(int)
    mask = np.zeros(labels.shape, np.uint8)
    mask[tuple(index)] = 1
    with pytest.raises(InputError, match="LN 2 lies on what is kept off"):
        engine.paint(dataclasses.replace(scan, avoid=like(mask, scan.ct)), plan, models=models)


def test_a_node_that_is_moved_to_another_station_says_so(scan, models, plan):
    other = engine.plan(scan, dataclasses.replace(TWO, stations=("obturator",), count=1), models)
    there = moved(plan, other.nodes[0].center_ras_mm)
    smaller = dataclasses.replace(there.nodes[0], long_axis_mm=4.0, turn=other.nodes[0].turn)
    painted = engine.paint(
        scan, dataclasses.replace(there, nodes=(smaller, there.nodes[1])), models=models
    )
    assert [record.station for record in painted.records] == ["obturator", "mesorectal"]


def test_plans_and_results_count_alike(scan, models, plan):
    assert [node.number for node in plan.nodes] == [1, 2]
    left = dataclasses.replace(plan, nodes=plan.nodes[1:])
    result = engine.paint(scan, left, models=models)
    assert [record.label for record in result.records] == [2]
    assert np.unique(to_array(result.nodes)).tolist() == [0, 2]


@pytest.mark.parametrize("numbers", [(1, 1), (0, 1), (1, 70000)])
def test_numbers_of_a_plan_are_its_labels(plan, numbers):
    nodes = (dataclasses.replace(node, number=n) for node, n in zip(plan.nodes, numbers))
    with pytest.raises(InputError, match="give each a whole number of its own"):
        dataclasses.replace(plan, nodes=tuple(nodes))


def test_numbers_of_numpy_are_taken_everywhere(scan, models, tmp_path):
    request = SynthesisRequest(
        count=np.int64(1),
        sizes=Sizes("uniform", np.float32(6), np.float64(8)),
        seed=np.int64(3),
        region_box=np.array([-40, 40, -80, 0, -40, 40], np.float32),
        texture_steps=np.uint8(2),
        structure_steps=np.int32(4),
        enhancement=np.array([20, 60]),
    )
    result = engine.synthesize(scan, request, models)
    result.write(tmp_path)
    told = json.loads((tmp_path / "nodes.json").read_text())["provenance"]["request"]
    assert SynthesisRequest.from_json(told) == request
    assert type(request.seed) is int and request.region_box == (-40, 40, -80, 0, -40, 40)


def test_labels_of_known_lymph_nodes_are_carried_on(scan, tmp_path, run_lngen):
    known = np.zeros(scan.ct.GetSize()[::-1], np.uint8)
    known[40:43, 30:33, 30:33] = 3
    for name, image in (("ct", scan.ct), ("labels", scan.anatomy), ("known", like(known, scan.ct))):
        write_image(image, tmp_path / f"{name}.nii.gz")
    given = ["synthesize", f"{tmp_path}/ct.nii.gz", "--anatomy", f"{tmp_path}/labels.nii.gz"]
    given += ["--known", f"{tmp_path}/known.nii.gz", "--count", "1", "--steps", "2"]
    code, *_ = run_lngen([*given, "-o", f"{tmp_path}/out"])
    assert code == 0
    new, both = (
        to_array(read_image(tmp_path / f"out/{name}.nii.gz")) for name in ("nodes", "label")
    )
    assert not (new[known > 0]).any()
    assert np.array_equal(both, ((known > 0) | (new > 0)).astype(np.uint8))
    code, *_ = run_lngen([*given[:4], "--count", "1", "--steps", "1", "-o", f"{tmp_path}/out"])
    assert code == 0
    assert not (tmp_path / "out/label.nii.gz").exists()  # it would be read as that of the new CT


def test_known_lymph_nodes_in_air_are_refused(scan, tmp_path, run_lngen):
    known = np.zeros(scan.ct.GetSize()[::-1], np.uint8)
    known[:, :2, :2] = 1
    for name, image in (("ct", scan.ct), ("known", like(known, scan.ct))):
        write_image(image, tmp_path / f"{name}.nii.gz")
    given = ["synthesize", f"{tmp_path}/ct.nii.gz", "--known", f"{tmp_path}/known.nii.gz"]
    code, _, told = run_lngen([*given, "-o", f"{tmp_path}/out"])
    assert code == 2
    assert "known.nii.gz lies in air: is it of this CT?" in told


def test_training_takes_slabs_of_a_window_and_says_so(shared, caplog):
    from LNGenLib.texture.dataset import read_scan

    _, scan = read_scan(shared / "ct/deeplesion_000001_02_01_008-023.nii.gz")
    assert scan.hu.min() == -160
    assert "cut to a window of -160 to 240 HU: taken as it is" in caplog.text


def sheared(ct: sitk.Image, by: float) -> sitk.Image:
    """Its slices shifted along x by a part of the way between them."""
    turned = sitk.Image(ct)
    turned.SetDirection((1, 0, by, 0, 1, 0, 0, 0, 1))
    return turned


def test_shear_is_refused_by_every_door(phantom, scene):
    from LNGenLib.mrml.volumes import to_image, to_volume

    with pytest.raises(InputError, match="the CT is sheared: .* resample it onto a straight grid"):
        Scan(sheared(phantom.ct, 0.3))
    with pytest.raises(InputError, match="tilted is sheared"):
        to_image(to_volume(scene, sheared(phantom.ct, 0.3), "tilted"))


def test_shear_that_moves_nothing_is_taken_in_a_scene(phantom, scene):
    """A result is shown beside such a CT, voxel by voxel."""
    from LNGenLib.mrml.volumes import check_same_place, to_image, to_volume

    volume = to_volume(scene, sheared(phantom.ct, 0.003), "CT")
    image = to_image(volume)
    direction = np.reshape(image.GetDirection(), (3, 3))
    assert np.allclose(direction @ direction.T, np.eye(3), atol=1e-12)
    check_same_place(volume, image, "the result")


def test_a_plan_is_painted_into_its_own_ct_alone(scan, models, plan):
    """Another one of the same grid has fat elsewhere, and another phase."""
    other = dataclasses.replace(scan, ct=scan.ct + 1, names={"ct": "other.nii.gz"})
    with pytest.raises(InputError, match="made in another CT than other.nii.gz: give that one"):
        engine.paint(other, plan, models=models)
    assert engine.paint(Scan(scan.ct), plan, models=models).records, "its labels may be missing"


def test_a_plan_in_a_mask_is_not_made_anew_elsewhere(scan, models, tmp_path, run_lngen):
    fat = like(((to_array(scan.hu) > -130) & (to_array(scan.hu) < -60)).astype(np.uint8), scan.ct)
    for name, image in (("ct", scan.ct), ("fat", fat)):
        write_image(image, tmp_path / f"{name}.nii.gz")
    given = ["synthesize", f"{tmp_path}/ct.nii.gz"]
    mask = ["--region-mask", f"{tmp_path}/fat.nii.gz"]
    first = [*given, *mask, "--count", "1", "--dry-run", "-o", f"{tmp_path}/first"]
    assert run_lngen(first)[0] == 0
    again = [*given, "--plan", f"{tmp_path}/first/plan.json", "--replan", "--dry-run"]
    again += ["-o", f"{tmp_path}/out"]
    code, _, error = run_lngen(again)
    assert code == 2 and "made in a --region-mask: give that again" in error
    assert run_lngen([*again, *mask])[0] == 0


def test_what_is_found_in_a_scan_is_found_once(phantom, models, monkeypatch):
    """By a second request and a plan of it, and what comes of it stays the same."""
    from LNGenLib.placement import candidate_region

    looked = []

    def counted(module, name):
        find = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: looked.append(name) or find(*given))

    for module, name in (
        *((candidate_region, "read_stations"), (measuring, "edge_spread")),
        *((measuring, "measure_phase"), (measuring, "hashes_of")),
    ):
        counted(module, name)
    first = SynthesisRequest(count=1, seed=4, texture_steps=2, structure_steps=4)
    other = dataclasses.replace(first, seed=9)
    scan = Scan(phantom.ct, phantom.labels)
    engine.synthesize(scan, first, models)
    names = sorted(looked)
    again = engine.synthesize(scan, other, models)
    drawn = engine.plan(scan, other, models)
    engine.paint(scan, drawn, None, models)
    assert sorted(looked) == names == sorted(set(names)) and len(names) == 4
    fresh = engine.synthesize(Scan(phantom.ct, phantom.labels), other, models)
    assert again.records == fresh.records
    assert np.array_equal(to_array(again.ct), to_array(fresh.ct))
    engine.plan(scan, dataclasses.replace(other, stations=("obturator",)), models)
    engine.plan(scan, dataclasses.replace(other, tumor_mm=(0.0, -40.0, -20.0)), models)
    assert looked.count("read_stations") == 3, "the second scan, and a tumor"


@pytest.mark.parametrize("labeled", [True, False])
def test_a_scan_and_what_was_found_in_it_go_at_once(phantom, models, labeled):
    """No search for cycles is waited for: they hold hundreds of megabytes."""
    scan = Scan(phantom.ct, phantom.labels if labeled else None)
    result = engine.synthesize(scan, TWO, models)
    region = engine.region_of(scan, TWO)
    held = [weakref.ref(one) for one in (scan, region, region.fat, result)]
    gc.collect()
    gc.disable()
    try:
        del scan, region, result
        assert [one() for one in held] == [None] * 4
    finally:
        gc.enable()
