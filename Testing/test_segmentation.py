"""Training of segmentation networks on tiny data, what interrupts it, and what comes of it."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import sys

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from safetensors import SafetensorError
from segmentation_data import write_cases

from LNGenLib.datasets.cases import read_cases
from LNGenLib.datasets.splitting import split
from LNGenLib.datasets.writing import NnUNet
from LNGenLib.errors import Canceled, InputError
from LNGenLib.image.io import like, read_image, to_array
from LNGenLib.latent.faults import explained_faults
from LNGenLib.progress import SILENT, Progress
from LNGenLib.segmentation import nnunet
from LNGenLib.segmentation import training as segmentation_training
from LNGenLib.segmentation.config import SegmentationConfig
from LNGenLib.segmentation.inference import load_segmentor
from LNGenLib.segmentation.networks import build
from LNGenLib.segmentation.patches import InOrder, Patches
from LNGenLib.segmentation.preparing import Prepared, prepare, resampled
from LNGenLib.segmentation.quality import implausible, plausibility, without_nodes
from LNGenLib.segmentation.training import SegmentationTask, train
from LNGenLib.service.client.client import Client
from LNGenLib.service.protocol.messages import JobResult
from LNGenLib.service.protocol.requests import SegmentRequest
from LNGenLib.service.worker.kinds import KINDS
from LNGenLib.service.worker.tasks import Images, Work
from LNGenLib.validation import from_json

TINY = {
    "channels": [4, 8],
    "residual_units": 1,
    "patch": [16, 16, 16],
    "epochs": 2,
    "steps_an_epoch": 3,
    "learning_rate": 0.01,
}
CONFIG = from_json(SegmentationConfig, TINY)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_cases(tmp_path_factory.mktemp("data"), 5)


@pytest.fixture(scope="module")
def cases(table):
    return split(read_cases(table), 0)


@pytest.fixture(scope="module")
def model(cases, tmp_path_factory):
    """A folder with a trained model."""
    folder = tmp_path_factory.mktemp("model")
    train(*cases, folder, CONFIG)
    return folder


@pytest.fixture
def breaking(monkeypatch):
    """Makes the loss of the fourth step, the first of the second epoch, raise what it is given."""

    def breaking(error):
        loss, count = segmentation_training.SegmentationTask.loss, 0

        def raising(self, batch):
            nonlocal count
            count += 1
            if count == 4:
                raise error
            return loss(self, batch)

        monkeypatch.setattr(segmentation_training.SegmentationTask, "loss", raising)

    return breaking


def weights(folder) -> bytes:
    return (folder / "segmentation.safetensors").read_bytes()


def test_an_interrupted_training_resumes_to_the_same_weights(cases, model, tmp_path):
    def stop(stage, done, steps):
        if (stage, done, steps) == ("training", 4, 6):
            raise Canceled

    with pytest.raises(Canceled):
        train(*cases, tmp_path, CONFIG, progress=Progress(stop))
    assert (tmp_path / "last.ckpt").exists() and not (tmp_path / "training.json").exists()
    told = train(*cases, tmp_path, CONFIG)
    assert weights(tmp_path) == weights(model)
    assert told["steps"] == 6 and told["best_step"] in (3, 6)
    assert (tmp_path / "metrics.csv").exists() and list(tmp_path.glob("tensorboard/events*"))


OUT_OF_MEMORY = [
    MemoryError(),
    torch.cuda.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["host", "GPU", "torch's CPU allocator"])
def test_out_of_memory_is_told_and_the_last_checkpoint_stays(cases, tmp_path, breaking, error):
    breaking(error)
    with pytest.raises(InputError, match="memory does not suffice.*patch.*resumes from"):
        train(*cases, tmp_path, CONFIG)
    assert train(*cases, tmp_path, CONFIG)["steps"] == 6


def test_a_full_disk_is_told_and_the_last_checkpoint_stays(cases, tmp_path, monkeypatch):
    save = torch.save

    def half(content, path):
        save(content, path)
        if path.name == "last.ckpt" and (tmp_path / "last.ckpt").exists():
            path.write_bytes(path.read_bytes()[:1000])  # as a disk does that fills up
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", half)
        with pytest.raises(InputError, match="disk is full.*resumes from"):
            train(*cases, tmp_path, CONFIG)
    assert torch.load(tmp_path / "last.ckpt", weights_only=False)["global_step"] == 3
    assert train(*cases, tmp_path, CONFIG)["steps"] == 6


def test_a_disk_that_fills_up_as_the_weights_are_written_is_told(tmp_path):
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(InputError, match="disk is full.*resumes from"), explained_faults(tmp_path):
        raise SafetensorError("Error while serializing: I/O error: No space left on device")


def test_a_fault_of_ours_is_not_called_the_users(cases, tmp_path, breaking):
    breaking(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1"):
        train(*cases, tmp_path, CONFIG)


def test_corrupt_cases_are_left_out_and_named(tmp_path):
    table = write_cases(tmp_path / "data", 5)
    (tmp_path / "data/images/case0.nii.gz").write_bytes(b"not an image")
    training, validation = split(read_cases(table), 0)
    told = train(training, validation, tmp_path / "model", CONFIG)
    assert told["training"] == ["case1", "case2"]
    assert "case0.nii.gz is not an image" in told["left_out"]["case0"]
    for number in range(5):
        (tmp_path / f"data/labels/case{number}.nii.gz").write_bytes(b"")
    with pytest.raises(InputError, match="no case can be used; .*not an image"):
        train(training, validation, tmp_path / "model", CONFIG)


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "unet"},
        {"network": "dynunet", "channels": [4, 8, 16]},
        {"network": "swinunetr", "feature_size": 12, "patch": [64, 32, 32]},
    ],
    ids=lambda changes: changes["network"],
)
def test_each_network_takes_a_patch_and_learns(changes):
    config = from_json(SegmentationConfig, TINY | changes)
    task = segmentation_training.SegmentationTask(config)
    image = torch.randn(1, 1, *config.patch)
    before = [p.clone() for p in task.parameters()]
    task.loss({"image": image, "label": (image > 0.5).float()}).backward()
    torch.optim.SGD(task.parameters(), 0.1).step()
    assert task.network(image).shape == (1, 2, *config.patch)
    moved = [not torch.equal(a, b) for a, b in zip(before, task.parameters())]
    assert np.mean(moved) > 0.5


def test_swinunetr_has_the_papers_feature_size_by_default():
    network = build(SegmentationConfig("swinunetr"))
    assert network.swinViT.patch_embed.proj.out_channels == 24


def test_swinunetr_predicts_what_it_is_trained_to():
    """Attention is computed in another way where no gradients are."""
    torch.manual_seed(0)
    config = SegmentationConfig("swinunetr", feature_size=12, patch=(64, 32, 32))
    network, image = build(config).eval(), torch.randn(2, 1, *config.patch)
    with torch.no_grad():
        predicted = network(image)
    assert torch.allclose(predicted, network(image), atol=1e-4)


BAD = {
    "network": ({"network": "vnet"}, "unet, dynunet"),
    "patch": ({"patch": [20, 16, 15]}, "multiples of 2"),
    "small patch": ({"patch": [2, 2, 2]}, "one voxel"),
    "steps": ({"epochs": 0}, "1 or more"),
    "channels": ({"channels": []}, "positive numbers"),
    "nnunet's patch": ({"network": "nnunet", "patch": [64, 0, 64]}, "three positive"),
    "field": ({"batchsize": 3}, "no field batchsize"),
}


@pytest.mark.parametrize("changes, words", BAD.values(), ids=BAD)
def test_bad_configurations_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        from_json(SegmentationConfig, TINY | changes)


@pytest.fixture
def prepared(cases, tmp_path):
    return prepare(cases[0], CONFIG.spacing_mm, tmp_path, SILENT)[0]


def test_patches_are_equal_for_any_number_of_workers(prepared):
    patches = Patches(prepared, CONFIG, seed=3)
    order = InOrder(CONFIG)
    for epoch in range(2):
        order.set_epoch(epoch)
        assert list(order) == list(range(epoch * 6, epoch * 6 + 6))
        for workers in (0, 2):
            loader = torch.utils.data.DataLoader(patches, 2, sampler=order, num_workers=workers)
            images = torch.cat([batch["image"] for batch in loader])
            if workers == 0:
                alone = images
        assert torch.equal(alone, images)
    assert len({patches[k]["image"].numpy().tobytes() for k in range(12)}) == 12
    share = np.mean([bool(patches[k]["label"].any()) for k in range(12)])
    assert 0.3 < share <= 1


def test_patches_are_on_small_nodes_as_often_as_on_large_ones(tmp_path):
    mask = np.zeros((16, 96, 96), np.uint8)
    mask[4:14, 4:40, 4:40] = 1
    mask[8:10, 80:82, 80:82] = 1
    np.save(tmp_path / "case.hu.npy", np.where(mask, 40, -100).astype(np.int16))
    np.save(tmp_path / "case.mask.npy", mask)
    case = Prepared("case", tmp_path / "case")
    large, small = sorted(case.nodes, key=len, reverse=True)
    assert 500 < len(large) <= 1000 and mask[tuple(large.T)].all()
    assert small.min(0).tolist() == [8, 80, 80] and len(small) == 8
    patches = Patches([case], CONFIG, seed=0)
    sums = [int(patches[k]["label"].sum()) for k in range(200)]
    assert sum(0 < n <= 8 for n in sums) > 30
    assert sum(n > 0 for n in sums[::2]) > 90 > sum(n > 0 for n in sums[1::2])


def test_a_finding_where_there_is_none_costs_beside_a_patch_with_a_node():
    criterion = SegmentationTask(CONFIG).criterion
    label = torch.zeros(2, 1, 16, 16, 16)
    label[0, :, 4:8, 4:8, 4:8] = 1
    quiet = torch.where(label > 0, 6.0, -6.0)
    loud = quiet.clone()
    loud[1, :, 4:8, 4:8, 4:8] = 6.0
    costs = [criterion(torch.cat([torch.zeros_like(x), x], 1), label) for x in (quiet, loud)]
    assert costs[1] - costs[0] > 0.2  # with a Dice of each patch: 0.05


def test_online_synthesis_sees_hu_and_an_id_of_each_patch(prepared):
    seen = []

    def paint(item):
        seen.append((item["turn"], float(item["image"].min()), item["image"].affine))
        item["label"] = torch.ones_like(item["label"]) * 7
        return item

    patches = Patches(prepared, CONFIG, 0, paint)
    assert (patches[0]["label"] == 1).all() and (patches[1]["label"] == 1).all()
    assert [turn for turn, *_ in seen] == [0, 1]
    assert all(low < -90 for _, low, _ in seen)
    steps = np.abs(np.asarray(seen[0][2]))[:3, :3]
    assert steps.max(0) == pytest.approx([1.25, 0.7, 0.7]) and steps[2, 0] == 1.25


def test_runs_side_by_side_prepare_the_same_case(table, tmp_path, monkeypatch):
    case, save = read_cases(table)[0], np.save

    def while_another_run_prepares(file, array):
        save(file, array)
        monkeypatch.setattr(np, "save", save)
        prepare([case], CONFIG.spacing_mm, tmp_path, SILENT)

    monkeypatch.setattr(np, "save", while_another_run_prepares)
    (found,), _ = prepare([case], CONFIG.spacing_mm, tmp_path, SILENT)
    assert found.hu.shape == found.mask.shape and found.mask.any()
    assert not list(tmp_path.glob(".*"))


def test_prepared_cases_are_read_again_only_when_changed(table, tmp_path):
    case = read_cases(table)[0]
    (first,), _ = prepare([case], CONFIG.spacing_mm, tmp_path, SILENT)
    (again,), _ = prepare([case], CONFIG.spacing_mm, tmp_path, SILENT)
    (finer,), _ = prepare([case], (1.0, 0.7, 0.7), tmp_path, SILENT)
    assert first == again != finer
    assert finer.hu.shape == (30, 40, 40)
    volume = [p.mask.sum() * s for p, s in ((first, 1.25), (finer, 1.0))]
    assert volume[1] == pytest.approx(volume[0], rel=0.1)


def test_resampling_there_and_back_keeps_places():
    ramp = sitk.GetImageFromArray(np.tile(np.arange(20.0, dtype=np.float32), (20, 20, 1)))
    ramp.SetOrigin((1, 2, 3))
    ramp.SetDirection((0, -1, 0, 1, 0, 0, 0, 0, 1))
    coarse = resampled(ramp, (2.0, 1.7, 1.3), 0)
    back = sitk.Resample(coarse, ramp, sitk.Transform(), sitk.sitkLinear, -1)
    inner = to_array(back)[3:-3, 3:-3, 3:-3]
    assert np.abs(inner - np.arange(3.0, 17.0)).max() < 0.05


def test_segment_writes_a_label_image_in_the_cts_geometry(run_lngen, table, model, tmp_path):
    ct = table.parent / "images/case4.nii.gz"
    found = tmp_path / "new/found.nii.gz"
    code, out, err = run_lngen(["segment", str(ct), "--model", str(model), "-o", str(found)])
    assert (code, err) == (0, ""), err
    image, labels = read_image(ct), read_image(found)
    assert labels.GetPixelID() == sitk.sitkUInt8
    assert set(np.unique(to_array(labels))) <= {0, 1}
    for part in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(labels, part)() == pytest.approx(getattr(image, part)())
    code, _, err = run_lngen(["segment", str(ct), "--model", str(tmp_path), "-o", str(found)])
    assert code == 2 and "holds no segmentation model" in err and len(err.splitlines()) == 1


def test_evaluate_segmentation_prints_and_compares(run_lngen, table, tmp_path):
    labels = table.parent / "labels"
    empty = tmp_path / "empty"
    empty.mkdir()
    for file in labels.iterdir():
        sitk.WriteImage(read_image(file) * 0, str(empty / file.name))
    command = ["evaluate", "segmentation", "--real", str(table), "--found", str(labels)]
    code, out, _ = run_lngen([*command, "--baseline", str(empty), "-o", f"{tmp_path}/f.json"])
    figures = json.loads((tmp_path / "f.json").read_text())
    assert code == 0 and "lesion sensitivity" in out
    assert figures["figures"]["dice"]["value"] == figures["difference"]["dice"]["value"] == 1
    assert len(figures["scans"]) == 5
    code, _, err = run_lngen([*command[:-1], str(tmp_path)])
    assert code == 2 and "no label image" in err


def test_train_segmentation_from_the_command_line(run_lngen, table, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(TINY | {"epochs": 1, "steps_an_epoch": 1}))
    command = f"train segmentation --real {table} -o {tmp_path}/model"
    small = [*command.split(), "--config", str(tmp_path / "config.json")]
    code, out, err = run_lngen(small)
    assert code == 0 and "Dice" in out, err
    load_segmentor(tmp_path / "model", "cpu")
    others = command.split(), [*small, "--synthetic", str(table)]  # in the same folder
    for code, _, err in map(run_lngen, others):
        assert code == 2 and "give these, or a new folder" in err


def test_without_a_validation_part_a_fifth_of_the_patients_is_held_out(table):
    cases = [dataclasses.replace(case, part=None) for case in read_cases(table)]
    training, validation = split(cases, 0)
    assert (len(training), len(validation)) == (4, 1)
    assert split(cases, 0) == (training, validation)
    with pytest.raises(InputError, match="two patients"):
        split(cases[:1], 0)


def test_the_least_plausible_quarter_of_each_size_goes():
    scores = {("a", k): k / 10 for k in range(4)} | {("b", k): 1 + k / 10 for k in range(8)}
    bins = {node: "small" if node[0] == "a" else "large" for node in scores}
    assert implausible(scores, bins) == {("a", 0), ("b", 0), ("b", 1)}


def test_a_dropped_node_leaves_the_ct_as_it_was():
    original = np.arange(1000).reshape(10, 10, 10)
    nodes = np.zeros(original.shape, int)
    nodes[2:4, 2:4, 2:4], nodes[7:9, 7:9, 7:9] = 1, 2
    painted = original.copy()
    painted[1:5, 1:5, 1:5] += 50  # with the band round it
    painted[6:10, 6:10, 6:10] += 50
    hu, kept = without_nodes(painted, original, nodes, {1})
    assert (hu[:5, :5, :5] == original[:5, :5, :5]).all()
    assert (hu[6:, 6:, 6:] == painted[6:, 6:, 6:]).all()
    assert set(np.unique(kept)) == {0, 2}
    assert plausibility(hu / 1000, kept).keys() == {2}


def test_a_segment_job_labels_the_ct_with_a_model_of_the_server(table, model, tmp_path):
    for part in ("datasets", "result"):
        (tmp_path / part).mkdir()
    (tmp_path / "datasets/nodes").symlink_to(model)
    ct, told = read_image(table.parent / "images/case4.nii.gz"), []
    folders = tmp_path / "result", tmp_path, tmp_path / "datasets"

    class OnCpu:
        device = "cpu"

    def segment(name):
        request, progress = SegmentRequest(name), Progress(lambda *what: told.append(what))
        return KINDS["segment"].run(Work(request, Images(ct=ct), progress, OnCpu(), *folders))

    content = segment("nodes")
    with np.load(tmp_path / "result/labels.npz") as arrays:
        found = arrays["labels"]
    assert found.dtype == np.uint8 and found.shape == ct.GetSize()[::-1]
    assert (found == to_array(load_segmentor(model, "cpu").segment(ct))).all()
    assert content["model"] == "nodes" and content["voxels"] == int(found.sum())
    assert told[-1][1] == told[-1][2] > 1
    with pytest.raises(InputError, match="no model 'theirs'"):
        segment("theirs")


def test_a_client_gets_the_labels_on_its_cts_grid(table, monkeypatch):
    ct = read_image(table.parent / "images/case4.nii.gz")
    labels, sent = np.zeros(ct.GetSize()[::-1], np.uint8), []
    labels[3:5, 4:6, 5:9] = 1
    content = io.BytesIO()
    np.savez_compressed(content, labels=labels)
    client = Client("http://127.0.0.1:1", "t" * 32)
    answer = lambda *what: sent.append(what) or ("job", JobResult({}))  # noqa: E731
    monkeypatch.setattr(client, "run", answer)
    monkeypatch.setattr(client, "_take", lambda *_: content.getvalue())
    found = client.segment(ct, "nodes")
    assert (to_array(found) == labels).all() and found.GetOrigin() == ct.GetOrigin()
    assert sent[0][:2] == ("segment", SegmentRequest("nodes"))


def test_nnunet_gets_its_raw_data_set_and_one_split(table, cases, tmp_path):
    synthetic = dataclasses.replace(cases[0][0], id="more", synthetic=True)
    missing = dataclasses.replace(cases[0][0], id="gone", image=tmp_path / "gone.nii.gz")
    training, validation = [*cases[0], synthetic, missing], cases[1]
    left_out = nnunet._write_raw(training, validation, tmp_path, SILENT)
    assert list(left_out) == ["gone"]
    raw = tmp_path / "nnunet/raw" / nnunet.DATASET
    split = json.loads(
        (raw.parents[1] / "preprocessed" / raw.name / "splits_final.json").read_text()
    )
    assert len(split) == 1 and split[0]["val"] == ["val_case3"]
    assert "train_synthetic_more" in split[0]["train"] and len(split[0]["train"]) == 4
    assert {case.id for case in read_cases(raw)} == {*split[0]["train"], "val_case3"}
    labels = to_array(read_image(raw / "labelsTr/val_case3.nii.gz"))
    assert set(np.unique(labels)) == {0, 1}


def test_only_nnunet_is_left_to_plan():
    given = from_json(SegmentationConfig, {"network": "nnunet", "patch": [48, 60, 60]})
    assert (given.patch, given.channels, given.batch_size) == ((48, 60, 60), None, None)
    others = SegmentationConfig("unet")
    assert (others.patch, others.batch_size) == ((64, 64, 64), 2)
    assert others == from_json(SegmentationConfig, dataclasses.asdict(others))


@pytest.fixture
def nnunet_folders(monkeypatch):
    """Where nnunetv2 is installed; what it is told by the environment is gone afterwards."""
    pytest.importorskip("nnunetv2", reason='pip install ".[nnunet]"')
    for variable in (*nnunet.FOLDERS, "nnUNet_n_proc_DA", "nnUNet_def_n_proc"):
        monkeypatch.setenv(variable, "0")
        monkeypatch.delenv(variable)


@pytest.mark.parametrize(
    "changes",
    [{}, {"patch": [20, 16, 16], "channels": [4, 8], "batch_size": 3}],
    ids=["as planned", "given"],
)
def test_nnunet_trains_and_predicts_as_given(cases, tmp_path, nnunet_folders, changes):
    steps = {"network": "nnunet", "epochs": 1, "steps_an_epoch": 1}
    config = from_json(SegmentationConfig, steps | changes)
    nnunet.train(*cases, tmp_path, config, device="cpu")
    segmentor = load_segmentor(tmp_path, "cpu")
    manager = segmentor.predictor.configuration_manager
    architecture = manager.network_arch_init_kwargs
    if changes:
        assert manager.patch_size == [20, 16, 16] and manager.batch_size == 3
        assert architecture["features_per_stage"] == [4, 8, 8]
    else:
        plans = json.loads(next(tmp_path.rglob("preprocessed/*/nnUNetPlans.json")).read_text())
        planned = plans["configurations"]["3d_fullres"]
        assert manager.configuration == planned and len(plans["configurations"]) == 2
    ct = cases[1][0].load()[0]
    found = segmentor.probability(ct)
    assert found.GetSize() == ct.GetSize() and 0 <= to_array(found).min()
    again = load_segmentor(tmp_path, "cpu").probability(ct)
    assert (to_array(found) == to_array(again)).all()


def test_a_patch_too_small_for_nnunet_is_refused(tmp_path, nnunet_folders):
    planned = {"architecture": {"arch_kwargs": {}}, "spacing": [1, 1, 1]}
    plans = {"transpose_forward": [0, 1, 2], "configurations": {nnunet.CONFIGURATION: planned}}
    file = tmp_path / "nnunet/preprocessed" / nnunet.DATASET / f"{nnunet.PLANS}.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(plans))
    with pytest.raises(InputError, match="too small for nnU-Net"):
        nnunet._add_configuration(tmp_path, patch=(8, 8, 8))


def test_without_nnunetv2_its_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "nnunetv2", None)
    for variable in nnunet.FOLDERS:
        monkeypatch.setenv(variable, "")
    with pytest.raises(InputError, match=r"pip install .*lngen\[nnunet\]"):
        nnunet.use_folders(tmp_path)


def test_filter_undoes_implausible_nodes_and_keeps_the_real_ones(run_lngen, table, model, tmp_path):
    case = read_cases(table)[0]
    ct, real, _ = case.load()
    hu, nodes = to_array(ct), np.zeros(ct.GetSize()[::-1], np.uint16)
    for label, x in enumerate(range(2, 34, 8), 1):
        hu[1:4, 2:6, x : x + 4], nodes[1:4, 2:6, x : x + 4] = 60, label
    label = ((nodes > 0) | (to_array(real) > 0)).astype(np.uint8)
    records = [{"label": k} for k in range(1, 5)]
    about = {"synthetic": True, "patient": case.patient, "source": case.id, "records": records}
    images = {"ct": like(hu, ct), "label": like(label, ct), "nodes": like(nodes, ct)}
    NnUNet(tmp_path / "made").write("made_0", images, about)
    NnUNet(tmp_path / "made").finish()
    command = f"filter {tmp_path}/made --real {table} --model {model} -o {tmp_path}/kept"
    code, out, err = run_lngen(command.split())
    assert code == 0 and "1 of 4" in out, err
    (kept,) = read_cases(tmp_path / "kept")
    about = json.loads((tmp_path / "kept/made_0/nodes.json").read_text())
    (gone,) = about["dropped"]
    assert [record["label"] for record in about["records"]] == [k for k in range(1, 5) if k != gone]
    new_ct, new_label = (to_array(image) for image in kept.load()[:2])
    dropped = nodes == gone
    assert (new_ct[dropped] == to_array(ct)[dropped]).all()
    assert (new_ct[~dropped & (nodes > 0)] == 60).all()
    assert (new_label == (label > 0) & ~dropped).all() and kept.synthetic
    others = f"filter {tmp_path}/made --real {tmp_path}/kept --model {model} -o {tmp_path}/new"
    code, _, err = run_lngen(others.split())
    assert code == 2 and "made of case0" in err
