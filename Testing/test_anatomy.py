"""`lngen anatomy` and `--anatomy auto`, with a stand-in for TotalSegmentator, and with the real
package (2.18.0 was read and tried) and a stand-in for its weights where it is installed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LNGenLib.errors import Canceled, InputError
from LNGenLib.files import is_own
from LNGenLib.image.io import NOTE, like, read_image, to_array, write_image
from LNGenLib.progress import Progress
from LNGenLib.scan.labels import read_anatomy
from LNGenLib.scan.segmenting import segment_anatomy
from LNGenLib.scan.totalsegmentator import NUMBERS, OTHER

TESTING = Path(__file__).parent
STANDIN = TESTING / "totalsegmentator_standin"
SOFT, BONE = (-20, 150), (150, 4000)  # HU
UNUSED = {"small_bowel": 18, "gluteus_medius_left": 82, "gluteus_medius_right": 83}
UNUSED |= {"gluteus_minimus_left": 84, "gluteus_minimus_right": 85}
NAMES = [[number, name] for name, number in (NUMBERS | UNUSED).items()]
BY_HU = {"ranges": [SOFT, BONE], "numbers": [18, 25], "names": NAMES}


@pytest.fixture
def standin(monkeypatch, tmp_path_factory):
    """Puts the stand-in on the path, and says what it is to do; returns how it was called."""
    seen = tmp_path_factory.mktemp("standin") / "seen.json"
    monkeypatch.syspath_prepend(STANDIN)
    monkeypatch.setenv("PYTHONPATH", str(STANDIN))
    monkeypatch.delenv("TOTALSEG_WEIGHTS_PATH", raising=False)

    def asked(**what):
        monkeypatch.setenv("STANDIN", json.dumps({"seen": str(seen)} | what))
        return lambda: json.loads(seen.read_text())

    return asked


@pytest.fixture
def missing(monkeypatch):
    """TotalSegmentator is not installed."""
    monkeypatch.setitem(sys.modules, "totalsegmentator", None)


@pytest.fixture(scope="module")
def folder(phantom, tmp_path_factory) -> Path:
    """The phantom and its labels as files."""
    folder = tmp_path_factory.mktemp("phantom")
    write_image(phantom.ct, folder / "ct.nii.gz")
    write_image(phantom.labels, folder / "labels.nii.gz")
    return folder


def by_hu(ct: sitk.Image) -> np.ndarray:
    """What is expected where classes are told by HU."""
    hu = to_array(ct)
    classes = [(hu > SOFT[0]) & (hu <= SOFT[1]), hu > BONE[0]]
    return np.select(classes, [OTHER, NUMBERS["sacrum"]], 0)


def turned(ct: sitk.Image, axes: list[int], flips: list[bool]) -> sitk.Image:
    """The CT stored along other axes, in the same place."""
    return sitk.Flip(sitk.PermuteAxes(ct, axes), flips)


def oblique(ct: sitk.Image) -> sitk.Image:
    """The CT of a patient who lies 8 degrees askew."""
    turn = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, 0.0, np.deg2rad(8))
    image = sitk.Image(ct)
    image.SetDirection(turn.GetMatrix())
    return image


GRIDS = {
    "LPS": lambda ct: ct,
    "axial flips": lambda ct: turned(ct, [0, 1, 2], [True, True, False]),
    "feet first": lambda ct: turned(ct, [0, 1, 2], [False, False, True]),
    "sagittal": lambda ct: turned(ct, [1, 2, 0], [False, True, False]),
    "oblique": oblique,
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_labels_lie_on_the_grid_of_the_ct(phantom, standin, grid):
    standin(**BY_HU)
    ct = grid(phantom.ct)
    labels = segment_anatomy(ct, "cpu")
    assert labels.GetPixelID() == sitk.sitkUInt8
    assert (labels.GetSize(), labels.GetOrigin()) == (ct.GetSize(), ct.GetOrigin())
    assert np.allclose(labels.GetDirection(), ct.GetDirection(), atol=1e-6)
    assert np.array_equal(to_array(labels), by_hu(ct))


def test_classes_keep_their_numbers_and_others_are_kept_off(phantom, folder, standin):
    """Also where a later version numbers them anew: names count."""
    moved = to_array(phantom.labels).astype(np.uint8)
    moved[moved == NUMBERS["colon"]] = 200
    write_image(like(moved, phantom.labels), folder / "moved.nii.gz")
    names = [[200 if name == "colon" else k, name] for k, name in NAMES]
    standin(labels=str(folder / "moved.nii.gz"), names=names)
    found, real = to_array(segment_anatomy(phantom.ct, "cpu")), to_array(phantom.labels)
    unused = np.isin(real, list(UNUSED.values()))
    assert unused.any() and np.isin(real[~unused], [0, *NUMBERS.values()]).all()
    assert np.array_equal(found, np.where(unused, OTHER, real))


def test_it_is_called_for_all_classes_in_one_image_without_statistics(phantom, standin):
    called = standin(**BY_HU)
    segment_anatomy(phantom.ct, "cpu")
    seen = called()
    assert seen["settings"]["send_usage_stats"] is False
    assert seen["weights"] == str(Path.home() / ".totalsegmentator/nnunet/results")
    wanted = {"ml": True, "fast": False, "task": "total", "device": "cpu", "roi_subset": None}
    assert wanted.items() <= seen.items()
    segment_anatomy(phantom.ct, "cuda", fast=True)
    assert (called()["fast"], called()["device"]) == (True, "gpu")


def test_the_command_writes_what_anatomy_reads(phantom, folder, standin, run_lngen, tmp_path):
    called, output = standin(**BY_HU), tmp_path / "new" / "anatomy.nii.gz"
    command = ["anatomy", f"{folder}/ct.nii.gz", "-o", str(output), "--device", "cpu", "--fast"]
    code, out, err = run_lngen(command)
    assert (code, err) == (0, "")
    assert f"anatomy written to {output}" in out and "noise" not in out
    assert called()["fast"]
    assert [path.name for path in output.parent.iterdir()] == ["anatomy.nii.gz"]
    image = read_image(output)
    assert image.GetPixelID() == sitk.sitkUInt8 and "SYNTHETIC" not in image.GetMetaData(NOTE)
    assert np.array_equal(to_array(read_anatomy(output, phantom.ct)), by_hu(phantom.ct))
    assert is_own(output) and run_lngen(command)[0] == 0  # it is replaced without being asked


def refused(run_lngen, command: list[str], *words: str) -> None:
    """Exit code 2 and one line that holds `words`."""
    code, _, err = run_lngen(command)
    assert (code, len(err.splitlines())) == (2, 1), err
    assert err.startswith("lngen: ") and all(word in err for word in words), err


COMMANDS = {
    "anatomy": ["anatomy", "{i}/ct.nii.gz", "-o", "{o}/new/a.nii.gz"],
    "synthesize": ["synthesize", "{i}/ct.nii.gz", "--anatomy", "auto", "-o", "{o}/new"],
    "placement": ["placement", "{i}/ct.nii.gz", "--anatomy", "auto", "-o", "{o}/new"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_missing_package_is_said_in_one_line(folder, missing, run_lngen, tmp_path, command):
    command = [part.format(i=folder, o=tmp_path) for part in command]
    refused(run_lngen, command, 'TotalSegmentator is missing: pip install "lngen[anatomy]"')
    assert not list(tmp_path.iterdir())


CAUSE = "HTTPSConnectionPool(host='github.com', port=443): Max retries exceeded"
FAULTS = {
    "exception": ({"fault": ["builtins.RuntimeError", "two\nlines"]}, "RuntimeError: two lines"),
    "exit": ({"fault": ["builtins.SystemExit", "ERROR: no"]}, "SystemExit: ERROR: no"),
    "no network": (
        {"fault": ["requests.exceptions.ConnectionError", CAUSE]},
        "weights of TotalSegmentator can't be downloaded",
        "github.com",
        "copy ~/.totalsegmentator",
    ),
    "GPU memory": (
        {"fault": ["builtins.RuntimeError", "CUDA out of memory. Tried to allocate 2 GiB"]},
        "memory does not suffice",
        "--fast",
    ),
    "killed": ({"ends": int(signal.SIGKILL)}, "memory does not suffice", "--fast"),
    "crash": ({"ends": int(signal.SIGSEGV)}, "ended with code -11"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("what, words", [(w, words) for w, *words in FAULTS.values()], ids=FAULTS)
def test_a_failure_is_one_line_and_leaves_nothing(
    folder, standin, run_lngen, tmp_path, what, words, command
):
    standin(**what)
    refused(run_lngen, [part.format(i=folder, o=tmp_path) for part in command], *words)
    assert not list(tmp_path.iterdir())


def test_labels_that_do_not_fit_are_refused(phantom, folder, standin, run_lngen, tmp_path):
    command = ["anatomy", f"{folder}/ct.nii.gz", "-o", f"{tmp_path}/a.nii.gz", "--device", "cpu"]
    standin(**BY_HU | {"ranges": [], "numbers": []})
    refused(run_lngen, command, "what TotalSegmentator found holds no structure: see")
    write_image(phantom.labels[:, :, 1:], folder / "shorter.nii.gz")
    standin(labels=str(folder / "shorter.nii.gz"), names=NAMES)
    refused(
        run_lngen, command, "what TotalSegmentator found has another geometry than the CT (size"
    )
    assert not list(tmp_path.iterdir())


def test_an_input_is_never_the_output(folder, standin, run_lngen, tmp_path):
    standin(**BY_HU)
    shutil.copy(folder / "ct.nii.gz", tmp_path / "anatomy.nii.gz")
    before = (tmp_path / "anatomy.nii.gz").read_bytes()
    ct = str(tmp_path / "anatomy.nii.gz")
    refused(run_lngen, ["anatomy", ct, "-o", ct, "--overwrite"], "is an input")
    auto = [ct, "--anatomy", "auto", "-o", str(tmp_path), "--overwrite"]
    refused(run_lngen, ["placement", *auto], "is an input")
    refused(run_lngen, ["synthesize", *auto], "is an input")
    assert (tmp_path / "anatomy.nii.gz").read_bytes() == before


def test_names_that_anatomy_would_not_read_are_refused(folder, standin, run_lngen, tmp_path):
    standin(**BY_HU)
    for name, words in (("a.seg.nrrd", "Slicer's segmentations"), ("a.txt", "no image file")):
        refused(run_lngen, ["anatomy", f"{folder}/ct.nii.gz", "-o", f"{tmp_path}/{name}"], words)
    (tmp_path / "mine.nii.gz").write_text("mine")
    command = ["anatomy", f"{folder}/ct.nii.gz", "-o", f"{tmp_path}/mine.nii.gz"]
    refused(run_lngen, command, "does not say that it is LNGen's")


def test_progress_follows_and_a_cancel_ends_it(phantom, standin):
    standin(**BY_HU)
    told = []
    segment_anatomy(phantom.ct, "cpu", progress=Progress(lambda *step: told.append(step)))
    assert told[0] == ("loading", 0, 1)
    standin(**BY_HU)
    with pytest.raises(Canceled):
        segment_anatomy(phantom.ct, "cpu", progress=Progress(canceled=lambda: True))


def test_the_printed_bars_become_progress(tmp_path):
    from LNGenLib.scan import segmenting

    log, steps = tmp_path / "log.txt", []
    lines = "nothing 5%|#\nDownloading model for Task 291 ...\n\rDownloading:  40%|## | 4/10 [\r"
    lines += "\nPredicting part 2 of 5 ...\n\r 50%|#####     | 6/12 [00:01<\rPredicting...\nend\n"
    log.write_text(lines, newline="")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"])
    with log.open() as opened:
        segmenting._follow(process, opened, Progress(lambda *step: steps.append(step)))
    assert steps == [
        ("weights", 0, 100),
        ("weights", 40, 100),
        ("segmenting", 20, 100),
        ("segmenting", 30, 100),
        ("segmenting", 0, 100),
    ]


NODES = ["--count", "2", "--long-axis", "6", "9", "--seed", "4", "--device", "cpu"]


def test_auto_gives_the_same_as_the_labels_themselves(folder, standin, run_lngen, tmp_path):
    standin(labels=str(folder / "labels.nii.gz"), names=NAMES)
    made = {}
    for name, anatomy in (("auto", "auto"), ("file", f"{folder}/labels.nii.gz")):
        out = tmp_path / name
        command = ["synthesize", f"{folder}/ct.nii.gz", "--anatomy", anatomy, "-o", str(out)]
        code, printed, err = run_lngen([*command, *NODES])
        assert (code, err) == (0, "") and "noise" not in printed
        made[name] = out
    for image in ("ct.nii.gz", "nodes.nii.gz", "changed.nii.gz"):
        one, other = (to_array(read_image(out / image)) for out in made.values())
        assert np.array_equal(one, other)
    records = [json.loads((out / "nodes.json").read_text())["records"] for out in made.values()]
    assert records[0] == records[1] and len(records[0]) == 2
    assert {path.name for path in made["auto"].iterdir()} == {
        "anatomy.nii.gz",
        *(path.name for path in made["file"].iterdir()),
    }
    again = ["--anatomy", str(made["auto"] / "anatomy.nii.gz"), "-o", str(made["auto"])]
    assert run_lngen(["synthesize", f"{folder}/ct.nii.gz", *again, *NODES])[0] == 0
    assert (made["auto"] / "anatomy.nii.gz").exists()


def test_placement_takes_auto(folder, standin, run_lngen, tmp_path):
    standin(labels=str(folder / "labels.nii.gz"), names=NAMES)
    for name, anatomy in (("auto", "auto"), ("file", f"{folder}/labels.nii.gz")):
        command = ["placement", f"{folder}/ct.nii.gz", "--anatomy", anatomy]
        assert run_lngen([*command, "-o", str(tmp_path / name)])[0] == 0
    priors = [to_array(read_image(tmp_path / name / "prior.nii.gz")) for name in ("auto", "file")]
    assert np.array_equal(*priors)
    assert (tmp_path / "auto" / "anatomy.nii.gz").exists()


def test_the_anatomy_stays_where_the_lymph_nodes_are_refused(folder, standin, run_lngen, tmp_path):
    standin(labels=str(folder / "labels.nii.gz"), names=NAMES)
    command = ["synthesize", f"{folder}/ct.nii.gz", "--anatomy", "auto", "-o", f"{tmp_path}/out"]
    box = ["--region-box", *"900 910 900 910 900 910".split()]
    refused(run_lngen, [*command, *box], "the region holds no voxel")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["anatomy.nii.gz"]


@pytest.mark.skipif(
    find_spec("totalsegmentator") is None, reason='no TotalSegmentator: pip install ".[anatomy]"'
)
@pytest.mark.parametrize("fast", [True, False])
def test_the_real_package_with_weights_that_stand_in(phantom, monkeypatch, tmp_path, fast):
    """Its own resampling, nnU-Net's own prediction and its own header; networks tell HU alone.

    It asks nobody over the network.
    """
    from totalsegmentator_weights import write_weights

    write_weights(tmp_path, {"small_bowel": SOFT, "sacrum": BONE}, fast)
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path))
    paths = [str(TESTING), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    proxy = socket.create_server(("127.0.0.1", 0))
    proxy.setblocking(False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
    ct, told = turned(phantom.ct[30:90, 15:75, 20:50], [0, 1, 2], [True, True, False]), []
    labels = segment_anatomy(ct, "cpu", fast, Progress(lambda *step: told.append(step)))
    same = to_array(labels) == by_hu(ct)
    assert same.mean() > (0.999 if fast else 0.9)  # resampled to 1.5 mm and back, edges move
    assert told[-1] == ("segmenting", 100, 100)
    with proxy, pytest.raises(BlockingIOError):
        proxy.accept()


def test_without_its_weights_the_real_package_says_so_in_one_line(phantom, monkeypatch, tmp_path):
    pytest.importorskip("totalsegmentator", reason='pip install ".[anatomy]"')
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="weights of TotalSegmentator can't be downloaded"):
        segment_anatomy(phantom.ct, "cpu", True)
