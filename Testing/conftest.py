"""What tests share: the real data where it is at hand, a small phantom, the shipped models."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch starts; what a test starts inherits it
os.environ.pop("COLUMNS", None)  # in a worker it is set, and tables are narrow

SHARED = Path(__file__).parents[2] / "shared" / "data"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Processes that share the tests: one for each CPU that this one may use, four at most, which
    8 GiB hold; with single files none but this one."""
    if not all(Path(argument).is_dir() for argument in config.args):
        return 0
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(cpus, 4) if cpus > 1 else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the most slow tests go first, so that no process is left alone with one."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real CTs and masks; tests that need it are skipped without."""
    if not SHARED.is_dir():
        pytest.skip(f"no real data at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def phantom():
    """The pelvic phantom at 3 mm."""
    from LNGenLib.phantom import pelvic_phantom

    return pelvic_phantom(seed=1, spacing=(3.0, 3.0, 3.0))


@pytest.fixture(scope="session")
def scan(phantom):
    """The phantom and its labels."""
    from LNGenLib.scan import Scan

    return Scan(phantom.ct, phantom.labels)


@pytest.fixture(scope="session")
def crops(tmp_path_factory) -> Path:
    """A folder of two small CTs without labels, with fat in which lymph nodes fit."""
    from fat_crops import write_fat_crops

    folder = tmp_path_factory.mktemp("crops")
    write_fat_crops(folder, 2, (2.5, 2.5, 3.0), (36, 36, 24))
    return folder


@pytest.fixture(scope="session")
def models():
    """The shipped models on the CPU."""
    from LNGenLib.synthesis.models import Models

    return Models("cpu")


@pytest.fixture(scope="session")
def painted(crops, models, tmp_path_factory) -> Path:
    """A pool of six painted lymph nodes, with places in the two crops."""
    from pool_data import SIZES

    from LNGenLib.datasets.cases import read_cases
    from LNGenLib.datasets.drawing import make_pool

    folder = tmp_path_factory.mktemp("pool") / "painted"
    make_pool(read_cases(crops), folder, 6, SIZES, 1, models, painted=True)
    return folder


@pytest.fixture
def run_lngen(monkeypatch, capfd):
    """Runs `lngen` with a list of arguments in process; returns exit code, stdout and stderr."""
    from LNGenLib.cli import main as cli

    def run(arguments: list[str]) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lngen", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        return code, *capfd.readouterr()

    before = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(autouse=True)
def vtk_complaints(request):
    """The errors and warnings that VTK has logged so far; in tests of LNGenLib.mrml, the only ones
    that have the list, there may be none in the end."""
    if not request.path.name.startswith("test_mrml"):
        yield None
        return
    import vtk

    complaints: list[str] = []

    @vtk.calldata_type(vtk.VTK_STRING)
    def hear(_window, _event, text):
        complaints.append(text)

    window = vtk.vtkOutputWindow.GetInstance()
    tags = [window.AddObserver(event, hear) for event in ("ErrorEvent", "WarningEvent")]
    yield complaints
    for tag in tags:
        window.RemoveObserver(tag)
    assert not complaints, "".join(complaints)


@pytest.fixture
def scene(tmp_path):
    """An empty MRML scene of its own, which can save itself and be loaded; needs slicer-core."""
    pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")
    import slicer

    from LNGenLib.mrml.scene import new_scene

    scene = new_scene()
    remote = slicer.vtkMRMLRemoteIOLogic()  # what reading a .mrb asks for
    remote.SetMRMLScene(scene)
    remote.AddDataIOToScene()
    remote.GetCacheManager().SetRemoteCacheDirectory(str(tmp_path))
    yield scene
    scene.Clear(1)


@pytest.fixture(scope="module")
def host():
    """The panel in its host (Testing/panel_host); one of a whole module."""
    from panel_host import PanelHost
    from panel_story import MODULE

    with PanelHost() as host:
        host.open(MODULE)
        yield host


@pytest.fixture
def panel(host):
    """The panel in a scene of CT and organs, both chosen, one lymph node of 8 mm asked for."""
    from panel_story import ask_for_one

    return ask_for_one(host)


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Where screenshots of the panel are kept; LNGEN_SCREENSHOTS names another folder."""
    folder = Path(os.environ.get("LNGEN_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
